//! The outside of an ADB file: the compression, and the head that names the schema.

use std::borrow::Cow;

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress, Status};
use thiserror::Error;

use super::schema::Schema;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// `ADB.`: not at all.
    None,
    /// `ADBd`: one raw deflate stream, which every apk 3 reads. (Zstandard needs a build of apk that has it.)
    #[default]
    Deflate,
}

/// Why a file is not an ADB file that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContainerError {
    /// It starts with something else.
    #[error("this is no ADB file, which starts with the letters ADB: send a Packages.adb")]
    Magic,
    /// It is compressed in a way that is not supported.
    #[error("this ADB file is compressed in a way that is not supported: use deflate or none")]
    Compression,
    /// The deflate stream is broken.
    #[error("the compressed part of this ADB file is damaged: send it again")]
    Deflate,
    /// The file ends before the deflate stream does, or within its head.
    #[error("this ADB file is cut off: send the whole file")]
    Truncated,
    /// There is something after the deflate stream.
    #[error("this ADB file has bytes after its compressed part, which apk refuses")]
    Trailing,
    /// It unpacks to more than the limit.
    #[error("this ADB file unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// The schema is not known.
    #[error("this ADB file is neither an index nor a package")]
    Schema,
}

/// The letters in front of an uncompressed file (apk-tools `src/adb.h`, `ADB_FORMAT_MAGIC`).
const PLAIN: &[u8; 4] = b"ADB.";
/// The letters in front of a deflate stream (apk-tools `src/adb_comp.c`).
const DEFLATED: &[u8; 4] = b"ADBd";
/// The letters in front of an algorithm, a level and a stream (the same place).
const CHOSEN: &[u8; 4] = b"ADBc";
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
pub fn pack(file: Vec<u8>, compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => file,
        Compression::Deflate => deflate(&file),
    }
}

fn deflate(file: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(file.len() / 4 + STEP);
    packed.extend_from_slice(DEFLATED);
    let mut stream = Compress::new(flate2::Compression::new(LEVEL), false);
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
    let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
        return Err(ContainerError::Magic);
    };
    let stream = match magic {
        PLAIN if bytes.len() as u64 > limit => return Err(ContainerError::TooLarge(limit)),
        PLAIN => return Ok(Cow::Borrowed(bytes)),
        DEFLATED => rest,
        CHOSEN => match rest {
            // The algorithm and the level.
            [0, _, file @ ..] if file.len() as u64 > limit => {
                return Err(ContainerError::TooLarge(limit));
            }
            [0, _, file @ ..] => return Ok(Cow::Borrowed(file)),
            [1, _, stream @ ..] => stream,
            [_, _, ..] => return Err(ContainerError::Compression),
            _ => return Err(ContainerError::Truncated),
        },
        [b'A', b'D', b'B', _] => return Err(ContainerError::Compression),
        _ => return Err(ContainerError::Magic),
    };
    inflate(stream, limit).map(Cow::Owned)
}

fn inflate(packed: &[u8], limit: u64) -> Result<Vec<u8>, ContainerError> {
    // What is reserved and never written takes no memory; growing step by step would copy it all, again and again.
    let likely = packed.len().saturating_mul(LIKELY_RATIO) as u64;
    let mut file = Vec::with_capacity(usize::try_from(likely.min(limit)).unwrap_or_default());
    let mut stream = Decompress::new(false);
    loop {
        file.reserve(STEP);
        let done = usize::try_from(stream.total_in()).ok();
        let rest = done.and_then(|done| packed.get(done..)).unwrap_or_default();
        let before = (rest.len(), file.len());
        let status = stream
            .decompress_vec(rest, &mut file, FlushDecompress::None)
            .map_err(|_| ContainerError::Deflate)?;
        if file.len() as u64 > limit {
            return Err(ContainerError::TooLarge(limit));
        }
        let read = usize::try_from(stream.total_in()).ok();
        let left = read.and_then(|read| packed.get(read..)).unwrap_or_default();
        match status {
            Status::StreamEnd if left.is_empty() => return Ok(file),
            Status::StreamEnd => return Err(ContainerError::Trailing),
            Status::Ok | Status::BufError if before == (left.len(), file.len()) => {
                return Err(ContainerError::Truncated);
            }
            Status::Ok | Status::BufError => (),
        }
    }
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
            let packed = pack(file.clone(), compression);
            assert_eq!(unpack(&packed, 400_000).as_deref(), Ok(file.as_slice()));
        }
        assert!(pack(file, Compression::Deflate).len() < 2_000);
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
        let cases: [(&[u8], ContainerError); 9] = [
            (b"", ContainerError::Magic),
            (b"ADB", ContainerError::Magic),
            (b"\x1f\x8b\x08\0", ContainerError::Magic),
            (b"ADBz....", ContainerError::Compression),
            (b"ADBc\x02\x03....", ContainerError::Compression),
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
            let packed = pack(file.clone(), compression);
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
