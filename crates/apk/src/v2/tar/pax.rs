//! pax extended headers: lines of `LENGTH KEY=VALUE\n` (POSIX.1-2001, `pax`, "pax Extended Header").

use crate::{acl::Xattr, cursor::Cursor, digest::read_hex};

use super::error::TarError;

/// What one `x` header changes about the entry after it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) checksum: Option<[u8; 20]>,
    pub(super) xattrs: Vec<Xattr>,
}

/// Reads an `x` header.
pub(super) fn parse(content: &[u8]) -> Result<Extended, TarError> {
    let mut extended = Extended::default();
    for_each_record(content, |key, value| {
        match key {
            b"path" => set_once(&mut extended.path, text(value)?, "path"),
            b"linkpath" => set_once(&mut extended.link_target, text(value)?, "linkpath"),
            b"size" => set_once(&mut extended.size, decimal(value)?, "size"),
            b"APK-TOOLS.checksum.SHA1" => set_once(
                &mut extended.checksum,
                read_hex(value).ok_or(TarError::Pax(
                    "APK-TOOLS.checksum.SHA1 is not 40 hexadecimal digits",
                ))?,
                "APK-TOOLS.checksum.SHA1",
            ),
            _ if key.starts_with(b"GNU.sparse.") => Err(TarError::Sparse),
            _ => match key.strip_prefix(b"SCHILY.xattr.") {
                Some(name) if name.is_empty() || name.contains(&0) => {
                    Err(TarError::Pax("an attribute's name is empty or holds a NUL"))
                }
                Some(name) => {
                    extended.xattrs.push(Xattr {
                        name: name.to_vec(),
                        value: value.to_vec(),
                    });
                    Ok(())
                }
                // Times, owners, comments: apk takes them from the ustar header.
                None => Ok(()),
            },
        }
    })?;
    // Sorted once: a header holds more than ten thousand.
    let xattrs = extended.xattrs.iter();
    let mut names: Vec<&[u8]> = xattrs.map(|xattr| xattr.name.as_slice()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(TarError::Pax("an extended attribute is given twice"));
    }
    Ok(extended)
}

/// Checks a `g` header. apk skips it whole, so it may not say anything that would change what an entry is.
pub(super) fn check_global(content: &[u8]) -> Result<(), TarError> {
    for_each_record(content, |key, _| {
        let changes_entries = matches!(key, b"path" | b"linkpath" | b"size")
            || [&b"GNU.sparse."[..], b"SCHILY.xattr.", b"APK-TOOLS."]
                .iter()
                .any(|prefix| key.starts_with(prefix));
        if changes_entries {
            Err(TarError::GlobalPax)
        } else {
            Ok(())
        }
    })
}

fn for_each_record<'a>(
    content: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), TarError>,
) -> Result<(), TarError> {
    let mut cursor = Cursor::new(content);
    while !cursor.is_empty() {
        let digits = cursor
            .take_through(b' ')
            .ok_or(TarError::Pax("a line has no length"))?;
        let length = decimal(digits)?;
        // The length counts itself and the space after it.
        let rest = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_sub(digits.len() + 1));
        let record = rest
            .and_then(|rest| cursor.take(rest).ok())
            .ok_or(TarError::Pax("a line's length is wrong"))?;
        let record = record
            .strip_suffix(b"\n")
            .ok_or(TarError::Pax("a line's length is wrong"))?;
        let mut record = Cursor::new(record);
        let key = record
            .take_through(b'=')
            .ok_or(TarError::Pax("a line has no `=`"))?;
        if key.is_empty() {
            return Err(TarError::Pax("a line has no key"));
        }
        visit(key, record.rest())?;
    }
    Ok(())
}

fn set_once<T>(slot: &mut Option<T>, value: T, key: &'static str) -> Result<(), TarError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(TarError::PaxTwice { key }),
    }
}

fn text(value: &[u8]) -> Result<Vec<u8>, TarError> {
    if value.is_empty() || value.contains(&0) {
        return Err(TarError::Pax("a path is empty or holds a NUL"));
    }
    Ok(value.to_vec())
}

