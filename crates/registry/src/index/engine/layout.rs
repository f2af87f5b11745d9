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

/// The least step of the `APKINDEX` entry's size, in bytes.
const MIN_STEP: u64 = 4 << 10;

/// A bijection of 64 bits that leaves no pattern (the finaliser of SplitMix64).
fn mix(sequence: i64) -> u64 {
    let mut mixed = sequence.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// How long a run this record ends: 0 for none, [`CHUNK`] for a chunk.
pub(super) fn rank(sequence: i64) -> usize {
    let mixed = mix(sequence);
    RUNS.iter()
        .take_while(|records| mixed.is_multiple_of(**records))
        .count()
}

/// The size that the tar header gives for `text` bytes of records; the rest is filled with line feeds. It moves in
/// steps of an eighth or less, so that most appends leave the header, and with it the hash of all before the end, as
/// they were.
pub(super) fn entry_size(text: u64) -> u64 {
    let magnitude = 1_u64 << (63 - text.max(1).leading_zeros());
    text.next_multiple_of((magnitude / 8).max(MIN_STEP))
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
    fn the_entry_grows_in_steps_of_an_eighth_at_most() {
        for text in [
            0,
            1,
            4095,
            4096,
            4097,
            100_000,
            1 << 20,
            (1 << 20) + 1,
            110 << 20,
        ] {
            let size = entry_size(text);
            assert!(size >= text && size.is_multiple_of(512));
            assert!(size - text < MIN_STEP.max(text / 8 + 1), "{text}: {size}");
        }
    }
}
