//! The head of a frame of Zstandard, as far as it says how much memory the frame needs (RFC 8878, 3.1.1.1 and 3.1.2).

use super::compression::ContainerError;

/// What a frame with data begins with.
const MAGIC: u32 = 0xfd2f_b528;
/// What a frame to be skipped begins with, but for the last four bits.
const SKIPPED: u32 = 0x184d_2a50;
/// The bit of the descriptor that says: the window is the whole content, and its size stands in place of the window's.
const SINGLE_SEGMENT: u8 = 0x20;

/// Bytes of the window of the frame that begins with `start`; 0 for a frame to be skipped. `None` when more of it is needed: at
/// most 17 bytes say it.
///
/// # Errors
///
/// [`ContainerError::Zstd`] when no frame begins so.
pub(super) fn window(start: &[u8]) -> Result<Option<u64>, ContainerError> {
    let Some((magic, rest)) = start.split_first_chunk::<4>() else {
        return Ok(None);
    };
    let magic = u32::from_le_bytes(*magic);
    if magic & !0xf == SKIPPED {
        return Ok(Some(0));
    }
    if magic != MAGIC {
        return Err(ContainerError::Zstd);
    }
    let Some((descriptor, rest)) = rest.split_first() else {
        return Ok(None);
    };
    if descriptor & SINGLE_SEGMENT == 0 {
        return Ok(rest.first().map(|byte| {
            let base = 1_u64 << (10 + (byte >> 3));
            base + base / 8 * u64::from(byte & 7)
        }));
    }
    let dictionary = match descriptor & 3 {
        3 => 4,
        length => usize::from(length),
    };
    let length = 1_usize << (descriptor >> 6);
    let Some(field) = rest.get(dictionary..dictionary + length) else {
        return Ok(None);
    };
    let number = field
        .iter()
        .rev()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    // The field of two bytes begins at 256.
    let added = if length == 2 { 256 } else { 0 };
    Ok(Some(number.saturating_add(added)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_of_every_head_what_its_last_byte_completes() {
        let frame = [0x28, 0xb5, 0x2f, 0xfd];
        for (rest, size) in [
            // The levels 3, 19 and 22 of streams, and a mantissa.
            (&[0x00, 0x58][..], 2 << 20),
            (&[0x04, 0x68], 8 << 20),
            (&[0x00, 0x88], 128 << 20),
            (&[0x00, 0x03], (1 << 10) + 3 * 128),
            // Contents as windows: fields of every length, behind dictionaries of every length.
            (&[0x20, 200], 200),
            (&[0x61, 9, 0xff, 0], 511),
            (&[0xa2, 9, 9, 1, 0, 0, 1], (1 << 24) + 1),
            (&[0xe3, 9, 9, 9, 9, 0, 0, 0, 0, 1, 0, 0, 0], 1 << 32),
            (
                &[0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                u64::MAX,
            ),
        ] {
            let head = [&frame[..], rest].concat();
            for cut in 0..head.len() {
                assert_eq!(window(&head[..cut]), Ok(None), "{rest:?} {cut}");
            }
            assert_eq!(window(&head), Ok(Some(size)), "{rest:?}");
            let longer = [&head[..], &[0xff]].concat();
            assert_eq!(window(&longer), Ok(Some(size)), "{rest:?}");
        }
        assert_eq!(window(&[0x5f, 0x2a, 0x4d, 0x18]), Ok(Some(0)));
        assert_eq!(window(b"ADB."), Err(ContainerError::Zstd));
    }
}
