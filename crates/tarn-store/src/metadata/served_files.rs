//! Which package file is served at a path: asked with every download, so the answers are remembered.

use apk::{arch::Arch, digest::Sha256Digest, name::PackageName, version::Version};

use super::{
    Metadata, MetadataError, OwnerId, PackageFileId, RepositoryId,
    engine::sql,
    rows::{row, select},
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

row! {
    /// A package file of the newest generation.
    #[derive(Debug, Clone)]
    pub struct PackageFile as served_columns {
        /// Which one.
        pub id: PackageFileId = package_files.id,
        /// In which repository.
        pub repository: RepositoryId = package_files.repository_id,
        /// The package's own architecture; may be noarch.
        pub arch: Arch = package_files.arch,
        /// The package's name.
        pub name: PackageName = package_files.name,
        /// The package's version, as written in it.
        pub version: Version = package_files.version,
        /// The hash of its bytes.
        pub sha256: Sha256Digest = package_files.sha256,
        /// Where they are in the store.
        pub place: u32 = blobs.place,
        /// How many bytes.
        pub size: u64 = package_files.size,
        /// When it was recorded.
        pub created_at: Timestamp = package_files.created_at,
    }
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
                select!(
                    served_columns,
                    "FROM repositories JOIN package_files ON package_files.repository_id = repositories.id \
                     JOIN blobs ON blobs.sha256 = package_files.sha256 \
                     WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 \
                     AND package_files.file_name = $4 AND package_files.arch IN ($5, $6) \
                     AND package_files.removed_at IS NULL"
                ),
                address.owner,
                address.branch.as_str(),
                address.repository.as_str(),
                address.file_name.as_str(),
                address.arch.as_str(),
                Arch::noarch().as_str()
            ))
            .await
        };
        self.memory
            .package_files
            .get_if(Option::is_some, place, ask)
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
}
