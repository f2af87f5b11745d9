//! An index from nothing: its packages are read, and written, some at a time, so that what is in memory is the index and not the
//! packages.

use tokio::task::spawn_blocking;

use super::{IndexError, Indexes, Place, Problem, adb, engine::State, v2, v3};
use tarn_store::metadata::IndexHead;

/// Bytes of records that are read at once where an index is derived from all its packages, about.
const READ_AT_ONCE: u64 = 8 << 20;

/// How many packages are read at once for that.
const FEWEST_AT_ONCE: u64 = 16;
const MOST_AT_ONCE: u64 = 8192;

impl Indexes {
    /// The state of `APKINDEX.tar.gz`, or why there is none.
    pub(super) async fn derive_v2(
        &self,
        place: &Place,
        head: &IndexHead,
    ) -> Result<Result<State, Problem>, IndexError> {
        let (most, mut after) = (at_once(head), 0);
        let mut state = State::empty().map_err(Problem::from);
        while let Ok(before) = state {
            let rows = self
                .metadata
                .index_rows(
                    place.repository,
                    place.which(),
                    head.generation,
                    after,
                    most,
                )
                .await?;
            let Some(last) = rows.last() else {
                return Ok(Ok(before));
            };
            after = last.sequence;
            let arch = place.arch.clone();
            state = spawn_blocking(move || v2::append(&before, &rows, &arch)).await?;
        }
        Ok(state)
    }

    /// The state of `Packages.adb`, or why there is none.
    pub(super) async fn derive_v3(
        &self,
        place: &Place,
        head: &IndexHead,
    ) -> Result<Result<adb::State, Problem>, IndexError> {
        let (most, mut after) = (at_once(head), 0);
        let mut state = Ok(adb::State::empty());
        while let Ok(before) = state {
            let packages = self
                .metadata
                .index_rows(
                    place.repository,
                    place.which(),
                    head.generation,
                    after,
                    most,
                )
                .await?;
            let Some(last) = packages.last() else {
                return Ok(Ok(before));
            };
            after = last.sequence;
            state = spawn_blocking(move || v3::append(&before, &packages)).await?;
        }
        Ok(state)
    }
}

/// How many packages of an index are read at once.
fn at_once(head: &IndexHead) -> u32 {
    let record = head.bytes / head.live.max(1) + 1;
    let packages = (READ_AT_ONCE / record).clamp(FEWEST_AT_ONCE, MOST_AT_ONCE);
    u32::try_from(packages).unwrap_or(u32::MAX)
}
