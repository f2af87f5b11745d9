//! The outside of an ADB file: the compression, and the head that names the schema.

use std::{borrow::Cow, io::Write as _};

use flate2::{Compress, FlushCompress, Status};

use super::{
    compression::{CHOSEN, DEFLATED, PLAIN},
    schema::Schema,
    unpack::{LARGEST_WINDOW, Unpacker},
};

pub use super::compression::{Compression, ContainerError};

/// Bytes of the head: the letters and the schema.
pub const HEAD: usize = 8;
/// Larger and slower at 9 than at 6 with this deflate and this kind of data.
const LEVEL: u32 = 6;
/// How many times as large as it is packed an index is at most, as a rule.
const LIKELY_RATIO: usize = 4;
/// How much is unpacked in one step, in bytes.
const STEP: usize = 64 << 10;

/// The head of an uncompressed file, to which blocks are appended.
pub fn start(schema: Schema) -> Vec<u8> {
    [*PLAIN, schema.to_bytes()].concat()
}

/// Takes the head off an uncompressed file: the schema, and the blocks.
///
/// # Errors
///
/// [`ContainerError`]: `Magic`, `Truncated`, `Schema`.
pub fn open(file: &[u8]) -> Result<(Schema, &[u8]), ContainerError> {
    let rest = file.strip_prefix(PLAIN).ok_or(ContainerError::Magic)?;
    let (schema, blocks) = rest
        .split_first_chunk::<4>()
        .ok_or(ContainerError::Truncated)?;
    let schema = Schema::from_bytes(*schema).ok_or(ContainerError::Schema)?;
    Ok((schema, blocks))
}

/// Compresses a file. The same file gives the same bytes.
///
/// # Errors
///
/// [`ContainerError::Zstd`] when the library has no memory for it.
pub fn pack(file: Vec<u8>, compression: Compression) -> Result<Vec<u8>, ContainerError> {
    match compression {
        Compression::None => Ok(file),
        Compression::Deflate => Ok(deflate(&file, DEFLATED, LEVEL)),
        Compression::Zstd => zstd(&file, 0),
    }
}

/// Compresses a file at a level of 0 to 9 (deflate) or 0 to 22 (zstd), and writes that level down, as
/// `apk --compression zstd:19` does.
///
/// # Errors
///
/// As [`pack`].
pub fn pack_at(
    file: &[u8],
    compression: Compression,
    level: u8,
) -> Result<Vec<u8>, ContainerError> {
    match compression {
        Compression::None => Ok([CHOSEN.as_slice(), &[0, level], file].concat()),
        Compression::Deflate => {
            let head = [CHOSEN.as_slice(), &[1, level]].concat();
            Ok(deflate(file, &head, u32::from(level.min(9))))
        }
        Compression::Zstd => zstd(file, level),
    }
}

/// As `apk` does it, in a stream of unknown length: the level alone says how large the window is.
fn zstd(file: &[u8], level: u8) -> Result<Vec<u8>, ContainerError> {
    let head = [CHOSEN.as_slice(), &[2, level]].concat();
    let encode = || {
        let mut encoder = zstd::Encoder::new(head, i32::from(level))?;
        // Written before the end is known, so that the length is not.
        encoder.write_all(file)?;
        encoder.finish()
    };
    encode().map_err(|_: std::io::Error| ContainerError::Zstd)
}

fn deflate(file: &[u8], head: &[u8], level: u32) -> Vec<u8> {
    let mut packed = Vec::with_capacity(file.len() / 4 + STEP);
    packed.extend_from_slice(head);
    let mut stream = Compress::new(flate2::Compression::new(level), false);
    loop {
        packed.reserve(STEP);
        let rest = usize::try_from(stream.total_in()).ok();
        let rest = rest.and_then(|done| file.get(done..)).unwrap_or_default();
        // An error would mean that the stream was already finished, and then it is.
        match stream.compress_vec(rest, &mut packed, FlushCompress::Finish) {
            Ok(Status::Ok | Status::BufError) => (),
            Ok(Status::StreamEnd) | Err(_) => {
                // Kept for long, and the room was a guess.
                packed.shrink_to_fit();
                return packed;
            }
        }
    }
}

