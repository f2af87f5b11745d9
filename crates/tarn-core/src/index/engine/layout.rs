//! Where an index is cut: a function of the records alone, never of the history of a process.
//!
//! Records are in the order of their sequence. Some of them end a chunk, and which ones is decided by their own
//! sequence number, mixed: so a record that comes or goes moves no cut but its own. Cutting at every n-th number
//! instead would leave chunks nearly empty where most numbers went to other architectures or were deleted.

/// How many records a run holds on average, from the shortest to a chunk. Each number divides the next, so that what
/// ends a run ends the shorter ones too.
///
/// A chunk that is closed is one run, and looks back at nothing. The one at the end is open, and is cut finer and finer
/// towards its end, so that an append compresses a few records alone; its runs look back at those before them, so little is
/// lost by cutting.
const RUNS: [u64; 4] = [16, 64, 256, 1024];

/// The rank of a record that ends a chunk.
pub(super) const CHUNK: usize = RUNS.len();

/// Up to so many bytes of records nothing is filled: hashing some 300 KB anew costs less than an eighth of a signature.
const EXACT: u64 = 1 << 20;

/// How many steps of the size there are at least from one power of two to the next, for larger indexes.
const STEPS: u64 = 256;

/// A bijection of 64 bits that leaves no pattern (the finaliser of SplitMix64).
pub(in crate::index) fn mix(sequence: i64) -> u64 {
    let mut mixed = sequence.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How long a run this record ends: 0 for none, [`CHUNK`] for a chunk.
pub(in crate::index) fn rank(sequence: i64) -> usize {
    let mixed = mix(sequence);
    RUNS.iter()
        .take_while(|records| mixed.is_multiple_of(**records))
        .count()
}

/// The size that the tar header gives for `text` bytes of records; the rest is filled with line feeds.
///
/// The header stands before everything else, so a header that changes has all of the index hashed anew. Of an index up to
/// [`EXACT`] that is cheap, so its size is that of its text and nothing is filled: a reader that takes each blank line for the
/// end of a record finds an empty record otherwise (pmbootstrap 2: "Missing required key"). A larger one would pay for it at
/// each append, so its size moves in steps of 1/256 of the text or less, and the header changes at one append in ten or fewer.
pub(super) fn entry_size(text: u64) -> u64 {
    if text <= EXACT {
        return text;
    }
    let magnitude = 1_u64 << (63 - text.leading_zeros());
    text.next_multiple_of(magnitude / STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_have_the_length_they_are_meant_to_have() {
        for (rank, records) in (1..).zip(RUNS) {
            let ends = (0..1_000_000)
                .filter(|sequence| super::rank(*sequence) >= rank)
                .count() as u64;
            let expected = 1_000_000 / records;
            assert!(
                ends.abs_diff(expected) < expected / 10,
                "{ends} runs of {records}"
            );
        }
    }

    #[test]
    fn every_node_cuts_at_the_same_records() {
        // The first numbers that SplitMix64 gives from 0 on; its state moves on by the same step each time.
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        for (state, number) in [
            (0, 0xe220_a839_7b1d_cdaf),
            (step, 0x6e78_9e6a_a1b9_65f4),
            (step.wrapping_mul(2), 0x06c4_5d18_8009_454f),
        ] {
            assert_eq!(mix(state.cast_signed()), number);
        }
    }

    #[test]
    fn a_small_index_is_not_filled_and_a_large_one_by_a_256th_at_most() {
        for text in [0, 1, 366, 4095, 4097, 100_000, EXACT] {
            assert_eq!(entry_size(text), text);
        }
        for text in [
            EXACT + 1,
            (1 << 20) + 4097,
            3 << 20,
            (1 << 24) - 1,
            1 << 24,
            110 << 20,
        ] {
            let size = entry_size(text);
            assert!(size >= text, "{text}: {size}");
            assert!(size - text < text / STEPS + 1, "{text}: {size}");
        }
        // Most appends leave the header as it is.
        let appends = (0..10_000_u64).map(|number| (3 << 20) + 366 * number);
        let mut sizes: Vec<u64> = appends.map(entry_size).collect();
        sizes.dedup();
        assert!(sizes.len() < 10_000 / 20, "{} headers", sizes.len());
    }
}
