//! How ADB files are compressed, and what can be wrong with their outside.

use thiserror::Error;

use crate::memory::MemoryTaken;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// `ADB.`: not at all.
    None,
    /// `ADBd`: one raw deflate stream, which every apk 3 reads.
    #[default]
    Deflate,
    /// `ADBc`, algorithm 2: frames of Zstandard, which some builds of apk read. Alpine's does not.
    Zstd,
}

/// Why a file is not an ADB file that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContainerError {
    /// It starts with something else.
    #[error("this is not an ADB file, which starts with the letters ADB: send a Packages.adb")]
    Magic,
    /// It is compressed in a way that is not supported.
    #[error("this ADB file is compressed in a way that no apk knows: use deflate, zstd or none")]
    Compression,
    /// The deflate stream is broken.
    #[error("the compressed part of this ADB file is damaged: send it again")]
    Deflate,
    /// The zstd stream is broken.
    #[error("the part of this ADB file that is compressed with zstd is damaged: send it again")]
    Zstd,
    /// No apk would unpack it.
    #[error(
        "zstd needs a window of {window} bytes to unpack this ADB file, and apk takes at most {limit}: compress it without a longer \
         window than level 22 has"
    )]
    Window {
        /// The window, in bytes.
        window: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The memory for the window of zstd is not there at the moment.
    #[error(transparent)]
    Memory(#[from] MemoryTaken),
    /// The file ends before the deflate stream does, or within its head.
    #[error("this ADB file is cut off: send the whole file")]
    Truncated,
    /// There is something after the deflate stream.
    #[error("this ADB file has bytes after its compressed part, which apk refuses")]
    Trailing,
    /// It unpacks to more than the limit.
    #[error("this ADB file unpacks to more than {0} bytes")]
    TooLarge(u64),
    /// The schema is not known.
    #[error("this ADB file is neither an index nor a package")]
    Schema,
}

/// The letters in front of an uncompressed file (apk-tools `src/adb.h`, `ADB_FORMAT_MAGIC`).
pub(super) const PLAIN: &[u8; 4] = b"ADB.";
/// The letters in front of a deflate stream (apk-tools `src/adb_comp.c`).
pub(super) const DEFLATED: &[u8; 4] = b"ADBd";
/// The letters in front of an algorithm, a level and a stream (the same place).
pub(super) const CHOSEN: &[u8; 4] = b"ADBc";
