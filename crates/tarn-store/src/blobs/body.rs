//! The bytes of a blob on their way to a reader.

use std::{
    io,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Stream, stream::BoxStream};

use super::file::OpenFile;

/// A part of a blob, or all of it: a stream of pieces, none of them empty. It never waits for a disk, and can be read to its end
/// also when the blob is deleted meanwhile. It ends with an error when the bytes turn out to be damaged.
pub enum Body {
    /// From a file on this machine.
    File(FilePart),
    /// From a store in the network.
    Stream(BoxStream<'static, io::Result<Bytes>>),
}

/// A part of a file.
pub struct FilePart {
    file: OpenFile,
    at: u64,
    left: u64,
    /// The read that waits for the disk, if one does.
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>>,
}

impl FilePart {
    pub(super) fn new(file: OpenFile, part: &Range<u64>) -> Self {
        Self {
            file,
            at: part.start,
            left: part.end.saturating_sub(part.start),
            waiting: None,
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Self {
            file,
            at,
            left,
            waiting,
        } = self;
        if *left == 0 {
            return Poll::Ready(None);
        }
        let bytes = loop {
            if let Some(read) = waiting {
                let bytes = ready!(read.as_mut().poll(cx));
                *waiting = None;
                break bytes?;
            }
            match file.read_cached(*at, *left)? {
                Some(bytes) => break bytes,
                None => *waiting = Some(Box::pin(file.clone().read(*at, *left))),
            }
        };
        *at += bytes.len() as u64;
        *left = left.saturating_sub(bytes.len() as u64);
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl Stream for Body {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut *self {
            Self::File(part) => part.poll_next(cx),
            Self::Stream(stream) => stream.as_mut().poll_next(cx),
        }
    }
}
