//! What can be wrong with a `.PKGINFO`, in words for the maker of the package.

use thiserror::Error;

use crate::{
    arch::ArchError, dependency::DependencyError, digest::DigestError, facts::FactsError,
    name::NameError, quoted::Quoted, version::VersionError,
};

/// Why a `.PKGINFO` is refused. The text names the key and says what to do; it quotes at most 64 bytes of a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PkginfoError {
    /// The whole text is too large.
    #[error("shorten it to {limit} bytes or less")]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// Bytes that are not UTF-8.
    #[error("line {line} is not UTF-8, write the file in that encoding")]
    NotUtf8 {
        /// The line, from 1 on.
        line: usize,
    },
    /// A control character, the carriage return included.
    #[error("{place}: take the control character U+{code:04X} out{}", if *.code == 0x0d { ", lines end with a line feed only" } else { "" })]
    Control {
        /// The key or the number of the line.
        place: String,
        /// The code of the character.
        code: u32,
    },
    /// A line that does not fit into the buffer of apk.
    #[error("{place}: the line is {length} bytes long, shorten it to {limit} bytes or less")]
    LineTooLong {
        /// The key or the number of the line.
        place: String,
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A known key that apk would overlook.
    #[error(
        "{field}: write `{field} = value` with one space on each side of `=` and none before the key, apk overlooks the line otherwise"
    )]
    Spaces {
        /// The key.
        field: &'static str,
    },
    /// A key that says which package this is, twice with different values.
    #[error("{field}: the line is there twice with different values, leave one")]
    Twice {
        /// The key.
        field: &'static str,
    },
    /// A key that must be there.
    #[error("{field}: the line is missing, add `{field} = …` with {content}")]
    Missing {
        /// The key.
        field: &'static str,
        /// What belongs there.
        content: &'static str,
    },
    /// A `size` that apk 2 takes for 0.
    #[error("size: apk 2 reads {size} as 0 and would install no files, add 1 to it")]
    SizeWraps {
        /// The number found.
        size: u64,
    },
    /// Not a number, or one that is too large.
    #[error("{field}: {value} is not a number from 0 to {largest}; use digits only")]
    Number {
        /// The key.
        field: &'static str,
        /// The text found.
        value: Quoted,
        /// The largest number allowed.
        largest: u64,
    },
    /// `pkgname` is wrong.
    #[error("pkgname: {0}")]
    Name(#[from] NameError),
    /// `pkgver` is wrong.
    #[error("pkgver: {0}")]
    Version(#[from] VersionError),
    /// `arch` is wrong.
    #[error("arch: {0}")]
    Arch(#[from] ArchError),
    /// `datahash` is wrong.
    #[error("datahash: {0}")]
    DataHash(#[from] DigestError),
    /// A dependency is wrong.
    #[error("{field}: {source}")]
    Dependency {
        /// The key.
        field: &'static str,
        /// What is wrong with it.
        source: DependencyError,
    },
    /// A dependency that apk 2 reads, and cannot write down once the package is installed.
    #[error(
        "{field}: {dependency} breaks every system of apk 2 that installs it, write only `<`, `<=`, `>`, `>=` or `~`"
    )]
    Unwritable {
        /// The key.
        field: &'static str,
        /// The text found.
        dependency: Quoted,
    },
    /// Some apk could not list or install it.
    #[error(transparent)]
    Facts(#[from] FactsError),
}
