//! Why bytes are no tar archive.

use thiserror::Error;

use super::path::PathProblem;
use crate::quoted::Quoted;

/// Why bytes are no tar archive that apk reads as everybody else does.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TarError {
    /// `ustar` is missing where it must stand.
    #[error(
        "a tar header lacks the word `ustar`; make the archive with `tar --format=ustar` or `--format=posix`"
    )]
    NotUstar,
    /// The header's sum differs.
    #[error("a tar header does not match its checksum; the archive is damaged")]
    HeaderChecksum,
    /// The name field is empty, though a prefix or an extended header may give a name: apk would read the content as
    /// headers.
    #[error(
        "the name field of a tar header is empty, and apk takes such a header for the end of the archive; write at least the end of the path there"
    )]
    NoName,
    /// A number that is not octal digits, e.g. in GNU's base 256.
    #[error("the field `{field}` of a tar header is not an octal number, and apk reads no other")]
    Number {
        /// The name of the field.
        field: &'static str,
    },
    /// A type byte apk skips without a word.
    #[error("{name} has the tar entry type {type_byte}, which apk leaves out")]
    UnknownType {
        /// The path.
        name: Quoted,
        /// The type byte.
        type_byte: Quoted,
    },
    /// A GNU `K` entry: apk skips it and would cut the link target at 100 bytes.
    #[error(
        "a link target is written as a GNU long link, which apk ignores; make the archive with `tar --format=posix`"
    )]
    LongLink,
    /// A name that comes from two places.
    #[error("an entry has two names, from {0}")]
    TwoNames(&'static str),
    /// A GNU `L` entry that holds no usable name.
    #[error("a GNU long name is empty or holds a NUL")]
    LongName,
    /// A header for the next entry with no entry after it.
    #[error("an extended header is followed by no entry")]
    DanglingHeader,
    /// A malformed pax header.
    #[error("a pax header is malformed: {0}")]
    Pax(&'static str),
    /// One key twice in one pax header.
    #[error("a pax header gives `{key}` twice")]
    PaxTwice {
        /// The key.
        key: &'static str,
    },
    /// Over [`crate::limits::Limits::pax_header`] or, for a long name, [`crate::limits::Limits::path`].
    #[error("an extended header is {size} bytes long; at most {limit} are allowed")]
    ExtendedTooLong {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// CVE-2025-62518: two readers would find different files after this entry.
    #[error(
        "the pax header of {name} gives the size {pax}, its ustar header {ustar}; apk ignores pax sizes, so they must agree"
    )]
    SizesDiffer {
        /// The path.
        name: Quoted,
        /// The size in the pax header, in bytes.
        pax: u64,
        /// The size in the ustar header, in bytes.
        ustar: u64,
    },
    /// A `g` header with keys that change entries.
    #[error("a global pax header sets paths, sizes or attributes, and apk ignores global headers")]
    GlobalPax,
    /// `GNU.sparse.*`.
    #[error(
        "a file is stored as a sparse file, which apk cannot read; make the archive without `tar --sparse`"
    )]
    Sparse,
    /// A path that cannot be installed.
    #[error("the path {name} {problem}")]
    Path {
        /// The path.
        name: Quoted,
        /// What is wrong.
        problem: PathProblem,
    },
    /// A link target that cannot be.
    #[error("the link target of {name} {problem}")]
    LinkTarget {
        /// The path of the link.
        name: Quoted,
        /// What is wrong.
        problem: PathProblem,
    },
    /// A directory, link or device with content.
    #[error("{name} is not a regular file, yet has {size} bytes of content")]
    UnexpectedContent {
        /// The path.
        name: Quoted,
        /// The size in bytes.
        size: u64,
    },
    /// Over the number of entries.
    #[error("the archive has more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// Something follows the end-of-archive.
    #[error(
        "data follows the end-of-archive blocks, and apk stops reading there; sections before the last must have none (see `abuild-tar --cut`)"
    )]
    AfterEnd,
    /// The archive stops inside an entry or a block.
    #[error("the tar archive stops in the middle; the file is truncated")]
    Truncated,
}
