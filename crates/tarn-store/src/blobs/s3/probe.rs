//! Whether a store does all that it has to, asked at each start.

use std::{fs::File, sync::Arc};

use apk::digest::Sha256Digest;
use object_store::{ObjectStoreExt as _, PutPayload, path::Path};
use sha2::{Digest as _, Sha256};
use tarn_base::random::Random;

use super::{BlobError, S3, S3Error, error};

/// What is written, read in whole and in part, and deleted.
pub(in super::super) const PROBE: &[u8] =
    b"Tarn writes, reads and deletes this object when it starts.";

impl S3 {
    /// Puts an object, gets it, gets a part of it, lists and deletes it. `file` has [`PROBE`].
    ///
    /// # Errors
    ///
    /// What went wrong, in words.
    pub(in super::super) async fn probe(&self, file: &Arc<File>) -> Result<(), BlobError> {
        // Others may start at the same moment.
        let number = Random::system().text(b"0123456789abcdef", 16);
        let number = number.unwrap_or_else(|_| std::process::id().to_string());
        let path = Path::from(self.settings.name(&format!("probe-{number}")));
        let sha256 = Sha256Digest::from_bytes(Sha256::digest(PROBE).into());
        let size = PROBE.len() as u64;
        self.put_file(&path, Arc::clone(file), size, &sha256)
            .await
            .map_err(|error| self.failed("write", &path, error))?;
        let whole = self.content(&path, None).await?;
        let part = self.content(&path, Some(3..9)).await?;
        if whole.as_deref() != Some(PROBE) || part.as_deref() != PROBE.get(3..9) {
            return Err(self.failed("read", &path, S3Error::NotTheSame));
        }
        self.any().await?;
        self.store
            .delete(&path)
            .await
            .map_err(|error| self.failed_in_library("delete", &path, &error))
    }

    /// Makes sure that the objects under the prefix are those of the registry with that identifier.
    ///
    /// # Errors
    ///
    /// [`BlobError::Foreign`] when they are not; when the store fails.
    pub(in super::super) async fn claim(&self, identifier: &str) -> Result<(), BlobError> {
        let path = Path::from(self.settings.name("registry"));
        let foreign = || BlobError::Foreign {
            place: self.settings.to_string(),
        };
        // Twice: of two registries that take it at once, one finds the other's identifier.
        for _ in 0..2 {
            match self.content(&path, None).await? {
                Some(owner) if owner.trim_ascii() == identifier.as_bytes() => return Ok(()),
                Some(_) => return Err(foreign()),
                None => {}
            }
            if self.any().await? {
                return Err(foreign());
            }
            self.store
                .put(&path, PutPayload::from(format!("{identifier}\n")))
                .await
                .map_err(|error| self.failed_in_library("write", &path, &error))?;
        }
        Ok(())
    }

    /// The bytes of a small object, or of a part of it.
    async fn content(
        &self,
        path: &Path,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        match self.get(path, range).await? {
            None => Ok(None),
            Some(answer) => match answer.bytes().await {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(error) if error::is_absent(&error) => Ok(None),
                Err(error) => Err(self.failed_in_library("read", path, &error)),
            },
        }
    }
}
