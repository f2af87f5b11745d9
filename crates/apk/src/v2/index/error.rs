//! Why bytes are no index.

use thiserror::Error;

use super::DescriptionError;
use crate::{
    quoted::Quoted,
    v2::{gzip::GzipError, record::RecordError, signature::SignatureError, tar::TarError},
};

/// Why bytes are no index that every apk would take.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// Not one byte.
    #[error("the index is empty")]
    Empty,
    /// A gzip member is broken.
    #[error("{0}")]
    Gzip(#[from] GzipError),
    /// A tar archive is broken.
    #[error("{0}")]
    Tar(#[from] TarError),
    /// The signature section is broken.
    #[error("{0}")]
    Signature(#[from] SignatureError),
    /// The signatures take too much.
    #[error("the signature section is over the limit of {0} bytes")]
    SignatureSectionTooLarge(u64),
    /// The index takes too much.
    #[error("the index is over the limit of {0} bytes uncompressed")]
    TooLarge(u64),
    /// Too many records.
    #[error("the index has more than {0} records")]
    TooManyRecords(u64),
    /// No signature in front.
    #[error("the index is not signed")]
    NotSigned,
    /// Signed, but by no known key.
    #[error("the index is signed, but by none of the trusted keys")]
    Untrusted,
    /// The first signature with a trusted key's name is not that key's. apk does not look at a second.
    #[error("the signature by `{0}` does not match the index")]
    BadSignature(String),
    /// No member after the signatures.
    #[error("nothing follows the signatures; the index is truncated")]
    NoIndex,
    /// Bytes after the index member. apk calls a second gzip member a format error.
    #[error("bytes follow the index; it must be exactly one gzip member")]
    TrailingData,
    /// A file that does not belong there.
    #[error("the index holds {0}; only DESCRIPTION and then APKINDEX may stand there, each once")]
    UnexpectedEntry(Quoted),
    /// No `APKINDEX`.
    #[error("the index holds no APKINDEX")]
    NoApkindex,
    /// `DESCRIPTION` is wrong.
    #[error("DESCRIPTION {0}")]
    Description(#[from] DescriptionError),
    /// A record is no UTF-8.
    #[error("record {0} is not UTF-8")]
    NotUtf8(u64),
    /// A record is wrong.
    #[error("record {number}: {problem}")]
    Record {
        /// Which, counted from 1.
        number: u64,
        /// What is wrong.
        problem: RecordError,
    },
    /// More bytes before a blank line than any record has.
    #[error("record {number} is over the limit of {limit} bytes")]
    RecordTooLong {
        /// Which, counted from 1.
        number: u64,
        /// The limit in bytes.
        limit: usize,
    },
    /// Lines after the padding.
    #[error("after record {0} more than one blank line comes before the next")]
    Padding(u64),
    /// The last record has no blank line.
    #[error("APKINDEX ends inside record {0}")]
    Unended(u64),
}
