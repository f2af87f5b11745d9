//! Leases: which of the servers that share a database does a piece of work.
//!
//! A lease is a row. It ends by itself at a time of the database's clock, so that nothing depends on those of the servers, and each
//! time that it is taken it has another number: a server that slept through its end and goes on as its holder changes nothing.

use std::time::Duration;

use super::{Metadata, MetadataError, engine::sql};

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    name: &'static str,
    /// Which taking of it this is.
    number: i64,
}

/// A text with the microseconds since 1970 by the database's clock in it: for SQLite, and for PostgreSQL.
macro_rules! with_now {
    ($before:literal, $after:literal) => {
        (
            concat!(
                $before,
                "CAST(strftime('%s', 'now') AS INTEGER) * 1000000",
                $after
            ),
            concat!(
                $before,
                "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
                $after
            ),
        )
    };
}

/// Both texts for taking one: the row is changed where the lease has ended.
const TAKE: (&str, &str) = with_now!(
    "WITH clock AS (SELECT ",
    " AS now) INSERT INTO leases (name, number, ends_at) SELECT $1, 1, clock.now + $2 FROM clock WHERE TRUE \
     ON CONFLICT (name) DO UPDATE SET number = leases.number + 1, ends_at = excluded.ends_at \
     WHERE leases.ends_at <= excluded.ends_at - $2 RETURNING number"
);

const RENEW: (&str, &str) = with_now!(
    "UPDATE leases SET ends_at = $3 + ",
    " WHERE name = $1 AND number = $2"
);

impl Metadata {
    /// Takes the lease of that name for so long, unless another holds it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn take_lease(
        &self,
        name: &'static str,
        for_: Duration,
    ) -> Result<Option<Lease>, MetadataError> {
        let text = self.engine.text(TAKE.0, TAKE.1);
        let mut transaction = self.engine.write().await?;
        let row = transaction.row(sql!(text, name, micros(for_))).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let number = row.value("number")?;
        transaction.commit().await?;
        Ok(Some(Lease { name, number }))
    }

    /// Holds a lease for so long from now. `false` when another has taken it since: then its work is no more this server's.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn renew_lease(&self, lease: &Lease, for_: Duration) -> Result<bool, MetadataError> {
        let text = self.engine.text(RENEW.0, RENEW.1);
        let statement = sql!(text, lease.name, lease.number, micros(for_));
        Ok(self.engine.run(statement).await? == 1)
    }

    /// Lets others take a lease. One that another has taken since stays theirs.
    ///
    /// # Errors
    ///
    /// When the database fails: it ends by itself then.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), MetadataError> {
        let statement = sql!(
            "UPDATE leases SET ends_at = 0 WHERE name = $1 AND number = $2",
            lease.name,
            lease.number
        );
        self.engine.run(statement).await.map(drop)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
