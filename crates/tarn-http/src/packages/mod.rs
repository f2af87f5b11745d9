//! The package routes: upload, download, indexes, keys.

pub(crate) mod conditional;
pub(crate) mod download;
pub(crate) mod index;
pub(crate) mod key;
pub(crate) mod package;
pub(crate) mod path;
pub(crate) mod upload;
