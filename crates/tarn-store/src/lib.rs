//! What is kept: facts in a database ([`metadata`]) and bytes by their hash ([`blobs`]). No rules, no HTTP.

pub mod blobs;
pub mod metadata;
