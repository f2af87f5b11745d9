//! Where the payload of a v3 index is cut: a function of nothing but the packages in it, never of the history of a process.
//!
//! ```text
//! header | settled chunk | … | chunk | … | hole | run | hole | run | … | hole | packages since | array
//!   └── root ────────────────────────────────────────────────────────────→ ┘
//! ```
//!
//! Values point at absolute places, so what stands behind a part that grows would have to be written anew. So packages
//! are cut into parts that share nothing, and only the last part grows:
//!
//! - Most packages are settled: all up to one of the newest eighth ([`last_settled`]). They stand sorted by name, so that all
//!   versions of one stand together, whenever they came: each text that they share is there once. When the last settled package
//!   changes, all of them are rewritten: on average once every n/16 appends to an index of n packages.
//! - The others stand in the order of their sequence.
//! - A run ends with a package whose mixed sequence number says so ([`ends_run`]), one in 256 on average.
//! - A chunk ends with the first package that ends a run after which it has [`LEAST`] packages or more; of the settled ones, the last chunk with
//!   the last of them. A chunk is written by columns and sorted by name, which compresses best, and filled with zeros to a multiple
//!   of [`STEP`]: so a package that goes moves nothing behind its chunk, most of the time.
//! - The hole in front of a run has room for the root object. The last one holds it, the others zeros. The header at the very
//!   start of the payload says which one that is, and what is behind it is hashed at each append, for the root says where
//!   the array is. So the root moves when a run ends, and all is hashed then.

use apk::v3::value::Value;

use crate::index::engine::layout::{mix, rank};

/// The ranks of [`rank`] that end a piece of the last run, which is compressed by itself, and a run.
const PIECE_RANK: usize = 1;
const RUN_RANK: usize = 3;

/// From how many packages on there are settled ones. Fewer fit into a chunk and an open one.
const FEWEST: usize = 2048;

/// What part of all packages the newest are.
const NEWEST: usize = 8;

/// How many of `count` packages are the newest.
pub(super) fn newest(count: usize) -> usize {
    count / NEWEST
}

/// The sequence of the last settled package of an index of `count`: of the newest, the one whose mixed sequence number is the largest.
/// `sequences` are those of the newest at least, in any order.
///
/// It changes when the package leaves the newest eighth, or a new one has a larger number.
pub(super) fn last_settled(count: usize, mut sequences: Vec<i64>) -> Option<i64> {
    if count < FEWEST {
        return None;
    }
    let older = sequences.len().saturating_sub(newest(count));
    if older > 0 {
        sequences.select_nth_unstable(older);
    }
    let newest = sequences.into_iter().skip(older);
    newest.max_by_key(|sequence| mix(*sequence))
}

/// How many packages a closed chunk has at least. More of them share more, and cost more when one of them goes.
pub(super) const LEAST: usize = 1024;

/// Chunks end at multiples of this, in bytes.
pub(super) const STEP: usize = 16 << 10;

/// Bytes of the header (apk-tools `src/adb.h`, `struct adb_hdr`).
pub(super) const HEADER: usize = 8;

/// Bytes of a hole: the count of the root object, its two fields, and four zeros so that what follows is aligned.
pub(super) const HOLE: usize = 16;

/// How far back what is behind the last piece looks when it is compressed, in bytes. It is compressed anew at each append, which costs
/// mostly the reading of what it looks back at.
pub(super) const REST_LOOKS_BACK: usize = 4 << 10;

/// Whether this package ends a piece of the last run.
pub(super) fn ends_piece(sequence: i64) -> bool {
    rank(sequence) >= PIECE_RANK
}

/// Whether this package ends a run. Then it ends a piece too.
pub(super) fn ends_run(sequence: i64) -> bool {
    rank(sequence) >= RUN_RANK
}

/// How many values a piece of the array has on average: a power of two.
const ARRAY_PIECE: u32 = 512;

/// Whether this value ends a piece of the array.
pub(super) fn ends_array_piece(value: Value) -> bool {
    // Places are alike in their lower bits: mixed (the finaliser of MurmurHash3).
    let mut mixed = value.word();
    mixed = (mixed ^ (mixed >> 16)).wrapping_mul(0x85eb_ca6b);
    mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
    (mixed ^ (mixed >> 16)).is_multiple_of(ARRAY_PIECE)
}

#[cfg(test)]
mod tests {
    use apk::v3::value::Type;

    use super::*;

    #[test]
    fn most_packages_are_settled_and_they_are_written_anew_rarely() {
        let mut there: Vec<i64> = (1..2_000).collect();
        assert_eq!(last_settled(there.len(), there.clone()), None);
        let (mut last, mut written) = (None, 0);
        for sequence in 2_000..8_000 {
            there.push(sequence);
            let newest = there[there.len() - newest(there.len())..].to_vec();
            let settled = last_settled(there.len(), newest.clone());
            if sequence % 100 == 0 {
                // Those that are older make no difference.
                assert_eq!(last_settled(there.len(), there.clone()), settled);
                assert!(settled.is_none_or(|last| newest.contains(&last)));
            }
            if settled != last {
                (last, written) = (settled, written + there.len());
            }
        }
        assert!(written < 20 * there.len(), "{written} packages");
    }

    #[test]
    fn runs_have_the_length_they_are_meant_to_have() {
        let ends = (0..1_000_000).filter(|sequence| ends_run(*sequence));
        let ends: Vec<i64> = ends.collect();
        let expected = 1_000_000 / 256;
        assert!(ends.len().abs_diff(expected) < expected / 10);
        assert!(ends.into_iter().all(ends_piece));
    }

    #[test]
    fn pieces_of_the_array_have_the_length_they_are_meant_to_have() {
        // Packages of a chunk stand behind each other.
        let values = (0..1_000_000).filter_map(|number| Value::new(Type::Object, number * 88));
        let ends = values.filter(|value| ends_array_piece(*value)).count();
        let expected = 1_000_000 / ARRAY_PIECE as usize;
        assert!(ends.abs_diff(expected) < expected / 5, "{ends}");
    }
}
