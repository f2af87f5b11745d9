//! Reading a package as strictly as an upload is read, and keeping nothing of it.

use apk::{
    limits::Limits,
    package::{self, PackageReader},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::task::spawn_blocking;

use super::{BodyError, PublishError};

/// Says whether a package would be taken, as far as that depends on its bytes alone: not on what its owner has and may have.
/// Gives its file name.
///
/// # Errors
///
/// What an upload of it would be refused with.
pub async fn check(
    mut body: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
    limits: &Limits,
    max_upload: u64,
) -> Result<String, PublishError> {
    let mut reader: Option<Box<dyn PackageReader>> = None;
    let mut size = 0_u64;
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        size = size.saturating_add(bytes.len() as u64);
        if size > max_upload {
            return Err(PublishError::TooLarge { limit: max_upload });
        }
        // Of which format it is, the first bytes say.
        let mut taken = reader
            .take()
            .unwrap_or_else(|| package::reader(&bytes, limits));
        reader = Some(spawn_blocking(move || taken.push(&bytes).map(|()| taken)).await??);
    }
    let reader = reader.unwrap_or_else(|| package::reader(&[], limits));
    let package = spawn_blocking(move || reader.finish()).await??;
    Ok(package.facts().file_name())
}
