//! The first stage: a body becomes a temporary file, a hash and a package that was read.

use apk::{
    digest::Sha256Digest,
    limits::Limits,
    memory::Memory,
    package::{self, Package, PackageReader},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{BodyError, PublishError};
use tarn_store::blobs::{BlobKey, Blobs, Expected, Incoming};

/// How many bytes are gathered before they go to a worker thread. Two such batches exist for each upload: one that
/// fills from the network, one that is hashed, read and written. Together with what the HTTP library reads ahead (at most
/// twice 408 KiB) and the reader of packages, an upload takes less than 2 MiB of memory. The reader of v3 packages takes what it
/// needs beyond [`Limits::package_memory`] from the [`Memory`] that all uploads share, or refuses the package.
const BATCH: usize = 256 << 10;

/// An upload that is complete, readable and still temporary.
pub(super) struct Received {
    pub(super) package: Package,
    pub(super) sha256: Sha256Digest,
    incoming: Incoming,
}

impl Received {
    /// Makes the bytes durable in that place. `false` when they are there, whole. Waits for the disk.
    pub(super) async fn put(
        &mut self,
        blobs: &Blobs,
        place: u32,
        expected: Expected,
    ) -> Result<bool, PublishError> {
        let sha256 = self.sha256;
        let key = BlobKey { sha256, place };
        Ok(blobs.put(&mut self.incoming, &key, expected).await?)
    }

    /// Whether the blob is in its place because of this upload.
    pub(super) const fn is_brought(&self) -> bool {
        self.incoming.is_brought()
    }
}

/// Whatever each batch of an upload passes.
trait Stage: Send + 'static {
    fn take(&mut self, batch: &[u8]) -> Result<(), PublishError>;
}

/// The reader of packages: of which format, the first batch says.
struct Reading {
    limits: Limits,
    memory: Memory,
    reader: Option<Box<dyn PackageReader>>,
}

impl Reading {
    fn finish(self) -> Result<Package, PublishError> {
        let reader = self.reader;
        let reader = reader.unwrap_or_else(|| package::reader(&[], &self.limits));
        Ok(reader.finish()?)
    }
}

impl Stage for Reading {
    fn take(&mut self, batch: &[u8]) -> Result<(), PublishError> {
        let reader = self
            .reader
            .get_or_insert_with(|| package::reader_within(batch, &self.limits, &self.memory));
        Ok(reader.push(batch)?)
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

impl Stage for Keeping {
    fn take(&mut self, batch: &[u8]) -> Result<(), PublishError> {
        self.hash.update(batch);
        Ok(self.incoming()?.write(batch)?)
    }
}

/// Streams `body` into a temporary file of `blobs`. Memory is bounded by two batches, whatever the size of the body.
///
/// Reading a package costs as much as hashing and writing it, so a large one passes both at once, on two threads.
///
/// # Errors
///
/// When the body ends early, is larger than `max_upload` bytes, is not a package, or cannot be written. The temporary file
/// is gone by then.
pub(super) async fn receive(
    blobs: &Blobs,
    body: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
    limits: &Limits,
    memory: &Memory,
    max_upload: u64,
) -> Result<Received, PublishError> {
    let mut reading = Worker::Idle(Box::new(Reading {
        limits: limits.clone(),
        memory: memory.clone(),
        reader: None,
    }));
    let hash = Sha256::new();
    let mut keeping = Worker::Idle(Box::new(Keeping {
        blobs: blobs.clone(),
        incoming: None,
        hash,
    }));
    let received = pass_both(body, max_upload, &mut reading, &mut keeping).await;
    if received.is_err() {
        // The other stage may still be at work on its last batch; the refusal waits until it has left nothing.
        drop((reading.wait().await, keeping.wait().await));
    }
    received
}

async fn pass_both(
    mut body: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
    max_upload: u64,
    reading: &mut Worker<Reading>,
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
        let mut piece = &*bytes;
        while let Some(full) = batch.fill(&mut piece) {
            reading.give(full.clone()).await?;
            keeping.give(full.clone()).await?;
            batch.reuse(full);
        }
    }
    let batch = batch.filling;
    let (mut reading, mut keeping) = (reading.wait().await?, keeping.wait().await?);
    spawn_blocking(move || {
        // What is refused now was small enough that nothing of it need be written.
        reading.take(&batch)?;
        let package = reading.finish()?;
        keeping.take(&batch)?;
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

/// Bytes of a body that go to the stages together. They are copied, for a piece that is kept has the buffer that it was
/// read into with it, however small it is.
///
/// Two buffers take turns: new ones, made here and dropped on other threads, would have the allocator keep many.
#[derive(Default)]
struct Batch {
    filling: BytesMut,
    /// The batch that the stages have now.
    given: Option<Bytes>,
}

impl Batch {
    /// Takes from `piece` what there is room for. Gives the batch once it is full.
    fn fill(&mut self, piece: &mut &[u8]) -> Option<Bytes> {
        let (whole, room) = (*piece, BATCH - self.filling.len());
        let (taken, rest) = whole.split_at_checked(room).unwrap_or((whole, &[]));
        self.filling.extend_from_slice(taken);
        *piece = rest;
        (self.filling.len() == BATCH).then(|| std::mem::take(&mut self.filling).freeze())
    }

    /// Notes that the stages have `given` now, and so are done with the batch before, whose buffer is filled next.
    fn reuse(&mut self, given: Bytes) {
        if let Some(done) = self.given.replace(given)
            && let Ok(mut buffer) = done.try_into_mut()
        {
            buffer.clear();
            self.filling = buffer;
        }
    }
}

/// A stage: at rest here, at work on a thread that may wait for the disk, or handed on.
enum Worker<S> {
    Idle(Box<S>),
    Busy(JoinHandle<Result<Box<S>, PublishError>>),
    Gone,
}

impl<S: Stage> Worker<S> {
    /// Waits for the batch under way and gives the stage, once.
    async fn wait(&mut self) -> Result<Box<S>, PublishError> {
        match std::mem::replace(self, Self::Gone) {
            Self::Idle(stage) => Ok(stage),
            Self::Busy(handle) => handle.await?,
            Self::Gone => Err(PublishError::Gone),
        }
    }

    /// Waits for the batch before, then starts on this one and returns while it runs.
    async fn give(&mut self, batch: Bytes) -> Result<(), PublishError> {
        let mut stage = self.wait().await?;
        *self = Self::Busy(spawn_blocking(move || {
            stage.take(&batch)?;
            Ok(stage)
        }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_as_large_however_the_bytes_arrive_and_two_buffers_take_turns() {
        let content: Vec<u8> = (0..=u8::MAX).cycle().take(3 * BATCH + 5).collect();
        for size in [1, 7, 1000, BATCH - 1, BATCH, BATCH + 1, content.len()] {
            let (mut batch, mut full, mut buffers) = (Batch::default(), Vec::new(), Vec::new());
            for mut piece in content.chunks(size) {
                while let Some(bytes) = batch.fill(&mut piece) {
                    full.push(bytes.to_vec());
                    buffers.push(bytes.as_ptr());
                    batch.reuse(bytes);
                }
                assert!(piece.is_empty() && batch.filling.capacity() <= 2 * BATCH);
            }
            assert!(full.iter().all(|bytes| bytes.len() == BATCH), "{size}");
            assert_eq!(full.len(), 3, "{size}");
            assert!(buffers[0] != buffers[1] && buffers[0] == buffers[2]);
            assert!(
                full.concat() == content[..3 * BATCH] && *batch.filling == content[3 * BATCH..]
            );
        }
    }
}
