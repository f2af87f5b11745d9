//! What there is to be listed and searched: owners, their repositories, the versions of their packages.
//!
//! Every list is cut into pages here, along an index. What a list may name is decided by a [`ReadScope`], within the
//! question itself: no row is read that is thrown away afterwards because the caller may not know of it.

mod lists;
pub(super) mod read_scope;
mod repository_files;
mod repository_page;
mod search;
mod versions;

pub use self::{
    read_scope::{InScope, ReadScope},
    repository_files::{FilesWanted, ListedFile},
    repository_page::{ArchitectureState, FileOfPackage, RepositoryState},
    search::Found,
};

use std::collections::{BTreeMap, HashMap};

use apk::{
    arch::Arch,
    digest::{PackageHash, Sha256Digest},
    name::PackageName,
    version::Version,
};

use super::{
    MetadataError, Owner, OwnerId, OwnerKind, PackageAddress, PackageFileId, PackageFormat,
    StoredFacts, StoredSigners,
    admission::Admitted,
    engine::{Transaction, sql},
    given::{Given, given},
    rows::{Columns, FromRow, Joined, corrupt, row},
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// Which owners are wanted in a list: those that fit all that is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnersWanted<'a> {
    /// What the name begins with, in any letters' case.
    pub prefix: &'a str,
    /// What they are.
    pub kind: Option<OwnerKind>,
    /// Who is in one of their teams.
    pub member: Option<OwnerId>,
}

row! {
    /// An owner in a list.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CatalogOwner {
        /// Who.
        pub owner: Owner,
        /// When the account or the organisation was made.
        pub created_at: Timestamp,
    }
}

/// A repository in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRepository {
    /// Its branch.
    pub branch: Branch,
    /// Its name.
    pub name: RepositoryName,
    /// Moves on by one with every change of its packages.
    pub generation: i64,
    /// When its packages last changed.
    pub changed_at: Timestamp,
    /// Of each architecture that has packages of its own, `noarch` among them; by name.
    pub architectures: Vec<ArchitectureState>,
}

/// One version of a package of an owner, whatever the repositories and architectures of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogVersion {
    /// Which one. Never given out twice.
    pub id: i64,
    /// Whose.
    pub owner: Owner,
    /// The package's name.
    pub name: PackageName,
    /// The version, as written in the package.
    pub version: Version,
    /// `pkgdesc` of the file that came last.
    pub description: String,
    /// Who uploaded the first file, where that is known and the caller may know of them.
    pub creator: Option<Owner>,
    /// When the first file came.
    pub created_at: Timestamp,
    /// How many files it has.
    pub files: u64,
}

row! {
    /// The repository that has the newest file of a version.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct VersionPlace {
        /// The number of the version: [`CatalogVersion::id`].
        pub version: i64,
        /// The branch.
        pub branch: Branch,
        /// The repository.
        pub repository: RepositoryName,
        /// How many other repositories have files of it.
        pub others: u64,
    }
}

row! {
    /// One file of a version.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CatalogFile as file_columns {
        /// Which one.
        pub id: PackageFileId = package_files.id,
        /// The branch.
        pub branch: Branch = repositories.branch,
        /// The repository.
        pub repository: RepositoryName = repositories.name,
        /// The package's own architecture; may be noarch.
        pub arch: Arch = package_files.arch,
        /// The package's name.
        pub name: PackageName = package_files.name,
        /// The package's version.
        pub version: Version = package_files.version,
        /// `{name}-{version}.apk`.
        pub file_name: String = package_files.file_name,
        /// Of the bytes.
        pub sha256: Sha256Digest = package_files.sha256,
        /// How many bytes.
        pub size: u64 = package_files.size,
        /// When it was recorded.
        pub created_at: Timestamp = package_files.created_at,
        /// The format of the file.
        pub format: PackageFormat = package_files.format,
        /// What apk checks a download with.
        pub identity: PackageHash = package_files.identity,
        /// Its own signatures.
        pub signers: StoredSigners = package_files.signers,
        /// What the package says of itself.
        pub facts: StoredFacts = package_files.facts,
    }
}

