//! What one connection is doing: the table of connections, its IO and its requests share this.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::Notify;

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    opened: Instant,
    /// Requests whose answers are not written yet.
    under_way: AtomicUsize,
    /// Since when there are none, in milliseconds since it was opened.
    idle_since: AtomicU64,
    /// Bytes of an answer wait to be taken by the socket.
    writes: AtomicBool,
    /// A request was answered before its body was read.
    left_unread: AtomicBool,
    closes: AtomicBool,
    at_once: AtomicBool,
    /// Nothing more is sent.
    ends: AtomicBool,
    asked_to_close: Notify,
    /// The bytes that were read since the last request, which are the head of the next one.
    head: Mutex<Vec<u8>>,
    /// For each answer under way over HTTP/2, when its next bytes were asked for, in milliseconds since it was opened.
    answers: Mutex<Vec<Weak<AtomicU64>>>,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            under_way: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            writes: AtomicBool::new(false),
            left_unread: AtomicBool::new(false),
            closes: AtomicBool::new(false),
            at_once: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            asked_to_close: Notify::new(),
            head: Mutex::default(),
            answers: Mutex::default(),
        })
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// For how long no request has been under way; `None` while one is, or its answer is not written.
    pub(crate) fn idle(&self) -> Option<Duration> {
        let is_idle = self.under_way.load(Relaxed) == 0 && !self.writes.load(Relaxed);
        is_idle.then(|| {
            Duration::from_millis(self.millis().saturating_sub(self.idle_since.load(Relaxed)))
        })
    }

    /// Takes no further request. With `at_once`, what the client may still send is not waited for.
    pub(crate) fn close(&self, at_once: bool) {
        self.at_once.fetch_or(at_once, Relaxed);
        self.closes.store(true, Relaxed);
        self.asked_to_close.notify_one();
    }

    /// Ready after each [`Activity::close`].
    pub(crate) async fn asked_to_close(&self) {
        self.asked_to_close.notified().await;
    }

    /// Whether it takes no further request.
    pub(crate) fn closes(&self) -> bool {
        self.closes.load(Relaxed)
    }

    /// Whether it is to be closed without waiting for the client.
    pub(crate) fn closes_at_once(&self) -> bool {
        self.at_once.load(Relaxed)
    }

    /// Nothing more is sent: what is left is to let the client finish.
    pub(crate) fn set_ends(&self) {
        self.ends.store(true, Relaxed);
    }

    /// Whether a client that asks for nothing may be sent away after so long.
    pub(crate) fn is_idle_for(&self, longest: Duration) -> bool {
        !self.ends.load(Relaxed) && self.idle().is_some_and(|idle| idle >= longest)
    }

    /// A request has been answered whose body was not read.
    pub(crate) fn leaves_unread(&self) {
        self.left_unread.store(true, Relaxed);
    }

    /// Whether the client may still be sending: a body that was refused, or a head that was not understood.
    pub(crate) fn may_receive_more(&self) -> bool {
        self.left_unread.load(Relaxed) || !self.head().is_empty()
    }

    /// Notes whether bytes of an answer wait for the socket.
    pub(crate) fn set_writes(&self, writes: bool) {
        self.writes.store(writes, Relaxed);
    }

    /// Keeps `bytes`, which were read, if they can be of a head; of longer heads than `most` only the beginning.
    pub(crate) fn has_read(&self, bytes: &[u8], most: usize) {
        if self.under_way.load(Relaxed) == 0 {
            let mut head = self.head();
            let room = most.saturating_sub(head.len()).min(bytes.len());
            head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
    }

    /// Begins a request, and gives the bytes of its head to `look`. They are incomplete when they came along with the body of
    /// the request before.
    pub(crate) fn begin<T>(self: &Arc<Self>, look: impl FnOnce(&[u8]) -> T) -> (UnderWay, T) {
        self.under_way.fetch_add(1, Relaxed);
        let mut head = self.head();
        let seen = look(&head);
        head.clear();
        (UnderWay(Arc::clone(self)), seen)
    }

    fn head(&self) -> MutexGuard<'_, Vec<u8>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an answer over HTTP/2 has waited for its client for `longest` or more.
    pub(crate) fn has_stalled(&self, longest: Duration) -> bool {
        let now = self.millis();
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|asked| asked.strong_count() > 0);
        let mut waits = answers.iter().filter_map(Weak::upgrade);
        waits.any(|asked| now.saturating_sub(asked.load(Relaxed)) >= longest)
    }
}

/// A request under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Activity>);

impl UnderWay {
    /// The body of the answer, which ends the request. With `watched`, it is noted when its client asks for more.
    pub(crate) fn until_sent(self, body: Body, watched: bool) -> AnswerBody {
        let asked = watched.then(|| {
            let asked = Arc::new(AtomicU64::new(self.0.millis()));
            let mut answers = self
                .0
                .answers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            answers.push(Arc::downgrade(&asked));
            asked
        });
        AnswerBody {
            body,
            under_way: self,
            asked,
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.millis(), Relaxed);
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}

/// The body of an answer, for whose time its request is under way.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    body: Body,
    under_way: UnderWay,
    asked: Option<Arc<AtomicU64>>,
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(asked) = &self.asked {
            asked.store(self.under_way.0.millis(), Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    const NO_TIME: Duration = Duration::ZERO;
    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_connection_is_idle_once_its_last_answer_is_written() {
        let activity = Activity::new();
        assert!(activity.idle().is_some());
        let (first, ()) = activity.begin(|_| ());
        let (second, ()) = activity.begin(|_| ());
        drop(first);
        assert!(activity.idle().is_none());
        activity.set_writes(true);
        drop(second);
        assert!(activity.idle().is_none());
        activity.set_writes(false);
        assert!(activity.idle().is_some());
    }

    #[tokio::test]
    async fn an_answer_that_its_client_does_not_take_is_noticed() {
        let activity = Activity::new();
        let (request, ()) = activity.begin(|_| ());
        let mut body = request.until_sent(Body::from("bytes"), true);
        std::thread::sleep(Duration::from_millis(3));
        assert!(activity.has_stalled(Duration::from_millis(2)));
        assert!(!activity.has_stalled(SECOND));
        body.frame().await.unwrap().unwrap();
        assert!(!activity.has_stalled(SECOND));
        drop(body);
        assert!(!activity.has_stalled(NO_TIME));
        // Over HTTP/1 the socket shows it.
        let (request, ()) = activity.begin(|_| ());
        let _body = request.until_sent(Body::from("bytes"), false);
        assert!(!activity.has_stalled(NO_TIME));
    }

    #[test]
    fn the_head_of_a_request_is_what_was_read_before_it_and_bounded() {
        let activity = Activity::new();
        activity.has_read(b"abc", 5);
        activity.has_read(b"defg", 5);
        assert!(activity.may_receive_more());
        let (request, head) = activity.begin(<[u8]>::to_vec);
        assert_eq!(head, b"abcde");
        activity.has_read(b"of the body", 5);
        drop(request);
        assert!(!activity.may_receive_more());
        activity.leaves_unread();
        assert!(activity.may_receive_more());
    }
}
