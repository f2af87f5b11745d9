//! Wrong passwords that were counted, kept for the next start of the server.
//!
//! The count that decides is in the memory of the process (`access/guesses.rs`); here is what it wrote down. The table never has
//! more rows than the writer says: what is older than anybody minds goes, and beyond that the oldest.

use super::{
    Metadata, MetadataError,
    engine::{Transaction, sql},
};
use tarn_base::clock::Timestamp;

/// Wrong passwords from one source: for one account, or for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuessCount {
    /// The keyed hash of the account's name; empty for the source's own count.
    pub account: Vec<u8>,
    /// The source, as text.
    pub source: String,
    /// How many. Zero to be forgotten.
    pub count: u32,
    /// When the last one came.
    pub last_at: Timestamp,
}

impl Metadata {
    /// What was counted since then, the newest first, at most `most` of them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn guesses(
        &self,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<GuessCount>, MetadataError> {
        self.engine
            .rows(sql!(
                "SELECT account, source, count, last_at FROM guesses WHERE last_at > $1 ORDER BY last_at DESC LIMIT $2",
                since,
                i64::from(most)
            ))
            .await?
            .iter()
            .map(|row| {
                Ok(GuessCount {
                    account: row.value("account")?,
                    source: row.value("source")?,
                    count: u32::try_from(row.size("count")?).unwrap_or(u32::MAX),
                    last_at: row.time("last_at")?,
                })
            })
            .collect()
    }

    /// Writes counts down in the place of older ones, in one transaction. Forgets what is from before `since`, and the oldest
    /// beyond `most`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn keep_guesses(
        &self,
        counts: &[GuessCount],
        since: Timestamp,
        most: u32,
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        for count in counts {
            keep(&mut transaction, count).await?;
        }
        transaction
            .run(sql!("DELETE FROM guesses WHERE last_at <= $1", since))
            .await?;
        transaction
            .run(sql!(
                "DELETE FROM guesses WHERE last_at <= \
                 (SELECT last_at FROM guesses ORDER BY last_at DESC LIMIT 1 OFFSET $1)",
                i64::from(most)
            ))
            .await?;
        transaction.commit().await
    }
}

async fn keep(transaction: &mut Transaction, count: &GuessCount) -> Result<(), MetadataError> {
    let statement = if count.count == 0 {
        sql!(
            "DELETE FROM guesses WHERE account = $1 AND source = $2",
            count.account.as_slice(),
            count.source.as_str()
        )
    } else {
        sql!(
            "INSERT INTO guesses (account, source, count, last_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (account, source) DO UPDATE SET count = excluded.count, last_at = excluded.last_at",
            count.account.as_slice(),
            count.source.as_str(),
            i64::from(count.count),
            count.last_at
        )
    };
    transaction.run(statement).await?;
    Ok(())
}
