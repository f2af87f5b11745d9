//! One repository, as pages and listings show it: its state, what an index lists, and the files of a package.

use apk::{arch::Arch, name::PackageName, version::Version};

use super::read_scope::{repository_in_sight, sql_in_scope, visible};
use crate::metadata::{
    Metadata, MetadataError, OwnerId, PackageFileId, PackageFormat, ReadScope, RepositoryId,
    engine::sql,
    rows::{Joined, row, select},
};
use apk::digest::Sha256Digest;
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// A repository and the state of its indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryState {
    /// Which one.
    pub id: RepositoryId,
    /// Moves on by one with every change of its packages.
    pub generation: i64,
    /// When its packages last changed.
    pub changed_at: Timestamp,
    /// Of each architecture that has packages of its own, `noarch` among them; by name.
    pub architectures: Vec<ArchitectureState>,
    /// The formats that its packages have.
    pub formats: Vec<PackageFormat>,
    /// Of each architecture and format that ever had packages, also where none are left.
    heads: Vec<Head>,
}

row! {
    /// What a repository has of one architecture.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ArchitectureState {
        /// Which one.
        pub arch: Arch,
        /// How many files.
        pub packages: u64,
        /// When the last one was published. Deleting one does not change that.
        pub published_at: Timestamp,
    }
}

/// What all files of an architecture and a format have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    arch: Arch,
    format: PackageFormat,
    /// The last generation that added or removed one.
    generation: i64,
    packages: u64,
}

row! {
    /// One file of a package, with what its page says of it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FileOfPackage as file_of_package_columns {
        /// Which one.
        pub id: PackageFileId = package_files.id,
        /// The package's own architecture; may be noarch.
        pub arch: Arch = package_files.arch,
        /// The version.
        pub version: Version = package_files.version,
        /// The name of the file.
        pub file_name: String = package_files.file_name,
        /// Of the bytes.
        pub sha256: Sha256Digest = package_files.sha256,
        /// Bytes.
        pub size: u64 = package_files.size,
        /// When it was recorded.
        pub created_at: Timestamp = package_files.created_at,
        /// The format of the file.
        pub format: PackageFormat = package_files.format,
        /// Who uploaded it, where that is known and the viewer may know of them.
        pub uploader: Option<String> = uploaders.name,
    }
}

impl Metadata {
    /// The state of a repository of an owner.
    pub async fn repository_state(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        branch: &Branch,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryState>, MetadataError> {
        type Found = (
            (RepositoryId, i64, Timestamp),
            Joined<(ArchitectureState, PackageFormat, i64)>,
        );
        let rows: Vec<Found> = self
            .engine
            .list(sql!(
                concat!(
                    "SELECT repositories.id, repositories.generation, repositories.changed_at, \
                     index_heads.arch, index_heads.live, index_heads.published_at, \
                     index_heads.format, index_heads.generation FROM repositories \
                     LEFT JOIN index_heads ON index_heads.repository_id = repositories.id \
                     WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 AND ",
                    repository_in_sight!(4),
                    " ORDER BY index_heads.arch"
                ),
                owner,
                branch.as_str(),
                name.as_str(),
                read_scope.repositories.as_deref()
            ))
            .await?;
        let Some(((id, generation, changed_at), _)) = rows.first() else {
            return Ok(None);
        };
        let mut state = RepositoryState {
            id: *id,
            generation: *generation,
            changed_at: *changed_at,
            architectures: Vec::new(),
            formats: Vec::new(),
            heads: Vec::new(),
        };
        let heads = rows.into_iter().filter_map(|(_, Joined(head))| head);
        for (of_one, format, generation) in heads {
            state.heads.push(Head {
                arch: of_one.arch.clone(),
                format,
                generation,
                packages: of_one.packages,
            });
            if of_one.packages > 0 {
                if !state.formats.contains(&format) {
                    state.formats.push(format);
                }
                of_one.add_to(&mut state.architectures);
            }
        }
        Ok(Some(state))
    }

    /// The names and dates of all files that the index of an architecture lists, those of `noarch` too; by name.
    pub async fn files_in_index(
        &self,
        repository: RepositoryId,
        arch: &Arch,
        after: &str,
        most: u32,
    ) -> Result<Vec<(String, u64, Timestamp)>, MetadataError> {
        self.engine
            .list(sql!(
                "SELECT file_name, size, created_at FROM package_files WHERE repository_id = $1 AND removed_at IS NULL \
                 AND arch IN ($2, 'noarch') AND file_name > $3 ORDER BY file_name LIMIT $4",
                repository,
                arch.as_str(),
                after,
                most
            ))
            .await
    }

    /// The files of one package in a repository, at most `most`, those that came last first.
    pub async fn files_of_package(
        &self,
        read_scope: &ReadScope,
        repository: RepositoryId,
        name: &PackageName,
        most: u32,
    ) -> Result<Vec<FileOfPackage>, MetadataError> {
        // The range of file names lets the index of live files find them: `.` comes after `-`.
        self.engine
            .list(sql_in_scope!(
                select!(
                    file_of_package_columns,
                    "FROM package_files \
                     LEFT JOIN owners AS uploaders ON uploaders.id = package_files.uploader_id AND ",
                    visible!("uploaders"),
                    " WHERE package_files.repository_id = $5 AND package_files.file_name > $6 \
                     AND package_files.file_name < $7 AND package_files.name = $8 AND package_files.removed_at IS NULL \
                     ORDER BY package_files.sequence DESC LIMIT $9"
                ),
                read_scope,
                repository,
                format!("{name}-"),
                format!("{name}."),
                name.as_str(),
                most
            ))
            .await
    }
}

impl RepositoryState {
    /// Whether the index of v2 lists none of its packages: apk needs the line that begins with `v3`.
    pub fn is_v3_only(&self) -> bool {
        self.formats == [PackageFormat::V3]
    }

    /// When the last file was published of those architectures that have any; `None` where no file is left.
    pub fn published_at(&self) -> Option<Timestamp> {
        let of_each = self.architectures.iter();
        of_each.map(|state| state.published_at).max()
    }

    /// The last generation that changed the index of an architecture and format, which has the packages of `noarch` too, and
    /// in v3 those of v2. 0 when none ever did.
    pub fn index_generation(&self, arch: &Arch, format: PackageFormat) -> i64 {
        let heads = self.heads_of(arch, format);
        heads.map(|head| head.generation).max().unwrap_or(0)
    }

    /// How many packages that index lists.
    pub fn index_packages(&self, arch: &Arch, format: PackageFormat) -> u64 {
        let heads = self.heads_of(arch, format);
        heads.map(|head| head.packages).sum()
    }

    fn heads_of(&self, arch: &Arch, format: PackageFormat) -> impl Iterator<Item = &Head> {
        self.heads.iter().filter(move |head| {
            (head.arch == *arch || head.arch.is_noarch())
                && (head.format == PackageFormat::V2 || format == PackageFormat::V3)
        })
    }
}

impl ArchitectureState {
    /// Adds what a row says to those before it. An architecture may have several, of different formats.
    pub(super) fn add_to(self, states: &mut Vec<Self>) {
        match states.last_mut() {
            Some(last) if last.arch == self.arch => {
                last.packages += self.packages;
                last.published_at = last.published_at.max(self.published_at);
            }
            _ => states.push(self),
        }
    }
}
