//! Package versions: their grammar and their order.

use std::{cmp::Ordering, fmt};

use thiserror::Error;

use crate::{
    limits::Limits,
    quoted::Quoted,
    version::{
        order::{Fault, Scanner},
        suggestion::Suggestion,
    },
};

mod order;
mod suggestion;

/// Digits that apk 2 takes in one number of a version (apk-tools 2.14 `src/version.c`, `get_token`).
const LONGEST_NUMBER: usize = 17;

/// A version, e.g. `1.36.1_git20240101-r2`.
///
/// The grammar is that of apk-tools 3 (`src/version.c`):
/// `digits{.digits}…{letter}{_suffix{digits}}…{~hash}{-r digits}`, where a suffix is one of `alpha`, `beta`, `pre`,
/// `rc`, `cvs`, `svn`, `git`, `hg` and `p`. A number over `u64::MAX` is refused: apk lets it wrap around, so no
/// order can be relied on.
///
/// Two versions that are spelled differently can be equal (`1.0-r1` and `1.0-r01`), so this type has no `Ord`; ask
/// [`Version::compare`]. `==` compares the spelling.
///
/// A package may also have a version that apk carries without reading it ([`Version::parse_lenient`]). Ask
/// [`Version::is_orderable`] before relying on an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version(String);

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionError {
    /// No text at all.
    #[error("the version is empty: write for example `1.0-r0`")]
    Empty,
    /// More bytes than the limit allows.
    #[error("the version is {length} bytes long: shorten it to {limit} bytes or less")]
    TooLong {
        /// Bytes found.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// It does not start with a digit.
    #[error(
        "{version} is not a version apk understands: it has to start with a digit{}",
        .instead.or(", as in `1.0-r0`")
    )]
    Start {
        /// The text found.
        version: Quoted,
        /// What to write.
        instead: Suggestion,
    },
    /// A `.` or `-r` that no digit follows.
    #[error(
        "{version} is not a version apk understands: a digit has to follow each `.` and `-r`{}",
        .instead.or("")
    )]
    NumberMissing {
        /// The text found.
        version: Quoted,
        /// What to write.
        instead: Suggestion,
    },
    /// A number that does not fit into 64 bits.
    #[error(
        "{version} is not a version apk can order: the number {number} is over 18446744073709551615, make it smaller"
    )]
    NumberTooLarge {
        /// The text found.
        version: Quoted,
        /// The digits of the number.
        number: Quoted,
    },
    /// `_` and a word that is none of the suffixes.
    #[error(
        "{version} is not a version apk understands: {suffix} is not a known suffix (alpha, beta, pre, rc, cvs, svn, git, hg, p){}",
        .instead.or("")
    )]
    Suffix {
        /// The text found.
        version: Quoted,
        /// The suffix with its `_`.
        suffix: Quoted,
        /// What to write.
        instead: Suggestion,
    },
    /// `~` that no hexadecimal digit follows.
    #[error(
        "{version} is not a version apk understands: only the digits 0-9 and a-f of a commit hash may follow `~`{}",
        .instead.or("")
    )]
    Hash {
        /// The text found.
        version: Quoted,
        /// What to write.
        instead: Suggestion,
    },
    /// A part that is in the wrong place, or is no part of a version.
    #[error(
        "{version} is not a version apk understands: {rest} does not belong there{}",
        .instead.or(", write `digits.digits`, a letter, `_suffix` and `-r` with a number, in this order")
    )]
    Unexpected {
        /// The text found.
        version: Quoted,
        /// What follows the last good part.
        rest: Quoted,
        /// What to write.
        instead: Suggestion,
    },
    /// `~hash`, which apk 2 does not know.
    #[error(
        "{version} has a part that apk 2 does not understand: write `_git20240131` or the like in place of {hash}"
    )]
    HashInApk2 {
        /// The text found.
        version: Quoted,
        /// The hash with its `~`.
        hash: Quoted,
    },
    /// A number longer than apk 2 takes.
    #[error(
        "{version} is not a version apk 2 understands: shorten the number {number} to {LONGEST_NUMBER} digits"
    )]
    NumberTooLongForApk2 {
        /// The text found.
        version: Quoted,
        /// The digits of the number.
        number: Quoted,
    },
}

