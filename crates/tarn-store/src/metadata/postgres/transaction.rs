//! A transaction that may write, while no other does.

use super::{
    super::{
        MetadataError,
        engine::{Row, Statement},
        given::{Answer, Given},
    },
    WRITERS,
    connections::Held,
};

/// A transaction that may write. Dropped before its commit, it is rolled back.
#[derive(Debug)]
pub(in crate::metadata) struct Transaction {
    held: Held,
    /// A statement failed: PostgreSQL does nothing more in this transaction, and would answer COMMIT with ROLLBACK, which is
    /// no error.
    has_failed: bool,
}

impl Transaction {
    /// Begins on this connection, when no other transaction of any process writes. The lock is had in a statement of its own, since
    /// one that waits for it has taken its snapshot before.
    pub(super) async fn begin(held: &mut Held) -> Result<(), MetadataError> {
        held.in_transaction = true;
        let discard = if held.has_old_plans() {
            "DISCARD PLANS; "
        } else {
            ""
        };
        held.batch(&format!("{discard}BEGIN; {WRITERS}")).await
    }

    /// What has begun on this connection.
    pub(super) const fn over(held: Held) -> Self {
        Self {
            held,
            has_failed: false,
        }
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
        let answers = self.held.all(statements).await;
        self.seen(answers)
    }

    fn seen<T>(&mut self, done: Result<T, MetadataError>) -> Result<T, MetadataError> {
        self.has_failed |= done.is_err();
        done
    }

    /// Makes it last. Dropped, it still commits.
    pub(in crate::metadata) async fn commit(mut self) -> Result<(), MetadataError> {
        if self.has_failed {
            let text = "a statement of this transaction failed, so it can't be committed";
            return Err(MetadataError::Failed(text.into()));
        }
        self.held.is_committing = true;
        self.held.batch("COMMIT").await?;
        self.held.is_committing = false;
        self.held.in_transaction = false;
        Ok(())
    }
}
