//! pax extended headers: lines of `LENGTH KEY=VALUE\n` (POSIX.1-2001, `pax`, "pax Extended Header").

use crate::cursor::Cursor;

use super::reader::TarError;

/// What one `x` header changes about the entry after it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) checksum: Option<[u8; 20]>,
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
                checksum(value)?,
                "APK-TOOLS.checksum.SHA1",
            ),
            _ if key.starts_with(b"GNU.sparse.") => Err(TarError::Sparse),
            _ => match key.strip_prefix(b"SCHILY.xattr.") {
                Some(name) if name.is_empty() || name.contains(&0) => {
                    Err(TarError::Pax("an attribute's name is empty or holds a NUL"))
                }
                Some(name) if extended.attributes.iter().any(|(known, _)| known == name) => {
                    Err(TarError::Pax("an extended attribute is given twice"))
                }
                Some(name) => {
                    extended.attributes.push((name.to_vec(), value.to_vec()));
                    Ok(())
                }
                // Times, owners, comments: apk takes them from the ustar header.
                None => Ok(()),
            },
        }
    })?;
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

fn for_each_record(
    content: &[u8],
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), TarError>,
) -> Result<(), TarError> {
    let mut cursor = Cursor::new(content);
    while !cursor.is_empty() {
        let digits = cursor
            .take_through(b' ')
            .ok_or(TarError::Pax("a line has no length"))?;
        let length = decimal(digits)?;
        // The length counts itself and the blank after it.
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

/// Decimal digits and nothing else: no sign, no blank, no leading zero, no overflow.
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

fn checksum(value: &[u8]) -> Result<[u8; 20], TarError> {
    let wrong = TarError::Pax("APK-TOOLS.checksum.SHA1 is not 40 hexadecimal digits");
    let mut digest = [0; 20];
    let (pairs, odd) = value.as_chunks::<2>();
    if pairs.len() != digest.len() || !odd.is_empty() {
        return Err(wrong);
    }
    for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
        let digit = |byte: u8| {
            char::from(byte)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(wrong);
        };
        *byte = high << 4 | low;
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_apk_reads() {
        let content = b"12 path=a/b\n14 linkpath=c\n22 SCHILY.xattr.user.a=\n28 SCHILY.xattr.user.b=x\ny=z\n\
            68 APK-TOOLS.checksum.SHA1=000102030405060708090a0b0c0d0e0f10111213\n22 mtime=1700000000.5\n9 size=7\n";
        let extended = parse(content).expect("valid");
        assert_eq!(extended.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(extended.link_target.as_deref(), Some(&b"c"[..]));
        assert_eq!(extended.size, Some(7));
        assert_eq!(
            extended.attributes,
            [
                (b"user.a".to_vec(), vec![]),
                (b"user.b".to_vec(), b"x\ny=z".to_vec())
            ]
        );
        assert_eq!(
            extended.checksum.map(|digest| (digest[1], digest[19])),
            Some((1, 19))
        );
    }

    #[test]
    fn rejects_lines_that_readers_disagree_about() {
        for (content, expected) in [
            (
                &b"11 path=a/b\n"[..],
                TarError::Pax("a line's length is wrong"),
            ),
            (b"13 path=a/b\n", TarError::Pax("a line's length is wrong")),
            (b"1 path=a/b\n", TarError::Pax("a line's length is wrong")),
            (
                b"99999999999999999999999 a=b\n",
                TarError::Pax("a number is not one"),
            ),
            (b"012 path=a/b\n", TarError::Pax("a number is not one")),
            (b"+12 path=a/b\n", TarError::Pax("a number is not one")),
            (b"path=a/b\n", TarError::Pax("a line has no length")),
            (b"7 path\n", TarError::Pax("a line has no `=`")),
            (b"5 =a\n", TarError::Pax("a line has no key")),
            (
                b"8 path=\n",
                TarError::Pax("a path is empty or holds a NUL"),
            ),
            (
                b"12 path=a\0b\n",
                TarError::Pax("a path is empty or holds a NUL"),
            ),
            (
                b"10 path=a\n10 path=b\n",
                TarError::PaxTwice { key: "path" },
            ),
            (b"10 size=-1\n", TarError::Pax("a number is not one")),
            (b"22 GNU.sparse.major=1\n", TarError::Sparse),
            (
                b"29 APK-TOOLS.checksum.SHA1=0\n",
                TarError::Pax("APK-TOOLS.checksum.SHA1 is not 40 hexadecimal digits"),
            ),
            (b"12 path=a/b\n\0", TarError::Pax("a line has no length")),
        ] {
            assert_eq!(parse(content), Err(expected), "{}", content.escape_ascii());
        }
    }

    #[test]
    fn a_global_header_may_only_comment() {
        assert_eq!(check_global(b"13 comment=x\n"), Ok(()));
        assert_eq!(check_global(b"10 path=x\n"), Err(TarError::GlobalPax));
        assert_eq!(check_global(b"9 size=7\n"), Err(TarError::GlobalPax));
        assert_eq!(
            check_global(b"22 SCHILY.xattr.user.a=\n"),
            Err(TarError::GlobalPax)
        );
    }
}
