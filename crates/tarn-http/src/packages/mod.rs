//! The package routes: upload, download, indexes, keys, and what tools look for beside them.

pub(crate) mod conditional;
pub(crate) mod discovery;
pub(crate) mod download;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod listing;
pub(crate) mod package;
pub(crate) mod path;
mod setup;
pub(crate) mod upload;
