//! Work on many rows, in transactions so short that publishers come in between.
//!
//! One transaction writes at a time, and those that wait get their turn in the order in which they came. So a publisher
//! waits for one batch at most, and a batch ends when it has taken [`LONGEST`] or has [`MOST`] rows. After each, the work
//! rests for half as long as the batch took: a part of the time is for others, in other processes too.

use std::time::{Duration, Instant};

use tokio::{runtime::Handle, task::spawn_blocking, time::sleep};

use super::{Metadata, MetadataError};

/// How many rows one statement of a batch changes at most.
pub(super) const STEP: u32 = 32;

/// How many rows a batch changes at most.
const MOST: u64 = 200;

/// After how long a batch takes no more rows. The commit comes on top.
const LONGEST: Duration = Duration::from_millis(6);

/// The longest rest: a disk that was slow once must not hold the work up for long.
const LONGEST_REST: Duration = Duration::from_secs(1);

/// One transaction's share of the work.
#[derive(Debug)]
pub(super) struct Batch {
    began: Instant,
    rows: u64,
}

impl Batch {
    /// To be called once the transaction has begun: waiting for its turn is no work.
    pub(super) fn begin() -> Self {
        Self {
            began: Instant::now(),
            rows: 0,
        }
    }

    /// Counts rows that were changed.
    pub(super) fn add(&mut self, rows: u64) {
        self.rows += rows;
    }

    /// Whether there is time for more. Always before the first row, so that each batch does something.
    pub(super) fn has_room(&self) -> bool {
        self.rows == 0 || (self.rows < MOST && self.began.elapsed() < LONGEST)
    }

    /// How many rows were changed.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }
}

/// Runs `batch` until it gives 0, and rests after each. Gives the sum.
///
/// # Errors
///
/// The first error of a batch; those before it stay done.
pub async fn in_batches<F, E>(mut batch: impl FnMut() -> F) -> Result<u64, E>
where
    F: Future<Output = Result<u64, E>>,
{
    let mut sum = 0;
    loop {
        let began = Instant::now();
        let done = batch().await?;
        if done == 0 {
            return Ok(sum);
        }
        sum += done;
        rest_since(began).await;
    }
}

/// Rests for half as long as the work took that began then.
pub async fn rest_since(began: Instant) {
    sleep((began.elapsed() / 2).min(LONGEST_REST)).await;
}

impl Metadata {
    /// Has `work` done on a thread that may wait: for [`super::engine::Engine::write_here`].
    pub(super) async fn on_a_thread<T, F>(
        &self,
        work: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T, MetadataError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, MetadataError>>,
    {
        let (metadata, runtime) = (self.clone(), Handle::current());
        spawn_blocking(move || runtime.block_on(work(metadata)))
            .await
            .map_err(|error| MetadataError::Failed(error.into()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_does_something_and_ends_with_its_rows_or_with_its_time() {
        let hour = Duration::from_secs(3_600);
        // For one that begins later no time has passed yet.
        let (later, long_ago) = (
            Instant::now() + hour,
            Instant::now().checked_sub(hour).unwrap(),
        );
        for (began, rows, has_room) in [
            (later, MOST - 1, true),
            (later, MOST, false),
            (long_ago, 1, false),
            (long_ago, 0, true),
        ] {
            let batch = Batch { began, rows };
            assert_eq!(batch.has_room(), has_room, "{rows}");
        }
        let mut batch = Batch::begin();
        batch.add(3);
        batch.add(4);
        assert_eq!(batch.rows(), 7);
    }
}
