//! The server library of Tarn: its modules are the stations a package passes.

pub mod access;
pub mod blobs;
pub mod clock;
pub mod hint;
pub mod http;
pub mod index;
pub mod jobs;
pub mod keys;
pub mod metadata;
pub mod metrics;
pub mod names;
pub mod printable;
pub mod publish;
mod registry;
pub mod settings;
pub mod webhooks;

pub use self::registry::{Administration, OpenError, Registry, Survey};
