//! Facts as they are stored: JSON, written by the derive in `facts.rs`, with each value as its own text.
//!
//! They were checked before they were written, and are read by a reader that checks less: a later version may be stricter about new
//! packages, and what was taken in stays readable.

use std::{borrow::Cow, fmt::Display};

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

use crate::{
    arch::Arch, dependency::Dependency, digest::Sha256Digest, limits::Limits, name::PackageName,
    script::Script, version::Version,
};

/// A value that reads its own text again.
pub(super) trait Stored: Display + Sized {
    fn read(text: &str) -> Result<Self, String>;
}

macro_rules! stored {
    ($($type:ty: $read:expr;)+) => {$(
        impl Stored for $type {
            fn read(text: &str) -> Result<Self, String> {
                let read: fn(&str, &Limits) -> _ = $read;
                read(text, &Limits::for_stored()).map_err(|error| error.to_string())
            }
        }
    )+};
}

stored! {
    PackageName: |text, limits| PackageName::parse_within(text, limits);
    Version: |text, limits| Version::parse_lenient(text, limits);
    Dependency: |text, limits| Dependency::parse_stored(text, limits);
    Arch: |text, _| Arch::parse(text);
    Sha256Digest: |text, _| Sha256Digest::parse_hex(text);
}

impl Stored for Script {
    fn read(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        let script = all.find(|script| script.as_str() == text);
        script.ok_or_else(|| format!("`{text}` is not a script"))
    }
}

pub(super) fn serialize<T: Stored, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// The text is not copied where it has no escapes in it.
pub(super) fn deserialize<'de, T: Stored, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Text::deserialize(deserializer)?.0)
}

#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

struct Text<T>(T);

impl<'de, T: Stored> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Borrowed(text) = Borrowed::deserialize(deserializer)?;
        T::read(&text).map(Self).map_err(D::Error::custom)
    }
}

/// The same of a list.
pub(super) mod list {
    use serde::ser::SerializeSeq as _;

    use super::{Deserialize as _, Deserializer, Serializer, Stored, Text};

    pub(in crate::facts) fn serialize<T: Stored, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(values.len()))?;
        for value in values {
            list.serialize_element(&format_args!("{value}"))?;
        }
        list.end()
    }

    pub(in crate::facts) fn deserialize<'de, T: Stored, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let list: Vec<Text<T>> = Vec::deserialize(deserializer)?;
        Ok(list.into_iter().map(|Text(value)| value).collect())
    }
}
