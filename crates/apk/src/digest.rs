//! The two hashes a package is known by: its identity and its datahash.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use thiserror::Error;

use crate::quoted::Quoted;

/// The identity of a v2 package: the SHA-1 of its control section, compressed, as it is in the file.
///
/// An index carries it as `C:Q1…`, and apk knows a package by nothing else (apk-tools `src/database.c`,
/// `apk_db_pkg_add`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity([u8; 20]);

/// A SHA-256 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest([u8; 32]);

/// Why a text is not a hash of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DigestError {
    /// Not `Q1` and the base64 of 20 bytes.
    #[error("{text} is not a package identity: it must be `Q1` and 28 characters of base64")]
    Identity {
        /// The text found.
        text: Quoted,
    },
    /// Not 64 hexadecimal digits.
    #[error("{text} is not a SHA-256 hash: write it as 64 hexadecimal digits")]
    Sha256 {
        /// The text found.
        text: Quoted,
    },
}

impl Identity {
    /// The identity with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The value of `C:` in an index: `Q1` and base64 with its padding (apk-tools `src/blob.c`,
    /// `apk_blob_push_hash`). 30 bytes.
    #[must_use]
    pub fn to_index_field(&self) -> String {
        let mut field = String::from("Q1");
        STANDARD.encode_string(self.0, &mut field);
        field
    }

    /// Reads the value of `C:` in an index.
    ///
    /// apk also reads hexadecimal (`X1…`) and SHA-256 (`Q2…`); no index has them, and no v2 client before 3.0 reads
    /// the latter, so they are refused.
    ///
    /// # Errors
    ///
    /// [`DigestError::Identity`] for anything but what [`Identity::to_index_field`] writes.
    pub fn parse_index_field(text: &str) -> Result<Self, DigestError> {
        text.strip_prefix("Q1")
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .and_then(|bytes| <[u8; 20]>::try_from(bytes).ok())
            .map(Self)
            .ok_or_else(|| DigestError::Identity {
                text: Quoted::new(text),
            })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_index_field())
    }
}

impl Sha256Digest {
    /// The hash with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits of either case (apk reads both: apk-tools `src/blob.c`, `apk_blob_pull_hexdump`).
    ///
    /// # Errors
    ///
    /// [`DigestError::Sha256`] for anything else.
    pub fn parse_hex(text: &str) -> Result<Self, DigestError> {
        read_hex(text.as_bytes())
            .map(Self)
            .ok_or_else(|| DigestError::Sha256 {
                text: Quoted::new(text),
            })
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

/// `N` bytes from twice as many hexadecimal digits of either case.
pub(crate) fn read_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    HEXLOWER_PERMISSIVE.decode(text).ok()?.try_into().ok()
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

/// What apk knows a package by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackageHash {
    /// 20 bytes. Of a v2 package, SHA-1 of its control section. Of a v3 package in an index for prereleases
    /// of apk 3, the first 20 bytes of SHA-256 of its ADB block (`apk mkndx --hash sha256-160`). Nothing says which of the two it is.
    Identity(Identity),
    /// SHA-256 of the ADB block of a v3 package, 32 bytes.
    Sha256(Sha256Digest),
}

impl PackageHash {
    /// The hash of 20 or 32 bytes. `None` for any other number.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(bytes) = bytes.try_into() {
            return Some(Self::Identity(Identity::from_bytes(bytes)));
        }
        let sha256 = bytes.try_into().ok().map(Sha256Digest::from_bytes);
        sha256.map(Self::Sha256)
    }

    /// The 20 or 32 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Identity(identity) => identity.as_bytes(),
            Self::Sha256(digest) => digest.as_bytes(),
        }
    }
}

/// As an index of the package's format shows it: `Q1` and base64, or hexadecimal.
impl fmt::Display for PackageHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => identity.fmt(formatter),
            Self::Sha256(digest) => digest.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Identity, Sha256Digest};

    /// The identity of `alpine-baselayout-3.2.0-r23` in the index of Alpine 3.16.
    const REAL: &str = "Q19UI7UxyiUywG6aew9c3lCBPshsE=";

    #[test]
    fn an_identity_is_written_as_it_was_read() {
        assert_eq!(
            Identity::parse_index_field(REAL).unwrap().to_index_field(),
            REAL
        );
        assert_eq!(
            Identity::from_bytes([0; 20]).to_index_field(),
            "Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA="
        );
    }

    #[test]
    fn refuses_every_other_spelling_of_an_identity() {
        for text in [
            "",
            "Q1",
            "9UI7UxyiUywG6aew9c3lCBPshsE=",
            "Q29UI7UxyiUywG6aew9c3lCBPshsE=",
            "X16d17e8efe26005567",
            // No padding, too much after it, and bits set that no byte holds.
            "Q19UI7UxyiUywG6aew9c3lCBPshsE",
            "Q19UI7UxyiUywG6aew9c3lCBPshsE==",
            "Q19UI7UxyiUywG6aew9c3lCBPshsF=",
            "Q19UI7UxyiUywG6aew9c3lCBPshsE=\n",
        ] {
            assert!(Identity::parse_index_field(text).is_err(), "{text}");
        }
        assert_eq!(
            Identity::parse_index_field("Q1x").unwrap_err().to_string(),
            "`Q1x` is not a package identity: it must be `Q1` and 28 characters of base64"
        );
    }

    #[test]
    fn a_sha256_is_read_in_either_case_and_written_in_lower_case() {
        let hash = "0123456789abcdefABCDEF0123456789abcdef0123456789abcdef0123456789";
        assert_eq!(
            Sha256Digest::parse_hex(hash).unwrap().to_hex(),
            hash.to_lowercase()
        );
    }

    #[test]
    fn refuses_what_is_not_64_hexadecimal_digits() {
        for text in [
            "",
            "0",
            &"0".repeat(63),
            &"0".repeat(65),
            &"0".repeat(66),
            &"g".repeat(64),
            &"ü".repeat(32),
        ] {
            assert!(Sha256Digest::parse_hex(text).is_err(), "{text}");
        }
        assert_eq!(
            Sha256Digest::parse_hex("beef").unwrap_err().to_string(),
            "`beef` is not a SHA-256 hash: write it as 64 hexadecimal digits"
        );
    }

    proptest! {
        #[test]
        fn any_identity_survives_the_round_trip(bytes: [u8; 20]) {
            let identity = Identity::from_bytes(bytes);
            prop_assert_eq!(Identity::parse_index_field(&identity.to_index_field()), Ok(identity));
        }

        #[test]
        fn any_sha256_survives_the_round_trip(bytes: [u8; 32]) {
            let digest = Sha256Digest::from_bytes(bytes);
            prop_assert_eq!(Sha256Digest::parse_hex(&digest.to_hex()), Ok(digest));
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,80}") {
            let _ = Identity::parse_index_field(&text);
            let _ = Sha256Digest::parse_hex(&text);
        }
    }
}
