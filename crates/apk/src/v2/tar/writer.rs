//! Writing headers, the same bytes every time.

use super::{BLOCK, EntryKind};

/// Two blocks of zeros. Signature and control sections have none, so that the next section goes on where they end.
pub const END_OF_ARCHIVE: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// A header to be written. Owner and group are root; everything not named here is zero.
#[derive(Debug, Clone, Copy)]
pub struct EntryHeader<'a> {
    /// The path. Longer than 100 bytes, it goes into a pax header in front.
    pub name: &'a [u8],
    /// What the entry is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u32,
    /// Bytes of content, at most 8 GiB - 1: the header has eleven octal digits.
    pub size: u64,
    /// Modification time, in seconds since 1970.
    pub modified: u64,
    /// Where a link points to; empty for everything else. Longer than 100 bytes, it goes into a pax header.
    pub link_target: &'a [u8],
    /// Records for a pax header in front, e.g. `SCHILY.xattr.user.a`.
    pub pax: &'a [(&'a str, &'a [u8])],
}

impl<'a> EntryHeader<'a> {
    /// A regular file that everybody may read.
    pub fn file(name: &'a [u8], size: u64, modified: u64) -> Self {
        Self {
            name,
            kind: EntryKind::File,
            mode: 0o644,
            size,
            modified,
            link_target: b"",
            pax: &[],
        }
    }

    /// The bytes of the header: one block, or three and more with a pax header.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut records = Vec::new();
        if self.name.len() > 100 {
            pax_record(&mut records, "path", self.name);
        }
        if self.link_target.len() > 100 {
            pax_record(&mut records, "linkpath", self.link_target);
        }
        for (key, value) in self.pax {
            pax_record(&mut records, key, value);
        }
        let mut bytes = Vec::with_capacity(BLOCK);
        if !records.is_empty() {
            let size = records.len() as u64;
            bytes.extend_from_slice(&block(b"pax", 0o644, size, self.modified, b'x', b""));
            bytes.extend_from_slice(&records);
            bytes.extend_from_slice(padding(size));
        }
        bytes.extend_from_slice(&block(
            self.name,
            self.mode,
            self.size,
            self.modified,
            self.kind.to_byte(),
            self.link_target,
        ));
        bytes
    }
}

/// The zeros after `size` bytes of content.
pub fn padding(size: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let missing = size.wrapping_neg() % BLOCK as u64;
    usize::try_from(missing)
        .ok()
        .and_then(|missing| ZEROS.get(..missing))
        .unwrap_or_default()
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits too.
pub(super) fn pax_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let without_digits = key.len() + value.len() + 3;
    let mut length = without_digits + 1;
    while without_digits + length.to_string().len() != length {
        length = without_digits + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn block(
    name: &[u8],
    mode: u32,
    size: u64,
    modified: u64,
    type_byte: u8,
    link_target: &[u8],
) -> [u8; BLOCK] {
    let mut fields = Vec::with_capacity(BLOCK);
    text(&mut fields, name, 100);
    octal(&mut fields, u64::from(mode), 8);
    octal(&mut fields, 0, 8);
    octal(&mut fields, 0, 8);
    octal(&mut fields, size, 12);
    octal(&mut fields, modified, 12);
    let before_sum = fields.clone();
    fields.clear();
    fields.push(type_byte);
    text(&mut fields, link_target, 100);
    fields.extend_from_slice(b"ustar\x0000");
    text(&mut fields, b"root", 32);
    text(&mut fields, b"root", 32);
    octal(&mut fields, 0, 8);
    octal(&mut fields, 0, 8);
    fields.resize(BLOCK - before_sum.len() - 8, 0);
    let sum = before_sum
        .iter()
        .chain(&fields)
        .map(|byte| u64::from(*byte))
        .sum::<u64>()
        + 8 * u64::from(b' ');
    let mut header = [0; BLOCK];
    let mut whole = before_sum;
    octal(&mut whole, sum, 8);
    whole.append(&mut fields);
    for (target, byte) in header.iter_mut().zip(whole) {
        *target = byte;
    }
    header
}

fn text(fields: &mut Vec<u8>, value: &[u8], width: usize) {
    let end = fields.len() + width;
    fields.extend(value.iter().take(width));
    fields.resize(end, 0);
}

/// `width - 1` octal digits and a NUL. A number with more digits than fit is written as the largest that does.
fn octal(fields: &mut Vec<u8>, value: u64, width: usize) {
    let digits = width - 1;
    let largest = (1_u64 << (3 * digits).min(63)) - 1;
    fields.extend_from_slice(format!("{:0digits$o}\0", value.min(largest)).as_bytes());
}
