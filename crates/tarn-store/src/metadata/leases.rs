//! Leases: which of the servers that share a database does a piece of work, and when.
//!
//! A lease is a row. It ends by itself at a time of the database's clock, so that nothing depends on those of the servers, and each
//! time that it is taken it has another number: a server that slept through its end and goes on as its holder changes nothing.
//!
//! The row also remembers when the work was done last, so that all servers together do it as often as it is due. That time is by the
//! clock of the server that did it: it decides when work is done, never who may do it.

use std::time::Duration;

use super::{Metadata, MetadataError, engine::sql};
use tarn_base::clock::Timestamp;

/// A lease that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    name: &'static str,
    /// Which taking of it this is.
    number: i64,
}

/// The answer to a server that asks for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It may begin.
    Taken(Lease),
    /// Another server does it.
    Busy,
    /// It was done a while ago, and is due again then.
    NotDue(Timestamp),
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

/// Both texts for taking one: the row is changed where the lease has ended and the work is due. A last time that lies a whole interval
/// ahead is that of a wrong clock.
const TAKE: (&str, &str) = with_now!(
    "WITH clock AS (SELECT ",
    " AS now) INSERT INTO leases (name, number, ends_at) SELECT $1, 1, clock.now + $2 FROM clock WHERE TRUE \
     ON CONFLICT (name) DO UPDATE SET number = leases.number + 1, ends_at = excluded.ends_at \
     WHERE leases.ends_at <= excluded.ends_at - $2 \
     AND (leases.done_at IS NULL OR leases.done_at <= $3 OR leases.done_at >= $4) RETURNING number"
);

const RENEW: (&str, &str) = with_now!(
    "UPDATE leases SET ends_at = $3 + ",
    " WHERE name = $1 AND number = $2"
);

impl Metadata {
    /// Takes the lease of that name for so long, unless another holds it, or the work was done less than `every` before `now`.
    pub async fn take_lease(
        &self,
        name: &'static str,
        for_: Duration,
        (now, every): (Timestamp, Duration),
    ) -> Result<LeaseAnswer, MetadataError> {
        let text = self.engine.text(TAKE.0, TAKE.1);
        let (before, ahead) = (now.before(every), now.after(every));
        let mut transaction = self.engine.write().await?;
        let taking = sql!(text, name, micros(for_), before, ahead);
        if let Some(number) = transaction.row(taking).await? {
            transaction.commit().await?;
            return Ok(LeaseAnswer::Taken(Lease { name, number }));
        }
        let statement = sql!("SELECT done_at FROM leases WHERE name = $1", name);
        let done_at: Option<Option<Timestamp>> = transaction.row(statement).await?;
        Ok(match done_at.flatten() {
            Some(at) if at > before && at < ahead => LeaseAnswer::NotDue(at.after(every)),
            _ => LeaseAnswer::Busy,
        })
    }

    /// Holds a lease for so long from now. `false` when another has taken it since: then its work is no more this server's.
    pub async fn renew_lease(&self, lease: &Lease, for_: Duration) -> Result<bool, MetadataError> {
        let text = self.engine.text(RENEW.0, RENEW.1);
        let statement = sql!(text, lease.name, lease.number, micros(for_));
        Ok(self.engine.run(statement).await? == 1)
    }

    /// Lets others take a lease, once the work is due again: it was done at `done_at`. A lease that another has taken since stays theirs.
    ///
    /// # Errors
    ///
    /// When the database fails: it ends by itself then.
    pub async fn release_lease(
        &self,
        lease: &Lease,
        done_at: Timestamp,
    ) -> Result<(), MetadataError> {
        let statement = sql!(
            "UPDATE leases SET ends_at = 0, done_at = $3 WHERE name = $1 AND number = $2",
            lease.name,
            lease.number,
            done_at
        );
        self.engine.run(statement).await.map(drop)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
