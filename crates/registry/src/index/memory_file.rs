//! A large index that is asked for again, as a file of memory.
//!
//! What a process sends from its own memory, the kernel copies; pages of a file it hands to the socket as they are
//! (`sendfile(2)`). Putting an index into such a file costs one copy. So the first request for an index is answered from
//! memory, and only one that is asked for a second time before it changes gets a file.

use std::{
    fs::File,
    io::{self, Write as _},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use rustix::fs::{MemfdFlags, memfd_create};
use tokio::task::spawn_blocking;

use super::Segments;

/// Smaller ones are sent from memory: copying so little costs less than a second system call, and file descriptors are
/// not for every small index.
const LEAST: u64 = 256 << 10;

/// The file of one index, once there is one. Clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct MemoryFile(Arc<Inside>);

#[derive(Debug, Default)]
struct Inside {
    /// How often, until there was a file.
    asked: AtomicU64,
    file: OnceLock<Arc<File>>,
}

impl MemoryFile {
    /// How many bytes a file of `segments` takes, if there can be one.
    pub(super) fn weight(segments: &Segments) -> u64 {
        if segments.length() < LEAST {
            0
        } else {
            segments.length()
        }
    }

    /// The file with these bytes. None the first time, and for as long as it is written: nobody waits for it.
    pub(super) fn of(&self, segments: &Segments) -> Option<Arc<File>> {
        if segments.length() < LEAST {
            return None;
        }
        if let Some(file) = self.0.file.get() {
            return Some(Arc::clone(file));
        }
        if self.0.asked.fetch_add(1, Ordering::Relaxed) == 1 {
            let (inside, segments) = (Arc::clone(&self.0), segments.clone());
            spawn_blocking(move || match written(&segments) {
                Ok(file) => drop(inside.file.set(Arc::new(file))),
                Err(error) => {
                    tracing::warn!(%error, "an index is sent from memory; no file of memory was made");
                }
            });
        }
        None
    }
}

fn written(segments: &Segments) -> io::Result<File> {
    let mut file = File::from(memfd_create("tarn-index", MemfdFlags::CLOEXEC)?);
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

    #[tokio::test]
    async fn the_second_who_asks_for_a_large_index_has_a_file_of_it_made() {
        let (segments, file) = (segments(200 << 10), MemoryFile::default());
        assert!(file.of(&segments).is_none());
        let made = loop {
            match file.clone().of(&segments) {
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
        let (segments, file) = (segments(100 << 10), MemoryFile::default());
        for _ in 0..10 {
            assert!(file.of(&segments).is_none());
        }
        assert!(file.0.file.get().is_none());
        assert_eq!(MemoryFile::weight(&segments), 0);
    }
}
