//! Dependencies: what `depend`, `provides`, `install_if` and `replaces` list.

use std::fmt;

use thiserror::Error;

use crate::{
    digest::{DigestError, Identity},
    limits::Limits,
    quoted::Quoted,
    version::{Version, VersionError},
};

pub use crate::version::Operator;

/// The characters apk takes for an operator (apk-tools `src/ctype.c`, `APK_CTYPE_DEPENDENCY_COMPARER`).
const OPERATOR_CHARACTERS: [char; 4] = ['<', '=', '>', '~'];

/// One dependency, e.g. `busybox`, `so:libc.musl-x86_64.so.1`, `!libressl` or `musl>=1.2`.
///
/// The grammar is `[!]name[operator version]` (apk-tools `src/package.c`, `apk_dep_parse`). The name is made of the
/// characters of `APK_CTYPE_DEPENDENCY_NAME` (`src/ctype.c`). The version is one that apk 2 and 3 both understand
/// ([`Version::parse_for_v2`]): apk 2 refuses a whole index for one dependency that it can't read. After `><` stands
/// the identity of a package.
///
/// `@tag` is refused: tags belong to `/etc/apk/world`, and apk takes none from a package.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dependency {
    conflict: bool,
    name: String,
    operator: Operator,
    /// The operator as written, for it has several spellings.
    spelling: &'static str,
    bound: Bound,
}

/// Which spellings of an operator may stand in a dependency: what each means, and how it is written.
type ReadOperator = fn(&str) -> Option<(Operator, &'static str)>;

/// Which versions may stand in a dependency.
type ReadVersion = fn(&str, &Limits) -> Result<Version, VersionError>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Bound {
    None,
    Version(Version),
    Identity(Identity),
}

/// Why a text is not a dependency.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DependencyError {
    /// More bytes than apk can write into its database.
    #[error("{dependency} is {length} bytes long: shorten it to {limit} bytes or less")]
    TooLong {
        /// The text found.
        dependency: Quoted,
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// No name before the operator.
    #[error(
        "{dependency} has no name: write for example `busybox` or `musl>=1.2`, without spaces inside"
    )]
    NameMissing {
        /// The text found.
        dependency: Quoted,
    },
    /// `name@tag`.
    #[error(
        "{dependency} has a tag: take the `@` and what follows out, apk takes no tags from a package"
    )]
    Tag {
        /// The text found.
        dependency: Quoted,
    },
    /// A character that no name may have.
    #[error(
        "{dependency} is not a dependency: use only letters, digits and `_+-.,:/[]` in its name, without {character}"
    )]
    Character {
        /// The text found.
        dependency: Quoted,
        /// The first character that is not allowed.
        character: Quoted,
    },
    /// A text between name and version that is not an operator.
    #[error(
        "{dependency} is not a dependency: {operator} is not an operator, use one of `=`, `<`, `<=`, `>`, `>=`, `~`"
    )]
    Operator {
        /// The text found.
        dependency: Quoted,
        /// The operator found.
        operator: Quoted,
    },
    /// An operator and nothing after it.
    #[error(
        "{dependency} is not a dependency: write a version after the operator, or take the operator out"
    )]
    VersionMissing {
        /// The text found.
        dependency: Quoted,
    },
    /// The version is none.
    #[error("{dependency} is not a dependency: {source}")]
    Version {
        /// The text found.
        dependency: Quoted,
        /// What is wrong with the version.
        source: VersionError,
    },
    /// What follows `><` is not an identity.
    #[error("{dependency} is not a dependency: {source}")]
    Identity {
        /// The text found.
        dependency: Quoted,
        /// What is wrong with the identity.
        source: DigestError,
    },
    /// A list that starts with a space: apk reads a dependency without a name there.
    #[error("the list starts with a space: remove it, apk would read a dependency without a name")]
    LeadingBlank,
}

impl Dependency {
    /// Reads one dependency within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// [`DependencyError`] when the text does not follow the grammar above.
    pub fn parse(text: &str) -> Result<Self, DependencyError> {
        Self::parse_within(text, &Limits::default())
    }

