//! Closing a connection so that the last answer arrives.
//!
//! When an upload is refused early, bytes of it are still on their way. Closing the socket then makes the kernel
//! send a reset, which can throw away the refusal before the client has read it. So the sending half is closed first,
//! and what still comes is read and dropped, for a short time and up to a bound.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// For how long bytes are still taken.
const LINGER: Duration = Duration::from_secs(2);

/// How many bytes are still taken.
const MAX_DISCARDED: usize = 64 << 20;

/// A connection that closes as the module says.
pub(super) struct Lingering<T> {
    inner: T,
    closing: Option<Closing>,
}

struct Closing {
    deadline: Pin<Box<Sleep>>,
    discarded: usize,
    write_closed: bool,
}

impl<T> Lingering<T> {
    pub(super) fn new(inner: T) -> Self {
        Self {
            inner,
            closing: None,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Lingering<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lingering<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { inner, closing } = &mut *self;
        let closing = closing.get_or_insert_with(|| Closing {
            deadline: Box::pin(sleep(LINGER)),
            discarded: 0,
            write_closed: false,
        });
        if !closing.write_closed {
            ready!(Pin::new(&mut *inner).poll_shutdown(cx))?;
            closing.write_closed = true;
        }
        let mut scratch = [0; 16 << 10];
        loop {
            if closing.discarded >= MAX_DISCARDED || closing.deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut *inner).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => closing.discarded += buffer.filled().len(),
                // The client closed its half too, or is gone: either way nothing is left to wait for.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
