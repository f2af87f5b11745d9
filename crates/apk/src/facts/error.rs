//! What can be wrong with the facts of a package, in words for the person who made it.

use thiserror::Error;

use crate::quoted::Quoted;

/// Why the facts of a package are refused. The text names the field and says what to do; it quotes at most 64 bytes of a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FactsError {
    /// Name and version together are too long for the files that apk names after them.
    #[error(
        "{field}: name and version are {length} bytes long together, shorten one of them by {excess}, apk cannot name its files after them otherwise"
    )]
    NameAndVersionTooLong {
        /// The field of the name.
        field: &'static str,
        /// Bytes of both.
        length: usize,
        /// Bytes too many.
        excess: usize,
    },
    /// A control character.
    #[error("{field}: take the control character U+{code:04X} out")]
    Control {
        /// The field.
        field: &'static str,
        /// The code of the character.
        code: u32,
    },
    /// A blank in what apk separates by blanks.
    #[error("{field}: {text} has a blank in it, and apk makes two of it, write them one by one")]
    Blank {
        /// The field.
        field: &'static str,
        /// The text found.
        text: Quoted,
    },
    /// A number that apk can't keep.
    #[error("{field}: {value} is more than apk can keep, set it to {largest} or less")]
    Number {
        /// The field.
        field: &'static str,
        /// The number found.
        value: u64,
        /// The largest number allowed.
        largest: u64,
    },
    /// A layer that apk has no place for.
    #[error(
        "{field}: {layer} is not a layer that apk knows, leave it out for the root file system, or set it to 1 for `uvol`"
    )]
    Layer {
        /// The field.
        field: &'static str,
        /// The number found.
        layer: u64,
    },
    /// A package can't provide a conflict, a checksum or a range of versions.
    #[error(
        "{field}: {dependency} is nothing a package can provide, write `name` or `name=version`"
    )]
    Provides {
        /// The field.
        field: &'static str,
        /// The text found.
        dependency: Quoted,
    },
    /// What no apk installs: the name of a package is provided by it already.
    #[error(
        "{field}: {dependency} is the package itself, which apk takes for two packages that exclude each other, take it out"
    )]
    ProvidesItself {
        /// The field.
        field: &'static str,
        /// The text found.
        dependency: Quoted,
    },
    /// What no apk installs: two of its `provides` exclude each other.
    #[error(
        "{field}: {one} and {other} are one name, and apk installs no package that provides a name twice, leave one of them"
    )]
    ProvidesTwice {
        /// The field.
        field: &'static str,
        /// The first text found.
        one: Quoted,
        /// The second.
        other: Quoted,
    },
    /// What no apk 2 installs.
    #[error("{field}: {dependency} excludes {what}, so apk 2 can't install it, take it out")]
    ExcludesItself {
        /// The field.
        field: &'static str,
        /// The text found.
        dependency: Quoted,
        /// The package itself, or what it provides.
        what: &'static str,
    },
    /// What no apk installs.
    #[error(
        "{field}: {dependency} asks for another version of {what}, which is {version}, so no apk can install it, take it out"
    )]
    DependsOnOtherItself {
        /// The field.
        field: &'static str,
        /// The text found.
        dependency: Quoted,
        /// The package itself, or what it provides.
        what: &'static str,
        /// The version of that.
        version: Quoted,
    },
    /// All values of a field together are too long for one line of apk's.
    #[error(
        "{field}: {count} entries make a line of {length} bytes where apk reads at most {limit}, list fewer or shorter ones"
    )]
    ListTooLong {
        /// The field.
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
        /// The field with the most entries.
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
        /// The field with the longest list.
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
        /// The field with the longest value.
        field: &'static str,
        /// Bytes they make.
        length: usize,
        /// Bytes allowed.
        limit: usize,
        /// Bytes too many.
        excess: usize,
    },
}

impl FactsError {
    /// See [`crate::package::PackageError::is_over_limit`]. One line of an index and the record of an installed package are bounded by
    /// apk itself.
    pub const fn is_over_limit(&self) -> bool {
        matches!(
            self,
            Self::RecordTooLong { .. } | Self::TooManyDependencies { .. }
        )
    }
}