row! {
    /// Where one file of a version is.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CatalogPlace as place_columns {
        /// Which one.
        pub id: PackageFileId = package_files.id,
        /// The branch.
        pub branch: Branch = repositories.branch,
        /// The repository.
        pub repository: RepositoryName = repositories.name,
        /// The package's own architecture; may be noarch.
        pub arch: Arch = package_files.arch,
        /// The package's version, as written in it.
        pub version: Version = package_files.version,
    }
}

use {file_columns, place_columns};

/// Keeps the catalog in the transaction that records files.
pub(super) fn added(files: &[&Admitted<'_>]) -> Given {
    // In the order in which they first come: that of a list.
    let mut versions: Vec<(&Admitted<'_>, &str, i64)> = Vec::new();
    let mut places = HashMap::new();
    for file in files {
        let new = file.publish.new;
        let place = *places
            .entry((new.owner, new.name.as_str(), new.version.as_str()))
            .or_insert(versions.len());
        match versions.get_mut(place) {
            None => versions.push((file, &new.description, 1)),
            Some((_, description, files)) => {
                *description = &new.description;
                *files += 1;
            }
        }
    }
    given!(
        (0i64..).zip(versions),
        |(number, (first, description, files))| {
            number: number,
            owner_id: first.publish.new.owner,
            name: first.publish.new.name.as_str(),
            version: first.publish.new.version.as_str(),
            description: description,
            creator_id: first.creator(),
            created_at: first.created_at(),
            files: files,
        },
        "INSERT INTO package_versions (owner_id, name, version, description, creator_id, created_at, files) \
         SELECT owner_id, name, version, description, creator_id, created_at, files FROM given WHERE TRUE ORDER BY number \
         ON CONFLICT (owner_id, name, version) DO UPDATE SET files = package_versions.files + excluded.files, \
         description = excluded.description"
    )
    .each_changes("package version")
}

/// Dates versions in the transaction that records files with a past: a version is as old as the first of its files.
pub(super) fn dated(files: &[&Admitted<'_>]) -> Given {
    let mut first: BTreeMap<_, &Admitted<'_>> = BTreeMap::new();
    for file in files {
        let new = file.publish.new;
        let key = (new.owner, new.name.as_str(), new.version.as_str());
        let earliest = first.entry(key).or_insert(file);
        if file.created_at() < earliest.created_at() {
            *earliest = file;
        }
    }
    given!(
        first,
        |((owner, name, version), file)| {
            owner_id: owner,
            name: name,
            version: version,
            creator_id: file.creator(),
            created_at: file.created_at(),
        },
        "UPDATE package_versions SET created_at = given.created_at, creator_id = given.creator_id FROM given \
         WHERE package_versions.owner_id = given.owner_id AND package_versions.name = given.name \
         AND package_versions.version = given.version AND package_versions.created_at > given.created_at"
    )
}

/// Keeps the catalog in the transaction that removes a file.
pub(super) async fn removed(
    transaction: &mut Transaction,
    address: &PackageAddress<'_>,
) -> Result<(), MetadataError> {
    let taken_out = sql!(
        "UPDATE package_versions SET files = files - 1 WHERE owner_id = $1 AND name = $2 AND version = $3",
        address.owner,
        address.name.as_str(),
        address.version.as_str()
    );
    transaction.run_one("package version", taken_out).await?;
    transaction
        .run(sql!(
            "DELETE FROM package_versions WHERE owner_id = $1 AND name = $2 AND version = $3 AND files = 0",
            address.owner,
            address.name.as_str(),
            address.version.as_str()
        ))
        .await?;
    Ok(())
}

impl FromRow for CatalogVersion {
    const COLUMNS: usize = 7 + 2 * Owner::COLUMNS;

    fn take(left: &mut Columns) -> Result<Self, MetadataError> {
        let (id, owner, name, version) = FromRow::take(left)?;
        let (description, last_facts): (String, Option<StoredFacts>) = FromRow::take(left)?;
        let (Joined(creator), created_at, files) = FromRow::take(left)?;
        Ok(Self {
            id,
            owner,
            name,
            version,
            description: match last_facts {
                None => description,
                Some(facts) => facts
                    .description()
                    .map_err(|_| corrupt("facts", facts.as_str()))?,
            },
            creator,
            created_at,
            files,
        })
    }
}
