//! Where the payload of a v3 index is cut: a function of nothing but the packages in it, never of the history of a process.
//!
//! ```text
//! header | chunk | chunk | … | hole | run | hole | run | … | hole | packages since | array
//!   └── root ────────────────────────────────────────────────→ ┘
//! ```
//!
//! Values point at absolute places, so what stands behind a part that grows would have to be written anew. So packages
//! stand in the order of their sequence, cut into parts that share nothing, and only the last part grows:
//!
//! - A run ends with a package whose mixed sequence number says so ([`ends_run`]), one in 256 on average.
//! - A chunk ends with the first run after which it has [`LEAST`] packages or more. A closed chunk is written by columns and
//!   sorted by name, which compresses best, and filled with zeros to a multiple of [`STEP`]: so a package that goes moves
//!   nothing behind its chunk, most of the time.
//! - The hole in front of a run has room for the root object. The last one holds it, the others zeros. The header at the very
//!   start of the payload says which one that is, and what is behind it is hashed at each append, for the root says where
//!   the array is. So the root moves when a run ends, and all is hashed then.

use apk::v3::value::Value;

use crate::index::engine::layout::rank;

/// The ranks of [`rank`] that end a piece of the last run, which is compressed by itself, and a run.
const PIECE_RANK: usize = 1;
const RUN_RANK: usize = 3;

/// How many packages a closed chunk has at least. More of them share more, and cost more when one of them goes.
pub(super) const LEAST: usize = 1536;

/// Chunks end at multiples of this, in bytes.
pub(super) const STEP: usize = 16 << 10;

/// Bytes of the header (apk-tools `src/adb.h`, `struct adb_hdr`).
pub(super) const HEADER: usize = 8;

/// Bytes of a hole: the count of the root object, its two fields, and four zeros so that what follows is aligned.
pub(super) const HOLE: usize = 16;

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
