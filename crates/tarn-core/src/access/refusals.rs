//! What is refused is written into the audit log, beside the requests and not in their way.
//!
//! A request hands its refusal over and goes on. One task gathers them and writes many in one transaction. A flood must
//! not fill the disk: of one kind from one source only so many are written down in a minute, and of all together only
//! so many; one entry says how many more there were. What comes faster than it can be taken is counted in the same way.

use std::{
    collections::HashMap,
    mem,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::guesses::network;
use tarn_base::{clock::Clock, printable::is_printable};
use tarn_store::metadata::{Actor, Metadata, Refused, Through};

/// How much is written down of what is refused.
#[derive(Debug, Clone, Copy)]
pub struct RefusalLimits {
    /// Entries of one action from one source (an IPv6 source is a network of 64 bits) in one minute.
    pub per_source: u32,
    /// Entries in one minute.
    pub per_minute: u32,
    /// How many may wait to be taken.
    pub waiting: usize,
    /// How many are written in one transaction.
    pub batch: usize,
    /// How long one waits for others to be written with.
    pub pause: Duration,
}

impl Default for RefusalLimits {
    fn default() -> Self {
        Self {
            per_source: 20,
            per_minute: 300,
            waiting: 1_024,
            batch: 100,
            pause: Duration::from_secs(1),
        }
    }
}

/// The longest name, path or reason that is written down, in characters.
const LONGEST_TEXT: usize = 256;

/// The way into the log for refusals. All clones are one; the task behind it ends with the last.
#[derive(Debug, Clone)]
pub struct Refusals {
    sender: mpsc::Sender<Message>,
    overflow: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Refused(Box<Refused>),
    Flush(oneshot::Sender<()>),
}

impl Refusals {
    /// Starts the task that writes into `metadata`. Needs a runtime of tokio.
    pub fn start(metadata: Metadata, clock: Clock, limits: RefusalLimits) -> Self {
        let (sender, receiver) = mpsc::channel(limits.waiting.max(1));
        let overflow = Arc::default();
        let writer = Writer {
            metadata,
            clock,
            limits,
            overflow: Arc::clone(&overflow),
            minute: Minute::default(),
            batch: Vec::new(),
        };
        tokio::spawn(writer.run(receiver));
        Self { sender, overflow }
    }

    /// Hands a refusal over. Never waits; the texts are cut, and characters that could not be shown are escaped.
    pub fn note(&self, mut refused: Refused) {
        refused.target = shown(&refused.target);
        refused.why = shown(&refused.why);
        if self
            .sender
            .try_send(Message::Refused(Box::new(refused)))
            .is_err()
        {
            self.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all that was handed over before is in the log, with the count of what was left out.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.sender.send(Message::Flush(done)).await.is_ok() {
            // An error means that the task is gone, and then there is nothing to wait for.
            let _ = written.await;
        }
    }
}

fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(LONGEST_TEXT) {
        if is_printable(character) {
            shown.push(character);
        } else {
            shown.extend(character.escape_default());
        }
    }
    shown
}

/// The task.
struct Writer {
    metadata: Metadata,
    clock: Clock,
    limits: RefusalLimits,
    overflow: Arc<AtomicU64>,
    minute: Minute,
    batch: Vec<Refused>,
}

/// What came in the minute that goes on. At most as many sources as entries are remembered.
#[derive(Default)]
struct Minute {
    number: i64,
    written: u32,
    sources: HashMap<(IpAddr, &'static str), Source>,
    /// Of sources that are not among those.
    left_out: u64,
}

#[derive(Clone, Copy, Default)]
struct Source {
    written: u32,
    left_out: u64,
}

impl Writer {
    async fn run(mut self, mut receiver: mpsc::Receiver<Message>) {
        // When what waits has to be written, also while more keeps coming.
        let mut due = None;
        loop {
            let idle = self.batch.is_empty() && !self.minute.has_left_out();
            let message = if idle {
                due = None;
                Ok(receiver.recv().await)
            } else {
                let end = *due.get_or_insert_with(|| Instant::now() + self.limits.pause);
                match end.checked_duration_since(Instant::now()) {
                    Some(left) => timeout(left, receiver.recv()).await.map_err(drop),
                    None => Err(()),
                }
            };
            match message {
                Ok(Some(Message::Refused(refused))) => {
                    self.close_minute(minute_of(&refused));
                    self.take(*refused);
                    if self.batch.len() >= self.limits.batch {
                        self.write().await;
                        due = None;
                    }
                }
                Ok(Some(Message::Flush(done))) => {
                    self.close_minute(i64::MAX);
                    self.write().await;
                    due = None;
                    let _ = done.send(());
                }
                Ok(None) => {
                    self.close_minute(i64::MAX);
                    self.write().await;
                    return;
                }
                Err(()) => {
                    self.close_minute(self.clock.now().seconds().div_euclid(60));
                    self.write().await;
                    due = None;
                }
            }
        }
    }

    /// Puts a refusal among those to be written, or counts it where there are enough.
    fn take(&mut self, refused: Refused) {
        let unknown = IpAddr::from([0, 0, 0, 0]);
        let source = (refused.by.address.map_or(unknown, network), refused.action);
        let full = self.minute.written >= self.limits.per_minute;
        let place = match self.minute.sources.get_mut(&source) {
            Some(place) => place,
            None if full => {
                self.minute.left_out += 1;
                return;
            }
            None => self.minute.sources.entry(source).or_default(),
        };
        if full || place.written >= self.limits.per_source {
            place.left_out += 1;
            return;
        }
        place.written += 1;
        self.minute.written += 1;
        self.batch.push(refused);
    }

    /// When the minute that goes on is over by the minute `now`, says what was left out of it and begins another.
    fn close_minute(&mut self, now: i64) {
        if now <= self.minute.number {
            return;
        }
        let mut over = mem::take(&mut self.minute);
        for ((address, action), source) in &mut over.sources {
            let more = mem::take(&mut source.left_out);
            if more > 0 {
                let why = format!("and {more} more from there within a minute");
                self.say(action, Some(*address), why);
            }
        }
        let more = mem::take(&mut over.left_out);
        if more > 0 {
            let why = format!("and {more} more from other addresses within a minute");
            self.say("sign-in", None, why);
        }
        // Reported early, the same minute may go on, with its limits.
        self.minute = if now == i64::MAX {
            over
        } else {
            Minute {
                number: now,
                ..Minute::default()
            }
        };
    }

    fn say(&mut self, action: &'static str, address: Option<IpAddr>, why: String) {
        self.batch.push(Refused {
            by: Actor {
                account: None,
                token: None,
                address,
                through: Through::Http,
            },
            at: self.clock.now(),
            action,
            owner: None,
            target: String::new(),
            why,
        });
    }

    /// Writes what was gathered. What the database does not take is lost, and the server's log says so: to keep it
    /// would be to let it grow.
    async fn write(&mut self) {
        let overflow = self.overflow.swap(0, Ordering::Relaxed);
        if overflow > 0 {
            let why = format!("and {overflow} more that came too fast to be written down");
            self.say("sign-in", None, why);
        }
        if self.batch.is_empty() {
            return;
        }
        let batch = mem::take(&mut self.batch);
        if let Err(error) = self.metadata.note_refused(&batch).await {
            tracing::warn!(%error, entries = batch.len(), "refusals were not written into the audit log");
        }
    }
}

impl Minute {
    fn has_left_out(&self) -> bool {
        self.left_out > 0 || self.sources.values().any(|source| source.left_out > 0)
    }
}

fn minute_of(refused: &Refused) -> i64 {
    refused.at.seconds().div_euclid(60)
}
