//! Log lines on standard error.
//!
//! No request waits for its log line. Lines go into a bounded queue, and a thread of its own writes them. A line that finds the
//! queue full (the reader stopped reading) or can't be written (the disk is full, the reader is gone) is lost and counted
//! (`tarn_log_lines_lost_total`); once lines can be written again, one of them says how many are missing.
//!
//! `tracing-appender` has such a queue, but it doesn't count what can't be written, bounds lines rather than bytes, and prints to
//! standard output when the thread doesn't end: on a pipe that is not read, the process would never end.

use std::{
    cell::RefCell,
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    panic,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use tarn_base::counter::Counter;
use tracing::Level;
use tracing_subscriber::{EnvFilter, fmt, fmt::MakeWriter, util::SubscriberInitExt};

use crate::{
    output,
    settings::{Configuration, values::LogFormat},
};

/// How many lines wait to be written.
const QUEUED_LINES: usize = 8192;
/// How many bytes they have together.
const QUEUED_BYTES: usize = 1 << 20;
/// How often at most the log says that lines were lost.
const NOTICES: Duration = Duration::from_secs(10);
/// How long the process waits at its end for lines that are not written yet.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log of this process.
static LOG: OnceLock<Log> = OnceLock::new();

thread_local! {
    /// On the thread that writes: its own line, which must not go through the queue.
    static OWN_LINE: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Installs the process-wide subscriber. `default` is what is logged where no level is set.
///
/// The level is that of Tarn's own crates. The crates below them are logged from `warn` on whatever the level: what
/// they tell beyond that is theirs to choose, and could one day hold a header or a query.
pub(crate) fn install(configuration: &Configuration, default: Level) {
    let level = configuration.log_level.unwrap_or(default).as_str();
    let others = if level == "ERROR" { "error" } else { "warn" };
    // The pool of connections to PostgreSQL warns of each that it finds lost. Whether the database can be reached is said elsewhere.
    let filter = EnvFilter::new(format!(
        "{others},deadpool=error,tarn={level},registry={level},apk={level}"
    ));
    let log = LOG.get_or_init(|| Log::start(standard_error()));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(log)
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal());
    // That there is one already can only mean that this function ran before.
    let _ = match configuration.log_format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    // The hook of the standard library writes to standard error itself, and waits for its reader.
    panic::set_hook(Box::new(|panic| {
        let text = panic.payload_as_str().unwrap_or("without a text");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {text}");
    }));
}

/// The lines that were lost so far.
pub(crate) fn lost_lines() -> Arc<Counter> {
    LOG.get()
        .map(|log| Arc::clone(&log.lost))
        .unwrap_or_default()
}

/// Writes what the process says last, behind its log lines, and waits a bounded time for that.
pub(crate) fn last_words(text: &str) {
    match LOG.get() {
        Some(log) => {
            log.queue(format!("{text}\n").as_bytes());
            log.flush();
        }
        None => output::note(text),
    }
}

/// Waits a bounded time until the lines so far are written.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        log.flush();
    }
}

/// Standard error without the lock of the standard library: its holder may wait for the reader.
fn standard_error() -> io::Result<File> {
    Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?))
}

/// What goes through the queue.
enum Message {
    Line(Vec<u8>),
    /// To be answered when all lines before it are written.
    Flush(Sender<()>),
}

/// The near end of the queue.
#[derive(Debug)]
struct Log {
    queue: SyncSender<Message>,
    queued_bytes: Arc<AtomicUsize>,
    lost: Arc<Counter>,
}

impl Log {
    /// Starts the thread that writes to `output`.
    fn start(output: io::Result<impl Write + Send + 'static>) -> Self {
        let (queue, lines) = mpsc::sync_channel(QUEUED_LINES);
        let log = Self {
            queue,
            queued_bytes: Arc::default(),
            lost: Arc::default(),
        };
        // Without a thread or something to write to the far end of the queue is gone, and every line counts as lost.
        if let Ok(output) = output {
            let writer = Writer {
                output,
                queued_bytes: Arc::clone(&log.queued_bytes),
                lost: Arc::clone(&log.lost),
                reported: 0,
                told_at: None,
                is_mid_line: false,
            };
            let _ = thread::Builder::new()
                .name("log".to_owned())
                .spawn(move || writer.run(&lines));
        }
        log
    }

    fn queue(&self, line: &[u8]) {
        let before = self.queued_bytes.fetch_add(line.len(), Ordering::Relaxed);
        let fits = before + line.len() <= QUEUED_BYTES;
        if !fits || self.queue.try_send(Message::Line(line.to_vec())).is_err() {
            self.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            self.lost.one();
        }
    }

