//! Patterns over places: where a team may write, and what a token may be used for.
//!
//! A pattern has a part for each segment of a path, and in a part `*` stands for any run of characters. It is parsed once;
//! matching takes time in proportion to the name and the pattern, whatever they are.

use std::{fmt, str::FromStr};

use tarn_base::{
    hint::Hint,
    names::{Branch, MAX_BYTES, RepositoryName},
};

/// The most patterns of one team or one token.
pub const MAX_PATTERNS: usize = 64;

/// A branch and a repository of some owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The branch.
    pub branch: &'a Branch,
    /// The repository.
    pub repository: &'a RepositoryName,
}

/// Why a list of patterns was refused. The text is fit for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Too few or too many parts.
    #[error("the pattern `{pattern}` has another form than `{form}`")]
    Form {
        /// What was written, made safe to print.
        pattern: String,
        /// The form that was expected.
        form: &'static str,
        /// One in that form.
        example: &'static str,
    },
    /// A part that no name could match.
    #[error("the pattern `{pattern}` matches nothing")]
    Part {
        /// What was written, made safe to print.
        pattern: String,
    },
    /// More than anybody needs.
    #[error("there are more than {MAX_PATTERNS} patterns")]
    TooMany,
}

impl PatternError {
    fn part(pattern: &str) -> Self {
        let pattern = shown(pattern);
        Self::Part { pattern }
    }
}

/// Whether a pattern, in which `*` stands for any run of characters, matches the whole of `text`: what stands before the first `*`
/// begins it, what stands behind the last one ends it, and what stands between two is looked for from the left. To take the first place
/// where such a piece is found is never wrong, since it leaves the most to the pieces behind it.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(mut last) = pieces.next() else {
        return rest.is_empty();
    };
    for next in pieces {
        match rest.split_once(last) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
        last = next;
    }
    rest.ends_with(last)
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Part(String);

impl Part {
    /// `None` when no name could match.
    fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+*".contains(&byte);
        if text.is_empty()
            || text.len() > MAX_BYTES
            || text.starts_with('.')
            || !text.bytes().all(allowed)
        {
            return None;
        }
        let mut part = String::with_capacity(text.len());
        for character in text.chars() {
            // Two in a row mean what one means.
            if character != '*' || !part.ends_with('*') {
                part.push(character);
            }
        }
        Some(Self(part))
    }

    /// Whether the part matches the whole of `name`.
    ///
    /// `name` may be another part: then the answer is whether this one matches all that the other matches, because the
    /// `*` of the other can be matched by a `*` alone.
    fn matches(&self, name: &str) -> bool {
        matches(&self.0, name)
    }

    fn matches_everything(&self) -> bool {
        self.0 == "*"
    }
}

/// `branch/repository`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlacePattern {
    branch: Part,
    repository: Part,
}

impl PlacePattern {
    /// Whether it matches a place.
    pub fn matches(&self, place: Place<'_>) -> bool {
        self.branch.matches(place.branch.as_str())
            && self.repository.matches(place.repository.as_str())
    }

    fn matches_everything(&self) -> bool {
        self.branch.matches_everything() && self.repository.matches_everything()
    }

    fn covers(&self, other: &Self) -> bool {
        self.branch.matches(&other.branch.0) && self.repository.matches(&other.repository.0)
    }
}

impl FromStr for PlacePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let mut parts = text.split('/');
        let (Some(branch), Some(repository), None) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(PatternError::Form {
                pattern: shown(text),
                form: "branch/repository",
                example: "`edge/testing`, `v3.*/main` or `*/community`",
            });
        };
        match (Part::parse(branch), Part::parse(repository)) {
            (Some(branch), Some(repository)) => Ok(Self { branch, repository }),
            _ => Err(PatternError::part(text)),
        }
    }
}

impl fmt::Display for PlacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.branch.0, self.repository.0)
    }
}

/// `owner/branch/repository`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerPattern {
    /// In lower case: owners are compared without regard to it.
    owner: Part,
    place: PlacePattern,
}

impl FromStr for OwnerPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let form = || PatternError::Form {
            pattern: shown(text),
            form: "owner/branch/repository",
            example: "`acme/*/*` or `acme/edge/testing`",
        };
        let (owner, place) = text.split_once('/').ok_or_else(form)?;
        let place = place.parse().map_err(|error| match error {
            PatternError::Form { .. } => form(),
            _ => PatternError::part(text),
        })?;
        let owner = Part::parse(&owner.to_ascii_lowercase());
        let owner = owner.ok_or_else(|| PatternError::part(text))?;
        Ok(Self { owner, place })
    }
}

