//! Words that stand for one of a few: how the description lists them, and how those in requests are read. They are those of the types
//! in `metadata/`, so a word added there appears here too.

use std::{borrow::Cow, sync::LazyLock};

use serde::{Deserialize, Deserializer, de::Error as _};
use tarn_core::access::Scope;
use tarn_store::metadata::{self, WebhookEvent, WebhookEvents};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

macro_rules! schema {
    ($name:ident, $about:expr, $words:expr) => {
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(Type::String);
                let words = words.description(Some($about.trim()));
                words.enum_values(Some($words)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

/// Words of answers, and of bodies that are read as text.
macro_rules! shown {
    ($(#[doc = $about:literal] $name:ident, $words:expr;)+) => {$(
        #[doc = $about]
        pub(crate) struct $name;

        schema!($name, $about, $words);
    )+};
}

/// Words that are read from requests.
macro_rules! read {
    ($(#[doc = $about:literal] $name:ident: $of:ty;)+) => {$(
        #[doc = $about]
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name(pub(crate) $of);

        schema!($name, $about, <$of>::WORDS.iter().copied());

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = Cow::<'de, str>::deserialize(deserializer)?;
                let known = <$of>::ALL.iter().find(|known| known.as_str() == word);
                let known = known.copied().map(Self);
                known.ok_or_else(|| D::Error::unknown_variant(&word, <$of>::WORDS))
            }
        }
    )+};
}

shown! {
    /// What an owner is.
    OwnerKind, metadata::OwnerKind::WORDS.iter().copied();
    /// Who may read what an owner has: everybody, everybody who is signed in, or the owner and the members only.
    Visibility, metadata::Visibility::WORDS.iter().copied();
    /// What a member may do.
    Permission, metadata::Role::WORDS.iter().copied();
    /// Which versions the packages of an owner may have: those that every apk orders, or also those that apk installs without knowing what is newer, such as `1.2.3-rc.1`.
    VersionWord, metadata::VersionRule::WORDS.iter().copied();
    /// What a token may be used for, as this server spells it and as the forges do.
    TokenScope, Scope::words();
    /// What a message is about.
    MessageEvent, WebhookEvent::WORDS.iter().copied().chain([WebhookEvent::Ping.as_str()]);
}

read! {
    /// Whether the request was carried out.
    Ended: metadata::AuditResult;
    /// How far a message has come: still to be sent, or sent again; arrived; given up.
    State: metadata::DeliveryState;
    /// What kind of key is made: RSA, or one of the curve P-256.
    NewType: metadata::KeyType;
}

/// The events that a word stands for.
pub(crate) struct Event(pub(crate) WebhookEvents);

/// All that stands for events.
pub(crate) static EVENTS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let words = WebhookEvent::WORDS.iter().copied();
    words.chain(["package"]).collect()
});

schema!(
    Event,
    "Events that a webhook receives. `package`, as the forges call it, is all that happens to packages.",
    EVENTS.iter().copied()
);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Cow::<'de, str>::deserialize(deserializer)?;
        if word == "package" {
            return Ok(Self(WebhookEvents::PACKAGES));
        }
        let mut each = WebhookEvent::ALL.iter().copied();
        let found = each.find(|event| event.as_str() == word);
        let events = found.and_then(|event| WebhookEvents::of(&[event]));
        let unknown = || D::Error::unknown_variant(&word, EVENTS.as_slice());
        events.map(Self).ok_or_else(unknown)
    }
}
