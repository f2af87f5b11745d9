//! Blobs as files on this machine.
//!
//! ```text
//! blobs/ab/cdef…   one file a blob: its key, cut after the first byte of the hash; written once, never changed, mode 0400
//! ```
//!
//! # Why a blob that is there is whole
//!
//! A put does, in this order: (1) sync the temporary file's data; (2) give it its place by one atomic rename that fails when
//! the place is taken; (3) sync the folder. A power cut before (2) leaves a temporary file, which the next start removes. One
//! between (2) and (3) leaves the blob or not, and no caller got an answer that it is there. After (3) it stays. The rename never
//! comes before the data on the disk, because of (1). The folders of the first byte are all made, and synced, when the store is
//! opened, so that (3) is one sync of one folder.
//!
//! A blob that is there already is read back and not written again. Its folder is synced all the same, for the upload that put it
//! there may not have come to (3). One that the disk has damaged is replaced, by an atomic rename after (1). A folder in its place, which
//! no rename replaces, is removed first, or moved aside when there is something in it.

use std::{
    io::{self, Read as _},
    ops::Range,
    path::{Path, PathBuf},
};

use apk::digest::Sha256Digest;
use rustix::fs::{AtFlags, CWD, RenameFlags, linkat, renameat_with};
use sha2::{Digest as _, Sha256};

use super::{
    BlobError, BlobKey, Body, Freed, Incoming, Listed,
    body::FilePart,
    error::{Found, at, in_background},
    file::{self, OpenFile, make_folder, sync_folder},
};

/// How many bytes of a blob that is there are read at once.
const READ: usize = 128 * 1024;

/// The folder `blobs` of a data folder.
#[derive(Debug, Clone)]
pub(super) struct Local {
    places: PathBuf,
}