impl fmt::Display for OwnerPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner.0, self.place)
    }
}

/// Where a team may write: anywhere, or where one of the patterns matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TeamLimits(Vec<PlacePattern>);

impl TeamLimits {
    /// Whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a place lies within the limits; `None` stands for all places together.
    pub fn allow(&self, place: Option<Place<'_>>) -> bool {
        self.is_unlimited()
            || self.0.iter().any(|pattern| match place {
                Some(place) => pattern.matches(place),
                None => pattern.matches_everything(),
            })
    }
}

/// What a token may be used for: anything, or what one of the patterns matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TokenLimits(Vec<OwnerPattern>);

impl TokenLimits {
    /// Whether there is no limit.
    pub fn is_unlimited(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there are none that go beyond naming owners.
    pub fn are_of_owners_alone(&self) -> bool {
        self.0
            .iter()
            .all(|pattern| pattern.place.matches_everything())
    }

    /// Whether a place of an owner lies within the limits; `None` stands for all of its places together.
    ///
    /// `owner` is the name in lower case.
    pub fn allow(&self, owner: &str, place: Option<Place<'_>>) -> bool {
        self.is_unlimited()
            || self.0.iter().any(|pattern| {
                pattern.owner.matches(owner)
                    && match place {
                        Some(place) => pattern.place.matches(place),
                        None => pattern.place.matches_everything(),
                    }
            })
    }

    /// Whether anything of an owner lies within the limits. `owner` is the name in lower case.
    pub fn allow_some_of(&self, owner: &str) -> bool {
        self.is_unlimited() || self.0.iter().any(|pattern| pattern.owner.matches(owner))
    }

    /// These limits once the owner `old` is called `new`, both in lower case. `None` when they do not name it. What has a
    /// `*` names no owner, and stays.
    pub fn renamed(&self, old: &str, new: &str) -> Option<Self> {
        let is_it = |pattern: &OwnerPattern| pattern.owner.0 == old;
        if old == new || !self.0.iter().any(is_it) {
            return None;
        }
        let mut patterns = self.0.clone();
        for pattern in patterns.iter_mut().filter(|pattern| is_it(pattern)) {
            pattern.owner = Part(new.to_owned());
        }
        patterns.sort();
        patterns.dedup();
        Some(Self(patterns))
    }

    /// Whether all that `narrower` allows lies within these limits. Never wrongly yes; a pattern that only several of these
    /// together cover counts as wider.
    pub fn cover(&self, narrower: &Self) -> bool {
        let covered = |pattern: &OwnerPattern| {
            self.0.iter().any(|wide| {
                wide.owner.matches(&pattern.owner.0) && wide.place.covers(&pattern.place)
            })
        };
        self.is_unlimited() || (!narrower.is_unlimited() && narrower.0.iter().all(covered))
    }
}

macro_rules! list {
    ($type:ident) => {
        impl FromStr for $type {
            type Err = PatternError;

            /// Parses patterns separated by spaces or commas. None: no limit.
            fn from_str(list: &str) -> Result<Self, PatternError> {
                let separator = |c: char| c == ',' || c.is_ascii_whitespace();
                let mut patterns = Vec::new();
                for pattern in list.split(separator).filter(|pattern| !pattern.is_empty()) {
                    if patterns.len() == MAX_PATTERNS {
                        return Err(PatternError::TooMany);
                    }
                    patterns.push(pattern.parse()?);
                }
                patterns.sort();
                patterns.dedup();
                Ok(Self(patterns))
            }
        }

        /// The canonical form, as the database keeps it: sorted, separated by spaces.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                for (number, pattern) in self.0.iter().enumerate() {
                    let space = if number == 0 { "" } else { " " };
                    write!(f, "{space}{pattern}")?;
                }
                Ok(())
            }
        }
    };
}
list!(TeamLimits);
list!(TokenLimits);

/// The text as it was given, cut off and made safe to print.
fn shown(text: &str) -> String {
    text.chars()
        .take(3 * MAX_BYTES)
        .flat_map(char::escape_default)
        .collect()
}

impl Hint for PatternError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Form { example, .. } => format!("write it like {example}"),
            Self::Part { .. } => format!(
                "each of its parts has 1 to {MAX_BYTES} letters, digits, `.`, `_`, `-`, `+` or `*`, with no leading dot"
            ),
            Self::TooMany => "put them together with `*`".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
