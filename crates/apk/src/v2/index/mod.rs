//! `APKINDEX.tar.gz`: the signed list of a repository's packages for one architecture.
//!
//! A signature member as in packages, then exactly one gzip member, not one byte more (`apk-tools` `src/extract_v2.c`).
//! In it a tar archive of `DESCRIPTION`, which may be absent, and `APKINDEX`: the records, each ended by a blank line.

mod error;
mod reader;
mod writer;

pub use error::IndexError;
pub use reader::{Index, Summary, for_each_record, read, read_unverified};
pub use writer::{
    Description, DescriptionError, apkindex_header, description_entry, sign_index, trailer, write,
};
