//! Wrong passwords that were counted, kept for the next start of the server.
//!
//! The count that decides is in the memory of the process (`access/guesses.rs`); here is what it wrote down. Processes that share a database
//! count here. The table never has more rows than the writer says: what no longer counts goes, and beyond that the oldest.

use super::{
    Metadata, MetadataError,
    engine::{Transaction, sql},
    rows::{row, select},
};
use tarn_base::clock::Timestamp;

row! {
    /// Wrong passwords from one source: for one account, or for all.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct GuessCount as guess_columns {
        /// The keyed hash of the account's name; empty for the source's own count.
        pub account: Vec<u8> = guesses.account,
        /// The source, as text.
        pub source: String = guesses.source,
        /// How many. Zero to be forgotten.
        pub count: u32 = guesses.count,
        /// When the last one came.
        pub last_at: Timestamp = guesses.last_at,
    }
}

impl Metadata {
    /// What was counted since then, the newest first, at most `most` of them.
    pub async fn guesses(
        &self,
        since: Timestamp,
        most: u32,
    ) -> Result<Vec<GuessCount>, MetadataError> {
        self.engine
            .rows(sql!(
                select!(
                    guess_columns,
                    "FROM guesses WHERE last_at > $1 ORDER BY last_at DESC LIMIT $2"
                ),
                since,
                most
            ))
            .await
    }

    /// Writes counts down in the place of older ones, in one transaction. Forgets what is from before `since`, and the oldest
    /// beyond `most`.
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
        forget_old(&mut transaction, since).await?;
        forget_beyond(&mut transaction, most).await?;
        transaction.commit().await
    }
}

/// The account in the row of what a source has for all accounts.
const OF_SOURCE: &[u8] = &[];

/// Wrong passwords that count: how many, and when the last one came.
pub type Guessed = Option<(u32, Timestamp)>;

impl Metadata {
    /// Whether other processes may serve the same database.
    pub const fn is_shared(&self) -> bool {
        self.engine.is_shared()
    }

    /// Counts one more attempt for an account as seen from a source, and for the source, unless `decide` refuses. It gets what both have
    /// since `since`, and says when this one counts as made. What is older is forgotten, and the oldest beyond `most`.
    ///
    /// # Errors
    ///
    /// When the database fails. The refusal is inside.
    pub async fn count_guess<T, E>(
        &self,
        (account, source): (&[u8; 32], &str),
        (since, most): (Timestamp, u32),
        decide: impl FnOnce(Guessed, Guessed) -> Result<(Timestamp, T), E> + Send,
    ) -> Result<Result<T, E>, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let rows: Vec<(Vec<u8>, u32, Timestamp)> = transaction
            .rows(sql!(
                "SELECT account, count, last_at FROM guesses WHERE source = $1 AND account IN ($2, $3) AND last_at > $4",
                source,
                account,
                OF_SOURCE,
                since
            ))
            .await?;
        let (mut of_account, mut of_source) = (None, None);
        for (whose, count, at) in rows {
            match whose.as_slice() {
                OF_SOURCE => of_source = Some((count, at)),
                _ => of_account = Some((count, at)),
            }
        }
        let (at, decided) = match decide(of_account, of_source) {
            Ok(decided) => decided,
            Err(refused) => return Ok(Err(refused)),
        };
        forget_old(&mut transaction, since).await?;
        for whose in [account.as_slice(), OF_SOURCE] {
            let statement = sql!(
                "INSERT INTO guesses (account, source, count, last_at) VALUES ($1, $2, 1, $3) \
                 ON CONFLICT (account, source) DO UPDATE SET count = guesses.count + 1, last_at = excluded.last_at",
                whose,
                source,
                at
            );
            transaction.run_one("count of guesses", statement).await?;
        }
        forget_beyond(&mut transaction, most).await?;
        transaction.commit().await?;
        Ok(Ok(decided))
    }

    /// Takes one attempt back that was right: the account's are forgotten; of the source's, this one.
    pub async fn forgive_guess(
        &self,
        (account, source): (&[u8; 32], &str),
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        for statement in [
            sql!(
                "DELETE FROM guesses WHERE account = $1 AND source = $2",
                account,
                source
            ),
            sql!(
                "UPDATE guesses SET count = count - 1 WHERE account = $1 AND source = $2",
                OF_SOURCE,
                source
            ),
            sql!(
                "DELETE FROM guesses WHERE account = $1 AND source = $2 AND count <= 0",
                OF_SOURCE,
                source
            ),
        ] {
            transaction.run(statement).await?;
        }
        transaction.commit().await
    }
}

/// Forgets what is from before `since`.
async fn forget_old(transaction: &mut Transaction, since: Timestamp) -> Result<(), MetadataError> {
    let statement = sql!("DELETE FROM guesses WHERE last_at <= $1", since);
    transaction.run(statement).await?;
    Ok(())
}

/// Forgets the oldest beyond `most`.
async fn forget_beyond(transaction: &mut Transaction, most: u32) -> Result<(), MetadataError> {
    let statement = sql!(
        "DELETE FROM guesses WHERE last_at <= \
         (SELECT last_at FROM guesses ORDER BY last_at DESC LIMIT 1 OFFSET $1)",
        most
    );
    transaction.run(statement).await?;
    Ok(())
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
            count.count,
            count.last_at
        )
    };
    transaction.run(statement).await?;
    Ok(())
}
