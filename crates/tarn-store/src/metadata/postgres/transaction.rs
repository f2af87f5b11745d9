//! A transaction that may write, while no other does.

use std::{
    error::Error as _,
    iter::successors,
    time::{Duration, Instant},
};

use deadpool_postgres::tokio_postgres;

use super::{
    super::{
        MetadataError,
        engine::{Failure, Statement},
        given::{Answer, Given},
        rows::Row,
    },
    WRITERS,
    connections::{Held, LOCK_TIMEOUT},
    statements::{Failed, Sent},
    watch::SNAPSHOT,
};

/// What the lock may be waited for too long: to say the server how long costs each transaction a little.
const NEGLIGIBLE: Duration = Duration::from_secs(1);

/// A transaction that may write. Dropped before its commit, it is rolled back.
#[derive(Debug)]
pub(in crate::metadata) struct Transaction {
    held: Held,
    /// The snapshot before it, in the words of the server: no other transaction writes until it ends.
    before: Option<String>,
    /// A statement failed: PostgreSQL does nothing more in this transaction, and would answer COMMIT with ROLLBACK, which is
    /// no error.
    has_failed: bool,
}

impl Transaction {
    /// Begins on this connection, when no other transaction of any process writes, and asks questions, in one round trip. The lock is had in a
    /// statement of its own, since one that waits for it has taken its snapshot before. It is waited for until then. Gives the snapshot before it,
    /// in the words of the server, and the answers.
    pub(super) async fn begin(
        held: &mut Held,
        questions: &[Given],
        until: Instant,
    ) -> Result<(Option<String>, Vec<Answer>), Failure> {
        held.in_transaction = true;
        let left = until.saturating_duration_since(Instant::now());
        let texts = match left + NEGLIGIBLE < LOCK_TIMEOUT {
            false => format!("BEGIN; {WRITERS}; {SNAPSHOT}"),
            true => {
                // 0 would be for ever.
                let left = left.as_millis().max(1);
                format!(
                    "BEGIN; SET LOCAL lock_timeout = {left}; {WRITERS}; SET LOCAL lock_timeout TO DEFAULT; {SNAPSHOT}"
                )
            }
        };
        let mut all = vec![Sent::Texts(&texts)];
        all.extend(questions.iter().map(Sent::Given));
        let answers = held.all(&all).await.map_err(|failed| match failed.at {
            0 => Failure::Transaction(failed.error),
            _ => Failure::Statement(failed.error),
        })?;
        let mut answers = answers.into_iter();
        let before = answers.next().and_then(snapshot);
        Ok((before, answers.collect()))
    }

    /// What has begun on this connection.
    pub(super) fn over(held: Held, before: Option<String>) -> Self {
        Self {
            held,
            before,
            has_failed: false,
        }
    }

    /// The snapshot before it, in the words of the server.
    pub(in crate::metadata) fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// All rows that a statement gives.
    pub(in crate::metadata) async fn rows(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<Row>, MetadataError> {
        let rows = self.held.rows(&statement).await;
        self.seen(rows)
    }

    /// Runs a statement and gives the number of rows it changed.
    pub(in crate::metadata) async fn run(
        &mut self,
        statement: Statement,
    ) -> Result<u64, MetadataError> {
        let changed = self.held.run(&statement).await;
        self.seen(changed)
    }

    /// Runs statements about many rows, in one round trip.
    pub(in crate::metadata) async fn all(
        &mut self,
        statements: &[Given],
    ) -> Result<Vec<Answer>, MetadataError> {
        let all: Vec<Sent<'_>> = statements.iter().map(Sent::Given).collect();
        let answers = self.held.all(&all).await;
        self.seen(answers.map_err(|failed| failed.error))
    }

    fn seen<T>(&mut self, done: Result<T, MetadataError>) -> Result<T, MetadataError> {
        self.has_failed |= done.is_err();
        done.inspect_err(|error| self.held.note(error))
    }

    /// Runs statements about many rows and makes all of it last, in one round trip: a statement that does not change as many rows as it must
    /// fails on the server, and a COMMIT behind one that failed rolls back. Gives the snapshot after it, in the words of the server. Dropped,
    /// it still commits.
    pub(in crate::metadata) async fn commit(
        mut self,
        statements: &[Given],
    ) -> Result<Option<String>, Failure> {
        if self.has_failed {
            let text = "a statement of this transaction failed, so it can't be committed";
            return Err(Failure::Statement(MetadataError::Failed(text.into())));
        }
        let commit = format!("COMMIT; {SNAPSHOT}");
        let mut all = Vec::with_capacity(statements.len() + 1);
        for given in statements {
            all.push(match given.changes {
                Some(_) => Sent::Checked(given),
                None => Sent::Given(given),
            });
        }
        all.push(Sent::Texts(&commit));
        self.held.is_committing = true;
        let mut answers = match self.held.all(&all).await {
            Ok(answers) => answers,
            Err(Failed { at, error }) => {
                self.held.note(&error);
                // A statement that the server refused was before the COMMIT. Without an answer, or when an answer was not understood here, it
                // is not known whether the COMMIT was done.
                let is_refused = at < statements.len() && is_of_server(&error);
                return Err(match is_refused && !self.held.is_unanswered() {
                    true => Failure::Statement(error),
                    false => Failure::Transaction(error),
                });
            }
        };
        self.held.is_committing = false;
        self.held.in_transaction = false;
        Ok(answers.pop().and_then(snapshot))
    }
}

/// Whether the server said so: it has a code of the server's, or is that of a statement that changed too few rows.
fn is_of_server(error: &MetadataError) -> bool {
    let causes = successors(error.source(), |&cause| cause.source());
    let mut codes = causes.map(|cause| {
        let cause = cause.downcast_ref::<tokio_postgres::Error>();
        cause.and_then(tokio_postgres::Error::code)
    });
    matches!(error, MetadataError::Missing(_)) || codes.any(|code| code.is_some())
}

fn snapshot(mut answer: Answer) -> Option<String> {
    answer.rows.pop()?.read().ok()
}
