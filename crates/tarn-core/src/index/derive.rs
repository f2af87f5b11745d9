//! An index from nothing: its packages are read, and written, some at a time, so that what is in memory is the index and not the
//! packages.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::{IndexError, Indexes, Place, adb, engine::State, problem::Problem, v2, v3};
use tarn_store::metadata::{IndexHead, IndexedPackage};

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
        let arch = place.arch.clone();
        let append =
            move |before: State, packages: &[IndexedPackage]| v2::append(&before, packages, &arch);
        match State::empty() {
            Ok(empty) => self.derive(place, head, empty, append).await,
            Err(error) => Ok(Err(error.into())),
        }
    }

    /// The packages of `Packages.adb`, or why there are none.
    pub(super) async fn derive_v3(
        &self,
        place: &Place,
        head: &IndexHead,
    ) -> Result<Result<adb::Gathered, Problem>, IndexError> {
        self.derive(place, head, adb::Gathered::default(), v3::gather)
            .await
    }

    /// What `append` makes of the packages of an index, from `empty` on.
    async fn derive<S: Send + 'static>(
        &self,
        place: &Place,
        head: &IndexHead,
        empty: S,
        append: impl Fn(S, &[IndexedPackage]) -> Result<S, Problem> + Send + Sync + 'static,
    ) -> Result<Result<S, Problem>, IndexError> {
        let append = Arc::new(append);
        let (most, mut after) = (at_once(head), 0);
        let mut state = Ok(empty);
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
            let append = Arc::clone(&append);
            state = spawn_blocking(move || append(before, &packages)).await?;
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