/// Undoes the compression; `limit` bounds the result, in bytes.
///
/// # Errors
///
/// [`ContainerError`], all but `Schema`.
pub fn unpack(bytes: &[u8], limit: u64) -> Result<Cow<'_, [u8]>, ContainerError> {
    let plain = match bytes {
        [b'A', b'D', b'B', b'.', ..] => Some(bytes),
        [b'A', b'D', b'B', b'c', 0, _, file @ ..] => Some(file),
        _ => None,
    };
    if let Some(file) = plain {
        let fits = file.len() as u64 <= limit;
        return if fits {
            Ok(Cow::Borrowed(file))
        } else {
            Err(ContainerError::TooLarge(limit))
        };
    }
    // What is reserved and never written takes no memory; growing step by step would copy it all, again and again.
    let likely = bytes.len().saturating_mul(LIKELY_RATIO) as u64;
    let mut file = Vec::with_capacity(usize::try_from(likely.min(limit)).unwrap_or_default());
    // A level asks for its window however little it compresses, and what is not written of it takes no memory.
    let mut unpacker = Unpacker::new(limit, LARGEST_WINDOW);
    unpacker.push(bytes, &mut |piece: &[u8]| {
        file.extend_from_slice(piece);
        Ok::<(), ContainerError>(())
    })?;
    unpacker.finish()?;
    Ok(Cow::Owned(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_starts_with_its_magic_and_schema() {
        assert_eq!(start(Schema::Index), b"ADB.indx");
        assert_eq!(
            open(b"ADB.pckgrest"),
            Ok((Schema::Package, b"rest".as_slice()))
        );
    }

    #[test]
    fn unpacks_what_it_packs() {
        let file = [b"ADB.indx".as_slice(), &[b'a'; 300_000]].concat();
        for compression in [Compression::None, Compression::Deflate] {
            let packed = pack(file.clone(), compression).unwrap();
            assert_eq!(unpack(&packed, 400_000).as_deref(), Ok(file.as_slice()));
        }
        assert!(pack(file, Compression::Deflate).unwrap().len() < 2_000);
    }

    #[test]
    fn unpacks_a_stored_deflate_block() {
        let packed = b"ADBd\x01\x08\x00\xf7\xffADB.indx";
        assert_eq!(unpack(packed, 100).as_deref(), Ok(b"ADB.indx".as_slice()));
    }

    #[test]
    fn unpacks_a_file_that_names_its_compression() {
        let packed = b"ADBc\x01\x09\x01\x08\x00\xf7\xffADB.indx";
        assert_eq!(unpack(packed, 100).as_deref(), Ok(b"ADB.indx".as_slice()));
        assert_eq!(
            unpack(b"ADBc\0\x01ADB.indx", 100).as_deref(),
            Ok(b"ADB.indx".as_slice())
        );
    }

    #[test]
    fn rejects_what_does_not_unpack() {
        let cases: [(&[u8], ContainerError); 10] = [
            (b"", ContainerError::Magic),
            (b"ADB", ContainerError::Magic),
            (b"\x1f\x8b\x08\0", ContainerError::Magic),
            (b"ADBz....", ContainerError::Compression),
            (b"ADBc\x02\x03....", ContainerError::Zstd),
            (b"ADBc\x03\x03....", ContainerError::Compression),
            (b"ADBc\x01", ContainerError::Truncated),
            (b"ADBd\x01\x08\x00\xf7\xffADB.", ContainerError::Truncated),
            (b"ADBd\x01\x08\x00\x00\x00ADB.indx", ContainerError::Deflate),
            (
                b"ADBd\x01\x08\x00\xf7\xffADB.indx\0",
                ContainerError::Trailing,
            ),
        ];
        for (bytes, error) in cases {
            assert_eq!(unpack(bytes, 100).as_deref(), Err(&error), "{bytes:?}");
        }
    }

    #[test]
    fn stops_unpacking_at_the_limit() {
        let file = [b"ADB.indx".as_slice(), &vec![0; 10 << 20]].concat();
        for compression in [Compression::None, Compression::Deflate] {
            let packed = pack(file.clone(), compression).unwrap();
            assert_eq!(
                unpack(&packed, 1_000).as_deref(),
                Err(&ContainerError::TooLarge(1_000))
            );
        }
    }

    #[test]
    fn rejects_a_head_without_a_known_schema() {
        assert_eq!(open(b"ADB.idb\0"), Err(ContainerError::Schema));
        assert_eq!(open(b"ADB.ind"), Err(ContainerError::Truncated));
        assert_eq!(open(b"ADBdindx"), Err(ContainerError::Magic));
    }
}
