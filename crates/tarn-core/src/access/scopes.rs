//! What a token may be used for.
//!
//! Clients of Forgejo and Gitea ask for scopes in their spelling (`models/auth/access_token_scope.go` in both), so those are taken
//! too, by one rule: a token never does more here than it would there. `all` is everything. What `admin` does here, the forges divide
//! among `write:admin`, `write:organization` and `write:user`: the three together are `admin`. Each of the others is about what this
//! server does not have, or what it has no scope for; it grants nothing.

use std::{fmt, str::FromStr};
use tarn_base::{hint::Hint, named};

named! {
    /// One thing that a token can be made for, in the order in which they are written.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Scope {
        /// Administers, through the JSON API, what its account administers. Grants nothing on packages.
        Admin = "admin",
        /// Deletes packages, and reads them.
        DeletePackage = "delete:package",
        /// Takes deleting out of writing. Narrows [`Scope::WritePackage`], grants nothing.
        NoDelete = "no-delete",
        /// Works on public owners only. Narrows the other scopes, grants nothing.
        PublicOnly = "public-only",
        /// Reads packages.
        ReadPackage = "read:package",
        /// Says whose token it is, which every token does.
        ReadUser = "read:user",
        /// Publishes packages, deletes and reads them.
        WritePackage = "write:package",
    }
}

/// Everything, as the forges say it.
const ALL: &str = "all";

/// What `admin` does, as the forges divide it.
const ADMINISTERING: [&str; 3] = ["write:admin", "write:organization", "write:user"];

/// Scopes of the forges that grant nothing here.
const NOTHING_HERE: [&str; 14] = [
    "read:activitypub",
    "read:admin",
    "read:issue",
    "read:misc",
    "read:notification",
    "read:organization",
    "read:project",
    "read:repository",
    "write:activitypub",
    "write:issue",
    "write:misc",
    "write:notification",
    "write:project",
    "write:repository",
];

impl Scope {
    /// Every word for a scope, in the spelling of this server and of the forges.
    pub fn words() -> impl Iterator<Item = &'static str> {
        let of_the_forges = [ALL].into_iter().chain(ADMINISTERING).chain(NOTHING_HERE);
        Self::ALL.into_iter().map(Self::as_str).chain(of_the_forges)
    }
}

/// Why a list of scopes was refused. The text is fit for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopesError {
    /// No such scope.
    #[error("there is no scope `{0}`")]
    Unknown(String),
    /// Nothing that grants anything.
    #[error(
        "a token needs at least one of the scopes read:package, write:package, delete:package, admin and read:user"
    )]
    GrantsNothing,
    /// `no-delete` has nothing to narrow, or `delete:package` says the contrary.
    #[error("the scope no-delete narrows write:package")]
    NothingToNarrow,
}

/// What a token may do with packages. A greater one includes the lesser ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Packages {
    Nothing,
    Read,
    Delete,
    Publish,
    Write,
}

/// The scopes of one token. Never empty: every token says at least whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scopes {
    packages: Packages,
    admin: bool,
    public_only: bool,
}

impl Scopes {
    /// Whether the token may be used for what `scope` names; for one that narrows, whether it does. With
    /// [`Scope::NoDelete`], [`Scope::WritePackage`] is there, and [`Scope::DeletePackage`] is not.
    pub const fn has(self, scope: Scope) -> bool {
        match scope {
            Scope::Admin => self.admin,
            Scope::PublicOnly => self.public_only,
            Scope::NoDelete => matches!(self.packages, Packages::Publish),
            Scope::ReadUser => true,
            Scope::ReadPackage => !matches!(self.packages, Packages::Nothing),
            Scope::DeletePackage => matches!(self.packages, Packages::Delete | Packages::Write),
            Scope::WritePackage => matches!(self.packages, Packages::Publish | Packages::Write),
        }
    }

    /// Whether these scopes grant all that `narrower` grants.
    pub fn cover(self, narrower: Self) -> bool {
        let granted = [
            Scope::Admin,
            Scope::ReadPackage,
            Scope::DeletePackage,
            Scope::WritePackage,
        ];
        granted
            .into_iter()
            .all(|scope| self.has(scope) || !narrower.has(scope))
            && (!self.public_only || narrower.public_only)
    }
}

impl FromStr for Scopes {
    type Err = ScopesError;

    /// Parses a list separated by commas, bars or spaces.
    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let separator = |c: char| c == ',' || c == '|' || c.is_ascii_whitespace();
        let words: Vec<&str> = list
            .split(separator)
            .filter(|word| !word.is_empty())
            .collect();
        let unknown = |word: &&&str| Scope::words().all(|known| known != **word);
        if let Some(word) = words.iter().find(unknown) {
            let shown = word.chars().take(40).flat_map(char::escape_default);
            return Err(ScopesError::Unknown(shown.collect()));
        }
        let named = |scope: &Scope| words.contains(&scope.as_str());
        let mut given: Vec<Scope> = Scope::ALL.into_iter().filter(named).collect();
        if words.contains(&ALL) {
            given.extend([Scope::Admin, Scope::WritePackage]);
        }
        if ADMINISTERING.iter().all(|word| words.contains(word)) {
            given.push(Scope::Admin);
        }
        if words.contains(&"write:user") {
            given.push(Scope::ReadUser);
        }
        let has = |scope| given.contains(&scope);
        let (delete, write) = (has(Scope::DeletePackage), has(Scope::WritePackage));
        let packages = match (write, delete, has(Scope::NoDelete)) {
            (_, true, true) | (false, false, true) => return Err(ScopesError::NothingToNarrow),
            (true, false, true) => Packages::Publish,
            (true, _, false) => Packages::Write,
            (false, true, false) => Packages::Delete,
            (false, false, false) if has(Scope::ReadPackage) => Packages::Read,
            (false, false, false) => Packages::Nothing,
        };
        if packages == Packages::Nothing && !has(Scope::Admin) && !has(Scope::ReadUser) {
            return Err(ScopesError::GrantsNothing);
        }
        Ok(Self {
            packages,
            admin: has(Scope::Admin),
            public_only: has(Scope::PublicOnly),
        })
    }
}

