//! The data section of a package for a test.

use std::collections::BTreeSet;

use sha1::{Digest, Sha1};

use apk::v2::tar::{END_OF_ARCHIVE, EntryHeader, EntryKind, padding};

/// The entries of a data section, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Data {
    entries: Vec<Item>,
    directories: BTreeSet<String>,
    is_chosen: bool,
}

#[derive(Debug, Clone)]
enum Item {
    File { path: String, content: Vec<u8> },
    RandomFile { path: String, size: u64 },
    Directory { path: String },
    SymbolicLink { path: String, target: String },
    Raw(Vec<u8>),
}

impl Data {
    pub(super) fn file(&mut self, path: &str, content: &[u8]) {
        self.parents_of(path);
        self.entries.push(Item::File {
            path: path.to_owned(),
            content: content.to_vec(),
        });
    }

    pub(super) fn random_file(&mut self, path: &str, size: u64) {
        self.parents_of(path);
        self.entries.push(Item::RandomFile {
            path: path.to_owned(),
            size,
        });
    }

    pub(super) fn symbolic_link(&mut self, path: &str, target: &str) {
        self.parents_of(path);
        self.entries.push(Item::SymbolicLink {
            path: path.to_owned(),
            target: target.to_owned(),
        });
    }

    pub(super) fn directory(&mut self, path: &str) {
        self.parents_of(path);
        if self.directories.insert(path.to_owned()) {
            self.entries.push(Item::Directory {
                path: path.to_owned(),
            });
        }
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.is_chosen = true;
        self.entries.push(Item::Raw(bytes.to_vec()));
    }

    pub(super) fn no_files(&mut self) {
        self.is_chosen = true;
        self.entries.clear();
        self.directories.clear();
    }

    /// apk wants each directory before what is in it (`src/database.c`, `apk_db_install_file`).
    fn parents_of(&mut self, path: &str) {
        self.is_chosen = true;
        let mut parent = String::new();
        let Some((directories, _)) = path.rsplit_once('/') else {
            return;
        };
        for component in directories.split('/') {
            if !parent.is_empty() {
                parent.push('/');
            }
            parent.push_str(component);
            if self.directories.insert(parent.clone()) {
                self.entries.push(Item::Directory {
                    path: parent.clone(),
                });
            }
        }
    }

    /// The bytes of all files, and 4096 for each directory, so that a package with entries never has none.
    pub(super) fn installed_size(&self) -> u64 {
        self.chosen_or_default()
            .iter()
            .map(Item::installed_size)
            .sum()
    }

    /// Writes the tar archive.
    pub(super) fn write<E>(&self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        for item in &self.chosen_or_default() {
            item.write(sink)?;
        }
        sink(&END_OF_ARCHIVE)
    }

    fn chosen_or_default(&self) -> Vec<Item> {
        if self.is_chosen {
            return self.entries.clone();
        }
        let mut data = Self::default();
        data.file("usr/share/test-package/file", b"content\n");
        data.entries
    }
}

impl Item {
    fn installed_size(&self) -> u64 {
        match self {
            Self::File { content, .. } => content.len() as u64,
            Self::RandomFile { size, .. } => *size,
            Self::Directory { .. } => 4096,
            Self::SymbolicLink { .. } | Self::Raw(_) => 1,
        }
    }

    fn write<E>(&self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Self::File { path, content } => {
                let size = content.len() as u64;
                sink(&file_header(path, size, &Sha1::digest(content)))?;
                sink(content)?;
                sink(padding(size))
            }
            Self::RandomFile { path, size } => {
                let mut hasher = Sha1::new();
                let Ok(()) = write_random(*size, &mut |bytes| {
                    hasher.update(bytes);
                    Ok::<(), std::convert::Infallible>(())
                });
                sink(&file_header(path, *size, &hasher.finalize()))?;
                write_random(*size, sink)?;
                sink(padding(*size))
            }
            Self::Directory { path } => sink(
                &EntryHeader {
                    kind: EntryKind::Directory,
                    mode: 0o755,
                    ..EntryHeader::file(path.as_bytes(), 0, 0)
                }
                .to_bytes(),
            ),
            Self::SymbolicLink { path, target } => {
                let checksum = hex(&Sha1::digest(target));
                let header = EntryHeader {
                    kind: EntryKind::SymbolicLink,
                    mode: 0o777,
                    link_target: target.as_bytes(),
                    pax: &[("APK-TOOLS.checksum.SHA1", checksum.as_bytes())],
                    ..EntryHeader::file(path.as_bytes(), 0, 0)
                };
                sink(&header.to_bytes())
            }
            Self::Raw(bytes) => sink(bytes),
        }
    }
}

/// A header as `abuild-tar --hash` writes it, with the checksum that apk records for the file.
fn file_header(path: &str, size: u64, checksum: &[u8]) -> Vec<u8> {
    let checksum = hex(checksum);
    let pax = [("APK-TOOLS.checksum.SHA1", checksum.as_bytes())];
    EntryHeader {
        mode: 0o755,
        pax: &pax,
        ..EntryHeader::file(path.as_bytes(), size, 0)
    }
    .to_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes of a xorshift generator (Marsaglia, "Xorshift RNGs", 2003): fast, the same every time, and of no use to deflate.
fn write_random<E>(size: u64, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut left = size;
    let mut block = vec![0; 64 << 10];
    while left > 0 {
        for word in block.as_chunks_mut::<8>().0 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = state.to_le_bytes();
        }
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        sink(block.get(..count).unwrap_or_default())?;
        left -= count as u64;
    }
    Ok(())
}
