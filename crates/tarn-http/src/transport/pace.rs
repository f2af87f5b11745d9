//! How long a client may keep an answer waiting.
//!
//! Two clients hold a connection and its file for nothing: one that stops reading, and one that reads a few bytes now and
//! then. The first is known by a write that waits too long, the second by how little went out in all the time that
//! writes waited. Only waiting counts: what the server needs for itself is not held against a client, and neither is what
//! the kernel took at once.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Watches the writes of one connection.
#[derive(Debug)]
pub(crate) struct Pace {
    /// For so long one write may wait.
    stall: Duration,
    /// So many bytes must go out for each second of waiting, over `stall` or more of it.
    least_rate: u64,
    /// Since when the write under way waits.
    waits_since: Option<Instant>,
    /// Waited, and sent meanwhile, since the rate was looked at last.
    waited: Duration,
    sent: u64,
    /// Rings once in a while, and is then set anew: setting it for each wait would cost more than the waits do.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(crate) fn new(stall: Duration, least_rate: u64) -> Self {
        Self {
            stall,
            least_rate,
            waits_since: None,
            waited: Duration::ZERO,
            sent: 0,
            alarm: None,
        }
    }

    /// What a write gave, or that it was given up: when it waits, it does so for `stall` at most.
    pub(crate) fn of(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write {
            Poll::Ready(Ok(sent)) if self.waits_since.is_some() => {
                Poll::Ready(self.went_on(Instant::now(), sent).map(|()| sent))
            }
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending => {
                let end = self.waits(Instant::now());
                ready!(self.poll_alarm(cx, end));
                Poll::Ready(Err(too_slow("the client does not read")))
            }
        }
    }

    /// Begins or goes on to wait. Gives the end of it.
    fn waits(&mut self, now: Instant) -> Instant {
        *self.waits_since.get_or_insert(now) + self.stall
    }

    /// Counts what went out after a wait.
    fn went_on(&mut self, now: Instant, sent: usize) -> io::Result<()> {
        let Some(since) = self.waits_since.take() else {
            return Ok(());
        };
        self.waited += now - since;
        self.sent = self.sent.saturating_add(sent as u64);
        if self.waited < self.stall {
            return Ok(());
        }
        let least = u128::from(self.least_rate) * self.waited.as_millis() / 1000;
        let enough = u128::from(self.sent) >= least;
        (self.waited, self.sent) = (Duration::ZERO, 0);
        if enough {
            Ok(())
        } else {
            Err(too_slow("the client reads too slowly"))
        }
    }

    /// Ready once it is `end`.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, end: Instant) -> Poll<()> {
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(end)));
        loop {
            ready!(alarm.as_mut().poll(cx));
            if alarm.deadline() >= end {
                return Poll::Ready(());
            }
            // It was set for an earlier wait.
            alarm.as_mut().reset(end);
        }
    }
}

fn too_slow(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Whether a client is still served after waits of ten seconds, with so many bytes sent after each.
    fn is_served(pace: &mut Pace, sent: &[usize]) -> bool {
        let mut now = Instant::now();
        sent.iter().all(|sent| {
            assert_eq!(pace.waits(now), now + 30 * SECOND);
            // Asked again, a write still waits from its beginning.
            assert_eq!(pace.waits(now + SECOND), now + 30 * SECOND);
            now += 10 * SECOND;
            pace.went_on(now, *sent).is_ok()
        })
    }

    #[test]
    fn a_reader_that_trickles_is_cut_off() {
        let mut pace = Pace::new(30 * SECOND, 1000);
        assert!(is_served(&mut pace, &[9_999, 9_999]));
        assert!(!is_served(&mut pace, &[9_999]));
    }

    #[test]
    fn a_reader_that_keeps_the_rate_is_served_for_ever() {
        let mut pace = Pace::new(30 * SECOND, 1000);
        assert!(is_served(&mut pace, &[10_000; 1000]));
    }

    #[test]
    fn neither_what_went_out_at_once_nor_what_did_long_ago_is_a_credit() {
        let mut pace = Pace::new(30 * SECOND, 1000);
        assert!(pace.went_on(Instant::now(), 1 << 30).is_ok());
        assert!(is_served(&mut pace, &[1 << 30, 0, 0, 1, 1]));
        assert!(!is_served(&mut pace, &[1]));
    }
}
