//! The identifiers and the words of the tables, each a type of its own.

use std::{fmt, str::FromStr};

use super::{
    engine::Value,
    rows::{Column, Unfit},
};
use tarn_base::hint::Hint;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $type:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(i64);

        impl $type {
            /// The identifier of that number.
            pub const fn from_row(id: i64) -> Self {
                Self(id)
            }

            /// The number, for keys of caches and for logs.
            pub const fn number(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$type> for Value {
            fn from(id: $type) -> Self {
                Self::from(id.0)
            }
        }

        impl From<Option<$type>> for Value {
            fn from(id: Option<$type>) -> Self {
                Self::from(id.map($type::number))
            }
        }

        impl Column for $type {
            fn of(value: Value) -> Result<Self, Unfit> {
                i64::of(value).map(Self)
            }
        }
    )+};
}

identifiers! {
    /// A user or an organisation. Never given out twice.
    OwnerId,
    /// One repository of one branch of one owner. Never given out twice.
    RepositoryId,
    /// An access token. Never given out twice.
    TokenId,
    /// A browser in which a user signed in. Never given out twice.
    SessionId,
    /// A team of an organisation. Never given out twice.
    TeamId,
    /// A signing key. Never given out twice.
    SigningKeyId,
    /// A package file in a repository. Never given out twice.
    PackageFileId,
    /// A webhook. Never given out twice.
    WebhookId,
    /// One message to a webhook, with all attempts to deliver it. Never given out twice.
    DeliveryId,
    /// A rule of expiry. Never given out twice.
    ExpiryRuleId,
}

/// A word that is none of those known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a valid {what}", word.escape_default())]
pub struct UnknownWord {
    what: &'static str,
    word: String,
    known: &'static [&'static str],
}

impl Hint for UnknownWord {
    fn hint(&self) -> Option<String> {
        Some(format!("use one of {}", self.known.join(", ")))
    }
}

/// An enum of words. Those of `besides` are read and written like the others, and are not for callers to choose.
macro_rules! words {
    (
        $(#[$doc:meta])* $type:ident, $what:literal,
        { $($(#[$word_doc:meta])* $variant:ident = $word:literal),+ $(,)? }
        $(besides { $($(#[$other_doc:meta])* $other:ident = $other_word:literal),+ $(,)? })?
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$word_doc])* $variant,)+
            $($($(#[$other_doc])* $other,)+)?
        }

        impl $type {
            /// Those that can be chosen.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The words of those.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word for it, as in the database and on the command line.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                    $($(Self::$other => $other_word,)+)?
                }
            }

            #[doc = "What a word that is none of these is refused with."]
            pub(super) fn unknown(word: &str) -> UnknownWord {
                UnknownWord {
                    what: $what,
                    word: word.chars().take(64).collect(),
                    known: Self::WORDS,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    $($($other_word => Ok(Self::$other),)+)?
                    _ => Err(Self::unknown(word)),
                }
            }
        }

        impl From<$type> for Value {
            fn from(word: $type) -> Self {
                Self::from(word.as_str())
            }
        }

        impl From<Option<$type>> for Value {
            fn from(word: Option<$type>) -> Self {
                Self::from(word.map($type::as_str))
            }
        }

        impl Column for $type {
            fn of(value: Value) -> Result<Self, Unfit> {
                let word = String::of(value)?;
                word.parse().map_err(|_| Unfit::corrupt($what, &word))
            }
        }
    };
}

words! {
    /// What an owner is.
    OwnerKind, "kind of owner", {
        /// A person, who signs in.
        User = "user",
        /// A group of users.
        Organisation = "organisation",
    }
}
words! {
    /// Who may read what an owner has.
    Visibility, "visibility", {
        /// Everyone.
        Public = "public",
        /// Everyone who is signed in.
        Limited = "limited",
        /// Only the owner and the members.
        Private = "private",
    }
}
words! {
    /// Which versions the packages of an owner may have.
    VersionRule, "rule about versions", {
        /// Those that every apk orders.
        Strict = "strict",
        /// Those too that apk installs without knowing what is newer.
        Lenient = "lenient",
    }
}
words! {
    /// The format of a package file, and of an index: that of v2 lists v2 packages, that of v3 both.
    PackageFormat, "package format", {
        /// gzip and tar; `APKINDEX.tar.gz`.
        V2 = "v2",
        /// ADB files; `Packages.adb`.
        V3 = "v3",
    }
}
words! {
    /// What a member of an organisation may do. A greater role includes the lesser ones.
    Role, "role", {
        /// Read.
        Read = "read",
        /// Read and publish.
        Write = "write",
        /// Everything, members and settings too.
        Admin = "admin",
    }
}
words! {
    /// What a signing key is, as the command line and the API spell it.
    KeyType, "type of key", {
        /// RSA, which signs indexes of both formats.
        Rsa = "rsa",
        /// The elliptic curve P-256, which signs v3 indexes only.
        EcP256 = "ec-p256",
    }
}
words! {
    /// Where a signing key is in its life.
    KeyState, "key state", {
        /// Signing.
        Active = "active",
        /// Signing no more.
        Retired = "retired",
    }
}
words! {
    /// The entry point through which something was changed.
    Through, "entry point", {
        /// A request.
        Http = "http",
        /// The program, on the server's machine.
        CommandLine = "command-line",
        /// No caller: the server keeps house.
        Server = "server",
    }
}
words! {
    /// What a message to a webhook is about. A webhook chooses the events that it receives; every one can be tested.
    WebhookEvent, "event", {
        /// A package was published.
        Published = "published",
        /// A package was deleted.
        Deleted = "deleted",
    } besides {
        /// A test of the webhook was asked for.
        Ping = "ping",
    }
}
/// What an event is about, which decides how its messages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSubject {
    /// A package.
    Package {
        /// What Gitea and Forgejo call what happened to it: the action of their event `package`.
        action: &'static str,
    },
    /// The webhook itself.
    Webhook,
}

impl WebhookEvent {
    /// What it is about.
    pub const fn subject(self) -> EventSubject {
        match self {
            Self::Published => EventSubject::Package { action: "created" },
            Self::Deleted => EventSubject::Package { action: "deleted" },
            Self::Ping => EventSubject::Webhook,
        }
    }
}

words! {
    /// How far a message to a webhook has come.
    DeliveryState, "state of a delivery", {
        /// To be sent, for the first time or again.
        Pending = "pending",
        /// The receiver has it.
        Delivered = "delivered",
        /// Given up.
        Failed = "failed",
    }
}
words! {
    /// What came of a request.
    AuditResult, "result", {
        /// It was done.
        Done = "done",
        /// It was not: the credentials were wrong, or the caller may not.
        Refused = "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered() {
        assert!(Role::Read < Role::Write && Role::Write < Role::Admin);
    }

    #[test]
    fn an_unknown_word_is_refused_with_the_known_ones() {
        assert_eq!(
            "secret\n".parse::<Visibility>().unwrap_err().line(),
            "`secret\\n` is not a valid visibility; use one of public, limited, private"
        );
    }
}
