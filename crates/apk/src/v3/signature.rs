//! The signature blocks of an ADB file.

use std::fmt;

use aws_lc_rs::digest::{self, Context, SHA512};
use data_encoding::HEXLOWER;
use thiserror::Error;

use super::{
    block::{self, BlockError, BlockKind},
    schema::Schema,
};
use crate::{
    cursor::Cursor,
    sign::{PublicKey, SignError, SigningKey},
};

/// How v3 names a key: the first 16 bytes of the SHA-512 of the bare public key, as OpenSSL writes it (apk-tools
/// `src/crypto_openssl.c`, `apk_pkey_init`; `i2d_PublicKey`). That is the RSAPublicKey in DER, or the point of an elliptic
/// curve, compressed or not as in its file. The file name of the key means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; KeyId::LENGTH]);

impl KeyId {
    const LENGTH: usize = 16;

    /// The name of `key`.
    pub fn of(key: &PublicKey) -> Self {
        let digest = digest::digest(&SHA512, key.bare());
        let mut name = [0; Self::LENGTH];
        for (place, byte) in name.iter_mut().zip(digest.as_ref()) {
            *place = *byte;
        }
        Self(name)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Why a file could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SigningError {
    /// There is no key.
    #[error("apk refuses an index without a signature: give a signing key")]
    NoKey,
    /// The library refused.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The signature does not fit into a block.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// The version of the signature, and apk's number for SHA-512 (`src/apk_crypto.h`, `APK_DIGEST_SHA512`).
const HEAD: [u8; 2] = [0, 4];

/// The SHA-512 of a payload, which is what gets signed in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadDigest {
    schema: Schema,
    sha512: Vec<u8>,
}

impl PayloadDigest {
    /// The digest of an uncompressed payload of this schema.
    pub fn of(schema: Schema, payload: &[u8]) -> Self {
        let sha512 = digest::digest(&SHA512, payload).as_ref().to_vec();
        Self { schema, sha512 }
    }

    /// The 64 bytes.
    pub fn sha512(&self) -> &[u8] {
        &self.sha512
    }

    /// The bytes that get signed, with SHA-512: the schema, the head of the signature, the digest of the payload
    /// (apk-tools `src/adb.c`, `adb_digest_v0_signature`).
    fn message(&self, id: KeyId) -> Vec<u8> {
        [
            &self.schema.to_bytes(),
            HEAD.as_slice(),
            &id.0,
            &self.sha512,
        ]
        .concat()
    }
}

/// Computes a [`PayloadDigest`] piece by piece. A clone goes on from where it was cloned.
///
/// Hashing is a large part of what a change of an index costs, and this implementation is the fastest at hand.
#[derive(Clone)]
pub struct PayloadHasher(Context);

impl PayloadHasher {
    /// The state of the empty payload.
    pub fn new() -> Self {
        Self(Context::new(&SHA512))
    }

    /// Adds bytes to the payload.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Ends the payload, which is of this schema.
    pub fn finish(self, schema: Schema) -> PayloadDigest {
        let sha512 = self.0.finish().as_ref().to_vec();
        PayloadDigest { schema, sha512 }
    }
}

impl Default for PayloadHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for PayloadHasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PayloadHasher")
            .finish_non_exhaustive()
    }
}

/// The content of the block with the signature of `key`.
pub fn sign(digest: &PayloadDigest, key: &SigningKey) -> Result<Vec<u8>, SignError> {
    let id = KeyId::of(key.public_key());
    let signature = key.sign_sha512(&digest.message(id))?;
    Ok([HEAD.as_slice(), &id.0, &signature].concat())
}

/// Appends one block for each key.
///
/// # Errors
///
/// [`SigningError`]; with [`SigningError::NoKey`] nothing was appended.
pub fn append(
    file: &mut Vec<u8>,
    digest: &PayloadDigest,
    keys: &[&SigningKey],
) -> Result<(), SigningError> {
    if keys.is_empty() {
        return Err(SigningError::NoKey);
    }
    for key in keys {
        block::write(file, BlockKind::Signature, &sign(digest, key)?)?;
    }
    Ok(())
}

/// A signature as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The key it says it is by.
    pub key: KeyId,
    bytes: &'a [u8],
}

impl<'a> Signature<'a> {
    /// Takes a signature block apart. `None` for another version or another hash: apk passes over the first, and has
    /// never written the second.
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(payload);
        let head = cursor.array().ok()?;
        let key = KeyId(cursor.array().ok()?);
        (head == HEAD).then(|| Self {
            key,
            bytes: cursor.rest(),
        })
    }

    /// Whether it is by `key`, over the payload with this digest.
    pub fn is_by(&self, key: &PublicKey, digest: &PayloadDigest) -> bool {
        let message = digest.message(self.key);
        KeyId::of(key) == self.key && key.verify_sha512(&message, self.bytes).is_ok()
    }
}
