//! The engines of the two indexes: whatever order changes come in, the bytes are those of a derivation from nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod v2;
mod v3;

use std::{collections::BTreeMap, ops::Range};

use flate2::{Compress, Compression, FlushCompress, Status};
use proptest::prelude::*;
use tarn_core::index::{Changes, EngineError, Record};

/// The records that an index has, by their sequences.
type Records = BTreeMap<i64, Record>;

/// Those of these sequences.
fn records(sequences: impl IntoIterator<Item = i64>, record: fn(i64) -> Record) -> Records {
    let sequences = sequences.into_iter();
    sequences
        .map(|sequence| (sequence, record(sequence)))
        .collect()
}

/// One run of the same compressor over all of it.
fn in_one_run(bytes: &[u8]) -> usize {
    let mut deflated = Vec::with_capacity(bytes.len());
    let mut compress = Compress::new(Compression::new(6), false);
    let status = compress.compress_vec(bytes, &mut deflated, FlushCompress::Finish);
    assert_eq!(status.unwrap(), Status::StreamEnd);
    deflated.len()
}

/// That an index of the packages up to 100 refuses what can't have happened to it.
fn refuses_what_cannot_be(
    record: fn(i64) -> Record,
    refusal: impl Fn(&Changes) -> Option<EngineError>,
) {
    let absent = Changes {
        removed: [101].into(),
        ..Changes::default()
    };
    let below = Changes {
        added: vec![record(100)],
        ..Changes::default()
    };
    for (changes, problem) in [
        (absent, "a record to remove is not there"),
        (below, "an added record is not above all others"),
    ] {
        assert_eq!(refusal(&changes), Some(EngineError::Inconsistent(problem)));
    }
}

/// That the memory which an index of `count` packages says it takes is as much as that of the `kept` bytes of its file at least, and at
/// most so many `times` that and `more`.
fn assert_weight(count: i64, weight: u64, kept: usize, (times, more): (u64, u64)) {
    let kept = kept as u64;
    let most = kept * times + more;
    assert!(
        weight + 4096 >= kept && weight <= most,
        "{count} packages: {weight}, {kept} bytes"
    );
}

/// What happens between two readers: so many come, after gaps, and so many of those there go.
#[derive(Debug, Clone)]
struct Step {
    gaps: Vec<u8>,
    removed: Vec<prop::sample::Index>,
}

/// Most steps are small, as in life; some are large enough to close chunks, or to open closed ones: of those as often as `often` says
/// so many come as the ranges say.
fn steps(often: u32, [many, very_many]: [Range<usize>; 2]) -> impl Strategy<Value = Vec<Step>> {
    let added = prop_oneof![8 => 0..4_usize, often => many, often => very_many];
    let removed = prop_oneof![8 => 0..3_usize, 1 => 0..200_usize];
    let step = (added, removed).prop_flat_map(|(added, removed)| {
        let gaps = prop::collection::vec(1..4_u8, added);
        let removed = prop::collection::vec(any::<prop::sample::Index>(), removed);
        (gaps, removed).prop_map(|(gaps, removed)| Step { gaps, removed })
    });
    prop::collection::vec(step, 1..12)
}

impl Step {
    /// The changes of it, and what is `there` afterwards. `sequence` is the last so far.
    fn take(&self, there: &mut Records, sequence: &mut i64, record: fn(i64) -> Record) -> Changes {
        let before: Vec<i64> = there.keys().copied().collect();
        let mut changes = Changes::default();
        if !before.is_empty() {
            let removed = self.removed.iter().map(|index| *index.get(&before));
            changes.removed = removed.collect();
        }
        for gap in &self.gaps {
            *sequence += i64::from(*gap);
            changes.added.push(record(*sequence));
        }
        there.retain(|sequence, _| !changes.removed.contains(sequence));
        let added = changes.added.iter().cloned();
        there.extend(added.map(|record| (record.sequence, record)));
        changes
    }
}
