//! The strict reader of one record.

use std::fmt;

use crate::{
    arch::Arch, dependency::Dependency, digest::Identity, limits::Limits, name::PackageName,
    quoted::Quoted, v2::record::RecordError, version::Version,
};

/// One record of an index, every field of it read. Its `Display` gives back the bytes it was read from.
///
/// The fields are those of apk-tools `src/package.c`, `apk_pkgtmpl_add_info`. Their order is kept: it differs between
/// the versions of apk that wrote an index. A field in lower case that is not known is kept as text, for every apk
/// skips it; an unknown one in upper case is refused, for it makes the package uninstallable. Versions are held to
/// what no apk refuses an index for ([`Version::parse_lenient`], in dependencies [`Version::parse_in_index`]), which is
/// less than a new package must keep to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    identity: Identity,
    name: PackageName,
    version: Version,
    pub(super) lines: Vec<Line>,
}

/// A line of a record, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) field: char,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Identity(Identity),
    Name(PackageName),
    Version(Version),
    Arch(Arch),
    Number(u64),
    Text(String),
    Dependencies(Vec<Dependency>),
    /// Of a field that is not known.
    Unknown(String),
}

impl Record {
    /// Reads one record: its lines, and the blank line that ends it.
    ///
    /// # Errors
    ///
    /// [`RecordError`] for everything that some apk would stumble over, and for every second spelling of the same
    /// thing.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, RecordError> {
        let body = text.strip_suffix("\n\n").ok_or(RecordError::End)?;
        let mut lines: Vec<Line> = Vec::new();
        let mut header = 0;
        let (mut identity, mut name, mut version) = (None, None, None);
        for text in body.split('\n') {
            let line = read_line(text, limits)?;
            if lines.iter().any(|earlier| earlier.field == line.field) {
                return Err(RecordError::Twice { field: line.field });
            }
            match &line.value {
                Value::Identity(found) => identity = Some(*found),
                Value::Name(found) => name = Some(found.clone()),
                Value::Version(found) => version = Some(found.clone()),
                Value::Arch(_)
                | Value::Number(_)
                | Value::Text(_)
                | Value::Dependencies(_)
                | Value::Unknown(_) => {}
            }
            if !matches!(line.value, Value::Dependencies(_)) {
                header += text.len() + 1;
            }
            lines.push(line);
        }
        if header > limits.index_header {
            return Err(RecordError::HeaderTooLong {
                length: header,
                limit: limits.index_header,
            });
        }
        Ok(Self {
            identity: identity.ok_or(RecordError::Missing { field: 'C' })?,
            name: name.ok_or(RecordError::Missing { field: 'P' })?,
            version: version.ok_or(RecordError::Missing { field: 'V' })?,
            lines,
        })
    }

    /// `C:`.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// `P:`.
    #[must_use]
    pub fn name(&self) -> &PackageName {
        &self.name
    }

    /// `V:`.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// `A:`, if it is there.
    #[must_use]
    pub fn arch(&self) -> Option<&Arch> {
        self.lines.iter().find_map(|line| match &line.value {
            Value::Arch(arch) => Some(arch),
            _ => None,
        })
    }

    /// `S:`, the size of the package file in bytes.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.number('S')
    }

    /// `t:`, in seconds since 1970.
    #[must_use]
    pub fn build_date(&self) -> Option<u64> {
        self.number('t')
    }

    fn number(&self, field: char) -> Option<u64> {
        self.lines.iter().find_map(|line| match line.value {
            Value::Number(number) if line.field == field => Some(number),
            _ => None,
        })
    }
}

fn read_line(line: &str, limits: &Limits) -> Result<Line, RecordError> {
    if line.is_empty() {
        return Err(RecordError::End);
    }
    let mut characters = line.chars();
    let field = characters.next().filter(char::is_ascii_alphabetic);
    let (Some(field), Some(value)) = (field, characters.as_str().strip_prefix(':')) else {
        return Err(RecordError::NotAField {
            line: Quoted::new(line),
        });
    };
    if line.len() >= limits.index_line {
        return Err(RecordError::LineTooLong {
            field,
            length: line.len() + 1,
            limit: limits.index_line,
        });
    }
    if let Some(control) = value.chars().find(|character| character.is_control()) {
        return Err(RecordError::Control {
            field,
            code: u32::from(control),
        });
    }
    let value = match field {
        'C' => Value::Identity(Identity::parse_index_field(value)?),
        'P' => Value::Name(PackageName::parse_within(value, limits)?),
        'V' => Value::Version(Version::parse_lenient(value, limits)?),
        'A' => Value::Arch(Arch::parse(value)?),
        'S' | 'I' | 't' | 'k' => Value::Number(read_number(field, value)?),
        'T' | 'U' | 'L' | 'o' | 'm' | 'c' => Value::Text(value.to_owned()),
        'D' | 'p' | 'i' => Value::Dependencies(read_dependencies(field, value, limits)?),
        // The database of installed packages has these (apk-tools `src/database.c`, `apk_db_fdb_read`).
        'F' | 'M' | 'R' | 'Z' | 'r' | 'q' | 'a' | 's' | 'f' | 'g' => {
            return Err(RecordError::Unknown { field });
        }
        unknown if unknown.is_ascii_lowercase() => Value::Unknown(value.to_owned()),
        _ => return Err(RecordError::Unknown { field }),
    };
    Ok(Line { field, value })
}

fn read_number(field: char, text: &str) -> Result<u64, RecordError> {
    text.parse()
        .ok()
        .filter(|number: &u64| number.to_string() == text)
        .ok_or_else(|| RecordError::Number {
            field,
            value: Quoted::new(text),
        })
}

fn read_dependencies(
    field: char,
    text: &str,
    limits: &Limits,
) -> Result<Vec<Dependency>, RecordError> {
    text.split(' ')
        .map(|one| {
            if one.is_empty() {
                return Err(RecordError::Spaces { field });
            }
            Dependency::parse_in_index(one, limits)
                .map_err(|source| RecordError::Dependency { field, source })
        })
        .collect()
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(formatter, "{}:{}", line.field, line.value)?;
        }
        formatter.write_str("\n")
    }
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity(identity) => identity.fmt(formatter),
            Self::Name(name) => name.fmt(formatter),
            Self::Version(version) => version.fmt(formatter),
            Self::Arch(arch) => arch.fmt(formatter),
            Self::Number(number) => number.fmt(formatter),
            Self::Text(text) | Self::Unknown(text) => formatter.write_str(text),
            Self::Dependencies(list) => {
                for (index, dependency) in list.iter().enumerate() {
                    if index > 0 {
                        formatter.write_str(" ")?;
                    }
                    dependency.fmt(formatter)?;
                }
                Ok(())
            }
        }
    }
}
