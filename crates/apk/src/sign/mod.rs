//! Keys and signatures of the v2 formats.
//!
//! A signature is over the compressed bytes of a section, and stands in a tar entry named `.SIGN.{algorithm}.{key name}`
//! (`apk-tools` `src/extract_v2.c`). The key name is the file name under which a client keeps the public key in
//! `/etc/apk/keys`. Private keys are RSA only, and sign with SHA-256 only: every apk since 2.7 (2017) checks that.

mod key_name;
mod p256;
mod pem;
mod public_key;
mod signing_key;

use aws_lc_rs::digest;
pub use key_name::{KeyName, KeyNameError};
pub use pem::PemError;
pub use public_key::{InvalidSignature, PublicKey, PublicKeyError};
pub use signing_key::{KeySize, SignError, SigningKey, SigningKeyError};

/// The kinds of signature apk knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-1. Verified where packages carry it, never made.
    Rsa,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rsa256,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rsa512,
    /// DSA with SHA-1. Named where old packages carry it, and checked by nothing here.
    Dsa,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Rsa, Self::Rsa256, Self::Rsa512, Self::Dsa];

    /// The word between `.SIGN.` and the key name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::Rsa256 => "RSA256",
            Self::Rsa512 => "RSA512",
            Self::Dsa => "DSA",
        }
    }

    /// The digest of a message that this algorithm signs.
    fn digest(self, message: &[u8]) -> digest::Digest {
        let hash = match self {
            Self::Rsa | Self::Dsa => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Rsa256 => &digest::SHA256,
            Self::Rsa512 => &digest::SHA512,
        };
        digest::digest(hash, message)
    }

    /// Takes the name of a signature entry apart: `.SIGN.RSA256.a.rsa.pub` is `Rsa256` and `a.rsa.pub`. `None` for a word
    /// apk does not know; it ignores such entries.
    pub fn from_entry_name(name: &[u8]) -> Option<(Self, &[u8])> {
        let rest = name.strip_prefix(b".SIGN.")?;
        Self::ALL.into_iter().find_map(|algorithm| {
            let key_name = rest
                .strip_prefix(algorithm.as_str().as_bytes())?
                .strip_prefix(b".")?;
            Some((algorithm, key_name))
        })
    }
}

impl std::fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A message as the signature algorithms see it: its SHA-1, SHA-256 and SHA-512.
#[derive(Debug, Clone)]
pub struct MessageDigests {
    sha1: digest::Digest,
    sha256: digest::Digest,
    sha512: digest::Digest,
}

impl MessageDigests {
    /// The digests of a whole message.
    pub fn of(message: &[u8]) -> Self {
        let mut hasher = MessageHasher::new();
        hasher.update(message);
        hasher.finish()
    }

    fn for_algorithm(&self, algorithm: Algorithm) -> &digest::Digest {
        match algorithm {
            Algorithm::Rsa | Algorithm::Dsa => &self.sha1,
            Algorithm::Rsa256 => &self.sha256,
            Algorithm::Rsa512 => &self.sha512,
        }
    }

    /// The SHA-1, 20 bytes.
    pub fn sha1(&self) -> &[u8] {
        self.sha1.as_ref()
    }
}

impl PartialEq for MessageDigests {
    fn eq(&self, other: &Self) -> bool {
        self.sha512.as_ref() == other.sha512.as_ref()
    }
}

impl Eq for MessageDigests {}

/// Computes [`MessageDigests`] piece by piece.
#[derive(Clone)]
pub struct MessageHasher {
    sha1: digest::Context,
    sha256: digest::Context,
    sha512: digest::Context,
}

impl std::fmt::Debug for MessageHasher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MessageHasher")
            .finish_non_exhaustive()
    }
}

impl Default for MessageHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl MessageHasher {
    /// The state of the empty message.
    pub fn new() -> Self {
        Self {
            sha1: digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: digest::Context::new(&digest::SHA256),
            sha512: digest::Context::new(&digest::SHA512),
        }
    }

    /// Adds bytes to the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha1.update(bytes);
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    /// Ends the message.
    pub fn finish(self) -> MessageDigests {
        MessageDigests {
            sha1: self.sha1.finish(),
            sha256: self.sha256.finish(),
            sha512: self.sha512.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_names_give_algorithm_and_key_name() {
        for (name, expected) in [
            (".SIGN.RSA.a.rsa.pub", Some((Algorithm::Rsa, "a.rsa.pub"))),
            (
                ".SIGN.RSA256.a@b.rsa.pub",
                Some((Algorithm::Rsa256, "a@b.rsa.pub")),
            ),
            (".SIGN.RSA512.x", Some((Algorithm::Rsa512, "x"))),
            (".SIGN.DSA.x", Some((Algorithm::Dsa, "x"))),
            (".SIGN.RSA256.", Some((Algorithm::Rsa256, ""))),
            (".SIGN.RSA384.x", None),
            (".SIGN.RSA", None),
            (".SIGN.rsa.x", None),
            ("SIGN.RSA.x", None),
        ] {
            let expected = expected.map(|(algorithm, key_name)| (algorithm, key_name.as_bytes()));
            assert_eq!(
                Algorithm::from_entry_name(name.as_bytes()),
                expected,
                "{name}"
            );
        }
    }
}
