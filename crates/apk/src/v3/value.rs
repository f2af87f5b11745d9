//! The 32-bit words that everything in a payload is made of.

/// One value: four bits of type, and 28 bits that are a number or an offset into the payload
/// (apk-tools `src/adb.h`, `ADB_TYPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(u32);

/// What the type bits of a [`Value`] say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// Null, true or false.
    Special,
    /// A number below 2^28, in the word itself.
    Integer,
    /// The offset of a 32-bit number, aligned to 4.
    Integer32,
    /// The offset of a 64-bit number, aligned to 4.
    Integer64,
    /// The offset of an 8-bit length and as many bytes.
    Blob8,
    /// The offset of a 16-bit length and as many bytes, aligned to 2.
    Blob16,
    /// The offset of a 32-bit length and as many bytes, aligned to 4.
    Blob32,
    /// The offset of a row of slots which all hold the same thing, aligned to 4.
    Array,
    /// The offset of a row of slots, one a field, aligned to 4.
    Object,
}

const TYPE_MASK: u32 = 0xf000_0000;

impl Value {
    /// Nothing: an absent field.
    pub const NULL: Self = Self(0);

    /// The largest number or offset that fits beside the type: 2^28 - 1.
    pub const MAX: u32 = 0x0fff_ffff;

    /// A value of type `kind`; `None` when `content` is over [`Value::MAX`].
    pub fn new(kind: Type, content: u32) -> Option<Self> {
        (content <= Self::MAX).then_some(Self(kind.bits() | content))
    }

    /// The value a payload holds as `word`.
    pub fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// The word as it stands in a payload.
    pub fn word(self) -> u32 {
        self.0
    }

    /// Whether this is [`Value::NULL`].
    pub fn is_null(self) -> bool {
        self == Self::NULL
    }

    /// The type; `None` when no type has these bits. (Type 0xf is apk's own mark for an error while it builds an ADB.)
    pub fn kind(self) -> Option<Type> {
        Some(match self.0 & TYPE_MASK {
            0x0000_0000 => Type::Special,
            0x1000_0000 => Type::Integer,
            0x2000_0000 => Type::Integer32,
            0x3000_0000 => Type::Integer64,
            0x8000_0000 => Type::Blob8,
            0x9000_0000 => Type::Blob16,
            0xa000_0000 => Type::Blob32,
            0xd000_0000 => Type::Array,
            0xe000_0000 => Type::Object,
            _ => return None,
        })
    }

    /// The number or offset: the lower 28 bits.
    pub fn content(self) -> u32 {
        self.0 & Self::MAX
    }
}

impl Type {
    fn bits(self) -> u32 {
        match self {
            Self::Special => 0x0000_0000,
            Self::Integer => 0x1000_0000,
            Self::Integer32 => 0x2000_0000,
            Self::Integer64 => 0x3000_0000,
            Self::Blob8 => 0x8000_0000,
            Self::Blob16 => 0x9000_0000,
            Self::Blob32 => 0xa000_0000,
            Self::Array => 0xd000_0000,
            Self::Object => 0xe000_0000,
        }
    }

    /// What the offset of a value of this type is a multiple of, in bytes (apk-tools `src/adb.c`, `adb_w_int`,
    /// `adb_w_blob_vec`, `__adb_w_obj`).
    pub fn alignment(self) -> usize {
        match self {
            Self::Special | Self::Integer | Self::Blob8 => 1,
            Self::Blob16 => 2,
            Self::Integer32 | Self::Integer64 | Self::Blob32 | Self::Array | Self::Object => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [Type; 9] = [
        Type::Special,
        Type::Integer,
        Type::Integer32,
        Type::Integer64,
        Type::Blob8,
        Type::Blob16,
        Type::Blob32,
        Type::Array,
        Type::Object,
    ];

    #[test]
    fn every_type_is_read_back_from_its_word() {
        for kind in TYPES {
            let value = Value::new(kind, 0x0abc_def0).unwrap();
            assert_eq!(value.kind(), Some(kind));
            assert_eq!(value.content(), 0x0abc_def0);
            assert_eq!(Value::from_word(value.word()), value);
        }
    }

    #[test]
    fn refuses_a_content_that_reaches_into_the_type() {
        assert_eq!(Value::new(Type::Blob8, 0x1000_0000), None);
        assert_eq!(
            Value::new(Type::Blob8, 0x0fff_ffff).map(Value::word),
            Some(0x8fff_ffff)
        );
    }

    #[test]
    fn bits_without_a_type_have_none() {
        for bits in [0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xf_u32] {
            assert_eq!(Value::from_word(bits << 28).kind(), None);
        }
    }
}
