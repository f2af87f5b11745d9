//! A large index that is asked for again, as a file.
//!
//! What a process sends from its own memory, the kernel copies; pages of a file it hands to the socket as they are
//! (`sendfile(2)`). Writing an index into a file costs one copy. So the first request for an index is answered from
//! memory, and only one that is asked for a second time before it changes gets a file.
//!
//! The file has no name and is never synced: it is there for its pages in the page cache, and gone with the index. A file of
//! memory (`memfd_create(2)`) would do without a disk, but has pages of 4 KiB where a file system has larger ones, and
//! sending it took a third more processor time.

use std::{
    error::Error,
    fs::File,
    io::Write as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};

use super::Segments;
use crate::blobs::Blobs;

/// Smaller ones are sent from memory: copying so little costs less than a second system call, and file descriptors are
/// not for every small index.
const LEAST: u64 = 256 << 10;

/// The most files of indexes that are kept open while nobody reads them. Further indexes are sent from memory.
pub const KEPT_OPEN: u64 = FILES as u64;

const FILES: usize = 128;

/// What a file counts for in the cache of indexes, in bytes: its pages are not the process's.
const FILE_WEIGHT: u64 = 64 << 10;

/// Room for the files of all indexes. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct Spools(Arc<Semaphore>);

impl Default for Spools {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(FILES)))
    }
}

impl Spools {
    /// The file of one index, which is not yet made.
    pub(super) fn spool(&self) -> Spool {
        Spool(Arc::new(Inside {
            asked: AtomicBool::new(false),
            is_being_made: AtomicBool::new(false),
            file: OnceLock::new(),
            room: self.clone(),
        }))
    }
}

/// The file of one index, once there is one. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct Spool(Arc<Inside>);

#[derive(Debug)]
struct Inside {
    /// At least once.
    asked: AtomicBool,
    is_being_made: AtomicBool,
    file: OnceLock<(Arc<File>, OwnedSemaphorePermit)>,
    room: Spools,
}

impl Drop for Inside {
    /// The last close of a file without a name gives its blocks back, which waits for the disk; and the last who has an
    /// index may be a thread that serves requests.
    fn drop(&mut self) {
        if let Some(file) = self.file.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

impl Spool {
    /// How many bytes a file of `segments` counts for, if there can be one.
    pub(super) fn weight(segments: &Segments) -> u64 {
        if segments.length() < LEAST {
            0
        } else {
            FILE_WEIGHT
        }
    }

    /// The file with these bytes, on `disk`. None the first time, and for as long as it is written: nobody waits for it.
    pub(super) fn of(&self, segments: &Segments, disk: &Blobs) -> Option<Arc<File>> {
        if segments.length() < LEAST {
            return None;
        }
        if let Some((file, _)) = self.0.file.get() {
            return Some(Arc::clone(file));
        }
        if self.0.asked.swap(true, Ordering::Relaxed)
            && !self.0.is_being_made.swap(true, Ordering::Relaxed)
        {
            let Ok(room) = Arc::clone(&self.0.room.0).try_acquire_owned() else {
                self.0.is_being_made.store(false, Ordering::Relaxed);
                return None;
            };
            let (inside, disk, segments) = (Arc::clone(&self.0), disk.clone(), segments.clone());
            spawn_blocking(move || match written(&disk, &segments) {
                Ok(file) => drop(inside.file.set((Arc::new(file), room))),
                Err(error) => {
                    tracing::warn!(
                        error,
                        "an index is sent from memory; no file of it was made"
                    );
                }
            });
        }
        None
    }
}

fn written(disk: &Blobs, segments: &Segments) -> Result<File, Box<dyn Error>> {
    let mut file = disk.unnamed_file()?;
    for run in segments.part(0..segments.length()) {
        file.write_all(&run)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::FileExt as _, time::Duration};

    use bytes::Bytes;

    use super::*;

    fn segments(run: usize) -> Segments {
        let runs = [vec![1; run], vec![2; run]];
        runs.into_iter().map(Bytes::from).collect()
    }

    async fn disk() -> (tempfile::TempDir, Blobs) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Blobs::open(folder.path().to_path_buf()).await.unwrap();
        (folder, disk)
    }

    /// The file, which is not there at once.
    async fn made(file: &Spool, segments: &Segments, disk: &Blobs) -> Arc<File> {
        loop {
            match file.clone().of(segments, disk) {
                Some(made) => return made,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    #[tokio::test]
    async fn only_so_many_files_are_kept_open() {
        let (_folder, disk) = disk().await;
        let (segments, room) = (segments(200 << 10), Spools(Arc::new(Semaphore::new(1))));
        let (first, second) = (room.spool(), room.spool());
        made(&first, &segments, &disk).await;
        for _ in 0..10 {
            assert!(second.of(&segments, &disk).is_none());
        }
        assert!(!second.0.is_being_made.load(Ordering::Relaxed));
        // It has its turn once the other index is gone, and its file is closed.
        drop(first);
        made(&second, &segments, &disk).await;
        assert_eq!(Spool::weight(&segments), FILE_WEIGHT);
    }

    #[tokio::test]
    async fn the_second_who_asks_for_a_large_index_has_a_file_of_it_made() {
        let (_folder, disk) = disk().await;
        let (segments, file) = (segments(200 << 10), Spools::default().spool());
        assert!(file.of(&segments, &disk).is_none());
        let made = made(&file, &segments, &disk).await;
        let mut bytes = vec![0; 400 << 10];
        made.read_exact_at(&mut bytes, 0).unwrap();
        let expected: Vec<u8> = segments.part(0..u64::MAX).flatten().collect();
        assert!(bytes == expected);
        assert_eq!(made.metadata().unwrap().len(), segments.length());
    }

    #[tokio::test]
    async fn a_small_index_has_none() {
        let (_folder, disk) = disk().await;
        let (segments, file) = (segments(100 << 10), Spools::default().spool());
        for _ in 0..10 {
            assert!(file.of(&segments, &disk).is_none());
        }
        assert!(file.0.file.get().is_none());
        assert_eq!(Spool::weight(&segments), 0);
    }
}
