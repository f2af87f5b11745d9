//! The way out for packages: whoever deletes one, by whatever door, comes through here.

use crate::{
    clock::Clock,
    metadata::{
        Act, Actor, FileAddress, Metadata, MetadataError, PackageAddress, PackageFile,
        PackageFileId,
    },
};

/// Takes packages out of their repositories. Their bytes stay: earlier generations need them.
#[derive(Debug, Clone)]
pub struct Remover {
    metadata: Metadata,
    clock: Clock,
}

impl Remover {
    /// A remover of packages in `metadata`.
    pub const fn new(metadata: Metadata, clock: Clock) -> Self {
        Self { metadata, clock }
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
        self.remove_package_file(&address, found.id, by).await
    }

    /// Removes a package by what it is, but only when it is still that very file, for who judged the file some time ago.
    ///
    /// # Errors
    ///
    /// When the database fails. Nothing was removed then.
    pub async fn remove_package_file(
        &self,
        package: &PackageAddress<'_>,
        file: PackageFileId,
        by: &Actor,
    ) -> Result<bool, MetadataError> {
        let act = Act {
            by,
            at: self.clock.now(),
        };
        self.metadata.remove_package_file(package, file, &act).await
    }

    /// The same for several, all of them or none. Gives how many went; those that are not there any more do not.
    ///
    /// # Errors
    ///
    /// When the database fails. Nothing was removed then.
    pub async fn remove_package_files(
        &self,
        files: &[(PackageAddress<'_>, PackageFileId)],
        by: &Actor,
    ) -> Result<u64, MetadataError> {
        let act = Act {
            by,
            at: self.clock.now(),
        };
        self.metadata.remove_package_files(files, &act).await
    }
}
