//! A small file that only its owner may read.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process,
};

use crate::hint::Hint;
use zeroize::Zeroizing;

/// The most that is read of such a file, in bytes.
const MAX_SIZE: u64 = 4096;

/// Why a secret file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Its mode lets others in.
    #[error("others may read {}", .0.display())]
    Readable(PathBuf),
    /// A folder, a device or the like, or far too large.
    #[error("{} is not a small file", .0.display())]
    NotAFile(PathBuf),
    /// The operating system said no.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl SecretFileError {
    fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::PermissionDenied => "let the user that runs Tarn own its folder and it",
            io::ErrorKind::NotFound => "make its folder first",
            io::ErrorKind::StorageFull => "make room on that disk",
            _ => "look at the cause below",
        };
        Self::Io {
            what,
            path: path.to_owned(),
            hint,
            source,
        }
    }

    /// The file was there a moment ago.
    pub(super) fn vanished(path: &Path) -> Self {
        Self::io("read", path, io::ErrorKind::NotFound.into())
    }
}

/// The text of a secret file; nothing when there is none. Refuses one that its group or others have any right to.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<String>>, SecretFileError> {
    let failed = |error| SecretFileError::io("read", path, error);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        result => result.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MAX_SIZE {
        return Err(SecretFileError::NotAFile(path.to_owned()));
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(SecretFileError::Readable(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(MAX_SIZE)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(Some(text))
}

/// Makes a secret file, whole or not at all, and on the disk when this returns. A file that is there already stays as it
/// is: written beside it, synced, and then linked into place, which does not overwrite.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), SecretFileError> {
    let failed = |error| SecretFileError::io("make", path, error);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", process::id()));
    let beside = PathBuf::from(beside);
    // Left by a process of the same number that was killed here.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let placed = place(path, &beside, bytes);
    let removed = fs::remove_file(&beside);
    placed.and(removed).map_err(failed)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

fn place(path: &Path, beside: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match fs::hard_link(beside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

impl Hint for SecretFileError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Readable(a0, ..) => format!(
                "type `chmod 600 {}`, and make a new key if they may have",
                a0.display()
            ),
            Self::NotAFile(..) => "move it away".to_owned(),
            Self::Io { hint, .. } => (*hint).to_owned(),
        })
    }
}
