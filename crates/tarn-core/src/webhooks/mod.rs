//! Webhooks: telling others what happens to packages.
//!
//! 1. `metadata/outbox.rs` writes the message in the transaction that changes the package ([`payload`] renders its body).
//! 2. [`Deliverer`] takes what is due, signs it ([`signing`]) and sends it ([`Client`]), at the times of [`schedule`].
//! 3. [`Webhooks`] is what an owner does with them: add, change, remove, test, look at the log.
//!
//! The URL of a webhook is chosen by the administrators of an owner, and the server asks for it from inside its network. So
//! [`AddressRules`] keeps it to public addresses, no redirect is followed, and nothing of an answer is shown but its status.

mod deliver;
pub mod payload;
mod schedule;
mod service;
mod signing;

pub use self::{
    deliver::{Deliverer, DeliveryLimits},
    service::{
        Added, ChangeOrder, MAX_WEBHOOKS, SecretChange, Webhook, WebhookError, WebhookOrder,
        Webhooks,
    },
    signing::{delivery_name, sign},
};
