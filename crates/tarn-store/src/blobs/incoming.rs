//! A blob that is being received.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    num::NonZeroU64,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use apk::digest::Sha256Digest;
use rustix::fs::{Advice, AtFlags, CWD, RenameFlags, fadvise, linkat, renameat_with};
use sha2::{Digest as _, Sha256};

use super::{BlobError, Store, error::at, make_folder, sync_folder};

/// After how many bytes the operating system is asked to begin writing them to the disk.
const WRITE_BACK: u64 = 4 * 1024 * 1024;

/// How many bytes of a blob that is there are read at once.
const READ: usize = 128 * 1024;

/// A blob that is being received, in a temporary file. Dropped without [`Incoming::commit`], it leaves nothing.
/// Afterwards, [`Incoming::placed`] says whether the blob is there because of it.
///
/// The methods wait for the disk: call them on a blocking thread.
#[derive(Debug)]
pub struct Incoming {
    store: Arc<Store>,
    file: File,
    path: PathBuf,
    size: u64,
    /// Up to where writing to the disk was asked for.
    written_back: u64,
    /// The temporary file has become the blob, and has its own name no more.
    in_place: bool,
    /// The blob is there because of this one.
    placed: bool,
}

impl Incoming {
    pub(super) fn begin(store: Arc<Store>) -> Result<Self, BlobError> {
        let path = store.temporary_path();
        // Read-only from the start: this handle may write all the same, and nobody else has any business with it.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o400)
            .open(&path)
            .map_err(at("make the temporary file", &path))?;
        Ok(Self {
            store,
            file,
            path,
            size: 0,
            written_back: 0,
            in_place: false,
            placed: false,
        })
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// [`BlobError::Full`] when there is no space; when the disk fails. After an error nothing can be done with it
    /// but drop it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.file
            .write_all(bytes)
            .map_err(at("write", &self.path))?;
        self.size = self
            .size
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.write_back();
        Ok(())
    }

    /// How many bytes were written so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Has the bytes on the disk and in their place under the digest, which must be the SHA-256 of what was written. A
    /// blob that is there already is read, stays when it is whole, and is replaced when it is damaged. Gives the number of
    /// bytes. To be called once, and not beside [`Incoming::heal`].
    ///
    /// # Errors
    ///
    /// [`BlobError::Full`] when there is no space; when the disk fails.
    pub fn commit(&mut self, sha256: &Sha256Digest) -> Result<u64, BlobError> {
        self.file.sync_data().map_err(at("sync", &self.path))?;
        let place = self.store.place(sha256);
        let folder = place.parent().unwrap_or(&self.store.places).to_path_buf();
        let taken = match self.move_to(&place) {
            // Somebody removed the folder since the store was opened.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folder(&folder)?;
                sync_folder(&self.store.places)?;
                self.move_to(&place)
            }
            other => other,
        }
        .map_err(at("move a received blob to", &place))?;
        if taken && !self.is_whole(&place, sha256) {
            self.replace(&place)?;
        }
        sync_folder(&folder)?;
        Ok(self.size)
    }

    /// Puts the bytes in the place of a damaged or missing blob of that digest, which must be the SHA-256 of what was written,
    /// as durably as [`Incoming::commit`]. Whether it was damaged or missing: one that is whole stays. To be called once.
    ///
    /// # Errors
    ///
    /// As [`Incoming::commit`].
    pub fn heal(&mut self, sha256: &Sha256Digest) -> Result<bool, BlobError> {
        if self.is_whole(&self.store.place(sha256), sha256) {
            return Ok(false);
        }
        self.commit(sha256)?;
        Ok(true)
    }

    /// Whether the file at `place` has the size of what was written and that digest.
    fn is_whole(&self, place: &Path, sha256: &Sha256Digest) -> bool {
        // What cannot be read is as good as damaged.
        is_whole(place, sha256, self.size).unwrap_or(false)
    }

    /// Gives the temporary file the place of a damaged blob. Those who read that one read it to its end.
    fn replace(&mut self, place: &Path) -> Result<(), BlobError> {
        std::fs::rename(&self.path, place).map_err(at("replace the damaged blob", place))?;
        self.in_place = true;
        tracing::warn!(blob = %place.display(), "a damaged blob was replaced by an upload of the same bytes; check the disk");
        Ok(())
    }

    /// Whether [`Incoming::commit`] put the blob in its place, where none was. So it may be when it gave an error, too:
    /// then the blob is there and perhaps not durable.
    pub const fn placed(&self) -> bool {
        self.placed
    }

    /// Gives the temporary file its place, unless that is taken. Gives whether it is.
    fn move_to(&mut self, place: &Path) -> io::Result<bool> {
        match renameat_with(CWD, &self.path, CWD, place, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.in_place = true;
                self.placed = true;
                Ok(false)
            }
            Err(rustix::io::Errno::EXIST) => Ok(true),
            // A file system that does not know that flag, NFS for one. A hard link does not replace anything either;
            // the temporary name goes when `self` is dropped.
            Err(
                rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP,
            ) => match linkat(CWD, &self.path, CWD, place, AtFlags::empty()) {
                Ok(()) => {
                    self.placed = true;
                    Ok(false)
                }
                Err(rustix::io::Errno::EXIST) => Ok(true),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the operating system, every few megabytes, to begin writing to the disk, so that the sync at the end is
    /// short.
    ///
    /// On Linux POSIX_FADV_DONTNEED begins to write the dirty pages of the range and returns (`generic_fadvise` in
    /// `mm/fadvise.c`); only clean ones are dropped, of which a range just written has few. The call that says just
    /// that, sync_file_range(2), is not to be had without unsafe code.
    fn write_back(&mut self) {
        let pending = self.size - self.written_back;
        if let Some(length) = NonZeroU64::new(pending)
            && pending >= WRITE_BACK
        {
            // Advice: when it is not taken, the sync at the end is longer.
            let _ = fadvise(
                &self.file,
                self.written_back,
                Some(length),
                Advice::DontNeed,
            );
            self.written_back = self.size;
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.in_place {
            // When this fails, the file stays until the store is opened again.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
/// Whether the file at `place` has that size and digest. It is read to its end.
pub(super) fn is_whole(place: &Path, sha256: &Sha256Digest, size: u64) -> io::Result<bool> {
    let mut file = File::open(place)?;
    if file.metadata()?.len() != size {
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
