//! Packages that are written and compressed together, at one place of the payload.

use std::{cmp::Ordering, collections::BTreeSet};

use apk::{
    limits::Limits,
    v3::{
        reader::{Payload, Slots},
        schema::package,
        value::Value,
        writer::Writer,
    },
    version::Version,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::layout;
use crate::index::{
    changes::{EngineError, Record},
    run::Run,
};

/// What is in a part cannot be read again.
const DAMAGED: EngineError = EngineError::Inconsistent("a part of the index cannot be read again");

/// A package to be written: the bytes it is read from, and where it is in them.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) sequence: i64,
    pub(super) value: Value,
    pub(super) bytes: Bytes,
    pub(super) base: usize,
    /// Whether the index has not had it before.
    pub(super) is_new: bool,
}

impl Source {
    pub(super) fn of(record: &Record) -> Result<Self, EngineError> {
        let payload = Payload::new(&record.bytes).map_err(|_| DAMAGED)?;
        Ok(Self {
            sequence: record.sequence,
            value: payload.root(),
            bytes: record.bytes.clone(),
            base: 0,
            is_new: true,
        })
    }

    pub(super) fn payload(&self) -> Payload<'_> {
        Payload::part(&self.bytes, self.base)
    }

    fn slots(&self) -> Result<Slots<'_>, EngineError> {
        self.payload().slots(self.value).map_err(|_| DAMAGED)
    }

    pub(super) fn key(&self) -> Result<Key<'_>, EngineError> {
        let (payload, slots) = (self.payload(), self.slots()?);
        let blob = |slot| payload.blob(slots.value(slot)).map_err(|_| DAMAGED);
        Ok(Key {
            name: blob(package::NAME)?,
            version: blob(package::VERSION)?,
            hash: blob(package::HASHES)?,
        })
    }
}

/// What packages are sorted by (apk-tools `src/apk_adb.c`, `schema_pkginfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key<'a> {
    pub(super) name: &'a [u8],
    pub(super) version: &'a [u8],
    pub(super) hash: &'a [u8],
}

impl Key<'_> {
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let names = self.name.cmp(other.name);
        names
            .then_with(|| versions(self.version, other.version))
            .then_with(|| self.hash.cmp(other.hash))
    }
}

fn versions(one: &[u8], other: &[u8]) -> Ordering {
    if one == other {
        return Ordering::Equal;
    }
    let limits = Limits::default();
    let read = |text| Version::parse_lenient(str::from_utf8(text).ok()?, &limits).ok();
    match (read(one), read(other)) {
        (Some(one), Some(other)) => one.compare(&other),
        // What was stored was read once.
        _ => one.cmp(other),
    }
}

/// Which packages are in a part, in the order of their places, with what they are sorted by.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    list: Vec<Entry>,
    /// Name, zero, version, zero, hash; of one package after the other.
    keys: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    sequence: i64,
    value: Value,
    /// Where its key begins. There is one of these for each package in memory.
    key: u32,
}

impl Entries {
    pub(super) fn push(&mut self, sequence: i64, value: Value, key: Key<'_>) {
        self.list.push(Entry {
            sequence,
            value,
            // A payload ends at 256 MiB, and with it what is copied out of it.
            key: u32::try_from(self.keys.len()).unwrap_or(u32::MAX),
        });
        for (text, end) in [(key.name, &[0][..]), (key.version, &[0]), (key.hash, &[])] {
            self.keys.extend_from_slice(text);
            self.keys.extend_from_slice(end);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = Value> {
        self.list.iter().map(|entry| entry.value)
    }

    pub(super) fn sequences(&self) -> impl Iterator<Item = i64> {
        self.list.iter().map(|entry| entry.sequence)
    }

    /// The key of the `index`th.
    pub(super) fn key(&self, index: usize) -> Option<Key<'_>> {
        let start = self.list.get(index)?.key as usize;
        let next = self.list.get(index + 1);
        let end = next.map_or(self.keys.len(), |next| next.key as usize);
        let mut fields = self.keys.get(start..end)?.splitn(3, |byte| *byte == 0);
        Some(Key {
            name: fields.next()?,
            version: fields.next()?,
            hash: fields.next()?,
        })
    }

    pub(super) fn last_key(&self) -> Option<Key<'_>> {
        self.key(self.len().checked_sub(1)?)
    }

