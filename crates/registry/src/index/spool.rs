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
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::task::spawn_blocking;

use super::Segments;
use crate::blobs::Blobs;

/// Smaller ones are sent from memory: copying so little costs less than a second system call, and file descriptors are
/// not for every small index.
const LEAST: u64 = 256 << 10;

/// The file of one index, once there is one. Clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Spool(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// How often, until there was a file.
    asked: AtomicU64,
    file: OnceLock<Arc<File>>,
}

impl Spool {
    /// How many bytes a file of `segments` takes, if there can be one.
    pub(super) fn weight(segments: &Segments) -> u64 {
        if segments.length() < LEAST {
            0
        } else {
            segments.length()
        }
    }

    /// The file with these bytes, on `disk`. None the first time, and for as long as it is written: nobody waits for it.
    pub(super) fn of(&self, segments: &Segments, disk: &Blobs) -> Option<Arc<File>> {
        if segments.length() < LEAST {
            return None;
        }
        if let Some(file) = self.0.file.get() {
            return Some(Arc::clone(file));
        }
        if self.0.asked.fetch_add(1, Ordering::Relaxed) == 1 {
            let (inside, disk, segments) = (Arc::clone(&self.0), disk.clone(), segments.clone());
            spawn_blocking(move || match written(&disk, &segments) {
                Ok(file) => drop(inside.file.set(Arc::new(file))),
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

    #[tokio::test]
    async fn the_second_who_asks_for_a_large_index_has_a_file_of_it_made() {
        let (_folder, disk) = disk().await;
        let (segments, file) = (segments(200 << 10), Spool::default());
        assert!(file.of(&segments, &disk).is_none());
        let made = loop {
            match file.clone().of(&segments, &disk) {
                Some(made) => break made,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        let mut bytes = vec![0; 400 << 10];
        made.read_exact_at(&mut bytes, 0).unwrap();
        let expected: Vec<u8> = segments.part(0..u64::MAX).flatten().collect();
        assert!(bytes == expected);
        assert_eq!(made.metadata().unwrap().len(), segments.length());
    }

    #[tokio::test]
    async fn a_small_index_has_none() {
        let (_folder, disk) = disk().await;
        let (segments, file) = (segments(100 << 10), Spool::default());
        for _ in 0..10 {
            assert!(file.of(&segments, &disk).is_none());
        }
        assert!(file.0.file.get().is_none());
        assert_eq!(Spool::weight(&segments), 0);
    }
}
