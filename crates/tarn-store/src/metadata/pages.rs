//! Lists in pages: which part of a list is wanted, and that part with the length of the whole.

use super::{
    Metadata, MetadataError,
    engine::{Statement, Transaction},
    rows::FromRow,
};

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// How many entries come before it.
    pub offset: u32,
    /// How many entries it has at most.
    pub limit: u32,
}

impl Window {
    /// All of a list.
    pub const ALL: Self = Self {
        offset: 0,
        limit: u32::MAX,
    };
}

/// One part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries of this part.
    pub entries: Vec<T>,
    /// How many entries the whole list has.
    pub total: u64,
}

impl Metadata {
    /// The number that a question for `count` gives.
    pub(super) async fn count(&self, question: Statement) -> Result<u64, MetadataError> {
        let count = self.engine.list(question).await?.into_iter().next();
        count.ok_or(MetadataError::Missing("count"))
    }

    /// A part of a list, by a question for `count` and one for the rows of the part.
    pub(super) async fn page<T: FromRow>(
        &self,
        count: Statement,
        rows: Statement,
    ) -> Result<Page<T>, MetadataError> {
        let total = self.count(count).await?;
        let entries = self.engine.list(rows).await?;
        Ok(Page { entries, total })
    }
}

impl Transaction {
    /// The number that a question for `count` gives, within this transaction.
    pub(super) async fn count(&mut self, question: Statement) -> Result<u64, MetadataError> {
        self.one("count", question).await
    }
}
