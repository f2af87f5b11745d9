//! The hash of a file's content.

use std::fmt;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;

/// The hash of a file's content (`src/crypto.c`, `apk_digest_alg_by_len`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentHash {
    /// 20 bytes.
    Sha1([u8; 20]),
    /// 32 bytes: what apk writes.
    Sha256([u8; 32]),
    /// 64 bytes.
    Sha512([u8; 64]),
}

impl ContentHash {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(bytes) = bytes.try_into() {
            return Some(Self::Sha256(bytes));
        }
        if let Ok(bytes) = bytes.try_into() {
            return Some(Self::Sha1(bytes));
        }
        bytes.try_into().ok().map(Self::Sha512)
    }

    /// The 20, 32 or 64 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    /// What to hash a content with.
    pub(super) fn hasher(&self) -> digest::Context {
        digest::Context::new(match self {
            Self::Sha1(_) => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256(_) => &digest::SHA256,
            Self::Sha512(_) => &digest::SHA512,
        })
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(self.as_bytes()))
    }
}
