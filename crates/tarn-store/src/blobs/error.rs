//! What can go wrong with the blob store.

use std::{
    error::Error,
    fmt,
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

/// Why a blob was not read, written or removed. The texts are for the operator: they name paths.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// No space, no quota, or a file greater than the file system or a limit of the process allows. Nothing was kept.
    #[error("no space left for {}: free some, or move the data folder to a larger disk", path.display())]
    Full {
        /// What was being written.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },

    /// Another process has the store open.
    #[error(
        "another {}{} uses this data folder (it holds {}): stop it first, or take another data folder",
        if path.ends_with("import.lock") { "import" } else { "server" },
        process.map_or_else(String::new, |process| format!(", process {process},")),
        path.display()
    )]
    InUse {
        /// The lock file.
        path: PathBuf,
        /// The process that says it holds it.
        process: Option<u32>,
    },

    /// A blob is not what the bytes with its digest would be.
    #[error(
        "the blob {object} is damaged: {found} and should have {expected} bytes; \
         check the disk, then upload the same package again, which replaces it"
    )]
    Damaged {
        /// The blob.
        object: String,
        /// How many bytes it should have.
        expected: u64,
        /// What is there.
        found: Found,
    },

    /// The store in the network could not do it.
    #[error("cannot {what} {object}")]
    Network {
        /// What was tried, as a verb.
        what: &'static str,
        /// With which object.
        object: String,
        /// What the store or the network said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },

    /// The store in the network has the packages of another registry.
    #[error(
        "{place} has the packages of another registry, or of this one with another database: check `--storage` and \
         `--database`, or give each registry a prefix of its own"
    )]
    Foreign {
        /// The bucket and the prefix.
        place: String,
    },

    /// Anything else the operating system refused.
    #[error("cannot {what} {}{}", path.display(), hint(source))]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },

    /// A background thread died: a bug.
    #[error("a background task of the blob store failed")]
    Task(#[source] tokio::task::JoinError),
}

/// What is in the place of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A file or an object of so many bytes.
    Bytes(u64),
    /// A folder.
    Folder,
    /// Neither: a pipe, a socket or a device.
    Other,
}

impl Found {
    /// What the operating system says that it is.
    pub(super) fn of(metadata: &Metadata) -> Self {
        match metadata {
            file if file.is_file() => Self::Bytes(file.len()),
            folder if folder.is_dir() => Self::Folder,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(size) => write!(f, "it has {size} bytes"),
            Self::Folder => f.write_str("it is a folder"),
            Self::Other => f.write_str("it is neither a file nor a folder"),
        }
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            ": let the user that runs the server own the data folder and all in it"
        }
        io::ErrorKind::ReadOnlyFilesystem => ": its file system is mounted read-only",
        io::ErrorKind::CrossesDevices => {
            ": the folders blobs and tmp of the data folder must be on one file system"
        }
        io::ErrorKind::NotFound => {
            ": it, or the folder it should be in, is not there; was the data folder changed while the server ran?"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            ": a file is where a folder should be; move it away"
        }
        _ => "",
    }
}

/// Turns what the operating system said into a [`BlobError`] about a path.
pub(super) fn at<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> BlobError + 'a {
    move |source| {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => BlobError::Full { path, source },
            _ => BlobError::Io { what, path, source },
        }
    }
}

/// Runs something that waits for the disk on a thread that may wait.
pub(super) async fn in_background<T, F>(work: F) -> Result<T, BlobError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, BlobError> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(BlobError::Task)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: io::ErrorKind) -> BlobError {
        at("open", Path::new("data/blobs/ab/cd"))(kind.into())
    }

    #[test]
    fn every_way_to_have_no_space_is_reported_as_such() {
        for errno in [
            rustix::io::Errno::NOSPC,
            rustix::io::Errno::DQUOT,
            rustix::io::Errno::FBIG,
        ] {
            let error = at("write", Path::new("data/tmp/incoming-1"))(errno.into());
            assert!(matches!(error, BlobError::Full { .. }), "{errno}");
            assert_eq!(
                error.to_string(),
                "no space left for data/tmp/incoming-1: free some, or move the data folder to a larger disk"
            );
        }
    }

    #[test]
    fn a_refusal_names_the_path_and_what_to_do() {
        for (kind, text) in [
            (
                io::ErrorKind::PermissionDenied,
                "cannot open data/blobs/ab/cd: let the user that runs the server own the data folder and all in it",
            ),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                "cannot open data/blobs/ab/cd: its file system is mounted read-only",
            ),
            (
                io::ErrorKind::CrossesDevices,
                "cannot open data/blobs/ab/cd: the folders blobs and tmp of the data folder must be on one file system",
            ),
            (io::ErrorKind::Other, "cannot open data/blobs/ab/cd"),
        ] {
            assert_eq!(error(kind).to_string(), text);
        }
    }

    #[test]
    fn a_damaged_blob_is_reported_with_what_is_there() {
        for (found, said) in [
            (Found::Bytes(3), "it has 3 bytes"),
            (Found::Folder, "it is a folder"),
            (Found::Other, "it is neither a file nor a folder"),
        ] {
            let damaged = BlobError::Damaged {
                object: "data/blobs/ab/cd".to_owned(),
                expected: 5,
                found,
            };
            let text = format!(
                "the blob data/blobs/ab/cd is damaged: {said} and should have 5 bytes; \
                 check the disk, then upload the same package again, which replaces it"
            );
            assert_eq!(damaged.to_string(), text);
        }
    }

    #[test]
    fn another_server_is_reported_with_its_process() {
        let in_use = |process| BlobError::InUse {
            path: "data/blobs.lock".into(),
            process,
        };
        assert_eq!(
            in_use(Some(77)).to_string(),
            "another server, process 77, uses this data folder (it holds data/blobs.lock): \
             stop it first, or take another data folder"
        );
        assert_eq!(
            in_use(None).to_string(),
            "another server uses this data folder (it holds data/blobs.lock): stop it first, or take another data folder"
        );
        let import = BlobError::InUse {
            path: "data/import.lock".into(),
            process: Some(7),
        };
        assert!(import.to_string().starts_with("another import, process 7,"));
    }
}
