//! Webhooks: telling others that a package was published or deleted.
//!
//! 1. `metadata/outbox.rs` writes the message in the transaction that changes the package ([`payload`] is its body).
//! 2. [`Deliverer`] takes what is due, signs it ([`signing`]) and sends it ([`Client`]), at the times of [`schedule`].
//! 3. [`Webhooks`] is what an owner does with them: add, change, remove, test, look at the log.
//!
//! The URL of a webhook is chosen by whoever administers an owner, and the server asks for it from inside its network. So
//! [`AddressRules`] keeps it to public addresses, no redirect is followed, and nothing of an answer is shown but its status.

mod addresses;
mod client;
mod deliver;
pub(crate) mod payload;
mod resolver;
mod schedule;
mod service;
mod signing;
mod target;

pub use self::{
    addresses::{AddressRules, Forbidden},
    client::{Client, ClientLimits, Roots, SendError},
    deliver::{Deliverer, DeliveryLimits},
    resolver::Resolver,
    service::{
        Added, ChangeOrder, MAX_WEBHOOKS, SecretChange, Webhook, WebhookError, WebhookOrder,
        Webhooks,
    },
    signing::{delivery_name, sign},
    target::{MAX_URL, Target, TargetError},
};
