//! What a token may be used for.

use std::{fmt, str::FromStr};

/// One thing that a token can be made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Works on public owners alone. Narrows the other scopes, grants nothing.
    PublicOnly,
    /// Reads packages.
    ReadPackage,
    /// Writes packages, and reads them.
    WritePackage,
}

impl Scope {
    /// Every scope there is, in the order in which they are written.
    pub const ALL: [Self; 3] = [Self::PublicOnly, Self::ReadPackage, Self::WritePackage];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PublicOnly => "public-only",
            Self::ReadPackage => "read:package",
            Self::WritePackage => "write:package",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a list of scopes was refused. The text is fit for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopesError {
    /// No such scope.
    #[error(
        "there is no scope `{0}`; the scopes are public-only, read:package and write:package (which includes read)"
    )]
    Unknown(String),
    /// Nothing that grants anything.
    #[error("a token needs at least one of the scopes read:package and write:package")]
    GrantsNothing,
}

/// The scopes of one token. Never empty: one of them grants something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes {
    public_only: bool,
    write: bool,
}

impl Scopes {
    /// Scopes that read packages, and write them when `write` is set, of public owners alone when `public_only` is.
    pub const fn new(write: bool, public_only: bool) -> Self {
        Self { public_only, write }
    }

    /// Whether the token may be used for what `scope` names.
    pub const fn has(self, scope: Scope) -> bool {
        match scope {
            Scope::PublicOnly => self.public_only,
            Scope::ReadPackage => true,
            Scope::WritePackage => self.write,
        }
    }
}

impl FromStr for Scopes {
    type Err = ScopesError;

    /// Parses a list separated by commas, bars or blanks.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let (mut read, mut write, mut public_only) = (false, false, false);
        let separator = |c: char| c == ',' || c == '|' || c.is_ascii_whitespace();
        for name in list.split(separator).filter(|name| !name.is_empty()) {
            match Scope::ALL.into_iter().find(|scope| scope.as_str() == name) {
                Some(Scope::PublicOnly) => public_only = true,
                Some(Scope::ReadPackage) => read = true,
                Some(Scope::WritePackage) => write = true,
                None => {
                    let shown = name.chars().take(40).flat_map(char::escape_default);
                    return Err(ScopesError::Unknown(shown.collect()));
                }
            }
        }
        if read || write {
            Ok(Self { public_only, write })
        } else {
            Err(ScopesError::GrantsNothing)
        }
    }
}

/// The canonical form, as the database keeps it: sorted, separated by commas, without what another scope includes.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.public_only {
            write!(f, "{},", Scope::PublicOnly)?;
        }
        f.write_str(
            if self.write {
                Scope::WritePackage
            } else {
                Scope::ReadPackage
            }
            .as_str(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_lists_and_writes_them_canonically() {
        for (list, canonical) in [
            ("read:package", "read:package"),
            ("write:package", "write:package"),
            ("write:package|read:package", "write:package"),
            ("write:package, public-only", "public-only,write:package"),
            (" read:package  public-only ", "public-only,read:package"),
        ] {
            let scopes: Scopes = list.parse().unwrap();
            assert_eq!(scopes.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(scopes));
        }
    }

    #[test]
    fn write_includes_read() {
        let scopes: Scopes = "write:package".parse().unwrap();
        assert!(scopes.has(Scope::ReadPackage));
        assert!(!Scopes::new(false, false).has(Scope::WritePackage));
    }

    #[test]
    fn an_unknown_scope_is_told_with_the_known_ones() {
        assert_eq!(
            "read:package,admin"
                .parse::<Scopes>()
                .unwrap_err()
                .to_string(),
            "there is no scope `admin`; the scopes are public-only, read:package and write:package (which includes read)"
        );
    }

    #[test]
    fn refuses_scopes_that_grant_nothing() {
        for list in ["", " , |", "public-only"] {
            assert_eq!(list.parse::<Scopes>(), Err(ScopesError::GrantsNothing));
        }
    }
}