impl Version {
    /// Reads a version within the default [`Limits`], by the grammar of apk 3.
    ///
    /// # Errors
    ///
    /// [`VersionError`] when the text does not follow the grammar above.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        Self::parse_within(text, &Limits::default())
    }

    /// Reads a version of at most [`Limits::version`] bytes, by the grammar of apk 3.
    ///
    /// # Errors
    ///
    /// [`VersionError`] when the text does not follow the grammar above.
    pub fn parse_within(text: &str, limits: &Limits) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > limits.version {
            return Err(VersionError::TooLong {
                length: text.len(),
                limit: limits.version,
            });
        }
        check(text)?;
        Ok(Self(text.to_owned()))
    }

    /// Reads the version of a package: one that apk orders, or one that it only carries.
    ///
    /// No apk from 2.10.1 to 3.0.8 reads `pkgver` in a package or `V:` in an index as a version until it compares it with
    /// another (apk-tools 3 `src/package.c`, `apk_pkgtmpl_add_info`; 2.x `apk_pkg_add_info`), and then the parts that it
    /// does not understand count as equal. So no text there disturbs an index: `update`, `search`, `list`, `policy`,
    /// `add`, `upgrade`, `version` and `fetch` of all of them work and say nothing, about the package and those beside it.
    /// That is not so in `depend`, `provides` and `install_if`: for one such version there apk 3 says "The indexes contain
    /// broken packages" at every command (`src/package.c`, `apk_blob_pull_dep`). Those stay as strict as they are
    /// ([`Dependency`](crate::dependency::Dependency)), and such a version can't be asked for: `apk add name=1.2.3-rc.1`
    /// is an error.
    ///
    /// Taken is what also makes a file name and a path of a URL that every client sends as it stands: letters, digits,
    /// `.`, `_`, `+`, `~` and `-`, with a letter or a digit first. `%` would be decoded on the way, and `:`, `@`, `,`,
    /// `=`, `<` and `>` mean something in a dependency or a URL.
    ///
    /// # Errors
    ///
    /// [`VersionError`], that of [`Version::parse_within`], when the text is neither.
    pub fn parse_lenient(text: &str, limits: &Limits) -> Result<Self, VersionError> {
        // Every version that apk orders is made of these characters, too, and to look at them costs less.
        if is_carried(text) && text.len() <= limits.version {
            return Ok(Self(text.to_owned()));
        }
        Self::parse_within(text, limits)
    }

    /// Reads a version that apk 2 and apk 3 both understand: what a v2 package and a v2 index may carry.
    ///
    /// apk 2 knows no `~hash`, and no number of 18 or more digits (apk-tools 2.14 `src/version.c`). Where such a version
    /// stands in a dependency, apk 2 refuses the whole index (`src/package.c`, `apk_blob_pull_dep`).
    ///
    /// # Errors
    ///
    /// [`VersionError`] when the text does not follow the grammar, or apk 2 does not know a part of it.
    pub fn parse_for_v2(text: &str, limits: &Limits) -> Result<Self, VersionError> {
        let version = Self::parse_within(text, limits)?;
        check_for_apk_2(text, Scanner::new(text))?;
        Ok(version)
    }

    /// Reads a version that stands in an index: one that [`Version::parse_for_v2`] takes, or an old one that only apk 2
    /// knows, such as `0.99f7` or `v2.4`.
    ///
    /// Alpine's own indexes have a few of these. apk 3 reads the index all the same; it orders such a version by the parts
    /// before the one that it does not understand, and will not install what depends on one. So no new package may
    /// have them.
    ///
    /// # Errors
    ///
    /// [`VersionError`] when apk 2 does not understand the text.
    pub fn parse_in_index(text: &str, limits: &Limits) -> Result<Self, VersionError> {
        Self::parse_for_v2(text, limits).or_else(|error| {
            let fits = (1..=limits.version).contains(&text.len());
            match check_for_apk_2(text, Scanner::for_apk_2(text)) {
                Ok(()) if fits => Ok(Self(text.to_owned())),
                _ => Err(error),
            }
        })
    }

    /// The version as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether apk understands every part of this version, and so knows whether another one is newer.
    #[must_use]
    pub fn is_orderable(&self) -> bool {
        check(&self.0).is_ok()
    }

    /// A version that apk orders, to be written in the place of this one. `None` when this one is orderable, or when none
    /// can be made of it.
    #[must_use]
    pub fn suggestion(&self) -> Option<String> {
        if self.is_orderable() {
            return None;
        }
        suggestion::for_text(&self.0)
    }

    /// apk's order (apk-tools 3 `src/version.c`, `apk_version_compare`). Of a version that is not orderable only the
    /// parts before the one that apk does not understand count.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Ordering {
        order::compare(&self.0, &other.0, false)
    }

    /// Whether a package of this version satisfies `operator other`, e.g. `>= 1.2` or `~ 1`
    /// (apk-tools 3 `src/version.c`, `apk_version_match`).
    ///
    /// Without an operator every version does. `><` compares identities, so no version satisfies it here.
    #[must_use]
    pub fn satisfies(&self, operator: Operator, other: &Self) -> bool {
        satisfies_as_written(&self.0, operator, &other.0)
    }
}