impl Local {
    /// The store in that data folder. Nothing is touched.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self {
            places: data_dir.join("blobs"),
        }
    }

    /// Makes the folders that are not there.
    pub(super) fn make(&self) -> Result<(), BlobError> {
        make_folder(&self.places)?;
        for first_byte in 0..=u8::MAX {
            make_folder(&self.folder(first_byte))?;
        }
        sync_folder(&self.places)?;
        sync_folder(self.places.parent().unwrap_or(&self.places))
    }

    fn folder(&self, first_byte: u8) -> PathBuf {
        self.places.join(format!("{first_byte:02x}"))
    }

    /// Where a blob is, or would be.
    fn path(&self, key: &BlobKey) -> PathBuf {
        self.places.join(key.path())
    }

    pub(super) async fn open(
        &self,
        key: &BlobKey,
        size: u64,
        part: &Range<u64>,
    ) -> Result<Option<Body>, BlobError> {
        let path = self.path(key);
        let file = match OpenFile::open_cached(&path) {
            Some(opened) => opened?,
            None => {
                let path = path.clone();
                in_background(move || OpenFile::open(&path)).await?
            }
        };
        match file {
            Some(file) if file.found() != Found::Bytes(size) => Err(BlobError::Damaged {
                object: path.display().to_string(),
                expected: size,
                found: file.found(),
            }),
            Some(file) => Ok(Some(Body::File(FilePart::new(file, part)))),
            None => Ok(None),
        }
    }

    pub(super) async fn has(&self, key: &BlobKey, size: u64) -> Result<bool, BlobError> {
        let path = self.path(key);
        in_background(move || match std::fs::metadata(&path) {
            Ok(found) => Ok(Found::of(&found) == Found::Bytes(size)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(at("look at", &path)(error)),
        })
        .await
    }

    pub(super) async fn has_whole(&self, key: BlobKey, size: u64) -> Result<bool, BlobError> {
        let path = self.path(&key);
        in_background(move || match is_whole(&path, &key.sha256, size) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            whole => whole.map_err(at("read", &path)),
        })
        .await
    }

    /// Puts a received blob into its place. `false` when it was there. Waits for the disk.
    pub(super) fn put(&self, incoming: &mut Incoming, key: &BlobKey) -> Result<bool, BlobError> {
        let path = self.path(key);
        let folder = path.parent().unwrap_or(&self.places);
        // What cannot be read is as good as damaged.
        let is_there = |size| is_whole(&path, &key.sha256, size).unwrap_or(false);
        if is_there(incoming.size()) {
            sync_folder(folder)?;
            return Ok(false);
        }
        incoming.recover_file()?;
        incoming
            .file
            .sync_data()
            .map_err(at("sync", &incoming.path))?;
        let moved = match move_to(incoming, &path) {
            // The folder was removed since the store was opened.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folder(folder)?;
                sync_folder(&self.places)?;
                move_to(incoming, &path)
            }
            other => other,
        }
        .map_err(at("move a received blob to", &path))?;
        // Taken: by the same bytes a moment ago, or by damaged ones. Those who read that file read it to its end.
        let was_there = !moved && is_there(incoming.size());
        if !moved && !was_there {
            if is_folder(&path) {
                clear(&path).map_err(at("move away the folder", &path))?;
            }
            std::fs::rename(&incoming.path, &path)
                .map_err(at("replace the damaged blob", &path))?;
            incoming.is_moved = true;
            tracing::warn!(blob = %path.display(), "a damaged blob was replaced by an upload of the same bytes; check the disk");
        }
        sync_folder(folder)?;
        Ok(!was_there)
    }

    /// Removes blobs. Those who read one can go on.
    pub(super) async fn remove(&self, keys: &[BlobKey]) -> Result<(u64, Freed), BlobError> {
        let paths: Vec<_> = keys.iter().map(|key| self.path(key)).collect();
        in_background(move || {
            let mut freed = Vec::new();
            for path in &paths {
                let file = match file::open(path) {
                    Ok(file) => Some(file),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    // What cannot be opened can be removed all the same.
                    Err(_) => None,
                };
                let removed = match is_folder(path) {
                    true => clear(path),
                    false => std::fs::remove_file(path),
                };
                match removed {
                    // Another sweep removed it since it was opened.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => {
                        removed.map_err(at("remove", path))?;
                        freed.push(file);
                    }
                }
            }
            Ok((freed.len() as u64, Freed(freed)))
        })
        .await
    }

    pub(super) async fn any(&self) -> Result<bool, BlobError> {
        let store = self.clone();
        in_background(move || {
            for first_byte in 0..=u8::MAX {
                if !list(&store.folder(first_byte), first_byte)?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    pub(super) async fn list(&self, first_byte: u8) -> Result<Vec<Listed>, BlobError> {
        let folder = self.folder(first_byte);
        in_background(move || list(&folder, first_byte)).await
    }
}

/// Gives the temporary file its place, unless that is taken. Whether it has it.
fn move_to(incoming: &mut Incoming, place: &Path) -> io::Result<bool> {
    match renameat_with(CWD, &incoming.path, CWD, place, RenameFlags::NOREPLACE) {
        Ok(()) => incoming.is_moved = true,
        Err(rustix::io::Errno::EXIST) => return Ok(false),
        // A file system that does not know that flag, NFS for one. A hard link does not replace anything either;
        // the temporary name goes when `incoming` is dropped.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
            match linkat(CWD, &incoming.path, CWD, place, AtFlags::empty()) {
                Ok(()) => {}
                Err(rustix::io::Errno::EXIST) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Err(error) => return Err(error.into()),
    }
    incoming.is_brought = true;
    Ok(true)
}

/// Whether there is a folder. A symbolic link to a folder doesn't count; it is removed like a file.
fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir())
}

/// Takes a folder out of the place of a blob. A folder that is not empty is renamed and kept.
fn clear(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        // Another upload of the same bytes was faster.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        done => return done,
    }
    for number in 1.. {
        let mut aside = folder.as_os_str().to_owned();
        aside.push(format!(".moved-away-{number}"));
        match renameat_with(CWD, folder, CWD, &aside, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                let aside = Path::new(&aside).display();
                tracing::warn!(folder = %aside, "a folder was in the place of a blob and was moved away: look what is in it");
                break;
            }
        }
    }
    Ok(())
}

/// Whether the file at `path` has that size and digest. It is read to its end.
fn is_whole(path: &Path, sha256: &Sha256Digest, size: u64) -> io::Result<bool> {
    let mut file = file::open(path)?;
    if Found::of(&file.metadata()?) != Found::Bytes(size) {
        return Ok(false);
    }
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; READ]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    Ok(Sha256Digest::from_bytes(hash.finalize().into()) == *sha256)
}

fn list(folder: &Path, first_byte: u8) -> Result<Vec<Listed>, BlobError> {
    let mut listed = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at("read", folder))? {
        let entry = entry.map_err(at("read", folder))?;
        let name = entry.file_name();
        let Some(key) = name
            .to_str()
            .and_then(|name| BlobKey::parse(first_byte, name))
        else {
            continue;
        };
        let path = entry.path();
        let metadata = match entry.metadata() {
            Ok(metadata) if metadata.is_file() => metadata,
            Ok(_) => continue,
            // Removed since the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(at("look at", &path)(error)),
        };
        listed.push(Listed {
            key,
            size: metadata.len(),
            written_at: metadata.modified().map_err(at("look at", &path))?,
        });
    }
    Ok(listed)
}