/// Decimal digits and nothing else: no sign, no space, no leading zero, no overflow.
fn decimal(digits: &[u8]) -> Result<u64, TarError> {
    let wrong = TarError::Pax("a number is not one");
    if digits.is_empty()
        || !digits.iter().all(u8::is_ascii_digit)
        || (digits.len() > 1 && digits.starts_with(b"0"))
    {
        return Err(wrong);
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with the length it should have.
    fn line(record: &str) -> Vec<u8> {
        let (key, value) = record.split_once('=').expect("a key");
        let mut bytes = Vec::new();
        super::super::writer::pax_record(&mut bytes, key, value.as_bytes());
        bytes
    }

    #[test]
    fn reads_what_apk_reads() {
        let content = [
            "path=a/b",
            "linkpath=c",
            "SCHILY.xattr.user.a=",
            "SCHILY.xattr.user.b=x\ny=z",
            "APK-TOOLS.checksum.SHA1=000102030405060708090A0b0c0d0e0f10111213",
            "mtime=1700000000.5",
            "size=7",
        ]
        .map(line)
        .concat();
        let extended = parse(&content).expect("valid");
        assert_eq!(extended.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(extended.link_target.as_deref(), Some(&b"c"[..]));
        assert_eq!(extended.size, Some(7));
        let checksum = extended.checksum.expect("given");
        assert_eq!((checksum[1], checksum[10], checksum[19]), (1, 10, 19));
        let xattrs = extended.xattrs.iter();
        let xattrs: Vec<_> = xattrs.map(|one| (&*one.name, &*one.value)).collect();
        assert_eq!(xattrs, [(&b"user.a"[..], &b""[..]), (b"user.b", b"x\ny=z")]);
    }

    #[test]
    fn a_length_counts_its_own_digits() {
        assert_eq!(line("a=123"), b"8 a=123\n");
        assert_eq!(line("a=1234"), b"9 a=1234\n");
        assert_eq!(line("a=12345"), b"11 a=12345\n");
        assert!(parse(&line("a=12345")).is_ok());
    }

    #[test]
    fn rejects_lines_that_readers_disagree_about() {
        let length = TarError::Pax("a line's length is wrong");
        let number = TarError::Pax("a number is not one");
        let path = TarError::Pax("a path is empty or holds a NUL");
        for (content, expected) in [
            (b"11 path=a/b\n".to_vec(), length.clone()),
            (b"13 path=a/b\n".to_vec(), length.clone()),
            (b"1 path=a/b\n".to_vec(), length),
            (b"99999999999999999999999 a=b\n".to_vec(), number.clone()),
            (b"012 path=a/b\n".to_vec(), number.clone()),
            (b"+12 path=a/b\n".to_vec(), number.clone()),
            (line("size=-1"), number.clone()),
            (line("size=1 "), number.clone()),
            (line("size=01"), number),
            (
                b"path=a/b\n".to_vec(),
                TarError::Pax("a line has no length"),
            ),
            (b"7 path\n".to_vec(), TarError::Pax("a line has no `=`")),
            (line("=a"), TarError::Pax("a line has no key")),
            (line("path="), path.clone()),
            (line("path=a\0b"), path),
            (
                [line("path=a"), line("path=b")].concat(),
                TarError::PaxTwice { key: "path" },
            ),
            (
                ["b=", "a=", "c=", "a=1"]
                    .map(|record| line(&format!("SCHILY.xattr.user.{record}")))
                    .concat(),
                TarError::Pax("an extended attribute is given twice"),
            ),
            (
                line("SCHILY.xattr.="),
                TarError::Pax("an attribute's name is empty or holds a NUL"),
            ),
            (line("GNU.sparse.major=1"), TarError::Sparse),
            (
                line("APK-TOOLS.checksum.SHA1=0"),
                TarError::Pax("APK-TOOLS.checksum.SHA1 is not 40 hexadecimal digits"),
            ),
            (
                [line("path=a"), vec![0]].concat(),
                TarError::Pax("a line has no length"),
            ),
        ] {
            assert_eq!(parse(&content), Err(expected), "{}", content.escape_ascii());
        }
    }

    #[test]
    fn a_global_header_may_only_comment() {
        assert_eq!(check_global(&line("comment=x")), Ok(()));
        for record in ["path=x", "size=7", "linkpath=x", "SCHILY.xattr.user.a="] {
            assert_eq!(check_global(&line(record)), Err(TarError::GlobalPax));
        }
    }
}