/// How a dependency bounds the version (apk-tools `src/version.c`, `apk_version_op_string`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// None: any version does.
    Any,
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `~`, also written `=~` or `~=`: the versions that start with this one.
    Fuzzy,
    /// `<~`: older, or starting with this one.
    LessOrFuzzy,
    /// `>~`: newer, or starting with this one.
    GreaterOrFuzzy,
    /// `><`: the one package with this identity.
    Checksum,
}

impl Operator {
    /// Reads an operator in the spellings that all of apk's parsers and apko's know. `None` for any other text.
    ///
    /// apk itself takes the characters in any order and number (`=>`, `==`). One spelling each is enough in an index;
    /// those of a package are put right ([`crate::dependency::Dependency::parse_list`]).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" => Self::Any,
            "=" => Self::Equal,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            "~" | "=~" | "~=" => Self::Fuzzy,
            "<~" => Self::LessOrFuzzy,
            ">~" => Self::GreaterOrFuzzy,
            "><" => Self::Checksum,
            _ => return None,
        })
    }

    /// Whether a version of this order to the wanted one satisfies the operator.
    pub(crate) fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Any => true,
            Self::Equal | Self::Fuzzy => order.is_eq(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual | Self::LessOrFuzzy => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual | Self::GreaterOrFuzzy => order.is_ge(),
            Self::Checksum => false,
        }
    }

    /// Whether the wanted version stands for every version that starts with it.
    pub(crate) fn is_fuzzy(self) -> bool {
        matches!(self, Self::Fuzzy | Self::LessOrFuzzy | Self::GreaterOrFuzzy)
    }
}

/// [`Version::satisfies`] for two texts that may be no versions, as apk answers it: everything up to the part that it
/// does not understand counts.
///
/// What this crate accepts is a [`Version`]; this is for asking how apk orders what it finds elsewhere.
#[must_use]
pub fn satisfies_as_written(version: &str, operator: Operator, other: &str) -> bool {
    operator.accepts(order::compare(version, other, operator.is_fuzzy()))
}

/// Refuses the parts of a version that apk 2 does not know.
fn check_for_apk_2(text: &str, mut scanner: Scanner<'_>) -> Result<(), VersionError> {
    while let Some(token) = scanner.next_token().map_err(|fault| explain(text, fault))? {
        if token.is_hash() {
            return Err(VersionError::HashInApk2 {
                version: Quoted::new(text),
                hash: Quoted::new(&format!("~{}", token.text())),
            });
        }
        if token
            .digits()
            .is_some_and(|digits| digits.len() > LONGEST_NUMBER)
        {
            return Err(VersionError::NumberTooLongForApk2 {
                version: Quoted::new(text),
                number: Quoted::new(token.text()),
            });
        }
    }
    Ok(())
}

/// Whether apk carries a text as a version: [`Version::parse_lenient`] says why just these.
fn is_carried(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | '-'))
}

/// Reads a version by the grammar of apk 3.
fn check(text: &str) -> Result<(), VersionError> {
    let mut scanner = Scanner::new(text);
    while let Some(token) = scanner.next_token().map_err(|fault| explain(text, fault))? {
        if token
            .digits()
            .is_some_and(|digits| digits.parse::<u64>().is_err())
        {
            return Err(VersionError::NumberTooLarge {
                version: Quoted::new(text),
                number: Quoted::new(token.text()),
            });
        }
    }
    Ok(())
}

fn explain(text: &str, fault: Fault<'_>) -> VersionError {
    let version = Quoted::new(text);
    let instead = Suggestion::of(text);
    match fault {
        Fault::Start => VersionError::Start { version, instead },
        Fault::NumberMissing => VersionError::NumberMissing { version, instead },
        Fault::Suffix(suffix) => VersionError::Suffix {
            version,
            suffix: Quoted::new(&format!("_{suffix}")),
            instead,
        },
        Fault::Hash => VersionError::Hash { version, instead },
        Fault::Unexpected(rest) => {
            // Of `~dev` the first two letters are a hash, and the whole is what the writer meant.
            let before = text.strip_suffix(rest).unwrap_or_default();
            let hash = before.rsplit_once('~').map_or("", |(_, hash)| hash);
            let is_hash = before.ends_with(&format!("~{hash}")) && !hash.contains(['-', '_']);
            let rest = if is_hash {
                format!("~{hash}{rest}")
            } else {
                rest.to_owned()
            };
            VersionError::Unexpected {
                version,
                rest: Quoted::new(&rest),
                instead,
            }
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
