//! Requests to other servers.
//!
//! Two clients, for two kinds of trust. [`Client`] sends what webhooks send, only to addresses the rules allow. [`Remote`] asks the
//! server that a person named at the command line or in the settings. [`Authority`] asks a certificate authority by it.
//!
//! The URL of a webhook is chosen by the administrator of an owner, and the server requests it from inside its network. So
//! [`AddressRules`] keeps it to public addresses, no redirect is followed, and nothing of an answer is shown but its status.

mod acme;
mod addresses;
mod client;
mod remote;
mod resolver;
mod target;
mod tls;

pub use self::{
    acme::{AcmeError, Authority, Begun, Issued, Proof},
    addresses::{AddressRules, Forbidden},
    client::{Client, ClientLimits, Roots, SendError},
    remote::{Answer, Credentials, Remote, RemoteError},
    resolver::Resolver,
    target::{MAX_URL, Target, TargetError},
};
