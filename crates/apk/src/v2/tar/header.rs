//! The 512-byte ustar header, read.

use crate::cursor::{Cursor, CursorError};

use super::{BLOCK, Owner, error::TarError};

/// The fields of one header block that mean something here, as they stand there.
pub(super) struct Header<'a> {
    prefix: &'a [u8],
    name: &'a [u8],
    pub(super) mode: u64,
    pub(super) size: u64,
    pub(super) type_byte: u8,
    pub(super) link_target: &'a [u8],
    pub(super) owner: Owner,
}

impl<'a> Header<'a> {
    /// Reads a block that is not all zeros.
    pub(super) fn parse(block: &'a [u8; BLOCK]) -> Result<Self, TarError> {
        check_sum(block)?;
        let header = Self::fields(block).map_err(|error| match error {
            FieldError::Octal(field) => TarError::Number { field },
            FieldError::Magic => TarError::NotUstar,
            // Cannot be: the fields together are exactly one block.
            FieldError::Short => TarError::Truncated,
        })?;
        // To apk this is an end-of-archive, whatever else stands there, and its content are headers (`apk_tar_parse`).
        if block.starts_with(b"\0") {
            return Err(TarError::NoName);
        }
        Ok(header)
    }

    fn fields(block: &'a [u8; BLOCK]) -> Result<Self, FieldError> {
        let mut cursor = Cursor::new(block);
        let name = text(cursor.take(100)?);
        let mode = octal(cursor.take(8)?, "mode")?;
        let uid = octal(cursor.take(8)?, "uid")?;
        let gid = octal(cursor.take(8)?, "gid")?;
        let size = octal(cursor.take(12)?, "size")?;
        octal(cursor.take(12)?, "mtime")?;
        cursor.take(8)?;
        let type_byte = cursor.byte()?;
        let link_target = text(cursor.take(100)?);
        // apk compares these five bytes only, so that `ustar  \0` of GNU tar passes as well.
        if cursor.take(5)? != b"ustar" {
            return Err(FieldError::Magic);
        }
        cursor.take(3)?;
        let (user, group) = (cursor.array()?, cursor.array()?);
        octal(cursor.take(8)?, "devmajor")?;
        octal(cursor.take(8)?, "devminor")?;
        let prefix = text(cursor.take(155)?);
        cursor.take(12)?;
        cursor.finish()?;
        Ok(Self {
            prefix,
            name,
            mode,
            size,
            type_byte,
            link_target,
            owner: Owner {
                uid,
                gid,
                user,
                group,
            },
        })
    }

    pub(super) fn has_prefix(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// The prefix, if there is one, and the name.
    pub(super) fn path(&self) -> Vec<u8> {
        if self.has_prefix() {
            [self.prefix, b"/", self.name].concat()
        } else {
            self.name.to_vec()
        }
    }
}

enum FieldError {
    Octal(&'static str),
    Magic,
    Short,
}

impl From<CursorError> for FieldError {
    fn from(_: CursorError) -> Self {
        Self::Short
    }
}

/// Up to the first NUL, or all of it.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, ended by NULs and spaces. As `get_octal` in `src/tar.c`, but for leading spaces, which apk
/// reads as the end of the number as well, and so as 0 or an error: there must be none. An empty field is 0.
fn octal(field: &[u8], name: &'static str) -> Result<u64, FieldError> {
    let mut value: u64 = 0;
    let mut rest = field.iter();
    for byte in rest.by_ref() {
        match byte {
            b'0'..=b'7' => value = value << 3 | u64::from(byte - b'0'),
            0 | b' ' => break,
            _ => return Err(FieldError::Octal(name)),
        }
    }
    if rest.all(|byte| matches!(byte, 0 | b' ')) {
        Ok(value)
    } else {
        Err(FieldError::Octal(name))
    }
}

/// POSIX: the sum of all bytes, those of the sum itself taken as spaces. Old tars summed signed bytes; apk's writers and
/// GNU tar never did, and apk itself does not look.
fn check_sum(block: &[u8; BLOCK]) -> Result<(), TarError> {
    let mut cursor = Cursor::new(block);
    let (Ok(before), Ok(field), after) = (cursor.take(148), cursor.take(8), cursor.rest()) else {
        return Err(TarError::Truncated);
    };
    let sum: u64 = before
        .iter()
        .chain(after)
        .map(|byte| u64::from(*byte))
        .sum::<u64>()
        + 8 * u64::from(b' ');
    // Some writers pad this one field with spaces in front.
    let digits = field.trim_ascii_start();
    match octal(digits, "checksum") {
        Ok(found) if found == sum => Ok(()),
        _ => Err(TarError::HeaderChecksum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_fields_are_digits_then_nuls_or_blanks() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"000644 \0", Some(0o644)),
            (b"777777777777", Some(0o777_777_777_777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b" 644\0", None),
            (b"0000648\0", None),
            (b"-000644\0", None),
            (b"64\x004\0", None),
            (b"\x80\0\0\0\0\0\0\0\0\0\0\x01", None),
            (b"644\n", None),
        ] {
            assert_eq!(
                octal(field, "mode").ok(),
                expected,
                "{}",
                field.escape_ascii()
            );
        }
    }
}
