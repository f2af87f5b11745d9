//! Rows, and what they are read into.
//!
//! What a row is read into takes its columns one after the other: a value takes one, a type of the tables as many as it has, a tuple those of
//! its parts. A type of the tables says once, in [`row!`], which column each of its fields is: its list of columns and the reading
//! of a row come of that. [`Column`] says how a value is read and which values are refused.

use std::vec;

use apk::{
    arch::Arch,
    digest::{PackageHash, Sha256Digest},
    limits::Limits,
    name::PackageName,
    version::Version,
};

use super::{MetadataError, StoredFacts, StoredSigners, WebhookEvents, engine::Value};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// One row of an answer: a value for each column.
#[derive(Debug)]
pub(super) struct Row(pub(super) Vec<Value>);

impl Row {
    /// What all of its columns are read into.
    pub(super) fn read<T: FromRow>(self) -> Result<T, MetadataError> {
        let mut left = Columns {
            values: self.0.into_iter(),
            taken: 0,
        };
        let read = T::take(&mut left)?;
        match left.values.len() {
            0 => Ok(read),
            more => Err(corrupt("row", &format!("{more} columns too many"))),
        }
    }
}

/// The columns of a row that are not read yet.
pub(super) struct Columns {
    values: vec::IntoIter<Value>,
    taken: usize,
}

/// What the next columns of a row are read into.
pub(super) trait FromRow: Sized {
    /// How many those are.
    const COLUMNS: usize;

    fn take(left: &mut Columns) -> Result<Self, MetadataError>;
}

impl<T: Column> FromRow for T {
    const COLUMNS: usize = 1;

    fn take(left: &mut Columns) -> Result<Self, MetadataError> {
        left.taken += 1;
        let value = left.values.next();
        value
            .map_or(Err(Unfit::Type), T::of)
            .map_err(|unfit| match unfit {
                Unfit::Type => {
                    let wanted = std::any::type_name::<T>();
                    let problem = format!("number {} is not a {wanted}", left.taken);
                    corrupt("column", &problem)
                }
                Unfit::Value(error) => error,
            })
    }
}

macro_rules! tuples {
    ($(($($part:ident),+);)+) => {$(
        impl<$($part: FromRow),+> FromRow for ($($part,)+) {
            const COLUMNS: usize = 0 $(+ $part::COLUMNS)+;

            fn take(left: &mut Columns) -> Result<Self, MetadataError> {
                Ok(($($part::take(left)?,)+))
            }
        }
    )+};
}

tuples! {
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
}

/// The columns of a table that is joined by LEFT JOIN: none where the first of them is NULL.
pub(super) struct Joined<T>(pub(super) Option<T>);

impl<T: FromRow> FromRow for Joined<T> {
    const COLUMNS: usize = T::COLUMNS;

    fn take(left: &mut Columns) -> Result<Self, MetadataError> {
        match left.values.as_slice().first() {
            Some(value) if value.is_null() => {
                left.taken += T::COLUMNS;
                let last = left.values.nth(T::COLUMNS - 1);
                last.map(|_| Self(None))
                    .ok_or_else(|| corrupt("row", "too few columns"))
            }
            _ => T::take(left).map(Some).map(Self),
        }
    }
}

/// Reads every row of an answer.
pub(super) fn read_all<T: FromRow>(rows: Vec<Row>) -> Result<Vec<T>, MetadataError> {
    rows.into_iter().map(Row::read).collect()
}

