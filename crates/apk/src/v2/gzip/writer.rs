//! Writing one gzip member, the same bytes for the same content and level every time.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::PLAIN_HEADER;

const BUFFER: usize = 32 << 10;

/// Compresses one member piece by piece into a sink. Its header holds no time, name or operating system.
#[derive(Debug)]
pub struct MemberWriter {
    deflate: Compress,
    crc: Crc,
    length: u32,
    started: bool,
    buffer: Vec<u8>,
}

impl MemberWriter {
    /// A member compressed at `level`: 0 stores, 9 is the smallest; anything above counts as 9.
    pub fn new(level: u32) -> Self {
        Self {
            deflate: Compress::new(Compression::new(level.min(9)), false),
            crc: Crc::new(),
            length: 0,
            started: false,
            buffer: vec![0; BUFFER],
        }
    }

    /// Compresses `content`. The sink gets what is ready, which may be nothing.
    pub fn write<E>(
        &mut self,
        content: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.start(sink)?;
        self.crc.update(content);
        self.length = self.length.wrapping_add(low_half(content.len() as u64));
        let mut rest = content;
        while !rest.is_empty() {
            let (used, status) = self.compress(rest, FlushCompress::None, sink)?;
            if status == Status::StreamEnd {
                break;
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the member: the last block and the trailer.
    pub fn finish<E>(mut self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.start(sink)?;
        loop {
            let (_, status) = self.compress(&[], FlushCompress::Finish, sink)?;
            if status == Status::StreamEnd {
                break;
            }
        }
        sink(&self.crc.sum().to_le_bytes())?;
        sink(&self.length.to_le_bytes())
    }

    fn start<E>(&mut self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if !std::mem::replace(&mut self.started, true) {
            sink(&PLAIN_HEADER)?;
        }
        Ok(())
    }

    fn compress<E>(
        &mut self,
        input: &[u8],
        flush: FlushCompress,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(usize, Status), E> {
        let (before_in, before_out) = (self.deflate.total_in(), self.deflate.total_out());
        // Compressing fails only on a stream state that was never set up; `Compress::new` sets it up.
        let status = self
            .deflate
            .compress(input, &mut self.buffer, flush)
            .unwrap_or(Status::StreamEnd);
        let used = usize::try_from(self.deflate.total_in() - before_in).unwrap_or(input.len());
        let made =
            usize::try_from(self.deflate.total_out() - before_out).unwrap_or(self.buffer.len());
        sink(self.buffer.get(..made).unwrap_or_default())?;
        Ok((used, status))
    }
}

/// Compresses `parts`, one after the other, into one member.
pub fn compress_member<'a>(parts: impl IntoIterator<Item = &'a [u8]>, level: u32) -> Vec<u8> {
    let mut member = Vec::new();
    let mut sink = |bytes: &[u8]| {
        member.extend_from_slice(bytes);
        Ok::<(), std::convert::Infallible>(())
    };
    let mut writer = MemberWriter::new(level);
    for part in parts {
        let Ok(()) = writer.write(part, &mut sink);
    }
    let Ok(()) = writer.finish(&mut sink);
    member
}

/// The length in a gzip trailer counts modulo 2^32 (RFC 1952, 2.3.1).
fn low_half(length: u64) -> u32 {
    (length & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::super::*;

    fn inflate(input: &[u8], piece: usize) -> Result<(Vec<u8>, usize), GzipError> {
        let mut reader = MemberReader::new();
        let mut content = Vec::new();
        let mut consumed = 0;
        let mut buffer = [0; 7];
        for chunk in input.chunks(piece) {
            let mut rest = chunk;
            loop {
                let progress = reader.push(rest, &mut buffer)?;
                content.extend_from_slice(&buffer[..progress.produced]);
                rest = &rest[progress.consumed..];
                consumed += progress.consumed;
                if progress.ended {
                    return Ok((content, consumed));
                }
                if progress.consumed == 0 && progress.produced == 0 {
                    break;
                }
            }
        }
        reader.finish()?;
        Ok((content, consumed))
    }

    #[test]
    fn reads_what_it_writes_in_pieces_of_any_size() {
        let content: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        for level in [0, 1, 6, 9] {
            let member = compress_member([&content[..100], &content[100..]], level);
            for piece in [1, 2, 3, 1000, member.len()] {
                let (read, consumed) = inflate(&member, piece).expect("own member");
                assert_eq!(read, content);
                assert_eq!(consumed, member.len());
            }
        }
    }

    #[test]
    fn an_empty_member_is_twenty_bytes() {
        let member = compress_member([], 9);
        assert_eq!(
            member,
            [
                31, 139, 8, 0, 0, 0, 0, 0, 0, 255, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0
            ]
        );
        assert_eq!(inflate(&member, 1), Ok((vec![], 20)));
    }

    #[test]
    fn stops_at_the_end_of_the_member() {
        let mut member = compress_member([&b"one"[..]], 9);
        let size = member.len();
        member.extend_from_slice(b"two");
        assert_eq!(inflate(&member, 4), Ok((b"one".to_vec(), size)));
        assert_eq!(inflate(&member, 400), Ok((b"one".to_vec(), size)));
    }

    #[test]
    fn reads_every_optional_header_field() {
        // FHCRC, FEXTRA, FNAME and FCOMMENT together (RFC 1952, 2.3.1).
        let mut header = vec![0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 1, 2, 3, 4, 0, 3];
        header.extend_from_slice(b"\x02\x00ab");
        header.extend_from_slice(b"name\0comment\0");
        let mut crc = flate2::Crc::new();
        crc.update(&header);
        let mut member = header.clone();
        member.extend_from_slice(&crc.sum().to_le_bytes()[..2]);
        member.extend_from_slice(&compress_member([&b"content"[..]], 9)[10..]);
        assert_eq!(inflate(&member, 1), Ok((b"content".to_vec(), member.len())));
        member[header.len()] ^= 1;
        assert_eq!(inflate(&member, 1), Err(GzipError::HeaderChecksum));
    }

    #[test]
    fn rejects_what_is_no_member() {
        let member = compress_member([&b"some content"[..]], 9);
        let with = |at: usize, byte: u8| {
            let mut changed = member.clone();
            changed[at] = byte;
            inflate(&changed, 5).expect_err("changed")
        };
        let end = member.len();
        assert_eq!(inflate(b"<html>", 5), Err(GzipError::NotGzip));
        assert_eq!(with(2, 7), GzipError::UnknownMethod(7));
        assert_eq!(with(3, 0x20), GzipError::ReservedFlags(0x20));
        assert_eq!(with(10, 0xff), GzipError::Deflate);
        assert_eq!(with(end - 8, !member[end - 8]), GzipError::Checksum);
        assert_eq!(with(end - 1, 1), GzipError::Length);
        for size in 0..end {
            assert_eq!(
                inflate(&member[..size], 5),
                Err(GzipError::Truncated),
                "{size}"
            );
        }
        let mut endless = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0];
        endless.extend_from_slice(&[b'a'; 80 << 10]);
        assert_eq!(inflate(&endless, 1000), Err(GzipError::HeaderTooLong));
    }
}
