//! Connections: accepted, bounded, read and written; what a request is before a handler sees it.

pub(crate) mod activity;
pub(crate) mod body;
mod challenge;
pub(crate) mod connection;
pub(crate) mod connections;
pub(crate) mod message;
pub(crate) mod pace;
pub(crate) mod server;
pub(crate) mod source;
pub(crate) mod tls;
pub(crate) mod trace;
pub(crate) mod unread;
