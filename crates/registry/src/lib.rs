//! The server library of Tarn: its modules are the stations a package passes.

pub mod access;
pub mod blobs;
pub mod clock;
pub mod metadata;
pub mod names;
