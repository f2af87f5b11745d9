//! The way out for packages, whatever way a request to delete one comes, and the way back.

use std::{path::PathBuf, time::Duration};

use apk::arch::Arch;

use crate::settings::Settings;
use tarn_base::{
    clock::{Clock, Timestamp},
    hint::Hint,
};
use tarn_store::{
    blobs::{BlobError, Storage, Store},
    metadata::{
        Actor, Deleted, DeletedFile, FileAddress, Metadata, MetadataError, OwnerId, PackageAddress,
        PackageFile, PackageFileId, Quota, RecordError,
    },
};

/// Takes packages out of their repositories, and restores them. Their bytes stay for as long as the settings say.
#[derive(Debug, Clone)]
pub struct Remover {
    metadata: Metadata,
    clock: Clock,
    data_dir: PathBuf,
    storage: Storage,
    default_quota: Quota,
    max_index: u64,
    keep_deleted: Duration,
}

/// Why a deleted package was not restored. Nothing was changed. The texts are fit for the caller.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It was not deleted, or long ago.
    #[error(
        "no such deleted package file is kept: it was never there, was not deleted, or its bytes are freed"
    )]
    NotKept,
    /// The file in the store is gone or damaged.
    #[error("the bytes of the deleted package file are gone: the disk lost them")]
    BytesGone,
    /// That very file is there: it was restored or published again.
    #[error("the package file exists already; there is nothing to restore")]
    Unneeded,
    /// Another file is there by now.
    #[error(
        "another package file has the place of the deleted one, for the architecture {existing}"
    )]
    Taken {
        /// Of what architecture.
        existing: Arch,
    },
    /// The owner may have no more or is gone, or the database failed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The store cannot be looked at.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

impl From<MetadataError> for RestoreError {
    fn from(error: MetadataError) -> Self {
        Self::Record(error.into())
    }
}

impl Remover {
    /// A remover of packages in `metadata`.
    pub fn new(metadata: Metadata, clock: Clock, settings: &Settings) -> Self {
        Self {
            metadata,
            clock,
            data_dir: settings.data_dir.clone(),
            storage: settings.storage.clone(),
            default_quota: settings.quota,
            max_index: settings.max_index,
            keep_deleted: settings.keep_deleted,
        }
    }

    /// Removes the file that is served at a path; a noarch file at that of any architecture. Once this has returned, no
    /// index that is asked for has it. Gives what was removed; `None` when nothing is there.
    ///
    /// # Errors
    ///
    /// When the database fails. Nothing was removed then.
    pub async fn remove(
        &self,
        file: &FileAddress<'_>,
        by: &Actor,
    ) -> Result<Option<PackageFile>, MetadataError> {
        let Some(found) = self.metadata.package_file(file).await? else {
            return Ok(None);
        };
        let removed = self.remove_found(file, &found, by).await?;
        Ok(removed.then_some(found))
    }

    /// Removes the file that was found at a path. `false` when it is not there any more, nor what came after it touched.
    ///
    /// # Errors
    ///
    /// When the database fails. Nothing was removed then.
    pub async fn remove_found(
        &self,
        file: &FileAddress<'_>,
        found: &PackageFile,
        by: &Actor,
    ) -> Result<bool, MetadataError> {
        let address = PackageAddress {
            owner: file.owner,
            branch: file.branch,
            repository: file.repository,
            arch: &found.arch,
            name: &found.name,
            version: &found.version,
        };
        let act = by.at(self.clock.now());
        self.metadata
            .remove_package_file(&address, found.id, &act)
            .await
    }

    /// Removes several packages by what they are, all of them or none; each only when it is still that very file. Gives how
    /// many went; those that are not there any more do not.
    ///
    /// # Errors
    ///
    /// When the database fails. Nothing was removed then.
    pub async fn remove_package_files(
        &self,
        files: &[(PackageAddress<'_>, PackageFileId)],
        by: &Actor,
    ) -> Result<u64, MetadataError> {
        let act = by.at(self.clock.now());
        self.metadata.remove_package_files(files, &act).await
    }

    /// Until when a file can be restored, at least, that was deleted then: the next sweep after that frees its bytes.
    pub fn kept_until(&self, deleted_at: Timestamp) -> Timestamp {
        deleted_at.after(self.keep_deleted)
    }

    /// The deleted file of an owner that is meant.
    ///
    /// # Errors
    ///
    /// [`RestoreError::NotKept`] when there is none; when the database fails.
    pub async fn find_deleted(
        &self,
        owner: OwnerId,
        wanted: Deleted<'_>,
    ) -> Result<DeletedFile, RestoreError> {
        let found = self.metadata.deleted_file(owner, wanted).await?;
        found.ok_or(RestoreError::NotKept)
    }

    /// Restores a deleted file of an owner: it is in every index that is asked for from now on, as if it had been published
    /// again.
    ///
    /// # Errors
    ///
    /// When another file has its place, the owner may have no more, the bytes are gone, or the database fails. Nothing was
    /// changed then.
    pub async fn restore(
        &self,
        owner: OwnerId,
        file: &DeletedFile,
        by: &Actor,
    ) -> Result<(), RestoreError> {
        // Also by a command beside the server, which has no use for the store otherwise.
        let store = Store::of(&self.storage, &self.data_dir)?;
        if !store.has_whole(&file.blob(), file.size).await? {
            return Err(RestoreError::BytesGone);
        }
        let act = by.at(self.clock.now());
        // Its row is asked for once more in the transaction: while that is there, the bytes are not freed.
        let restored = self
            .metadata
            .restore_package(owner, file.id, self.default_quota, self.max_index, &act)
            .await;
        match restored {
            Ok(true) => Ok(()),
            Ok(false) => Err(RestoreError::NotKept),
            Err(RecordError::AlreadyExists) if self.is_there(owner, file).await? => {
                Err(RestoreError::Unneeded)
            }
            Err(RecordError::AlreadyExists) => Err(RestoreError::Taken {
                existing: file.arch.clone(),
            }),
            Err(RecordError::NoarchClash { existing }) => Err(RestoreError::Taken { existing }),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether what is served in the place of a deleted file is that file.
    async fn is_there(&self, owner: OwnerId, file: &DeletedFile) -> Result<bool, MetadataError> {
        let address = FileAddress {
            owner,
            branch: &file.branch,
            repository: &file.repository,
            arch: &file.arch,
            file_name: &format!("{}-{}.apk", file.name, file.version),
        };
        let found = self.metadata.package_file(&address).await?;
        Ok(found.is_some_and(|found| found.sha256 == file.sha256 && found.arch == file.arch))
    }
}

impl Hint for RestoreError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotKept => "the list of deleted packages names those that can be restored, and a new upload brings back any other".to_owned(),
            Self::BytesGone => "upload the package again".to_owned(),
            Self::Taken { .. } => "delete that one first".to_owned(),
            _ => return None,
        })
    }
}
