//! The little of DER (X.690) that public keys need. Strict: one way to write each value.

use crate::cursor::{Cursor, CursorError};

/// The bytes are not the structure they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl From<CursorError> for Malformed {
    fn from(_: CursorError) -> Self {
        Self
    }
}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Takes one value with the given tag and gives its content.
pub(super) fn take<'a>(cursor: &mut Cursor<'a>, tag: u8) -> Result<&'a [u8], Malformed> {
    if cursor.byte()? != tag {
        return Err(Malformed);
    }
    let length = match cursor.byte()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => match cursor.byte()? {
            length @ 0x80.. => usize::from(length),
            _ => return Err(Malformed),
        },
        0x82 => match u16::from_be_bytes(cursor.array()?) {
            length @ 0x100.. => usize::from(length),
            _ => return Err(Malformed),
        },
        // Nothing longer than 65,535 bytes is a key.
        _ => return Err(Malformed),
    };
    Ok(cursor.take(length)?)
}

/// Takes an integer that is not negative, without the zero byte that says so.
pub(super) fn take_unsigned<'a>(cursor: &mut Cursor<'a>) -> Result<&'a [u8], Malformed> {
    match take(cursor, INTEGER)? {
        [] | [0x80..=0xff, ..] | [0, 0..=0x7f, _, ..] => Err(Malformed),
        [0] => Ok(&[]),
        [0, rest @ ..] => match rest {
            [0x80..=0xff, ..] => Ok(rest),
            _ => Err(Malformed),
        },
        digits => Ok(digits),
    }
}

/// The content of the one value that `bytes` are.
pub(super) fn only(bytes: &[u8], tag: u8) -> Result<&[u8], Malformed> {
    let mut cursor = Cursor::new(bytes);
    let content = take(&mut cursor, tag)?;
    cursor.finish()?;
    Ok(content)
}

/// Writes one value.
pub(super) fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u16::try_from(content.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes()
    {
        [0, short @ 0..=0x7f] => bytes.push(short),
        [0, length] => bytes.extend([0x81, length]),
        [high, low] => bytes.extend([0x82, high, low]),
    }
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_one_spelling() {
        for size in [0, 1, 127, 128, 255, 256, 65_535] {
            let bytes = encode(SEQUENCE, &vec![9; size]);
            assert_eq!(only(&bytes, SEQUENCE).map(<[u8]>::len), Ok(size));
        }
        for bytes in [
            &b"\x30\x81\x01\x00"[..],
            b"\x30\x82\x00\x01\x00",
            b"\x30\x80\x00\x00",
            b"\x30\x02\x00",
            b"\x30\x00\x00",
        ] {
            assert_eq!(only(bytes, SEQUENCE), Err(Malformed));
        }
    }

    #[test]
    fn integers_have_one_spelling() {
        let read = |bytes: &'static [u8]| take_unsigned(&mut Cursor::new(bytes));
        assert_eq!(read(b"\x02\x01\x00"), Ok(&b""[..]));
        assert_eq!(read(b"\x02\x01\x7f"), Ok(&b"\x7f"[..]));
        assert_eq!(read(b"\x02\x02\x00\x80"), Ok(&b"\x80"[..]));
        for bytes in [
            &b"\x02\x00"[..],
            b"\x02\x01\x80",
            b"\x02\x02\x00\x7f",
            b"\x02\x03\x00\x00\x80",
        ] {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
        }
    }
}
