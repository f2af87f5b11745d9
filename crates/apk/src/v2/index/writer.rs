//! Writing an index, in pieces that can be kept and put together again.
//!
//! The second gzip member is, uncompressed: [`description_entry`], [`apkindex_header`], the records, [`trailer`].

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{
    sign::{KeyName, SignError, SigningKey},
    v2::{
        gzip::compress_member,
        signature,
        tar::{END_OF_ARCHIVE, EntryHeader, padding},
    },
};

/// What `apk update` prints about a repository. At most [`Description::MAX_LENGTH`] bytes, no control characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description(String);

/// Why a text is no description. Follows its name in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DescriptionError {
    /// Over the limit.
    #[error("is {0} bytes long; apk takes at most {max}", max = Description::MAX_LENGTH)]
    TooLong(u64),
    /// A character below 0x20, or a delete.
    #[error("holds a control character")]
    ControlCharacter,
    /// Not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
}

impl Description {
    /// In bytes; apk ignores a longer one (`src/extract_v2.c`, `apk_extract_v2_entry`).
    pub const MAX_LENGTH: usize = 160;

    /// Reads a description. The empty one is allowed, and writes no entry.
    pub fn parse(text: &str) -> Result<Self, DescriptionError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(DescriptionError::TooLong(text.len() as u64));
        }
        if text.chars().any(char::is_control) {
            return Err(DescriptionError::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The tar entry `DESCRIPTION`, padding included; no bytes for the empty description. `modified` is in seconds since 1970.
pub fn description_entry(description: &Description, modified: u64) -> Vec<u8> {
    let text = description.as_str().as_bytes();
    if text.is_empty() {
        return Vec::new();
    }
    let size = text.len() as u64;
    [
        &EntryHeader::file(b"DESCRIPTION", size, modified).to_bytes(),
        text,
        padding(size),
    ]
    .concat()
}

/// The tar header of `APKINDEX`, 512 bytes, for records of `size` bytes together. The size may count line feeds after the
/// last record, which apk reads over: an index can grow into them while its header stays the same.
pub fn apkindex_header(size: u64, modified: u64) -> Vec<u8> {
    EntryHeader::file(b"APKINDEX", size, modified).to_bytes()
}

/// What follows records of `size` bytes: padding and end-of-archive.
pub fn trailer(size: u64) -> Vec<u8> {
    [padding(size), &END_OF_ARCHIVE].concat()
}

/// Writes the unsigned index of these records as one gzip member, compressed at `level` (0 to 9). `modified`, in seconds
/// since 1970, goes into the tar headers. Equal arguments give equal bytes.
pub fn write<'a>(
    records: impl IntoIterator<Item = &'a str>,
    description: &Description,
    modified: u64,
    level: u32,
) -> Vec<u8> {
    let mut body = Vec::new();
    for record in records {
        body.extend_from_slice(record.as_bytes());
    }
    let size = body.len() as u64;
    let parts = [
        description_entry(description, modified),
        apkindex_header(size, modified),
        body,
        trailer(size),
    ];
    compress_member(parts.iter().map(Vec::as_slice), level)
}

/// Signs an unsigned index by every key. The result goes in front of it.
pub fn sign_index(unsigned: &[u8], keys: &[(&KeyName, &SigningKey)]) -> Result<Vec<u8>, SignError> {
    signature::sign_digest(&Sha256::digest(unsigned).into(), keys)
}
