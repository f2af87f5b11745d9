//! As much of tar and gzip as the tests write and read. Nothing in here is shared with the product, on purpose.

use std::io::{Read as _, Write as _};

use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};

/// The header of one entry, 512 bytes, in the ustar form.
pub(crate) fn header(name: &str, kind: u8, mode: u32, size: u64) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |offset: usize, text: &str| {
        header[offset..offset + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, name);
    put(100, &format!("{mode:07o}\0"));
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "14524753200\0");
    put(257, "ustar\x0000");
    put(265, "root");
    put(297, "root");
    header[156] = kind;
    sum_up(&mut header);
    header
}

/// Writes the sum over the header, which counts its own place as spaces.
fn sum_up(header: &mut [u8; 512]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A symbolic link.
pub(crate) fn symbolic_link(name: &str, target: &str) -> [u8; 512] {
    let mut header = header(name, b'2', 0o777, 0);
    header[157..157 + target.len()].copy_from_slice(target.as_bytes());
    sum_up(&mut header);
    header
}

/// One whole entry: header, content, and zeros up to the next block.
pub(crate) fn entry(name: &str, kind: u8, mode: u32, content: &[u8]) -> Vec<u8> {
    let mut entry = header(name, kind, mode, content.len() as u64).to_vec();
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// The pax header that stands before a file of a data section and holds its SHA-1. apk 3 installs no file without it.
pub(crate) fn checksum(sha1_hex: &str) -> Vec<u8> {
    // The length at the front counts itself: 2 digits, and the space, the key, `=` and the line feed.
    let record = format!(" APK-TOOLS.checksum.SHA1={sha1_hex}\n");
    let record = format!("{}{record}", record.len() + 2);
    entry("PaxHeaders/checksum", b'x', 0o644, record.as_bytes())
}

/// One gzip member with nothing in it that depends on the time or the machine.
pub(crate) fn gzip(content: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// The contents of the gzip members of `bytes`, one after the other.
pub(crate) fn gunzip_members(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut members = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut decoder = GzDecoder::new(rest);
        let mut content = Vec::new();
        decoder.read_to_end(&mut content).expect("a gzip member");
        rest = decoder.into_inner();
        members.push(content);
    }
    members
}

/// The names and contents of the plain files in a tar archive.
pub(crate) fn entries(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut entries = Vec::new();
    let mut rest = archive;
    while rest.len() >= 512 && rest[0] != 0 {
        let text = |range: std::ops::Range<usize>| {
            let field = &rest[range];
            let end = field.iter().position(|byte| *byte == 0);
            String::from_utf8_lossy(&field[..end.unwrap_or(field.len())]).into_owned()
        };
        let size = usize::from_str_radix(text(124..136).trim(), 8).expect("an octal size");
        entries.push((text(0..100), rest[512..512 + size].to_vec()));
        let next = (512 + size.next_multiple_of(512)).min(rest.len());
        rest = &rest[next..];
    }
    entries
}
