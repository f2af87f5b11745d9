//! The first station: a body becomes a temporary file, a hash and a package that was read.

use std::sync::Arc;

use apk::{
    digest::Sha256Digest,
    limits::Limits,
    v2::package::{Package, PackageReader},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{BodyError, PublishError};
use crate::blobs::{Blobs, Incoming};

/// How many bytes are gathered before they go to a worker thread. Two such batches exist for each upload: one that
/// fills from the network, one that is hashed, read and written.
const BATCH: usize = 1 << 20;

/// How many pieces of them at most: each costs some memory of its own, however small it is.
const PIECES: usize = 4096;

/// An upload that is complete, readable and still temporary.
pub(super) struct Received {
    pub(super) package: Package,
    pub(super) sha256: Sha256Digest,
    incoming: Incoming,
}

impl Received {
    /// Makes the bytes durable under their hash. Waits for the disk.
    pub(super) fn keep(&mut self) -> Result<u64, PublishError> {
        Ok(self.incoming.commit(&self.sha256)?)
    }

    /// Replaces the blob of these bytes when it is damaged or missing. Whether it was. Waits for the disk.
    pub(super) fn heal(&mut self) -> Result<bool, PublishError> {
        Ok(self.incoming.heal(&self.sha256)?)
    }

    /// Whether the blob is there because of this upload.
    pub(super) const fn brought(&self) -> bool {
        self.incoming.placed()
    }
}

/// Whatever each batch of an upload passes.
trait Station: Send + 'static {
    fn take(&mut self, batch: &[Bytes]) -> Result<(), PublishError>;
}

/// The reader of packages.
impl Station for PackageReader {
    fn take(&mut self, batch: &[Bytes]) -> Result<(), PublishError> {
        batch.iter().try_for_each(|bytes| Ok(self.push(bytes)?))
    }
}

/// The temporary file, made when the first bytes are written, and the hash it will be kept under.
struct Keeping {
    blobs: Blobs,
    incoming: Option<Incoming>,
    hash: Sha256,
}

impl Keeping {
    fn incoming(&mut self) -> Result<&mut Incoming, PublishError> {
        if self.incoming.is_none() {
            self.incoming = Some(self.blobs.begin_here()?);
        }
        self.incoming.as_mut().ok_or(PublishError::Gone)
    }
}

impl Station for Keeping {
    fn take(&mut self, batch: &[Bytes]) -> Result<(), PublishError> {
        for bytes in batch {
            self.hash.update(bytes);
            self.incoming()?.write(bytes)?;
        }
        Ok(())
    }
}

/// Streams `body` into a temporary file of `blobs`. Memory is bounded by two batches, whatever the size of the body.
///
/// Reading a package costs as much as hashing and writing it, so a large one passes both at once, on two threads.
///
/// # Errors
///
/// When the body ends early, is larger than `max_upload` bytes, is no package, or cannot be written. The temporary file
/// is gone by then.
pub(super) async fn receive(
    blobs: &Blobs,
    body: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
    limits: &Limits,
    max_upload: u64,
) -> Result<Received, PublishError> {
    let mut reading = Worker::Idle(Box::new(PackageReader::new(limits.clone())));
    let hash = Sha256::new();
    let mut keeping = Worker::Idle(Box::new(Keeping {
        blobs: blobs.clone(),
        incoming: None,
        hash,
    }));
    let received = pass_both(body, max_upload, &mut reading, &mut keeping).await;
    if received.is_err() {
        // The other station may still be at work on its last batch; the refusal waits until it has left nothing.
        drop((reading.wait().await, keeping.wait().await));
    }
    received
}

async fn pass_both(
    mut body: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
    max_upload: u64,
    reading: &mut Worker<PackageReader>,
    keeping: &mut Worker<Keeping>,
) -> Result<Received, PublishError> {
    let mut batch = Batch::default();
    let mut size = 0_u64;
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        size = size.saturating_add(bytes.len() as u64);
        if size > max_upload {
            return Err(PublishError::TooLarge { limit: max_upload });
        }
        batch.push(bytes);
        if batch.is_full() {
            let full: Arc<[Bytes]> = std::mem::take(&mut batch).pieces.into();
            reading.give(Arc::clone(&full)).await?;
            keeping.give(full).await?;
        }
    }
    let (mut reading, mut keeping) = (reading.wait().await?, keeping.wait().await?);
    spawn_blocking(move || {
        // What is refused now was small enough that nothing of it need be written.
        reading.take(&batch.pieces)?;
        let package = reading.finish()?;
        keeping.take(&batch.pieces)?;
        keeping.incoming()?;
        let Keeping { incoming, hash, .. } = *keeping;
        Ok(Received {
            package,
            sha256: Sha256Digest::from_bytes(hash.finalize().into()),
            incoming: incoming.ok_or(PublishError::Gone)?,
        })
    })
    .await?
}

/// Pieces of a body that go to the stations together.
#[derive(Default)]
struct Batch {
    pieces: Vec<Bytes>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH || self.pieces.len() >= PIECES
    }
}

/// A station: at rest here, at work on a thread that may wait for the disk, or handed on.
enum Worker<S> {
    Idle(Box<S>),
    Busy(JoinHandle<Result<Box<S>, PublishError>>),
    Gone,
}

impl<S: Station> Worker<S> {
    /// Waits for the batch under way and gives the station, once.
    async fn wait(&mut self) -> Result<Box<S>, PublishError> {
        match std::mem::replace(self, Self::Gone) {
            Self::Idle(station) => Ok(station),
            Self::Busy(handle) => handle.await?,
            Self::Gone => Err(PublishError::Gone),
        }
    }

    /// Waits for the batch before, then starts on this one and returns while it runs.
    async fn give(&mut self, batch: Arc<[Bytes]>) -> Result<(), PublishError> {
        let mut station = self.wait().await?;
        *self = Self::Busy(spawn_blocking(move || {
            station.take(&batch)?;
            Ok(station)
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_in_bytes_and_in_pieces() {
        for (piece, most) in [
            (Bytes::from_static(b"x"), PIECES),
            (Bytes::from_static(b""), PIECES),
            (Bytes::from(vec![0; BATCH / 2]), 2),
            (Bytes::from(vec![0; 2 * BATCH]), 1),
        ] {
            let mut batch = Batch::default();
            while !batch.is_full() && batch.pieces.len() <= most {
                batch.push(piece.clone());
            }
            assert_eq!(batch.pieces.len(), most, "of {} bytes", piece.len());
        }
    }
}
