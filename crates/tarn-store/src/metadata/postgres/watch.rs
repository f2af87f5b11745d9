//! Which version of the database this is, asked of the server: one question at a time for all who want to know.
//!
//! `pg_current_snapshot()` names the transactions that have ended, so it moves with every commit, of other databases of the server too.
//! Who asks while a question is under way waits for the *next* one: an answer that was on its way already may be from before a commit
//! that was acknowledged since. One connection asks, so its answers come in the order of the versions; the snapshots that writers read
//! before and after their commits count too. With a new connection all that was known is forgotten, for the server behind it may be
//! another one.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::tokio_postgres::{Client, Statement, types::Type};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    super::db_version::DbVersion,
    connections::{Connector, Session, Task},
};

/// Reads the snapshot as text.
pub(super) const SNAPSHOT: &str = "SELECT CAST(pg_current_snapshot() AS TEXT) AS snapshot";
/// How long an answer may take until nothing is thought known.
const WITHIN: Duration = Duration::from_secs(2);
/// After how long another connection is tried when there was none to be had.
const PAUSE: Duration = Duration::from_millis(500);

/// A version of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::metadata) struct SnapshotVersion {
    /// Which connection said so, of all that there were.
    connection: u64,
    /// The SHA-256 of what it said.
    said: [u8; 32],
    /// All transactions below this number have ended and no other has; None where that is not so.
    all_ended_below: Option<u64>,
}

impl SnapshotVersion {
    fn of(connection: u64, text: &str) -> Self {
        Self {
            connection,
            said: Sha256::digest(text).into(),
            all_ended_below: all_ended_below(text),
        }
    }

    /// Whether one transaction has ended since `before`, and no other.
    pub(in crate::metadata) fn follows(&self, before: &Self) -> bool {
        let (Some(now), Some(then)) = (self.all_ended_below, before.all_ended_below) else {
            return false;
        };
        self.connection == before.connection && then.checked_add(1) == Some(now)
    }
}

/// Reads `xmin:xmax:` without a list of transactions in between ("pg_snapshot Components" in PostgreSQL's documentation): xmin is the
/// lowest that has not ended, xmax one past the highest that has. Where they are equal, what has ended is what is below.
fn all_ended_below(text: &str) -> Option<u64> {
    let (lowest, rest) = text.split_once(':')?;
    let highest = rest.strip_suffix(':')?;
    (lowest == highest).then(|| highest.parse().ok())?
}

type Asked = oneshot::Sender<Option<DbVersion>>;

/// Tells the version of a PostgreSQL database.
#[derive(Debug)]
pub(in crate::metadata) struct SnapshotWatch {
    /// None from [`SnapshotWatch::close`] on.
    asked: Mutex<Option<mpsc::UnboundedSender<Asked>>>,
    /// How many connections have asked so far.
    connections: Arc<AtomicU64>,
}

impl SnapshotWatch {
    pub(super) fn start(connector: Connector) -> Self {
        let (asked, queue) = mpsc::unbounded_channel();
        let runtime = connector.runtime().clone();
        let connections = Arc::new(AtomicU64::new(0));
        runtime.spawn(answer(
            Asker::new(connector, Arc::clone(&connections)),
            queue,
        ));
        Self {
            asked: Mutex::new(Some(asked)),
            connections,
        }
    }

    /// The version for a snapshot that another connection has just read. It equals the version that this watch reads while no other
    /// transaction ends.
    pub(in crate::metadata) fn version_of(&self, snapshot: &str) -> SnapshotVersion {
        SnapshotVersion::of(self.connections.load(Ordering::Acquire), snapshot)
    }

    /// The version now. None when it is not known.
    pub(in crate::metadata) async fn version(&self) -> Option<DbVersion> {
        let (answer, answered) = oneshot::channel();
        self.lock().as_ref()?.send(answer).ok()?;
        answered.await.ok()?
    }

    /// Asks no longer, and closes the connection.
    pub(in crate::metadata) fn close(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<mpsc::UnboundedSender<Asked>>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers all who have asked by one question that begins after that, again and again.
async fn answer(mut asker: Asker, mut queue: mpsc::UnboundedReceiver<Asked>) {
    let mut asked = Vec::new();
    while queue.recv_many(&mut asked, usize::MAX).await > 0 {
        let version = asker.ask().await;
        for answer in asked.drain(..) {
            // Who has left need not know.
            let _ = answer.send(version);
        }
    }
}

struct Asker {
    connector: Connector,
    open: Option<(Client, Statement, Task)>,
    connections: Arc<AtomicU64>,
    not_before: Option<Instant>,
}

impl Asker {
    const fn new(connector: Connector, connections: Arc<AtomicU64>) -> Self {
        Self {
            connector,
            open: None,
            connections,
            not_before: None,
        }
    }

    async fn ask(&mut self) -> Option<DbVersion> {
        if self.not_before.is_some_and(|then| Instant::now() < then) {
            return None;
        }
        let said = timeout(WITHIN, self.snapshot()).await;
        match said {
            Ok(Some(version)) => {
                self.not_before = None;
                Some(DbVersion::Postgres(version))
            }
            _ => {
                self.open = None;
                self.not_before = Instant::now().checked_add(PAUSE);
                None
            }
        }
    }

    async fn snapshot(&mut self) -> Option<SnapshotVersion> {
        if self.open.is_none() {
            let session = Session {
                deadline: WITHIN,
                same_plans: true,
                commits_late: false,
                only_reads: true,
                by_indexes: false,
            };
            let (client, task) = self.connector.connect(session).await.ok()?;
            let prepared = client.prepare_typed(SNAPSHOT, &[] as &[Type]).await.ok()?;
            self.connections.fetch_add(1, Ordering::AcqRel);
            self.open = Some((client, prepared, task));
        }
        let (client, prepared, _) = self.open.as_ref()?;
        let row = client.query_one(prepared, &[]).await.ok()?;
        let text: &str = row.try_get(0).ok()?;
        let connection = self.connections.load(Ordering::Acquire);
        Some(SnapshotVersion::of(connection, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_transaction_is_told_from_several() {
        let version = |connection, text| SnapshotVersion::of(connection, text);
        let before = version(1, "700:700:");
        assert!(version(1, "701:701:").follows(&before));
        for (connection, text) in [
            (1, "700:700:"),
            (1, "702:702:"),
            // One has ended, and another is under way.
            (1, "701:703:701"),
            (1, "700:702:700"),
            (2, "701:701:"),
        ] {
            assert!(!version(connection, text).follows(&before), "{text}");
        }
        let between = version(1, "700:702:700");
        assert!(!version(1, "702:702:").follows(&between));
        assert_ne!(version(1, "700:702:700"), version(1, "700:702:701"));
        assert_ne!(version(1, "700:700:"), version(2, "700:700:"));
    }
}
