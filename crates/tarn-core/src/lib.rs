//! The rules of the registry: who may do what, how a package gets in, and how an index is made. No SQL, no HTTP server.

pub mod access;
pub mod certificates;
mod common;
pub mod contents;
pub mod imports;
pub mod index;
pub mod jobs;
pub mod keys;
mod leased;
pub mod metrics;
pub mod publish;
mod registry;
pub mod settings;
pub mod turns;
mod under_way;
pub mod webhooks;

pub use self::common::Common;
pub use self::registry::{Administration, OpenError, Registry, Survey};
