//! Where an index is cut: a function of the records alone, never of the history of a process.
//!
//! Records are in the order of their sequence. Some of them end a chunk, and which ones is decided by their own
//! sequence number, mixed: so a record that comes or goes moves no cut but its own. Cutting at every n-th number
//! instead would leave chunks nearly empty where most numbers went to other architectures or were deleted.

/// How many records a chunk holds on average.
const CHUNK: u64 = 512;

/// The chunk at the end is open, and is cut finer, so that an append compresses a few records alone: into sections of
/// so many records on average ...
const SECTION: u64 = 128;

/// ... and the last section, which is open too, into pieces of so many. Each is a divisor of the one above, so that
/// what ends a chunk ends a section, and what ends a section ends a piece.
const PIECE: u64 = 16;

/// The least step of the `APKINDEX` entry's size, in bytes.
const MIN_STEP: u64 = 4 << 10;

/// A bijection of 64 bits that leaves no pattern (the finaliser of SplitMix64).
fn mix(sequence: i64) -> u64 {
    let mut mixed = sequence.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Is this record the last of its chunk?
pub(super) fn ends_chunk(sequence: i64) -> bool {
    mix(sequence).is_multiple_of(CHUNK)
}

/// Is this record the last of its section, while its chunk is open?
pub(super) fn ends_section(sequence: i64) -> bool {
    mix(sequence).is_multiple_of(SECTION)
}

/// Is this record the last of its piece, while its section is open?
pub(super) fn ends_piece(sequence: i64) -> bool {
    mix(sequence).is_multiple_of(PIECE)
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
    fn chunks_have_the_size_they_are_meant_to_have() {
        let ends = (0..1_000_000)
            .filter(|sequence| ends_chunk(*sequence))
            .count();
        assert!((1_800..2_100).contains(&ends), "{ends}");
        assert!(
            (0..100_000)
                .filter(|sequence| ends_chunk(*sequence))
                .all(ends_piece)
        );
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