    /// The key of the package that `value` points at.
    pub(super) fn key_of(&self, value: Value) -> Option<Key<'_>> {
        let found = self.list.binary_search_by_key(&value, |entry| entry.value);
        self.key(found.ok()?)
    }

    pub(super) fn touches(&self, sequences: &BTreeSet<i64>) -> bool {
        !sequences.is_empty()
            && self
                .sequences()
                .any(|sequence| sequences.contains(&sequence))
    }

    /// Whether none of them comes after the sequence `last`.
    pub(super) fn are_up_to(&self, last: i64) -> bool {
        last == i64::MAX || self.sequences().all(|sequence| sequence <= last)
    }

    /// The packages in the order of their places, out of the bytes that begin at `base`.
    pub(super) fn sources(&self, bytes: &Bytes, base: usize) -> impl Iterator<Item = Source> {
        self.list.iter().map(move |entry| Source {
            sequence: entry.sequence,
            value: entry.value,
            bytes: bytes.clone(),
            base,
            is_new: false,
        })
    }

    pub(super) fn weight(&self) -> u64 {
        (self.list.capacity() * size_of::<Entry>() + self.keys.capacity()) as u64
    }

    fn shrink(mut self) -> Self {
        self.list.shrink_to_fit();
        self.keys.shrink_to_fit();
        self
    }
}

/// A part that grows no more.
#[derive(Debug)]
pub(super) struct Part {
    /// Where its first byte stands in the payload.
    pub(super) base: usize,
    pub(super) run: Run,
    pub(super) entries: Entries,
    /// SHA-256 of what it is compressed to.
    pub(super) sha256: [u8; 32],
}

/// The order in which the fields of a chunk are written, each of all packages after the other: what is alike stands together.
/// What compresses least comes first, so that it is in the way of nothing.
const COLUMNS: [usize; package::SLOTS - 1] = [
    package::HASHES,
    package::REPO_COMMIT,
    package::BUILD_TIME,
    package::INSTALLED_SIZE,
    package::FILE_SIZE,
    package::PROVIDER_PRIORITY,
    package::LAYER,
    package::NAME,
    package::VERSION,
    package::DESCRIPTION,
    package::URL,
    package::LICENSE,
    package::ORIGIN,
    package::MAINTAINER,
    package::ARCH,
    package::DEPENDS,
    package::PROVIDES,
    package::REPLACES,
    package::INSTALL_IF,
    package::RECOMMENDS,
    package::TAGS,
];

impl Part {
    /// Compresses what stands at `base`.
    pub(super) fn new(base: usize, bytes: &[u8], entries: Entries) -> Result<Self, EngineError> {
        let run = Run::new(bytes, &[])?;
        let sha256 = Sha256::digest(&run.deflated).into();
        Ok(Self {
            base,
            run,
            entries: entries.shrink(),
            sha256,
        })
    }

    /// Writes a closed chunk at `base`.
    pub(super) fn close(base: usize, sources: &[Source]) -> Result<Self, EngineError> {
        let mut sorted = Vec::with_capacity(sources.len());
        for source in sources {
            sorted.push((source.key()?, source));
        }
        sorted.sort_by(|(one, _), (other, _)| one.compare(other));

        let mut writer = Writer::at(base);
        let mut rows = vec![[Value::NULL; package::SLOTS - 1]; sorted.len()];
        for column in COLUMNS {
            for (row, (_, source)) in rows.iter_mut().zip(&sorted) {
                let value = source.slots()?.value(column);
                if let Some(field) = row.get_mut(column - 1) {
                    *field = writer.copy(source.payload(), value)?;
                }
            }
        }
        let mut entries = Entries::default();
        for (row, (key, source)) in rows.iter().zip(&sorted) {
            let value = writer.object(row)?;
            entries.push(source.sequence, value, *key);
        }
        writer.pad_to(layout::STEP);
        Self::new(base, writer.bytes(), entries)
    }

    /// What it inflates to.
    pub(super) fn bytes(&self) -> Result<Bytes, EngineError> {
        Ok(self.run.inflate(&[])?.into())
    }

    /// Where the first byte behind it stands.
    pub(super) fn end(&self) -> Result<usize, EngineError> {
        let length = usize::try_from(self.run.length).map_err(|_| EngineError::TooLarge)?;
        Ok(self.base + length)
    }

    /// Whether the chunk ends here whatever comes behind it.
    pub(super) fn ends_by_itself(&self) -> bool {
        let last = self.entries.sequences().last();
        last.is_some_and(layout::ends_run) && self.entries.len() >= layout::LEAST
    }

    /// Its packages in the order of their places.
    pub(super) fn sources(&self) -> Result<Vec<Source>, EngineError> {
        Ok(self.entries.sources(&self.bytes()?, self.base).collect())
    }

    pub(super) fn weight(&self) -> u64 {
        self.run.deflated.len() as u64 + self.entries.weight() + size_of::<Self>() as u64
    }
}
