//! Which package file is served at a path: asked with every download, so the answers are remembered.

use apk::{arch::Arch, digest::Sha256Digest, limits::Limits, name::PackageName, version::Version};

use super::{
    Metadata, MetadataError, OwnerId, PackageFileId, RepositoryId,
    blob_facts::place,
    engine::{Row, sql},
    packages::corrupt,
};
use crate::blobs::BlobKey;
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// One package file by the path it is served at.
#[derive(Debug, Clone, Copy)]
pub struct FileAddress<'a> {
    /// Whose repository.
    pub owner: OwnerId,
    /// The branch.
    pub branch: &'a Branch,
    /// The repository.
    pub repository: &'a RepositoryName,
    /// The architecture in the path. Every one has the noarch files too.
    pub arch: &'a Arch,
    /// The last segment of the path, percent-decoded. Any text.
    pub file_name: &'a str,
}

/// [`FileAddress`], as a question of it is remembered.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    owner: OwnerId,
    branch: Branch,
    repository: RepositoryName,
    arch: Arch,
    file_name: String,
}

/// A package file of the newest generation.
#[derive(Debug, Clone)]
pub struct PackageFile {
    /// Which one.
    pub id: PackageFileId,
    /// In which repository.
    pub repository: RepositoryId,
    /// The package's own architecture; may be noarch.
    pub arch: Arch,
    /// The package's name.
    pub name: PackageName,
    /// The package's version, as written in it.
    pub version: Version,
    /// The hash of its bytes.
    pub sha256: Sha256Digest,
    /// Where they are in the store.
    pub place: u32,
    /// How many bytes.
    pub size: u64,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// No file system that apk keeps packages on has longer names, in bytes; what asks for one is not remembered.
const LONGEST_FILE_NAME: usize = 255;

impl Metadata {
    /// The package file served at that path. The file name is compared exactly.
    pub async fn package_file(
        &self,
        address: &FileAddress<'_>,
    ) -> Result<Option<PackageFile>, MetadataError> {
        if address.file_name.len() > LONGEST_FILE_NAME {
            return Ok(None);
        }
        let place = Place {
            owner: address.owner,
            branch: address.branch.clone(),
            repository: address.repository.clone(),
            arch: address.arch.clone(),
            file_name: address.file_name.to_owned(),
        };
        let ask = async |address: &Place| {
            // At most one row: a noarch file and one of an architecture exclude each other.
            self.engine
            .look_up(sql!(
                "SELECT package_files.id AS id, package_files.repository_id AS repository_id, package_files.arch AS arch, \
                 package_files.name AS name, package_files.version AS version, package_files.sha256 AS sha256, \
                 package_files.size AS size, package_files.created_at AS created_at, blobs.place AS place \
                 FROM repositories JOIN package_files ON package_files.repository_id = repositories.id \
                 JOIN blobs ON blobs.sha256 = package_files.sha256 \
                 WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 \
                 AND package_files.file_name = $4 AND package_files.arch IN ($5, $6) \
                 AND package_files.removed_at IS NULL",
                address.owner,
                address.branch.as_str(),
                address.repository.as_str(),
                address.file_name.as_str(),
                address.arch.as_str(),
                Arch::noarch().as_str()
            ))
            .await?
            .map(|row| PackageFile::from_row(&row))
            .transpose()
        };
        self.memory
            .package_files
            .get_if(Option::is_some, &self.memory.watch, place, ask)
            .await
    }
}

impl PackageFile {
    /// The key of its bytes in the store.
    pub const fn blob(&self) -> BlobKey {
        BlobKey {
            sha256: self.sha256,
            place: self.place,
        }
    }

    fn from_row(row: &Row) -> Result<Self, MetadataError> {
        let (arch, name, version): (&str, &str, &str) = (
            row.value("arch")?,
            row.value("name")?,
            row.value("version")?,
        );
        Ok(Self {
            id: PackageFileId::from_row(row.value("id")?),
            repository: RepositoryId::from_row(row.value("repository_id")?),
            arch: Arch::parse(arch).map_err(|_| corrupt("architecture", arch))?,
            name: PackageName::parse(name).map_err(|_| corrupt("package name", name))?,
            version: Version::parse_lenient(version, &Limits::default())
                .map_err(|_| corrupt("version", version))?,
            sha256: row.digest("sha256")?,
            place: place(row)?,
            size: row.size("size")?,
            created_at: row.time("created_at")?,
        })
    }
}
