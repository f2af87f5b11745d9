//! The first station: a body becomes a temporary file, a hash and a package that was read.

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
use crate::blobs::Incoming;

/// How many bytes are gathered before they go to a worker thread. Two such batches exist for each upload: one that
/// fills from the network, one that is hashed, read and written.
const BATCH: usize = 1 << 20;

/// An upload that is complete, readable and still temporary.
pub(super) struct Received {
    pub(super) package: Package,
    pub(super) sha256: Sha256Digest,
    incoming: Incoming,
}

impl Received {
    /// Makes the bytes durable under their hash.
    pub(super) async fn keep(self) -> Result<u64, PublishError> {
        let Self {
            sha256, incoming, ..
        } = self;
        Ok(spawn_blocking(move || incoming.commit(&sha256)).await??)
    }
}

/// What each batch passes on its way to the disk.
struct Intake {
    incoming: Incoming,
    reader: PackageReader,
    hash: Sha256,
}

impl Intake {
    fn take(mut self: Box<Self>, batch: &[Bytes]) -> Result<Box<Self>, PublishError> {
        for bytes in batch {
            self.reader.push(bytes)?;
            self.hash.update(bytes);
            self.incoming.write(bytes)?;
        }
        Ok(self)
    }

    fn finish(self) -> Result<Received, PublishError> {
        let package = self.reader.finish()?;
        let sha256 = Sha256Digest::from_bytes(self.hash.finalize().into());
        Ok(Received {
            package,
            sha256,
            incoming: self.incoming,
        })
    }
}

/// Streams `body` into `incoming`. Memory is bounded by two batches, whatever the size of the body.
///
/// # Errors
///
/// When the body ends early, is larger than `max_upload` bytes, is no package, or cannot be written.
pub(super) async fn receive(
    incoming: Incoming,
    mut body: impl Stream<Item = Result<Bytes, BodyError>> + Unpin,
    limits: &Limits,
    max_upload: u64,
) -> Result<Received, PublishError> {
    let mut work = Work::Idle(Box::new(Intake {
        incoming,
        reader: PackageReader::new(limits.clone()),
        hash: Sha256::new(),
    }));
    let mut batch = Vec::new();
    let mut batched = 0;
    let mut size = 0_u64;
    while let Some(bytes) = body.next().await {
        let bytes = bytes?;
        size = size.saturating_add(bytes.len() as u64);
        if size > max_upload {
            return Err(PublishError::TooLarge { limit: max_upload });
        }
        batched += bytes.len();
        batch.push(bytes);
        if batched >= BATCH {
            work = work.give(std::mem::take(&mut batch)).await?;
            batched = 0;
        }
    }
    let intake = work.give(batch).await?.wait().await?;
    spawn_blocking(move || intake.finish()).await?
}

/// The intake, at rest here or at work on another thread.
enum Work {
    Idle(Box<Intake>),
    Busy(JoinHandle<Result<Box<Intake>, PublishError>>),
}

impl Work {
    async fn wait(self) -> Result<Box<Intake>, PublishError> {
        match self {
            Self::Idle(intake) => Ok(intake),
            Self::Busy(handle) => handle.await?,
        }
    }

    /// Waits for the batch before, then starts on this one and returns while it runs.
    async fn give(self, batch: Vec<Bytes>) -> Result<Self, PublishError> {
        let intake = self.wait().await?;
        Ok(Self::Busy(spawn_blocking(move || intake.take(&batch))))
    }
}
