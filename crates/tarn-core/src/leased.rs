//! Work that one of the servers on a database does at a time.

use std::{future::Future, time::Duration};

use tokio::time::sleep;

use tarn_base::clock::Timestamp;
use tarn_store::metadata::{LeaseAnswer, Metadata, MetadataError};

/// For how long a lease is held without being renewed. It is renewed three times as often.
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// What became of work under a lease.
pub(crate) enum Leased<T> {
    /// This server has done it.
    Done(T),
    /// Another server does it, or has taken the lease meanwhile.
    Elsewhere,
    /// It was done a while ago, and is due again then.
    NotDue(Timestamp),
}

/// Runs `work` while holding the lease, unless another server holds it or the work was done less than `every` before `now`. `work`
/// returns its result and the time at which it counts as done. If another server takes the lease meanwhile, `work` is dropped. On
/// SQLite there is no lease.
///
/// # Errors
///
/// When the database fails. Nothing was begun then.
pub(crate) async fn under_lease<T>(
    metadata: &Metadata,
    name: &'static str,
    (now, every): (Timestamp, Duration),
    work: impl Future<Output = (T, Timestamp)>,
) -> Result<Leased<T>, MetadataError> {
    if !metadata.is_shared() {
        return Ok(Leased::Done(work.await.0));
    }
    let lease = match metadata.take_lease(name, LEASE, (now, every)).await? {
        LeaseAnswer::Taken(lease) => lease,
        LeaseAnswer::Busy => return Ok(Leased::Elsewhere),
        LeaseAnswer::NotDue(at) => return Ok(Leased::NotDue(at)),
    };
    let lost = async {
        loop {
            sleep(LEASE / 3).await;
            match metadata.renew_lease(&lease, LEASE).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => tracing::warn!(%error, name, "could not renew a lease"),
            }
        }
    };
    let (done, done_at) = tokio::select! {
        done = work => done,
        () = lost => {
            tracing::warn!(name, "lost a lease: another server has taken it");
            return Ok(Leased::Elsewhere);
        }
    };
    if let Err(error) = metadata.release_lease(&lease, done_at).await {
        tracing::warn!(%error, name, "could not release a lease; it expires within a minute");
    }
    Ok(Leased::Done(done))
}
