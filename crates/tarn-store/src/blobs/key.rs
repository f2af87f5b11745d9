//! What a blob is called in a store.

use std::fmt;

use apk::digest::Sha256Digest;

/// The key of a blob: the hash of its bytes, and a number. A key that was deleted is never used again; the same bytes get the
/// next number then (`metadata/blob_facts.rs` says why).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey {
    /// The hash of the bytes.
    pub sha256: Sha256Digest,
    /// The number, from 0.
    pub place: u32,
}

impl BlobKey {
    /// The key that these bytes have first.
    pub const fn first(sha256: Sha256Digest) -> Self {
        Self { sha256, place: 0 }
    }

    /// `{folder}/{name}`: the folder is named after the first byte. Both stores use it.
    pub(super) fn path(&self) -> String {
        let mut path = self.to_string();
        path.insert(2, '/');
        path
    }

    /// The key with that name in the folder of that first byte; `None` when that is not a key.
    pub(super) fn parse(first_byte: u8, name: &str) -> Option<Self> {
        let (rest, place) = match name.split_once('.') {
            None => (name, 0),
            Some((rest, number)) => (rest, number.parse().ok().filter(|place| *place > 0)?),
        };
        let sha256 = Sha256Digest::parse_hex(&format!("{first_byte:02x}{rest}")).ok()?;
        let key = Self { sha256, place };
        // Written in one way only.
        (key.path().get(3..) == Some(name)).then_some(key)
    }
}

/// `{sha256}`, or `{sha256}.{place}`.
impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sha256.fmt(f)?;
        match self.place {
            0 => Ok(()),
            place => write!(f, ".{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_in_one_way() {
        let sha256 = Sha256Digest::from_bytes([0xab; 32]);
        for (place, end) in [(0, ""), (1, ".1"), (4_000_000_000, ".4000000000")] {
            let key = BlobKey { sha256, place };
            let name = format!("{}{end}", "ab".repeat(31));
            assert_eq!(key.path(), format!("ab/{name}"));
            assert_eq!(BlobKey::parse(0xab, &name), Some(key));
        }
        let rest = "ab".repeat(31);
        for end in [
            ".0",
            ".01",
            ".",
            ".1.2",
            ".+1",
            ".-1",
            ".4294967296",
            ".x",
            "a",
        ] {
            assert_eq!(BlobKey::parse(0xab, &format!("{rest}{end}")), None, "{end}");
        }
        assert_eq!(BlobKey::parse(0xab, &rest.to_uppercase()), None);
        assert_eq!(BlobKey::parse(0xab, "lost+found"), None);
    }
}
