//! Reads the payload of an ADB block. Shares no code with the writer but the words.

use thiserror::Error;

use super::value::{Type, Value};

/// Why a payload cannot be read. Offsets are in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PayloadError {
    /// It is shorter than apk takes.
    #[error("the database is {0} bytes long, and apk takes none under 16")]
    Short(usize),
    /// It says that older readers cannot read it.
    #[error("the database is of version {0}, and this program knows version 0")]
    Version(u8),
    /// A value is of another type than the schema says.
    #[error("the word {word:#010x} is not {wanted}")]
    Type {
        /// The word.
        word: u32,
        /// What the schema says.
        wanted: &'static str,
    },
    /// A value points outside of the payload.
    #[error("the word {0:#010x} points to something that reaches beyond the database")]
    Outside(u32),
    /// A value points where nothing of its type may start.
    #[error("the word {0:#010x} points to a place that is not aligned")]
    Alignment(u32),
    /// A row says it has no slots; the count itself is one.
    #[error("the word {0:#010x} points to a row of no slots")]
    NoSlots(u32),
}

/// A payload whose header is right. Nothing else in it has been looked at.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    bytes: &'a [u8],
    /// Where the first of them stands.
    base: usize,
    root: Value,
}

/// A row of slots: an object or an array.
#[derive(Debug, Clone, Copy, Default)]
pub struct Slots<'a> {
    /// The words after the count, four bytes each.
    words: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Looks at the header (apk-tools `src/adb.h`, `struct adb_hdr`): the version that readers must know at the least, the version
    /// of the writer, two reserved bytes, the root.
    ///
    /// # Errors
    ///
    /// [`PayloadError::Short`], [`PayloadError::Version`].
    pub fn new(bytes: &'a [u8]) -> Result<Self, PayloadError> {
        let short = PayloadError::Short(bytes.len());
        let header = bytes.first_chunk::<16>().ok_or(short)?;
        let [version, _, _, _, root @ ..] = header;
        if *version != 0 {
            return Err(PayloadError::Version(*version));
        }
        let root = *root.first_chunk::<4>().ok_or(short)?;
        Ok(Self {
            bytes,
            base: 0,
            root: Value::from_word(u32::from_le_bytes(root)),
        })
    }

    /// A part of a payload whose first byte stands at `base`. What points in front of it or behind it is refused, so what
    /// can be read needs no other part. It has no root.
    pub fn part(bytes: &'a [u8], base: usize) -> Self {
        Self {
            bytes,
            base,
            root: Value::NULL,
        }
    }

    /// The root value.
    pub fn root(&self) -> Value {
        self.root
    }

    /// The number that `value` is or points to.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] when it is not a number, or outside.
    pub fn integer(&self, value: Value) -> Result<u64, PayloadError> {
        match value.kind() {
            Some(Type::Integer) => Ok(u64::from(value.content())),
            Some(Type::Integer32) => Ok(u64::from(u32::from_le_bytes(self.at(value)?))),
            Some(Type::Integer64) => Ok(u64::from_le_bytes(self.at(value)?)),
            _ => Err(wrong(value, "a number")),
        }
    }

    /// The bytes that `value` points to; none when it is null.
    ///
    /// # Errors
    ///
    /// [`PayloadError`] when it is no blob, or outside.
    pub fn blob(&self, value: Value) -> Result<&'a [u8], PayloadError> {
        let (head, length) = match value.kind() {
            Some(Type::Blob8) => (1, u32::from(u8::from_le_bytes(self.at(value)?))),
            Some(Type::Blob16) => (2, u32::from(u16::from_le_bytes(self.at(value)?))),
            Some(Type::Blob32) => (4, u32::from_le_bytes(self.at(value)?)),
            Some(Type::Special) if value.is_null() => return Ok(&[]),
            _ => return Err(wrong(value, "a string")),
        };
        let after = self.from(value)?.get(head..);
        after
            .and_then(|after| after.get(..length as usize))
            .ok_or(PayloadError::Outside(value.word()))
    }

    /// The slots that `value` points to; none when it is null. Arrays and objects pass for each other, as in apk,
    /// which itself writes arrays that are marked as objects (`src/adb.c`, `adb_r_obj`).
    ///
    /// # Errors
    ///
    /// [`PayloadError`] when it is no row of slots, or outside.
    pub fn slots(&self, value: Value) -> Result<Slots<'a>, PayloadError> {
        match value.kind() {
            Some(Type::Array | Type::Object) => (),
            Some(Type::Special) if value.is_null() => return Ok(Slots { words: &[] }),
            _ => return Err(wrong(value, "a row of slots")),
        }
        let count = u32::from_le_bytes(self.at(value)?) as usize;
        let items = count.checked_sub(1);
        let items = items.ok_or(PayloadError::NoSlots(value.word()))?;
        let after = self.from(value)?.get(4..);
        let words = items
            .checked_mul(4)
            .and_then(|length| after?.get(..length))
            .ok_or(PayloadError::Outside(value.word()))?;
        Ok(Slots { words })
    }

    /// The payload from where `value` points on.
    fn from(&self, value: Value) -> Result<&'a [u8], PayloadError> {
        let offset = value.content() as usize;
        let alignment = value.kind().map_or(1, Type::alignment);
        if !offset.is_multiple_of(alignment) {
            return Err(PayloadError::Alignment(value.word()));
        }
        let there = offset
            .checked_sub(self.base)
            .and_then(|offset| self.bytes.get(offset..));
        there.ok_or(PayloadError::Outside(value.word()))
    }

    fn at<const SIZE: usize>(&self, value: Value) -> Result<[u8; SIZE], PayloadError> {
        let there = self.from(value)?.first_chunk::<SIZE>();
        there.copied().ok_or(PayloadError::Outside(value.word()))
    }
}

