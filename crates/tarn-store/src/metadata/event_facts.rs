//! The facts of an event, as the outbox of the webhooks keeps them.
//!
//! They are written in the transaction that makes the event, and say what was true in it: a name is the name of that moment.
//! How a message looks is decided where it is sent.

use serde::{Deserialize, Serialize};

use super::{
    MetadataError, OwnerKind,
    engine::Value,
    rows::{Column, Unfit, corrupt},
};

/// A user or an organisation, by the name of that moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFacts {
    /// The number of the owner.
    pub id: i64,
    /// The name.
    pub name: String,
}

/// What happened, to what and by whom. Times are in microseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFacts {
    /// When it happened.
    pub at_micros: i64,
    /// Whose webhook.
    pub owner: AccountFacts,
    /// Whether the owner is an organisation.
    pub is_organisation: bool,
    /// Who did it, if that is known.
    pub sender: Option<AccountFacts>,
    /// The package that was published or deleted; none in a test message.
    pub package: Option<PackageFacts>,
}

/// A package file in an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFacts {
    /// The number of the package file.
    pub id: i64,
    /// Who published it, if that is known.
    pub creator: Option<AccountFacts>,
    /// The branch.
    pub branch: String,
    /// The repository.
    pub repository: String,
    /// The package's own architecture; may be noarch.
    pub arch: String,
    /// As in the package.
    pub name: String,
    /// As in the package.
    pub version: String,
    /// As it is served.
    pub file_name: String,
    /// In bytes.
    pub size: u64,
    /// In hex.
    pub sha256: String,
    /// When it was published.
    pub created_at_micros: i64,
}

impl AccountFacts {
    /// An account by its number and name.
    pub fn new(id: i64, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
        }
    }
}

impl EventFacts {
    /// A message that tests whether a webhook of `owner` is reached.
    pub fn test(at_micros: i64, owner: &super::Owner, sender: Option<AccountFacts>) -> Self {
        Self {
            at_micros,
            owner: AccountFacts::new(owner.id.number(), &owner.name),
            is_organisation: owner.kind == OwnerKind::Organisation,
            sender,
            package: None,
        }
    }

    /// The text of the column.
    pub(super) fn to_column(&self) -> Result<String, MetadataError> {
        serde_json::to_string(self).map_err(|error| corrupt("event", &error.to_string()))
    }
}

impl Column for EventFacts {
    fn of(value: Value) -> Result<Self, Unfit> {
        serde_json::from_str(&String::of(value)?)
            .map_err(|error| Unfit::corrupt("event", &error.to_string()))
    }
}
