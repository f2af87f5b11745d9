//! One gzip member, read in small pieces, and any content written and read back.
#![no_main]

use apk::v2::gzip::{GzipError, MemberReader, compress_member};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = read(bytes, 3, 1 << 20);
    let level = u32::from(bytes.first().copied().unwrap_or(0) % 10);
    let member = compress_member([bytes], level);
    assert_eq!(read(&member, 1000, bytes.len()).as_deref(), Ok(bytes));
});

fn read(bytes: &[u8], piece: usize, limit: usize) -> Result<Vec<u8>, GzipError> {
    let mut reader = MemberReader::new();
    let mut content = Vec::new();
    let mut buffer = [0; 4096];
    for piece in bytes.chunks(piece) {
        let mut rest = piece;
        loop {
            let progress = reader.push(rest, &mut buffer)?;
            content.extend_from_slice(&buffer[..progress.produced]);
            rest = &rest[progress.consumed..];
            if progress.ended || content.len() > limit {
                return Ok(content);
            }
            if progress.consumed == 0 && progress.produced == 0 {
                break;
            }
        }
    }
    reader.finish()?;
    Ok(content)
}
