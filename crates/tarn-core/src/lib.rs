//! The rules of the registry: who may do what, how a package gets in, and how an index is made. No SQL, no HTTP server.

pub mod access;
pub mod certificates;
pub mod contents;
pub mod imports;
pub mod index;
pub mod jobs;
pub mod keys;
mod leased;
pub mod metrics;
pub mod publish;
mod registry;
mod resources;
pub mod settings;
pub mod turns;
mod under_way;
pub mod webhooks;

pub use self::registry::{Administration, OpenError, Registry, Survey};
pub use self::resources::Resources;
