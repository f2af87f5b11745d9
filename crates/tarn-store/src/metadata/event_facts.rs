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
    /// The package to which it happened; none in a test message.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_stored_events_are_those_that_rows_have() {
        let text = |text: &str| text.to_owned();
        // Without `..`: a new field has to be thought of here.
        let facts = EventFacts {
            at_micros: 1,
            owner: AccountFacts::new(2, "acme"),
            is_organisation: true,
            sender: None,
            package: Some(PackageFacts {
                id: 3,
                creator: None,
                branch: text("edge"),
                repository: text("main"),
                arch: text("x86_64"),
                name: text("a"),
                version: text("1"),
                file_name: text("a-1.apk"),
                size: 4,
                sha256: text("00"),
                created_at_micros: 5,
            }),
        };
        assert_eq!(
            facts.to_column().unwrap(),
            r#"{"at_micros":1,"owner":{"id":2,"name":"acme"},"is_organisation":true,"sender":null,"package":{"id":3,"creator":null,"branch":"edge","repository":"main","arch":"x86_64","name":"a","version":"1","file_name":"a-1.apk","size":4,"sha256":"00","created_at_micros":5}}"#,
            "messages in the database have the fields above on the right, and one that can't be read is never sent: give a new field \
             `#[serde(default)]`, and rename or remove one in a migration. Then write the names here."
        );
    }
}
