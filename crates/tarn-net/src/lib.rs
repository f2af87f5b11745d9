//! Requests to other servers: one HTTP client that sends only to addresses the rules allow.
//!
//! The URL of a webhook is chosen by the administrator of an owner, and the server requests it from inside its network. So
//! [`AddressRules`] keeps it to public addresses, no redirect is followed, and nothing of an answer is shown but its status.

mod addresses;
mod client;
mod resolver;
mod target;

pub use self::{
    addresses::{AddressRules, Forbidden},
    client::{Client, ClientLimits, Roots, SendError},
    resolver::Resolver,
    target::{MAX_URL, Target, TargetError},
};