/// Makes a type of rows. Its fields are read in order. If each field names its column, as `table.column`, `$columns!()` is the list of
/// columns for a SELECT or a RETURNING.
macro_rules! row {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $type:ident as $columns:ident {
            $(#[$doc:meta])*
            pub $field:ident: $of:ty = $table:ident.$column:ident,
            $(
                $(#[$other_doc:meta])*
                pub $other:ident: $of_other:ty = $other_table:ident.$other_column:ident,
            )*
        }
    ) => {
        $crate::metadata::rows::row! {
            $(#[$meta])*
            $visibility struct $type {
                $(#[$doc])*
                pub $field: $of,
                $($(#[$other_doc])* pub $other: $of_other,)*
            }
        }

        macro_rules! $columns {
            () => {
                concat!(
                    stringify!($table), ".", stringify!($column),
                    $(", ", stringify!($other_table), ".", stringify!($other_column),)*
                )
            };
        }
    };
    (
        $(#[$meta:meta])*
        $visibility:vis struct $type:ident {
            $($(#[$doc:meta])* pub $field:ident: $of:ty,)+
        }
    ) => {
        $(#[$meta])*
        $visibility struct $type {
            $($(#[$doc])* pub $field: $of,)+
        }

        impl $crate::metadata::rows::FromRow for $type {
            const COLUMNS: usize = 0 $(+ <$of as $crate::metadata::rows::FromRow>::COLUMNS)+;

            fn take(
                left: &mut $crate::metadata::rows::Columns,
            ) -> Result<Self, $crate::metadata::MetadataError> {
                Ok(Self {
                    $($field: $crate::metadata::rows::FromRow::take(left)?,)+
                })
            }
        }
    };
}
pub(super) use row;

/// Makes the text of a SELECT of a type of rows: `select!(user_columns, "FROM owners JOIN …")`.
macro_rules! select {
    ($columns:ident, $($rest:expr),+ $(,)?) => {
        concat!("SELECT ", $columns!(), " ", $($rest),+)
    };
}
pub(super) use select;

/// Why a value can't be taken as what it should be.
#[derive(Debug)]
pub(super) enum Unfit {
    /// It is of another type.
    Type,
    /// This program never writes it.
    Value(MetadataError),
}

impl Unfit {
    pub(super) fn corrupt(what: &'static str, value: &str) -> Self {
        Self::Value(corrupt(what, value))
    }
}

/// What is there in place of a `what`.
pub(super) fn corrupt(what: &'static str, value: &str) -> MetadataError {
    MetadataError::Corrupt {
        what,
        value: value.chars().take(64).collect(),
    }
}

/// A size as a column has it.
pub(super) fn size_in_row(size: u64) -> Result<i64, MetadataError> {
    i64::try_from(size).map_err(|_| corrupt("size", &size.to_string()))
}

/// What a value of a row can be taken as.
pub(super) trait Column: Sized {
    fn of(value: Value) -> Result<Self, Unfit>;
}

macro_rules! columns {
    ($($type:ty: |$value:ident| $read:expr;)+) => {$(
        impl Column for $type {
            fn of($value: Value) -> Result<Self, Unfit> {
                $read
            }
        }
    )+};
}

columns! {
    i64: |value| match value {
        Value::Integer(Some(number)) => Ok(number),
        _ => Err(Unfit::Type),
    };
    // A number or a size, which is never negative.
    u64: |value| {
        let number = i64::of(value)?;
        Self::try_from(number).map_err(|_| Unfit::corrupt("size", &number.to_string()))
    };
    u32: |value| {
        let number = i64::of(value)?;
        Self::try_from(number).map_err(|_| Unfit::corrupt("number", &number.to_string()))
    };
    Timestamp: |value| i64::of(value).map(Self::from_micros);
    bool: |value| match value {
        Value::Flag(Some(flag)) => Ok(flag),
        // SQLite has no other.
        value => Ok(i64::of(value)? != 0),
    };
    String: |value| match value {
        Value::Text(Some(text)) => Ok(text),
        _ => Err(Unfit::Type),
    };
    StoredFacts: |value| String::of(value).map(Self::from_row);
    StoredSigners: |value| String::of(value).map(Self::from_row);
    Vec<u8>: |value| match value {
        Value::Bytes(Some(bytes)) => Ok(bytes),
        _ => Err(Unfit::Type),
    };
    Sha256Digest: |value| {
        let bytes = Vec::of(value)?;
        let length = |_| Unfit::corrupt("digest", &format!("{} bytes", bytes.len()));
        let digest = bytes.as_slice().try_into();
        digest.map(Self::from_bytes).map_err(length)
    };
    PackageHash: |value| {
        let bytes = Vec::of(value)?;
        let length = || Unfit::corrupt("identity", &format!("{} bytes", bytes.len()));
        Self::from_bytes(&bytes).ok_or_else(length)
    };
}

impl<const N: usize> Column for [u8; N] {
    fn of(value: Value) -> Result<Self, Unfit> {
        Vec::of(value)?.try_into().map_err(|_| Unfit::Type)
    }
}

/// NULL is `None`.
impl<T: Column> Column for Option<T> {
    fn of(value: Value) -> Result<Self, Unfit> {
        match value.is_null() {
            true => Ok(None),
            false => T::of(value).map(Some),
        }
    }
}

/// Types that are kept as a text, with what they are called where the text is none of theirs.
macro_rules! texts {
    ($($type:ty, $what:literal, $read:expr;)+) => {$(
        impl Column for $type {
            fn of(value: Value) -> Result<Self, Unfit> {
                let text = String::of(value)?;
                $read(&text).map_err(|_| Unfit::corrupt($what, &text))
            }
        }
    )+};
}

texts! {
    Branch, "branch", Branch::parse;
    RepositoryName, "repository", RepositoryName::parse;
    Arch, "architecture", Arch::parse;
    PackageName, "package name", PackageName::parse;
    Version, "version", stored_version;
    WebhookEvents, "list of events", str::parse::<WebhookEvents>;
}

fn stored_version(text: &str) -> Result<Version, apk::version::VersionError> {
    Version::parse_lenient(text, &Limits::default())
}
