//! gzip members (RFC 1952), read and written one at a time.
//!
//! A v2 package is several gzip members one after the other, and where one ends matters: the identity of a package is the
//! hash of one member's compressed bytes. So the headers and trailers are read here, and only the deflate stream between
//! them (RFC 1951) is left to a library.

mod reader;
mod writer;

pub use reader::{GzipError, MemberReader, Progress};
pub use writer::{MemberWriter, compress_member};

/// The first two bytes of every member (RFC 1952, 2.3.1).
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// What a member's header says of itself: `MAGIC`, deflate, no flags, no time, no hint, unknown operating system. The same
/// bytes on every machine (RFC 1952, 2.3).
pub const PLAIN_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
