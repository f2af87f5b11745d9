//! A blob that is hashed on its way.

use std::io;

use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    stream::{BoxStream, try_unfold},
};
use sha2::{Digest as _, Sha256};

use super::super::BlobKey;

/// What a reader has been through.
struct Reading {
    pieces: BoxStream<'static, io::Result<Bytes>>,
    hash: Sha256,
    left: u64,
    /// The last piece that came. It is given out once the next one is there, or the whole blob is right: so what is damaged is
    /// never complete, and a client takes it for a download that was cut off.
    held: Option<Bytes>,
}

/// The pieces of a whole blob of `size` bytes, of which the last is held back until all of them have the hash of `key`. They end with
/// [`io::ErrorKind::InvalidData`] when they have not.
pub(super) fn stream(
    pieces: BoxStream<'static, io::Result<Bytes>>,
    key: BlobKey,
    size: u64,
) -> BoxStream<'static, io::Result<Bytes>> {
    let reading = Reading {
        pieces,
        hash: Sha256::new(),
        left: size,
        held: None,
    };
    try_unfold(reading, move |mut reading| async move {
        loop {
            let Some(piece) = reading.pieces.next().await else {
                let Some(last) = reading.held.take() else {
                    return Ok(None);
                };
                let hash = std::mem::take(&mut reading.hash).finalize();
                if reading.left > 0 || *hash != key.sha256.as_bytes()[..] {
                    tracing::error!(blob = %key, "a blob has other bytes than its digest says: check the disk of the store");
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the bytes in the store are damaged",
                    ));
                }
                return Ok(Some((last, reading)));
            };
            let piece = piece?;
            if piece.is_empty() {
                continue;
            }
            reading.hash.update(&piece);
            reading.left = reading.left.saturating_sub(piece.len() as u64);
            if let Some(before) = reading.held.replace(piece) {
                return Ok(Some((before, reading)));
            }
        }
    })
    .boxed()
}