fn wrong(value: Value, wanted: &'static str) -> PayloadError {
    let word = value.word();
    PayloadError::Type { word, wanted }
}

impl<'a> Slots<'a> {
    /// What is in slot `number`, which counts from 1; null when the row is shorter.
    pub fn value(&self, number: usize) -> Value {
        // Not by the iterator: a row of many files is asked for each of them.
        let (words, _) = self.words.as_chunks::<4>();
        let word = number.checked_sub(1).and_then(|index| words.get(index));
        word.map_or(Value::NULL, |word| {
            Value::from_word(u32::from_le_bytes(*word))
        })
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.words.len() / 4
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The values from slot 1 on.
    pub fn iter(&self) -> impl Iterator<Item = Value> + use<'a> {
        let (words, _) = self.words.as_chunks::<4>();
        words
            .iter()
            .map(|word| Value::from_word(u32::from_le_bytes(*word)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Type, content: u32) -> Value {
        Value::new(kind, content).unwrap()
    }

    /// A header, and `rest` at offset 8.
    fn payload(rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 8];
        bytes.extend_from_slice(rest);
        bytes.resize(bytes.len().max(16), 0);
        bytes
    }

    #[test]
    fn reads_numbers_of_every_width() {
        let bytes = payload(b"\x01\x02\x03\x04\x05\x06\x07\x08");
        let payload = Payload::new(&bytes).unwrap();
        assert_eq!(payload.integer(value(Type::Integer, 300)), Ok(300));
        assert_eq!(payload.integer(value(Type::Integer32, 8)), Ok(0x0403_0201));
        assert_eq!(
            payload.integer(value(Type::Integer64, 8)),
            Ok(0x0807_0605_0403_0201)
        );
    }

    #[test]
    fn reads_blobs_of_every_width() {
        let bytes = payload(b"\x02ab\0\x02\0cd\x02\0\0\0ef");
        let payload = Payload::new(&bytes).unwrap();
        assert_eq!(payload.blob(value(Type::Blob8, 8)), Ok(b"ab".as_slice()));
        assert_eq!(payload.blob(value(Type::Blob16, 12)), Ok(b"cd".as_slice()));
        assert_eq!(payload.blob(value(Type::Blob32, 16)), Ok(b"ef".as_slice()));
        assert_eq!(payload.blob(Value::NULL), Ok(b"".as_slice()));
    }

    #[test]
    fn reads_slots_and_null_beyond_them() {
        let bytes = payload(b"\x03\0\0\0\x07\0\0\x10\x08\0\0\x10");
        let slots = Payload::new(&bytes).unwrap();
        let slots = slots.slots(value(Type::Array, 8)).unwrap();
        assert_eq!(slots.len(), 2);
        assert_eq!(slots.value(2), value(Type::Integer, 8));
        assert_eq!(slots.value(3), Value::NULL);
        assert_eq!(slots.value(0), Value::NULL);
    }

    #[test]
    fn a_part_ends_at_both_of_its_ends() {
        let part = Payload::part(b"\x02ab\x01c", 100);
        assert_eq!(part.blob(value(Type::Blob8, 100)), Ok(b"ab".as_slice()));
        assert_eq!(part.blob(value(Type::Blob8, 103)), Ok(b"c".as_slice()));
        for outside in [0, 99, 105, 200] {
            let blob = value(Type::Blob8, outside);
            assert_eq!(part.blob(blob), Err(PayloadError::Outside(blob.word())));
        }
    }

    #[test]
    fn rejects_what_reaches_beyond_the_end() {
        let bytes = payload(b"\x08abcdefg");
        let payload = Payload::new(&bytes).unwrap();
        let blob = value(Type::Blob8, 8);
        let outside = Err(PayloadError::Outside(blob.word()));
        assert_eq!(payload.blob(blob), outside);
        let number = value(Type::Integer64, 12);
        let outside = Err(PayloadError::Outside(number.word()));
        assert_eq!(payload.integer(number), outside);
        let far = value(Type::Object, Value::MAX & !3);
        assert_eq!(
            payload.slots(far).map(|slots| slots.len()),
            Err(PayloadError::Outside(far.word()))
        );
    }

    #[test]
    fn rejects_a_row_whose_count_reaches_beyond_the_end() {
        let bytes = payload(b"\xff\xff\xff\xff\0\0\0\0");
        let row = value(Type::Array, 8);
        let slots = Payload::new(&bytes).unwrap().slots(row);
        assert_eq!(
            slots.map(|slots| slots.len()),
            Err(PayloadError::Outside(row.word()))
        );
    }

    #[test]
    fn rejects_a_row_of_no_slots() {
        let bytes = payload(b"\0\0\0\0\0\0\0\0");
        let row = value(Type::Array, 8);
        let slots = Payload::new(&bytes).unwrap().slots(row);
        assert_eq!(
            slots.map(|slots| slots.len()),
            Err(PayloadError::NoSlots(row.word()))
        );
    }

    #[test]
    fn rejects_a_place_that_is_not_aligned() {
        let bytes = payload(b"\0\x01\0\0\0\0\0\0");
        let row = value(Type::Object, 9);
        let slots = Payload::new(&bytes).unwrap().slots(row);
        assert_eq!(
            slots.map(|slots| slots.len()),
            Err(PayloadError::Alignment(row.word()))
        );
    }

    #[test]
    fn rejects_a_value_of_another_type() {
        let bytes = payload(b"");
        let payload = Payload::new(&bytes).unwrap();
        let number = value(Type::Integer, 8);
        let error = PayloadError::Type {
            word: 0x1000_0008,
            wanted: "a string",
        };
        assert_eq!(payload.blob(number), Err(error));
        assert_eq!(error.to_string(), "the word 0x10000008 is not a string");
    }

    #[test]
    fn rejects_a_version_that_needs_a_newer_reader() {
        let mut bytes = payload(b"");
        bytes[0] = 1;
        assert_eq!(
            Payload::new(&bytes).map(|payload| payload.root()),
            Err(PayloadError::Version(1))
        );
    }

    #[test]
    fn rejects_fewer_bytes_than_apk_takes() {
        assert_eq!(
            Payload::new(&[0; 15]).map(|payload| payload.root()),
            Err(PayloadError::Short(15))
        );
    }
}
