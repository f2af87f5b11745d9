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
    /// `None` once the whole blob was compared.
    hash: Option<Sha256>,
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
        hash: Some(Sha256::new()),
        left: size,
        held: None,
    };
    try_unfold(reading, move |mut reading| async move {
        loop {
            let Some(hash) = &mut reading.hash else {
                return Ok(None);
            };
            let Some(piece) = reading.pieces.next().await else {
                let digest = hash.finalize_reset();
                reading.hash = None;
                if reading.left > 0 || *digest != key.sha256.as_bytes()[..] {
                    tracing::error!(blob = %key, "a blob has other bytes than its digest says: check the disk of the store");
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the bytes in the store are damaged",
                    ));
                }
                return Ok(reading.held.take().map(|last| (last, reading)));
            };
            let piece = piece?;
            if piece.is_empty() {
                continue;
            }
            hash.update(&piece);
            reading.left = reading.left.saturating_sub(piece.len() as u64);
            if let Some(before) = reading.held.replace(piece) {
                return Ok(Some((before, reading)));
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use apk::digest::Sha256Digest;
    use futures_util::stream::iter;

    use super::*;

    /// What a reader of the blob `whole` gets when the store sends these pieces.
    async fn read(whole: &[u8], pieces: &[&'static str]) -> (String, Option<io::ErrorKind>) {
        let sha256 = Sha256Digest::from_bytes(Sha256::digest(whole).into());
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        let key = BlobKey::first(sha256);
        let mut read = stream(iter(pieces).boxed(), key, whole.len() as u64);
        let mut text = String::new();
        while let Some(piece) = read.next().await {
            match piece {
                Ok(piece) => {
                    assert!(!piece.is_empty());
                    text.push_str(str::from_utf8(&piece).unwrap());
                }
                Err(error) => return (text, Some(error.kind())),
            }
        }
        (text, None)
    }

    #[tokio::test]
    async fn a_blob_comes_to_its_end_only_with_the_bytes_of_its_digest() {
        let damaged = Some(io::ErrorKind::InvalidData);
        for (pieces, text, error) in [
            (&["one", "", "two", ""][..], "onetwo", None),
            (&["onetwo"], "onetwo", None),
            (&["one", "twx"], "one", damaged),
            (&["one"], "", damaged),
            (&["one", "two", "six"], "onetwo", damaged),
            (&["", ""], "", damaged),
            (&[], "", damaged),
        ] {
            assert_eq!(
                read(b"onetwo", pieces).await,
                (text.to_owned(), error),
                "{pieces:?}"
            );
        }
        assert_eq!(read(b"", &[]).await, (String::new(), None));
    }
}
