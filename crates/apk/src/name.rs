//! Package names.

use std::fmt;

use thiserror::Error;

use crate::{limits::Limits, quoted::Quoted};

/// A package name, e.g. `busybox` or `py3-yaml`.
///
/// The grammar is `[A-Za-z0-9_][A-Za-z0-9_+.-]*`: the characters of apk-tools' `APK_CTYPE_PACKAGE_NAME`
/// (`src/ctype.c`), starting with a letter, a digit or `_`. A leading `-` would be an option on apk's command line,
/// and a leading `.` marks the virtual packages that apk makes itself.
///
/// # The file name
///
/// `{name}-{version}.apk` can be taken apart in one way only, whatever the name: a version starts with a digit, and
/// the only `-` in it is that of `-r`, so the version starts after the last `-` that a digit follows
/// (apk 2 does just that in `src/package.c`, `apk_pkg_parse_name`; apk 3 tries every `-` and compares, in
/// `src/database.c`). So a name such as `foo-1` needs no refusing. What is refused is `.apk` inside a name:
/// `apk add` takes such an argument for the path of a file (`src/app_add.c`), so the package could not be installed
/// by its name, and `apk index` ends the file name there (`src/app_index.c` of 2.14).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageName(String);

/// Why a text is not a package name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// No text at all.
    #[error("the name is empty: write the name of the package, for example `busybox`")]
    Empty,
    /// More bytes than the limit allows.
    #[error("the name is {length} bytes long: shorten it to {limit} bytes or less")]
    TooLong {
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The first character is none a name may start with.
    #[error("{name} is not a package name: start it with a letter, a digit or `_`")]
    Start {
        /// The text found.
        name: Quoted,
    },
    /// A character that no name may have.
    #[error(
        "{name} is not a package name: use only letters, digits, `_`, `+`, `.` and `-`, without {character}"
    )]
    Character {
        /// The text found.
        name: Quoted,
        /// The first character that is not allowed.
        character: Quoted,
    },
    /// apk would take the name for a file.
    #[error(
        "{name} is not a package name: take `.apk` out of it, or `apk add` looks for a file of that name"
    )]
    LooksLikeAFile {
        /// The text found.
        name: Quoted,
    },
}

impl PackageName {
    /// Reads a name within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// [`NameError`] when the text does not follow the grammar above.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::parse_within(text, &Limits::default())
    }

    /// Reads a name of at most [`Limits::name`] bytes.
    ///
    /// # Errors
    ///
    /// [`NameError`] when the text does not follow the grammar above.
    pub fn parse_within(text: &str, limits: &Limits) -> Result<Self, NameError> {
        let Some(first) = text.chars().next() else {
            return Err(NameError::Empty);
        };
        if text.len() > limits.name {
            return Err(NameError::TooLong {
                length: text.len(),
                limit: limits.name,
            });
        }
        if let Some(wrong) = text.chars().find(|&c| !is_name_character(c)) {
            return Err(NameError::Character {
                name: Quoted::new(text),
                character: Quoted::new(wrong.encode_utf8(&mut [0; 4])),
            });
        }
        if !(first.is_ascii_alphanumeric() || first == '_') {
            return Err(NameError::Start {
                name: Quoted::new(text),
            });
        }
        if text.contains(".apk") {
            return Err(NameError::LooksLikeAFile {
                name: Quoted::new(text),
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `APK_CTYPE_PACKAGE_NAME` of apk-tools `src/ctype.c`.
fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.' | '_')
}

impl fmt::Display for PackageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{NameError, PackageName};
    use crate::limits::Limits;

    #[test]
    fn accepts_the_names_alpine_uses() {
        for name in [
            "busybox",
            "a",
            "7zip",
            "gtk+3.0",
            "libstdc++",
            "py3.12-pip",
            "R",
            "font-iso-misc",
            "foo-1",
            "_x",
            "foo-",
            "foo-1-2",
        ] {
            assert_eq!(PackageName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn says_what_is_wrong_and_what_to_do() {
        for (name, message) in [
            (
                "",
                "the name is empty: write the name of the package, for example `busybox`",
            ),
            (
                "-x",
                "`-x` is not a package name: start it with a letter, a digit or `_`",
            ),
            (
                ".x",
                "`.x` is not a package name: start it with a letter, a digit or `_`",
            ),
            (
                "+x",
                "`+x` is not a package name: start it with a letter, a digit or `_`",
            ),
            (
                "a b",
                "`a b` is not a package name: use only letters, digits, `_`, `+`, `.` and `-`, without ` `",
            ),
            (
                "a/../b",
                "`a/../b` is not a package name: use only letters, digits, `_`, `+`, `.` and `-`, without `/`",
            ),
            (
                "so:x",
                "`so:x` is not a package name: use only letters, digits, `_`, `+`, `.` and `-`, without `:`",
            ),
            (
                "ünder",
                r"`\u{fc}nder` is not a package name: use only letters, digits, `_`, `+`, `.` and `-`, without `\u{fc}`",
            ),
            (
                "x.apk-tools",
                "`x.apk-tools` is not a package name: take `.apk` out of it, or `apk add` looks for a file of that name",
            ),
        ] {
            assert_eq!(PackageName::parse(name).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn is_bounded_by_the_limit() {
        let limits = Limits::tiny();
        assert!(PackageName::parse_within(&"x".repeat(32), &limits).is_ok());
        assert_eq!(
            PackageName::parse_within(&"x".repeat(33), &limits),
            Err(NameError::TooLong {
                length: 33,
                limit: 32
            })
        );
    }
}