    /// Whether all lines so far were written within [`LAST_LINES`], or lost.
    fn flush(&self) -> bool {
        let (written, all_written) = mpsc::channel();
        let deadline = Instant::now() + LAST_LINES;
        let mut message = Message::Flush(written);
        // `SyncSender` has no `send_timeout`.
        while let Err(error) = self.queue.try_send(message) {
            match error {
                mpsc::TrySendError::Full(back) if Instant::now() < deadline => message = back,
                _ => return false,
            }
            thread::sleep(Duration::from_millis(5));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        all_written.recv_timeout(left).is_ok()
    }
}

impl<'a> MakeWriter<'a> for &'static Log {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self)
    }
}

/// One line, on its way into the queue.
#[derive(Debug)]
struct Line(&'static Log);

impl Write for Line {
    /// Takes a whole line: the subscriber writes each with one call.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        OWN_LINE.with_borrow_mut(|own| match own {
            Some(own) => own.extend_from_slice(line),
            None => self.0.queue(line),
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The far end of the queue.
struct Writer<W> {
    output: W,
    queued_bytes: Arc<AtomicUsize>,
    lost: Arc<Counter>,
    /// How many lost lines the log has reported.
    reported: u64,
    told_at: Option<Instant>,
    /// The last write ended within a line.
    is_mid_line: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self, lines: &Receiver<Message>) {
        // So that a line of this thread itself is not queued behind others.
        OWN_LINE.set(Some(Vec::new()));
        let mut works = true;
        loop {
            let unreported = works && self.lost.value() > self.reported;
            let message =
                match lines.recv_timeout(if unreported { Duration::ZERO } else { NOTICES }) {
                    Ok(message) => Some(message),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
            let is_idle = message.is_none();
            match message {
                Some(Message::Line(line)) => {
                    works = self.write(&line);
                    self.queued_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                    if !works {
                        self.lost.one();
                    }
                }
                Some(Message::Flush(written)) => drop(written.send(())),
                None => {}
            }
            let rested = self.told_at.is_none_or(|at| at.elapsed() >= NOTICES);
            if works && self.lost.value() > self.reported && (is_idle || rested) {
                works = self.tell();
            }
        }
    }

    /// Says how many lines were lost since the log last said so. Whether that could be written.
    fn tell(&mut self) -> bool {
        let lost = self.lost.value();
        tracing::warn!(
            lines = lost - self.reported,
            "log lines were lost: they could not be written, or came faster than they were read"
        );
        let line = OWN_LINE.with_borrow_mut(|own| own.as_mut().map(std::mem::take));
        if !self.write(&line.unwrap_or_default()) {
            return false;
        }
        self.reported = lost;
        self.told_at = Some(Instant::now());
        true
    }

    /// Writes a line. One that was cut off by an error before is ended first.
    fn write(&mut self, line: &[u8]) -> bool {
        let begin: &[u8] = if self.is_mid_line { b"\n" } else { b"" };
        for part in [begin, line] {
            let mut rest = part;
            while !rest.is_empty() {
                match self.output.write(rest) {
                    Ok(0) => return false,
                    Ok(written) => {
                        let (done, left) = rest.split_at_checked(written).unwrap_or((rest, &[]));
                        self.is_mid_line = !done.ends_with(b"\n");
                        rest = left;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return false,
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Takes what fits, and then fails as a full disk does.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let (written, room) = &mut *disk;
            let fits = bytes.len().min(*room);
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            written.extend_from_slice(&bytes[..fits]);
            *room -= fits;
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_is_cut_off_does_not_run_into_the_next_and_is_counted() {
        let disk = Disk::default();
        disk.0.lock().unwrap().1 = 10;
        let log = Log::start(Ok(disk.clone()));
        log.queue(b"first\n");
        log.queue(b"second\n");
        log.queue(b"third\n");
        assert!(log.flush());
        assert_eq!(log.lost.value(), 2);
        disk.0.lock().unwrap().1 = 1_000;
        log.queue(b"fourth\n");
        assert!(log.flush());
        let written = disk.0.lock().unwrap().0.clone();
        assert_eq!(written, b"first\nseco\nfourth\n");
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        // Nothing takes lines out of the queue.
        let (queue, _lines) = mpsc::sync_channel(QUEUED_LINES);
        let log = Log {
            queue,
            queued_bytes: Arc::default(),
            lost: Arc::default(),
        };
        let line = vec![b'x'; QUEUED_BYTES / 4];
        for _ in 0..6 {
            log.queue(&line);
        }
        assert_eq!(log.lost.value(), 2);
        assert_eq!(log.queued_bytes.load(Ordering::Relaxed), QUEUED_BYTES);
    }

    #[test]
    fn a_log_that_nothing_can_be_written_to_loses_lines_and_nothing_else() {
        let log = Log::start(Err::<File, _>(io::ErrorKind::NotFound.into()));
        log.queue(b"line\n");
        assert_eq!(log.lost.value(), 1);
        assert!(!log.flush());
    }
}
