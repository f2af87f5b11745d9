//! tar as apk reads it (`apk-tools` `src/tar.c`), and stricter where readers of tar disagree with each other.
//!
//! Headers are ustar (POSIX.1-1988) with a checksum; long names come from GNU `L` entries or pax `x` headers
//! (POSIX.1-2001), link targets and extended attributes from pax headers. What apk would silently leave out, cut short or
//! take for something else is refused: a size in a pax header that differs from the ustar size, sparse files, GNU `K`
//! link targets, old-style type bytes.

mod entry;
mod error;
mod header;
mod path;
mod pax;
mod reader;
mod writer;

pub use entry::{Entry, EntryKind, Owner};
pub use error::TarError;
pub use path::{PathProblem, check_link_target, check_path};
pub use reader::{Event, TarReader};
pub use writer::{END_OF_ARCHIVE, EntryHeader, padding};

/// Headers and contents are padded to this many bytes.
pub const BLOCK: usize = 512;
