//! What can be wrong with a record of an index.

use thiserror::Error;

use crate::{
    arch::ArchError, dependency::DependencyError, digest::DigestError, name::NameError,
    quoted::Quoted, version::VersionError,
};

/// Why a record of an index is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The record does not end with one blank line.
    #[error("the record must end with one blank line and have none before")]
    End,
    /// A line that is no field.
    #[error("{line} is not a field of an index: it must be a letter, `:` and a value")]
    NotAField {
        /// The line found.
        line: Quoted,
    },
    /// A field that belongs elsewhere, or nowhere.
    #[error("{field}: is not a field of an index")]
    Unknown {
        /// The letter.
        field: char,
    },
    /// A field that stands there twice.
    #[error("{field}: is there twice")]
    Twice {
        /// The letter.
        field: char,
    },
    /// A field that must be there.
    #[error("{field}: is missing")]
    Missing {
        /// The letter.
        field: char,
    },
    /// A line that does not fit into the buffer of apk.
    #[error("{field}: the line is {length} bytes long where apk reads at most {limit}")]
    LineTooLong {
        /// The letter.
        field: char,
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The fields without the dependencies do not fit into a buffer of apk.
    #[error(
        "the fields without the dependencies are {length} bytes long where apk can keep {limit}"
    )]
    HeaderTooLong {
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A control character.
    #[error("{field}: has the control character U+{code:04X}")]
    Control {
        /// The letter.
        field: char,
        /// The code of the character.
        code: u32,
    },
    /// A number that is none, or not in its one spelling.
    #[error("{field}: {value} is not a number of 64 bits without leading zeros")]
    Number {
        /// The letter.
        field: char,
        /// The text found.
        value: Quoted,
    },
    /// `C:` is wrong.
    #[error("C: {0}")]
    Identity(#[from] DigestError),
    /// `P:` is wrong.
    #[error("P: {0}")]
    Name(#[from] NameError),
    /// `V:` is wrong.
    #[error("V: {0}")]
    Version(#[from] VersionError),
    /// `A:` is wrong.
    #[error("A: {0}")]
    Arch(#[from] ArchError),
    /// A dependency is wrong.
    #[error("{field}: {source}")]
    Dependency {
        /// The letter.
        field: char,
        /// What is wrong with it.
        source: DependencyError,
    },
    /// A list that has not exactly one space between its entries.
    #[error("{field}: the list must not be empty and must have one space between its entries")]
    Spaces {
        /// The letter.
        field: char,
    },
}
