//! Builds the payload of an ADB block.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, DefaultHasher, Hash as _, Hasher},
};

use thiserror::Error;

use super::{
    reader::{Payload, PayloadError},
    value::{Type, Value},
};

/// The payload has no room left: a value's 28 bits of offset end at 256 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "this is too much for one ADB file, which ends at 256 MiB: put fewer packages into one index"
)]
pub struct PayloadFull;

/// Why a value was not copied into another payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CopyError {
    /// The copy has no room left.
    #[error(transparent)]
    Full(#[from] PayloadFull),
    /// The value can't be read.
    #[error(transparent)]
    Unreadable(#[from] PayloadError),
    /// Rows within rows, deeper than any schema has them.
    #[error("the database has rows within rows, deeper than apk writes them")]
    Nested,
}

/// How deep rows stand within rows: a package, its dependencies, one of them.
const NESTED: usize = 4;

/// The version bytes and the root value (apk-tools `src/adb.h`, `struct adb_hdr`).
pub(super) const HEADER: usize = 8;
/// apk refuses a shorter payload when it reads a stream (`src/adb.c`, `__adb_m_stream`).
pub(super) const SHORTEST: usize = 16;

/// A payload that grows. What is written twice is stored once.
///
/// The bytes depend on nothing but the calls and their order.
#[derive(Debug, Clone)]
pub struct Writer {
    payload: Vec<u8>,
    /// Where the first of them stands: 0, unless this is a part of a larger payload.
    base: usize,
    /// Where the bytes of this hash, which their type is part of, were written first. Bytes that only share a hash are
    /// written anew.
    written: HashMap<u64, u32, BuildHasherDefault<Unhashed>>,
    /// What is being stored, kept for its room.
    scratch: Vec<u8>,
}

/// Takes a number that is a hash already as its hash.
#[derive(Debug, Clone, Default)]
struct Unhashed(u64);

impl Hasher for Unhashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only for keys that are no u64, of which there are none here.
        self.0 = bytes.iter().fold(self.0, |hash, byte| {
            hash.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Writer {
    /// An empty payload.
    pub fn new() -> Self {
        Self {
            payload: vec![0; HEADER],
            base: 0,
            written: HashMap::default(),
            scratch: Vec::new(),
        }
    }

    /// A part of a payload, without a header: its first byte stands at `base`, a multiple of 4. Values point at absolute
    /// places, so a part can't be moved; and it shares nothing with what is before it.
    pub fn at(base: usize) -> Self {
        Self {
            payload: Vec::new(),
            base,
            written: HashMap::default(),
            scratch: Vec::new(),
        }
    }

    /// What was written so far. With [`Writer::new`] it has a header without a root.
    pub fn bytes(&self) -> &[u8] {
        &self.payload
    }

    /// Where the next byte will stand.
    pub fn end(&self) -> usize {
        self.base + self.payload.len()
    }

    /// Writes zeros until the end stands at a multiple of `step`.
    pub fn pad_to(&mut self, step: usize) {
        let end = self.end().next_multiple_of(step);
        self.payload.resize(end - self.base, 0);
    }

    /// Bytes that it takes in memory, roughly.
    pub fn weight(&self) -> usize {
        self.payload.capacity() + self.written.capacity() * 16
    }

    /// The value of another payload, with all that it points at. What is here already is shared. Copied in the same order,
    /// the same values give the same bytes as if they had been written here.
    pub fn copy(&mut self, from: Payload<'_>, value: Value) -> Result<Value, CopyError> {
        self.copy_within(from, value, NESTED)
    }

    fn copy_within(
        &mut self,
        from: Payload<'_>,
        value: Value,
        deeper: usize,
    ) -> Result<Value, CopyError> {
        Ok(match value.kind() {
            Some(Type::Integer32 | Type::Integer64) => self.integer(from.integer(value)?)?,
            Some(Type::Blob8 | Type::Blob16 | Type::Blob32) => self.blob(from.blob(value)?)?,
            Some(Type::Array | Type::Object) => {
                let deeper = deeper.checked_sub(1).ok_or(CopyError::Nested)?;
                let values: Vec<Value> = from
                    .slots(value)?
                    .iter()
                    .map(|value| self.copy_within(from, value, deeper))
                    .collect::<Result<_, _>>()?;
                if value.kind() == Some(Type::Array) {
                    self.array(&values)?
                } else {
                    self.object(&values)?
                }
            }
            Some(Type::Special | Type::Integer) | None => value,
        })
    }

    /// A number. One below 2^28 takes no room.
    pub fn integer(&mut self, number: u64) -> Result<Value, PayloadFull> {
        let Ok(small) = u32::try_from(number) else {
            return self.store(Type::Integer64, &number.to_le_bytes());
        };
        match Value::new(Type::Integer, small) {
            Some(value) => Ok(value),
            None => self.store(Type::Integer32, &small.to_le_bytes()),
        }
    }

    /// A string of bytes; [`Value::NULL`] for none, as apk has it (`src/adb.c`, `adb_w_blob_vec`).
    pub fn blob(&mut self, bytes: &[u8]) -> Result<Value, PayloadFull> {
        if bytes.is_empty() {
            return Ok(Value::NULL);
        }
        let length = u32::try_from(bytes.len()).map_err(|_| PayloadFull)?;
        self.scratch.clear();
        let kind = if let Ok(length) = u8::try_from(length) {
            self.scratch.push(length);
            Type::Blob8
        } else if let Ok(length) = u16::try_from(length) {
            self.scratch.extend_from_slice(&length.to_le_bytes());
            Type::Blob16
        } else {
            self.scratch.extend_from_slice(&length.to_le_bytes());
            Type::Blob32
        };
        self.scratch.extend_from_slice(bytes);
        self.share(kind)
    }

    /// An object with these values in its slots from 1 on. Nulls at its end are left out; one of nulls alone is null.
    pub fn object(&mut self, fields: &[Value]) -> Result<Value, PayloadFull> {
        self.slots(Type::Object, fields)
    }

    /// An array of these values, none of which is null.
    pub fn array(&mut self, items: &[Value]) -> Result<Value, PayloadFull> {
        self.slots(Type::Array, items)
    }

    fn slots(&mut self, kind: Type, values: &[Value]) -> Result<Value, PayloadFull> {
        let used = values.iter().rposition(|value| !value.is_null());
        let Some(last) = used else {
            return Ok(Value::NULL);
        };
        let count = u32::try_from(last + 2).map_err(|_| PayloadFull)?;
        self.scratch.clear();
        self.scratch.extend_from_slice(&count.to_le_bytes());
        for value in values.iter().take(last + 1) {
            self.scratch.extend_from_slice(&value.word().to_le_bytes());
        }
        self.share(kind)
    }

    fn store(&mut self, kind: Type, bytes: &[u8]) -> Result<Value, PayloadFull> {
        self.scratch.clear();
        self.scratch.extend_from_slice(bytes);
        self.share(kind)
    }

    /// Points at what is in the scratch buffer, which is written unless it is there.
    fn share(&mut self, kind: Type) -> Result<Value, PayloadFull> {
        let bytes = self.scratch.as_slice();
        let mut hasher = DefaultHasher::new();
        (kind, bytes).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(offset) = self.written.get(&key) {
            let there = self
                .payload
                .get((*offset as usize).wrapping_sub(self.base)..);
            if there.is_some_and(|there| there.starts_with(bytes)) {
                return Value::new(kind, *offset).ok_or(PayloadFull);
            }
        }
        let start = self.end().next_multiple_of(kind.alignment());
        let offset = u32::try_from(start).map_err(|_| PayloadFull)?;
        let value = Value::new(kind, offset).ok_or(PayloadFull)?;
        self.payload.resize(start - self.base, 0);
        self.payload.extend_from_slice(bytes);
        self.written.entry(key).or_insert(offset);
        Ok(value)
    }

    /// The finished payload, with `root` as its root.
    pub fn finish(mut self, root: Value) -> Vec<u8> {
        if let Some(place) = self.payload.get_mut(HEADER - 4..HEADER) {
            place.copy_from_slice(&root.word().to_le_bytes());
        }
        if self.payload.len() < SHORTEST {
            self.payload.resize(SHORTEST, 0);
        }
        self.payload
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_its_header_its_values_and_their_rows() {
        let mut writer = Writer::new();
        let name = writer.blob(b"abc").unwrap();
        let number = writer.integer(5).unwrap();
        let root = writer
            .object(&[name, Value::NULL, number, Value::NULL])
            .unwrap();
        assert_eq!(
            writer.finish(root),
            b"\0\0\0\0\x0c\0\0\xe0\x03abc\x04\0\0\0\x08\0\0\x80\0\0\0\0\x05\0\0\x10"
        );
    }

    #[test]
    fn the_same_bytes_are_stored_once() {
        let mut writer = Writer::new();
        let first = writer.blob(b"so:libc.musl-x86_64.so.1").unwrap();
        let other = writer.blob(b"zlib").unwrap();
        let second = writer.blob(b"so:libc.musl-x86_64.so.1").unwrap();
        assert_eq!(first, second);
        assert_ne!(first, other);
        let row = writer.array(&[first, other]).unwrap();
        assert_eq!(writer.array(&[second, other]).unwrap(), row);
    }

    #[test]
    fn a_part_points_at_places_of_the_whole_and_is_copied_as_it_would_be_written() {
        let write = |writer: &mut Writer| {
            // As a copy goes: slot by slot, what is inside first.
            let number = writer.integer(u64::from(u32::MAX)).unwrap();
            let name = writer.blob(b"a longer name").unwrap();
            let inner = writer.object(&[name, number]).unwrap();
            let list = writer.array(&[inner, inner]).unwrap();
            writer.object(&[number, Value::NULL, list, name]).unwrap()
        };
        let mut whole = Writer::new();
        let root = write(&mut whole);
        let whole = whole.finish(root);
        let mut part = Writer::at(1 << 20);
        part.blob(b"in front").unwrap();
        let written = write(&mut part);
        let mut copied = Writer::at(1 << 20);
        copied.blob(b"in front").unwrap();
        let payload = Payload::new(&whole).unwrap();
        assert_eq!(copied.copy(payload, root), Ok(written));
        assert_eq!(copied.bytes(), part.bytes());
        assert_eq!(copied.end(), (1 << 20) + part.bytes().len());
        // Read back, and copied to where it would have been from the start.
        let part = Payload::part(part.bytes(), 1 << 20);
        let mut again = Writer::new();
        assert_eq!(again.copy(part, written), Ok(root));
        assert_eq!(again.finish(root), whole);
        copied.pad_to(4096);
        assert_eq!(copied.end(), (1 << 20) + 4096);
    }

    #[test]
    fn rows_within_rows_are_copied_so_deep_and_no_deeper() {
        let mut writer = Writer::new();
        let mut row = writer.blob(b"inmost").unwrap();
        let mut rows = Vec::new();
        for _ in 0..=NESTED {
            row = writer.array(&[row]).unwrap();
            rows.push(row);
        }
        let payload = writer.finish(row);
        let payload = Payload::new(&payload).unwrap();
        assert!(Writer::new().copy(payload, rows[NESTED - 1]).is_ok());
        let refused = Writer::new().copy(payload, rows[NESTED]);
        assert_eq!(refused, Err(CopyError::Nested));
    }

    #[test]
    fn a_number_takes_as_much_room_as_it_needs() {
        let mut writer = Writer::new();
        for (number, kind) in [
            (0, Type::Integer),
            (0x0fff_ffff, Type::Integer),
            (0x1000_0000, Type::Integer32),
            (0xffff_ffff, Type::Integer32),
            (0x1_0000_0000, Type::Integer64),
            (u64::MAX, Type::Integer64),
        ] {
            assert_eq!(
                writer.integer(number).unwrap().kind(),
                Some(kind),
                "{number}"
            );
        }
    }

    #[test]
    fn a_length_takes_as_much_room_as_it_needs() {
        let mut writer = Writer::new();
        let bytes = vec![b'x'; 0x1_0000];
        for (length, kind) in [
            (1, Type::Blob8),
            (0xff, Type::Blob8),
            (0x100, Type::Blob16),
            (0xffff, Type::Blob16),
            (0x1_0000, Type::Blob32),
        ] {
            let value = writer.blob(&bytes[..length]).unwrap();
            assert_eq!(value.kind(), Some(kind), "{length}");
            assert_eq!(value.content() as usize % kind.alignment(), 0);
        }
        assert_eq!(writer.blob(b""), Ok(Value::NULL));
    }

    #[test]
    fn an_empty_payload_is_as_long_as_apk_wants_it() {
        assert_eq!(Writer::new().finish(Value::NULL), [0; 16]);
    }

    #[test]
    fn refuses_to_grow_over_256_mib() {
        let mut writer = Writer {
            payload: vec![0; 0x0fff_fffe],
            ..Writer::new()
        };
        assert_eq!(writer.blob(b"last").map(Value::word), Ok(0x8fff_fffe));
        assert_eq!(writer.blob(b"more"), Err(PayloadFull));
    }
}