    /// Reads one dependency of at most [`Limits::dependency`] bytes.
    ///
    /// # Errors
    ///
    /// [`DependencyError`] when the text does not follow the grammar above.
    pub fn parse_within(text: &str, limits: &Limits) -> Result<Self, DependencyError> {
        Self::read(text, limits, one_spelling, Version::parse_for_v2)
    }

    /// Reads one dependency of an index: its version may be one that only apk 2 knows
    /// ([`Version::parse_in_index`]).
    ///
    /// # Errors
    ///
    /// [`DependencyError`] when the text does not follow the grammar above.
    pub fn parse_in_index(text: &str, limits: &Limits) -> Result<Self, DependencyError> {
        Self::read(text, limits, one_spelling, Version::parse_in_index)
    }

    /// Reads one dependency of a v3 index: its version may be any that apk 3 knows ([`Version::parse_within`]), as in
    /// `kernel=6.6.73~6a9026c67cfe-r1`. No apk 2 reads such an index.
    ///
    /// # Errors
    ///
    /// [`DependencyError`] when the text does not follow the grammar above.
    pub fn parse_in_v3(text: &str, limits: &Limits) -> Result<Self, DependencyError> {
        Self::read(text, limits, one_spelling, Version::parse_within)
    }

    /// Reads one dependency of a package that was taken in before: its version may be any that a rule ever let in
    /// ([`Version::parse_lenient`]).
    ///
    /// # Errors
    ///
    /// [`DependencyError`] when the text does not follow the grammar above.
    pub fn parse_stored(text: &str, limits: &Limits) -> Result<Self, DependencyError> {
        Self::read(text, limits, one_spelling, Version::parse_lenient)
    }

    fn read(
        text: &str,
        limits: &Limits,
        read_operator: ReadOperator,
        read_version: ReadVersion,
    ) -> Result<Self, DependencyError> {
        if text.len() > limits.dependency {
            return Err(DependencyError::TooLong {
                dependency: Quoted::new(text),
                length: text.len(),
                limit: limits.dependency,
            });
        }
        let (conflict, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (name, bound) = rest
            .find(OPERATOR_CHARACTERS)
            .and_then(|at| rest.split_at_checked(at))
            .unwrap_or((rest, ""));
        check_name(name, text)?;
        let version = bound.trim_start_matches(OPERATOR_CHARACTERS);
        let spelling = bound.strip_suffix(version).unwrap_or_default();
        let (operator, spelling) =
            read_operator(spelling).ok_or_else(|| DependencyError::Operator {
                dependency: Quoted::new(text),
                operator: Quoted::new(spelling),
            })?;
        let bound = read_bound(operator, version, text, |text| read_version(text, limits))?;
        Ok(Self {
            conflict,
            name: name.to_owned(),
            operator,
            spelling,
            bound,
        })
    }

    /// Reads a list of dependencies with spaces between them, within the default [`Limits`]. An operator may have its
    /// characters in any order and number, as apk reads it; it is given back in its one spelling.
    ///
    /// # Errors
    ///
    /// [`DependencyError`] for the first that is wrong, and for a list that starts with a space.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, DependencyError> {
        Self::read_list(text, &Limits::default())?.collect()
    }

