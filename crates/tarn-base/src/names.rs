//! The names in a URL, parsed once: an owner, a branch, a repository.

use crate::hint::Hint;
use std::{fmt, str::FromStr};

/// Why a name was refused. The text is fit for the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{name}` is not valid: {problem}")]
pub struct NameError {
    kind: &'static str,
    name: String,
    problem: &'static str,
}

/// The longest owner, branch or repository name, in bytes.
pub const MAX_BYTES: usize = 64;

/// Names that no owner can take: paths of the server begin with them or might, or they would be taken for someone who
/// speaks for the server. `admin` is among them, so that only the first run takes it.
const RESERVED_OWNERS: &[&str] = &[
    "-",
    "_",
    "about",
    "abuse",
    "account",
    "accounts",
    "admin",
    "administrator",
    "anonymous",
    "api",
    "assets",
    "audit",
    "auth",
    "branches",
    "dashboard",
    "docs",
    "explore",
    "favicon.ico",
    "ghost",
    "health",
    "healthz",
    "help",
    "index",
    "index.html",
    "install",
    "key",
    "keys",
    "login",
    "logout",
    "me",
    "metrics",
    "new",
    "nobody",
    "null",
    "oauth",
    "oauth2",
    "openapi",
    "openapi.json",
    "org",
    "organisation",
    "organisations",
    "organization",
    "organizations",
    "orgs",
    "owner",
    "owners",
    "package",
    "packages",
    "postmaster",
    "ready",
    "readyz",
    "register",
    "repositories",
    "repository",
    "robots.txt",
    "search",
    "security",
    "settings",
    "setup",
    "signup",
    "site",
    "static",
    "status",
    "support",
    "system",
    "tarn",
    "team",
    "teams",
    "token",
    "tokens",
    "undefined",
    "user",
    "users",
    "v1",
    "v2",
    "web",
    "webhook",
    "webhooks",
];

fn check(kind: &'static str, name: &str) -> Result<(), NameError> {
    let problem = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_BYTES {
        "it is too long"
    } else if name.starts_with('.') {
        "it begins with a dot"
    } else if !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte))
    {
        "it has a character that is not allowed"
    } else {
        return Ok(());
    };
    let name = name
        .chars()
        .take(MAX_BYTES)
        .flat_map(char::escape_default)
        .collect();
    Err(NameError {
        kind,
        name,
        problem,
    })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $text:ident => $trimmed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// Parses a name.
            ///
            /// # Errors
            ///
            /// When it breaks the grammar.
            pub fn parse($text: &str) -> Result<Self, NameError> {
                let name = $trimmed;
                check($kind, name)?;
                Ok(Self(name.to_owned()))
            }

            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The name in lower case, by which those that are the same in any case are compared.
            pub fn lower(&self) -> String {
                self.0.to_ascii_lowercase()
            }
        }

        impl FromStr for $type {
            type Err = NameError;

            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::parse(name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a user or an organisation. Two that differ only in case are the same owner.
    OwnerName, "owner", text => text
}
name! {
    /// A branch: the first of the two segments a publisher chooses, e.g. `v3.23` or `edge`. Spaces around it are trimmed.
    Branch, "branch", text => text.trim()
}
name! {
    /// A repository: the second of the two segments a publisher chooses, e.g. `main`. Spaces around it are trimmed.
    RepositoryName, "repository", text => text.trim()
}
name! {
    /// The name of a team, of the grammar of owners. Two of an organisation that differ only in case are the same team.
    TeamName, "team", text => text
}

impl OwnerName {
    /// Parses the name of an owner that is about to be made: the same grammar, less the reserved names.
    ///
    /// # Errors
    ///
    /// When it breaks the grammar or is reserved.
    pub fn parse_new(name: &str) -> Result<Self, NameError> {
        let parsed = Self::parse(name)?;
        if parsed.is_reserved() {
            return Err(NameError {
                kind: "owner",
                name: name.to_owned(),
                problem: "the server needs this name itself",
            });
        }
        Ok(parsed)
    }

    /// Whether no owner can take it, but for one who had it before it was reserved.
    pub fn is_reserved(&self) -> bool {
        RESERVED_OWNERS.contains(&self.lower().as_str())
    }
}

impl Hint for NameError {
    fn hint(&self) -> Option<String> {
        Some(format!(
            "use 1 to {MAX_BYTES} letters, digits, `.`, `_`, `-` or `+`, with no leading dot"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_written_grammar() {
        for name in [
            "v3.23",
            "edge",
            "main",
            "a",
            "_x",
            "-",
            "c++",
            "A.b_c-d+e",
            &"x".repeat(64),
        ] {
            assert_eq!(Branch::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn trims_branch_and_repository() {
        assert_eq!(Branch::parse(" edge\t").unwrap().as_str(), "edge");
        assert_eq!(RepositoryName::parse(" main ").unwrap().as_str(), "main");
    }

    #[test]
    fn refuses_what_the_grammar_leaves_out() {
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "a|b",
            "a@b",
            "a/b",
            "a b",
            "ü",
            "a%2f",
            &"x".repeat(65),
        ] {
            assert!(Branch::parse(name).is_err(), "{name}");
            assert!(OwnerName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn says_what_to_do() {
        assert_eq!(
            Branch::parse("a|b").unwrap_err().line(),
            "branch `a|b` is not valid: it has a character that is not allowed; \
             use 1 to 64 letters, digits, `.`, `_`, `-` or `+`, with no leading dot"
        );
    }

    #[test]
    fn refuses_reserved_owners_only_for_new_ones() {
        assert!(OwnerName::parse_new("Api").is_err());
        assert!(OwnerName::parse_new("-").is_err());
        assert!(OwnerName::parse_new("KEYS").is_err());
        assert!(OwnerName::parse("api").is_ok());
        assert!(OwnerName::parse_new("alice").is_ok());
    }
}