/// The canonical form, as the database keeps it: sorted, separated by commas, without what another scope includes.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (narrowed, main) = match self.packages {
            Packages::Nothing => (false, None),
            Packages::Read => (false, Some(Scope::ReadPackage)),
            Packages::Delete => (false, Some(Scope::DeletePackage)),
            Packages::Publish => (true, Some(Scope::WritePackage)),
            Packages::Write => (false, Some(Scope::WritePackage)),
        };
        let written = |scope| match scope {
            Scope::Admin => self.admin,
            Scope::PublicOnly => self.public_only,
            Scope::NoDelete => narrowed,
            Scope::ReadUser => main.is_none() && !self.admin,
            scope => main == Some(scope),
        };
        let scopes = Scope::ALL.into_iter().filter(|scope| written(*scope));
        for (number, scope) in scopes.enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma}{scope}")?;
        }
        Ok(())
    }
}

impl Hint for ScopesError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown(..) => "the scopes are read:package, write:package (which includes read and delete), delete:package (which includes read), admin, read:user, and to narrow these no-delete and public-only".to_owned(),
            Self::NothingToNarrow => "give it together with that, and without delete:package".to_owned(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(list: &str) -> Scopes {
        list.parse().unwrap()
    }

    #[test]
    fn takes_lists_and_writes_them_canonically() {
        for (list, canonical) in [
            ("read:package", "read:package"),
            ("write:package", "write:package"),
            ("write:package|read:package", "write:package"),
            ("delete:package,write:package", "write:package"),
            ("delete:package,read:package", "delete:package"),
            ("write:package, public-only", "public-only,write:package"),
            (" read:package  public-only ", "public-only,read:package"),
            ("write:package no-delete", "no-delete,write:package"),
            ("admin", "admin"),
            ("write:package,admin", "admin,write:package"),
            ("read:user", "read:user"),
            ("read:user,read:package", "read:package"),
            ("read:user,public-only", "public-only,read:user"),
        ] {
            assert_eq!(scopes(list).to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(scopes(list)));
        }
    }

    #[test]
    fn scopes_of_the_forges_grant_no_more_than_there() {
        for (list, canonical) in [
            ("all", "admin,write:package"),
            ("all,public-only", "admin,public-only,write:package"),
            ("read:user,write:repository,write:package", "write:package"),
            ("write:user", "read:user"),
            ("write:admin,write:package", "write:package"),
            ("write:organization,write:user", "read:user"),
            ("write:admin,write:organization,write:user", "admin"),
        ] {
            assert_eq!(scopes(list).to_string(), canonical, "{list}");
        }
        for list in ["write:admin", "read:repository", "read:issue,public-only"] {
            assert_eq!(list.parse::<Scopes>(), Err(ScopesError::GrantsNothing));
        }
        assert!("sudo".parse::<Scopes>().is_err());
    }

    #[test]
    fn each_scope_includes_what_the_table_says() {
        for (list, read, delete, publish, admin) in [
            ("read:package", true, false, false, false),
            ("delete:package", true, true, false, false),
            ("write:package", true, true, true, false),
            ("write:package,no-delete", true, false, true, false),
            ("admin", false, false, false, true),
            ("read:user", false, false, false, false),
            ("admin,read:package", true, false, false, true),
        ] {
            let scopes = scopes(list);
            assert_eq!(
                (
                    scopes.has(Scope::ReadPackage),
                    scopes.has(Scope::DeletePackage),
                    scopes.has(Scope::WritePackage),
                    scopes.has(Scope::Admin)
                ),
                (read, delete, publish, admin),
                "{list}"
            );
        }
    }

    #[test]
    fn wider_scopes_are_never_covered() {
        for (wide, narrow, expected) in [
            ("write:package", "read:package,public-only", true),
            ("write:package", "no-delete,write:package", true),
            ("no-delete,write:package", "write:package", false),
            ("no-delete,write:package", "delete:package", false),
            ("read:package,public-only", "read:package", false),
            ("admin", "read:package", false),
            ("write:package", "admin", false),
            ("admin,write:package", "admin", true),
            ("read:package", "read:user", true),
            ("read:user", "read:package", false),
        ] {
            assert_eq!(
                scopes(wide).cover(scopes(narrow)),
                expected,
                "{wide} / {narrow}"
            );
        }
    }

    #[test]
    fn an_unknown_scope_is_refused_with_the_known_ones() {
        let error = "read:package,root".parse::<Scopes>().unwrap_err();
        assert_eq!(error.to_string(), "there is no scope `root`");
        assert_eq!(
            error.hint().unwrap(),
            "the scopes are read:package, write:package (which includes read and delete), delete:package (which includes \
             read), admin, read:user, and to narrow these no-delete and public-only"
        );
    }

    #[test]
    fn refuses_scopes_that_grant_nothing_or_contradict_each_other() {
        for list in ["", " , |", "public-only"] {
            assert_eq!(list.parse::<Scopes>(), Err(ScopesError::GrantsNothing));
        }
        for list in [
            "no-delete",
            "no-delete,read:package",
            "no-delete,write:package,delete:package",
        ] {
            assert_eq!(list.parse::<Scopes>(), Err(ScopesError::NothingToNarrow));
        }
    }
}
