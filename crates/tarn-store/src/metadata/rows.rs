//! Rows, and what they are read into.
//!
//! A type of the tables says once, in [`row!`], which column each of its fields is: its list of columns and the reading of a row come
//! of that. What the value of a column can be taken as, and what is wrong with it otherwise, says [`Column`].

use std::sync::Arc;

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

/// One row of an answer.
#[derive(Debug)]
pub(super) struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// A row of these values, one for each column.
    pub(super) const fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    /// The value in the column of that name.
    pub(super) fn value<'r, T: Column<'r>>(
        &'r self,
        column: &'static str,
    ) -> Result<T, MetadataError> {
        let index = self.columns.iter().position(|name| name == column);
        let value = index.and_then(|index| self.values.get(index));
        value
            .map_or(Err(Unfit::Type), T::take)
            .map_err(|unfit| match unfit {
                Unfit::Type => corrupt(column, "of another type, or not asked for"),
                Unfit::Value(error) => error,
            })
    }
}

/// What a row, or a part of one, is read into.
pub(super) trait FromRow: Sized {
    fn from_row(row: &Row) -> Result<Self, MetadataError>;
}

impl<A: FromRow, B: FromRow> FromRow for (A, B) {
    fn from_row(row: &Row) -> Result<Self, MetadataError> {
        Ok((A::from_row(row)?, B::from_row(row)?))
    }
}

/// Reads the row of an answer that has at most one.
pub(super) fn read<T: FromRow>(row: Option<Row>) -> Result<Option<T>, MetadataError> {
    row.map(|row| T::from_row(&row)).transpose()
}

/// Reads every row of an answer.
pub(super) fn read_all<T: FromRow, C: FromIterator<T>>(rows: &[Row]) -> Result<C, MetadataError> {
    rows.iter().map(T::from_row).collect()
}

/// Makes a type of rows. Beside each field stands the column that it is, as `table.column`. `$columns!()` is the list of those, as a piece
/// of a SELECT or a RETURNING; each is called `table_column` there, so that no two tables are in each other's way.
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
        $(#[$meta])*
        $visibility struct $type {
            $(#[$doc])*
            pub $field: $of,
            $($(#[$other_doc])* pub $other: $of_other,)*
        }

        macro_rules! $columns {
            () => {
                concat!(
                    stringify!($table), ".", stringify!($column), " AS ",
                    stringify!($table), "_", stringify!($column),
                    $(
                        ", ", stringify!($other_table), ".", stringify!($other_column), " AS ",
                        stringify!($other_table), "_", stringify!($other_column),
                    )*
                )
            };
        }

        impl $crate::metadata::rows::FromRow for $type {
            fn from_row(
                row: &$crate::metadata::rows::Row,
            ) -> Result<Self, $crate::metadata::MetadataError> {
                Ok(Self {
                    $field: row.value(concat!(stringify!($table), "_", stringify!($column)))?,
                    $($other: row.value(concat!(stringify!($other_table), "_", stringify!($other_column)))?,)*
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
pub(super) trait Column<'r>: Sized {
    fn take(value: &'r Value) -> Result<Self, Unfit>;
}

impl<'r> Column<'r> for i64 {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        match value {
            Value::Integer(Some(number)) => Ok(*number),
            _ => Err(Unfit::Type),
        }
    }
}

/// A number or a size, which is never negative.
impl<'r> Column<'r> for u64 {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        let number = i64::take(value)?;
        Self::try_from(number).map_err(|_| Unfit::corrupt("size", &number.to_string()))
    }
}

impl<'r> Column<'r> for u32 {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        let number = i64::take(value)?;
        Self::try_from(number).map_err(|_| Unfit::corrupt("number", &number.to_string()))
    }
}

impl<'r> Column<'r> for Timestamp {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        i64::take(value).map(Self::from_micros)
    }
}

impl<'r> Column<'r> for bool {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        match value {
            Value::Flag(flag) => Ok(*flag),
            // SQLite has no other.
            value => Ok(i64::take(value)? != 0),
        }
    }
}

impl<'r> Column<'r> for &'r str {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        match value {
            Value::Text(Some(text)) => Ok(text),
            _ => Err(Unfit::Type),
        }
    }
}

impl<'r> Column<'r> for String {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        <&str>::take(value).map(Self::from)
    }
}

impl<'r> Column<'r> for StoredFacts {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        String::take(value).map(Self::from_row)
    }
}

impl<'r> Column<'r> for StoredSigners {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        String::take(value).map(Self::from_row)
    }
}

impl<'r> Column<'r> for &'r [u8] {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Unfit::Type),
        }
    }
}

impl<'r> Column<'r> for Vec<u8> {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        <&[u8]>::take(value).map(Self::from)
    }
}

impl<'r, const N: usize> Column<'r> for [u8; N] {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        <&[u8]>::take(value)?.try_into().map_err(|_| Unfit::Type)
    }
}

impl<'r> Column<'r> for Sha256Digest {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        let bytes = <&[u8]>::take(value)?;
        let length = |_| Unfit::corrupt("digest", &format!("{} bytes", bytes.len()));
        bytes.try_into().map(Self::from_bytes).map_err(length)
    }
}

impl<'r> Column<'r> for PackageHash {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        let bytes = <&[u8]>::take(value)?;
        let length = || Unfit::corrupt("identity", &format!("{} bytes", bytes.len()));
        Self::from_bytes(bytes).ok_or_else(length)
    }
}

/// NULL is `None`.
impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn take(value: &'r Value) -> Result<Self, Unfit> {
        match value {
            Value::Integer(None) | Value::Text(None) => Ok(None),
            value => T::take(value).map(Some),
        }
    }
}

/// Types that are kept as a text, with what they are called where the text is none of theirs.
macro_rules! texts {
    ($($type:ty, $what:literal, $read:expr;)+) => {$(
        impl<'r> Column<'r> for $type {
            fn take(value: &'r Value) -> Result<Self, Unfit> {
                let text = <&str>::take(value)?;
                $read(text).map_err(|_| Unfit::corrupt($what, text))
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