    /// The dependencies of a list with spaces between them, one after the other, each of at most [`Limits::dependency`]
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`DependencyError`] for a list that starts with a space (apk reads a dependency without a name there; spaces
    /// between and after the others do no harm: apk-tools `src/package.c`, `apk_blob_pull_dep`). The iterator gives one
    /// for each dependency that is wrong.
    pub(crate) fn read_list(
        text: &str,
        limits: &Limits,
    ) -> Result<impl Iterator<Item = Result<Self, DependencyError>>, DependencyError> {
        if text.starts_with(' ') {
            return Err(DependencyError::LeadingBlank);
        }
        Ok(text
            .split(' ')
            .filter(|one| !one.is_empty())
            .map(|one| Self::read(one, limits, any_spelling, Version::parse_for_v2)))
    }

    /// The name, without the `!` of a conflict.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is a conflict: a package that must not be there (`!name`).
    #[must_use]
    pub fn conflict(&self) -> bool {
        self.conflict
    }

    /// How the version is bounded.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The version after the operator. `None` for [`Operator::Any`] and [`Operator::Checksum`].
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        match &self.bound {
            Bound::Version(version) => Some(version),
            Bound::None | Bound::Identity(_) => None,
        }
    }

    /// Whether something that provides the name in that version satisfies this, as far as versions say: a `><` asks for an
    /// identity, and `provides` without a version satisfies every bound (apk-tools 3 `src/version.c`,
    /// `apk_version_compare_fuzzy`). The `!` of a conflict is left out of it.
    #[must_use]
    pub fn may_be_met_by(&self, version: Option<&Version>) -> bool {
        match (&self.bound, version) {
            (Bound::Version(wanted), Some(version)) => version.satisfies(self.operator, wanted),
            _ => true,
        }
    }

    /// The identity after `><`.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        match &self.bound {
            Bound::Identity(identity) => Some(identity),
            Bound::None | Bound::Version(_) => None,
        }
    }
}

fn check_name(name: &str, dependency: &str) -> Result<(), DependencyError> {
    let quoted = || Quoted::new(dependency);
    if name.is_empty() {
        return Err(DependencyError::NameMissing {
            dependency: quoted(),
        });
    }
    match name.chars().find(|&c| !is_name_character(c)) {
        None => Ok(()),
        Some('@') => Err(DependencyError::Tag {
            dependency: quoted(),
        }),
        Some(wrong) => Err(DependencyError::Character {
            dependency: quoted(),
            character: Quoted::new(wrong.encode_utf8(&mut [0; 4])),
        }),
    }
}

/// `APK_CTYPE_DEPENDENCY_NAME` of apk-tools `src/ctype.c`.
fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_+-.,:/[]".contains(character)
}

fn one_spelling(spelling: &str) -> Option<(Operator, &'static str)> {
    const SPELLINGS: [&str; 12] = [
        "", "=", "<", "<=", ">", ">=", "~", "=~", "~=", "<~", ">~", "><",
    ];
    let known = SPELLINGS.into_iter().find(|&known| known == spelling)?;
    Some((Operator::parse(known)?, known))
}

/// To apk an operator is a set of characters (`src/version.c`, `apk_version_result_mask_blob`). `<` with `>` is left out:
/// apk takes the two together for a checksum, and `><` is how that is written.
fn any_spelling(spelling: &str) -> Option<(Operator, &'static str)> {
    let has = |character| spelling.contains(character);
    one_spelling(spelling).or_else(|| {
        one_spelling(match (has('<'), has('>'), has('~'), has('=')) {
            (false, false, true, _) => "~",
            (false, false, false, true) => "=",
            (true, false, true, _) => "<~",
            (true, false, false, true) => "<=",
            (true, false, false, false) => "<",
            (false, true, true, _) => ">~",
            (false, true, false, true) => ">=",
            (false, true, false, false) => ">",
            (true, true, _, _) | (false, false, false, false) => return None,
        })
    })
}

fn read_bound(
    operator: Operator,
    text: &str,
    dependency: &str,
    read_version: impl FnOnce(&str) -> Result<Version, VersionError>,
) -> Result<Bound, DependencyError> {
    let quoted = || Quoted::new(dependency);
    match operator {
        Operator::Any => Ok(Bound::None),
        _ if text.is_empty() => Err(DependencyError::VersionMissing {
            dependency: quoted(),
        }),
        Operator::Checksum => Identity::parse_index_field(text)
            .map(Bound::Identity)
            .map_err(|source| DependencyError::Identity {
                dependency: quoted(),
                source,
            }),
        _ => read_version(text)
            .map(Bound::Version)
            .map_err(|source| DependencyError::Version {
                dependency: quoted(),
                source,
            }),
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.conflict {
            formatter.write_str("!")?;
        }
        formatter.write_str(&self.name)?;
        formatter.write_str(self.spelling)?;
        match &self.bound {
            Bound::None => Ok(()),
            Bound::Version(version) => version.fmt(formatter),
            Bound::Identity(identity) => identity.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests;
