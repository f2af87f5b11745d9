//! What another program keeps in an S3 store, for imports.

use std::sync::Arc;

use apk::digest::Sha256Digest;
use object_store::path::Path;

use super::{
    super::{BlobError, BlobKey, Body},
    S3, S3Settings, verified,
};

/// The objects of another program: read by their names, and never changed. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Objects(Arc<S3>);

impl Objects {
    /// The objects below the prefix of these settings. Nothing is asked.
    ///
    /// # Errors
    ///
    /// When the credentials are missing.
    pub fn of(settings: &S3Settings) -> Result<Self, BlobError> {
        S3::of(settings).map(|store| Self(Arc::new(store)))
    }

    /// Opens an object. Its stream ends with [`std::io::ErrorKind::InvalidData`] when the bytes have not that hash. `None` when there is
    /// no such object.
    ///
    /// # Errors
    ///
    /// [`BlobError::Damaged`] when it has not `size` bytes; when the store fails.
    pub async fn open(
        &self,
        name: &str,
        sha256: Sha256Digest,
        size: u64,
    ) -> Result<Option<Body>, BlobError> {
        let path = Path::from(self.0.settings.name(name));
        let Some(answer) = self.0.get(&path, None).await? else {
            return Ok(None);
        };
        let pieces = self.0.pieces(answer, &path, size)?;
        let key = BlobKey::first(sha256);
        Ok(Some(Body::Stream(verified::stream(pieces, key, size))))
    }
}
