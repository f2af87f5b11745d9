//! What can be wrong with a `.PKGINFO`, in words for whoever made the package.

use thiserror::Error;

use crate::{
    arch::ArchError, dependency::DependencyError, digest::DigestError, name::NameError,
    quoted::Quoted, version::VersionError,
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
    #[error("{place}: take the control character U+{code:04X} out{}", if *.code == 0x0d { ", lines end with a line feed alone" } else { "" })]
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
        "{field}: write `{field} = value` with one blank on each side of `=` and none before the key, apk overlooks the line otherwise"
    )]
    Blanks {
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
    #[error("{field}: {value} is no number from 0 to {largest}, write it in digits alone")]
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
    /// Name and version together are too long for the files that apk names after them.
    #[error(
        "pkgname: name and version are {length} bytes long together, shorten one of them by {excess}, apk cannot name its files after them otherwise"
    )]
    NameAndVersionTooLong {
        /// Bytes of both.
        length: usize,
        /// Bytes too many.
        excess: usize,
    },
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
        "{field}: {dependency} breaks every system of apk 2 that installs it, write `<`, `<=`, `>`, `>=` or `~` alone"
    )]
    Unwritable {
        /// The key.
        field: &'static str,
        /// The text found.
        dependency: Quoted,
    },
    /// A package can't provide a conflict, a checksum or a range of versions.
    #[error(
        "provides: {dependency} is nothing a package can provide, write `name` or `name=version`"
    )]
    Provides {
        /// The text found.
        dependency: Quoted,
    },
    /// What no apk installs: the name of a package is provided by it already.
    #[error(
        "provides: {dependency} is the package itself, which apk takes for two packages that exclude each other, take it out"
    )]
    ProvidesItself {
        /// The text found.
        dependency: Quoted,
    },
    /// What no apk installs: two of its `provides` exclude each other.
    #[error(
        "provides: {one} and {other} are one name, and apk installs no package that provides a name twice, leave one of them"
    )]
    ProvidesTwice {
        /// The first text found.
        one: Quoted,
        /// The second.
        other: Quoted,
    },
    /// What no apk 2 installs.
    #[error(
        "depend: {dependency} excludes the package itself, so apk 2 can't install it, take it out"
    )]
    ExcludesItself {
        /// The text found.
        dependency: Quoted,
    },
    /// What no apk installs.
    #[error(
        "depend: {dependency} asks for another version of the package itself, which is {version}, so no apk can install it, take it out"
    )]
    DependsOnOtherItself {
        /// The text found.
        dependency: Quoted,
        /// The version of the package.
        version: Quoted,
    },
    /// All values of a key together are too long for one line of apk's.
    #[error(
        "{field}: {count} entries make a line of {length} bytes where apk reads at most {limit}, list fewer or shorter ones"
    )]
    ListTooLong {
        /// The key.
        field: &'static str,
        /// Entries found.
        count: usize,
        /// Bytes of the line they make.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// All lists of the package together have too many entries.
    #[error(
        "{field}: the lists of the package have {count} entries together where at most {limit} are taken, shorten this one"
    )]
    TooManyDependencies {
        /// The key with the most entries.
        field: &'static str,
        /// Entries of all.
        count: usize,
        /// Entries allowed.
        limit: usize,
    },
    /// The record in the index would be too long.
    #[error(
        "{field}: the package makes a record of {length} bytes in the index where at most {limit} are taken, list fewer or shorter ones"
    )]
    RecordTooLong {
        /// The key with the longest list.
        field: &'static str,
        /// Bytes of the record.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// All the single values together are too long for apk's database of installed packages.
    #[error(
        "{field}: the values of the package make {length} bytes where apk can keep {limit}, shorten this one by {excess} bytes"
    )]
    HeaderTooLong {
        /// The key with the longest value.
        field: &'static str,
        /// Bytes they make.
        length: usize,
        /// Bytes allowed.
        limit: usize,
        /// Bytes too many.
        excess: usize,
    },
}
