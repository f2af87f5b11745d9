//! The bytes of one connection: writes that may not stall, and an end that lets the last answer arrive.
//!
//! When an upload is refused, bytes of it are still on their way, and many clients read nothing before all is sent. Closing the
//! socket then makes the kernel send a reset, which can throw the refusal away before the client has read it. So the sending
//! half is closed first, and what still comes is read and dropped: at a bounded rate, and for a bounded time.

use std::{
    future::Future as _,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{activity::Activity, pace::Pace};
use tarn_core::Registry;

/// The longest head of a request, in bytes.
pub(crate) const MAX_HEAD: usize = 32 << 10;

/// For how long the end waits for the next bytes of the client.
pub(crate) const QUIET: Duration = Duration::from_secs(2);

/// For how long the end takes bytes at all.
pub(crate) const LONGEST_END: Duration = Duration::from_secs(120);

/// The end takes at most so many bytes in each [`STEP`], 160 MB a second: 4 GiB, the usual largest upload, in 27 seconds.
pub(crate) const MOST_IN_A_STEP: usize = 8 << 20;

pub(crate) const STEP: Duration = Duration::from_millis(50);

/// A connection as the module says.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    /// Whether it is one of HTTP/1: only there the head of a request is looked at again.
    is_http1: bool,
    activity: Arc<Activity>,
    pace: Pace,
    end: Option<End>,
    /// Where what is sent is counted.
    registry: Registry,
}

/// The end of a connection, under way.
#[derive(Debug)]
struct End {
    write_closed: bool,
    latest: Instant,
    /// When the last bytes came.
    received_at: Instant,
    step_began: Instant,
    received_in_step: usize,
    alarm: Pin<Box<Sleep>>,
}

impl<S> Connection<S> {
    /// A connection over `stream`, whose client reads as fast as the settings of `registry` say.
    pub(crate) fn new(
        stream: S,
        is_http1: bool,
        activity: Arc<Activity>,
        registry: Registry,
    ) -> Self {
        let limits = &registry.settings().connections;
        Self {
            stream,
            is_http1,
            activity,
            pace: Pace::new(limits.stall, limits.min_download_rate),
            end: None,
            registry,
        }
    }

    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write {
            Poll::Ready(Ok(sent)) => self.registry.requests().sent.add(sent as u64),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.set_writes(true),
        }
        self.pace.of(cx, write)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.is_http1 {
            let new = buf.filled().get(before..).unwrap_or_default();
            self.activity.has_read(new, MAX_HEAD);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.wrote(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.activity.set_writes(false);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            stream,
            activity,
            end,
            ..
        } = &mut *self;
        activity.set_ends();
        let end = end.get_or_insert_with(End::begin);
        if !end.write_closed {
            if Pin::new(&mut *stream).poll_shutdown(cx)?.is_pending() {
                return end.poll_alarm(cx, end.latest).map(Ok);
            }
            end.write_closed = true;
            if !activity.may_receive_more() {
                return Poll::Ready(Ok(()));
            }
        }
        end.poll_discard(cx, stream, activity).map(Ok)
    }
}

impl End {
    fn begin() -> Self {
        let now = Instant::now();
        Self {
            write_closed: false,
            latest: now + LONGEST_END,
            received_at: now,
            step_began: now,
            received_in_step: 0,
            alarm: Box::pin(sleep_until(now)),
        }
    }

    /// Ready once it is `at`.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if self.alarm.deadline() != at {
            self.alarm.as_mut().reset(at);
        }
        self.alarm.as_mut().poll(cx)
    }

    /// Reads and drops what comes. Ready when the client has closed its half or is gone, and when it sends nothing more or for
    /// too long.
    fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        stream: &mut (impl AsyncRead + Unpin),
        activity: &Activity,
    ) -> Poll<()> {
        let mut scratch = [0; 32 << 10];
        loop {
            let now = Instant::now();
            if activity.closes() {
                // The server stops, or the place is needed.
                self.latest = self.latest.min(now + QUIET);
            }
            if now >= self.latest || activity.closes_at_once() {
                return Poll::Ready(());
            }
            if self.received_in_step >= MOST_IN_A_STEP {
                ready!(self.poll_alarm(cx, self.step_began + STEP));
                (self.step_began, self.received_in_step) = (now, 0);
            }
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.received_in_step += buffer.filled().len();
                    self.received_at = now;
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let quiet = self.latest.min(self.received_at + QUIET);
                    ready!(self.poll_alarm(cx, quiet));
                    return Poll::Ready(());
                }
            }
        }
    }
}
