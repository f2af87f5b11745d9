//! One connection: writes that may not stall, files that never enter the process, and an end that lets the last
//! answer arrive.
//!
//! # Files
//!
//! nginx is fast because `sendfile(2)` hands a file from the page cache to the socket and no byte of it passes through the
//! process. The HTTP library wants bytes, though. So the body of a file is made of *stand-ins*: slices of one static array,
//! as many as the file has bytes, which the library queues without copying. When such a slice comes to be written, its
//! address gives it away, and the bytes of the file are sent in its place ([`Outbox`]).
//!
//! Should a later version of the library copy what it writes, stand-ins would lose their address. They are zeros, so a run
//! of zeros at the end of what is to be written while a file is due ends the connection: a wrong byte is never sent.
//!
//! # The end
//!
//! When an upload is refused early, bytes of it are still on their way. Closing the socket then makes the kernel
//! send a reset, which can throw away the refusal before the client has read it. So the sending half is closed first,
//! and what still comes is read and dropped, for a short time and up to a bound.

use std::{
    collections::VecDeque,
    fs::File,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use rustix::{fs::sendfile, net::SendFlags};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{malformed, pace::Pace, trace::RequestIds};
use crate::Registry;

/// What stands for the bytes of files until they are sent. Nobody reads it, so it takes no memory.
static STAND_IN: [u8; 4 << 20] = [0; 4 << 20];

/// So many zeros at the end of a write while a file is due are taken for stand-ins that were copied.
const COPIED: [u8; 64] = [0; 64];

/// After so many bytes of files without a wait, the other connections of the thread have their turn. A client on the same
/// machine can take gigabytes in a second.
const TURN: usize = 4 << 20;

/// For how long bytes are still taken at the end.
const LINGER: Duration = Duration::from_secs(2);

/// How many bytes are still taken at the end.
const MAX_DISCARDED: usize = 64 << 20;

/// The files that are to be sent over one connection, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Outbox(Arc<Mutex<VecDeque<Part>>>);

/// What is left of a part of a file.
#[derive(Debug)]
struct Part {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Outbox {
    /// A body of `length` bytes of `file`, from `first` on.
    pub(super) fn body(&self, file: Arc<File>, first: u64, length: u64) -> StandInBody {
        StandInBody {
            outbox: self.clone(),
            part: Some(Part {
                file,
                at: first,
                left: length,
            }),
            left: length,
        }
    }

    fn parts(&self) -> std::sync::MutexGuard<'_, VecDeque<Part>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a file: as many bytes, none of them its own.
#[derive(Debug)]
pub(super) struct StandInBody {
    outbox: Outbox,
    part: Option<Part>,
    left: u64,
}

impl Body for StandInBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(part) = self.part.take() {
            self.outbox.parts().push_back(part);
        }
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let length = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(STAND_IN.len());
        self.left -= length as u64;
        let bytes = STAND_IN.get(..length).unwrap_or_default();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Whether `bytes` are part of the array that stands for files.
fn is_stand_in(bytes: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

/// A connection as the module says.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    outbox: Outbox,
    /// Bytes of files that were sent since the last wait.
    turn: usize,
    pace: Pace,
    ids: Arc<RequestIds>,
    /// What is left to send of a refusal that was completed. It is the last answer of its connection.
    refusal: Vec<u8>,
    closing: Option<Closing>,
    /// Where what is sent is counted.
    registry: Registry,
}

#[derive(Debug)]
struct Closing {
    deadline: Pin<Box<Sleep>>,
    discarded: usize,
    write_closed: bool,
}

impl Connection {
    /// A connection over which what is put into `outbox` is sent, and whose client reads as fast as the settings of
    /// `registry` say.
    pub(super) fn new(
        stream: TcpStream,
        outbox: Outbox,
        registry: Registry,
        ids: Arc<RequestIds>,
    ) -> Self {
        let limits = &registry.settings().connections;
        Self {
            stream,
            outbox,
            turn: 0,
            pace: Pace::new(limits.stall, limits.min_download_rate),
            ids,
            refusal: Vec::new(),
            closing: None,
            registry,
        }
    }

    /// Runs `write` when the socket takes bytes, and again whenever it turns out that it does not.
    fn poll_socket(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self
                .stream
                .try_io(Interest::WRITABLE, || write(&self.stream))
            {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Sends at most `length` bytes of the file that is due.
    fn poll_send_file(&self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        let mut parts = self.outbox.parts();
        let Some(part) = parts.front_mut() else {
            return Poll::Ready(Err(io::Error::other(
                "a stand-in came to be written, and no file is due",
            )));
        };
        let length = usize::try_from(part.left).unwrap_or(usize::MAX).min(length);
        let mut at = part.at;
        let sent = ready!(self.poll_socket(cx, |stream| Ok(sendfile(
            stream,
            &*part.file,
            Some(&mut at),
            length
        )?)))?;
        if sent == 0 {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file is shorter than it was",
            )));
        }
        part.at += sent as u64;
        part.left -= sent as u64;
        if part.left == 0 {
            parts.pop_front();
        }
        Poll::Ready(Ok(sent))
    }

    /// Writes bytes that are no stand-ins, `more` says whether a file follows at once.
    fn poll_send_bytes(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
        more: bool,
    ) -> Poll<io::Result<usize>> {
        let copied = |buffer: &io::IoSlice<'_>| buffer.ends_with(&COPIED);
        if !self.outbox.parts().is_empty() && buffers.iter().any(copied) {
            return Poll::Ready(Err(io::Error::other(
                "the HTTP library copied stand-ins; the connection ends here",
            )));
        }
        if let [answer] = buffers
            && let Some(refusal) = malformed::completed(answer, &self.ids)
        {
            self.refusal = refusal;
            return Poll::Ready(Ok(answer.len()));
        }
        match buffers {
            // The head of an answer waits for the first bytes of its file, to leave in one packet with them.
            [head] if more => self.poll_socket(cx, |stream| {
                Ok(rustix::net::send(
                    stream,
                    head,
                    SendFlags::MORE | SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
                )?)
            }),
            [all] => Pin::new(&mut self.stream).poll_write(cx, all),
            buffers => Pin::new(&mut self.stream).poll_write_vectored(cx, buffers),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut runs = buffers.chunk_by(|a, b| is_stand_in(a) == is_stand_in(b));
        let first = runs.next().unwrap_or_default();
        let write = if first.first().is_some_and(|buffer| is_stand_in(buffer)) {
            if self.turn >= TURN {
                self.turn = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let write = self.poll_send_file(cx, first.iter().map(|buffer| buffer.len()).sum());
            self.turn = match write {
                Poll::Ready(Ok(sent)) => self.turn + sent,
                _ => 0,
            };
            write
        } else {
            self.poll_send_bytes(cx, first, runs.next().is_some())
        };
        if let Poll::Ready(Ok(sent)) = write {
            self.registry.requests().sent.add(sent as u64);
        }
        self.pace.of(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let Self {
                stream,
                refusal,
                pace,
                ..
            } = &mut *self;
            let write = Pin::new(stream).poll_write(cx, refusal);
            let sent = ready!(pace.of(cx, write))?;
            refusal.drain(..sent);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            stream, closing, ..
        } = &mut *self;
        let closing = closing.get_or_insert_with(|| Closing {
            deadline: Box::pin(sleep(LINGER)),
            discarded: 0,
            write_closed: false,
        });
        if !closing.write_closed {
            ready!(Pin::new(&mut *stream).poll_shutdown(cx))?;
            closing.write_closed = true;
        }
        let mut scratch = [0; 16 << 10];
        loop {
            if closing.discarded >= MAX_DISCARDED || closing.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => closing.discarded += buffer.filled().len(),
                // The client closed its half too, or is gone: either way nothing is left to wait for.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
