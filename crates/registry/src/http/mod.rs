//! The edge: requests in, answers out. The only module that knows the web framework.
//!
//! A handler takes the request apart, calls one function of another station, and puts the answer together. It holds
//! no rules. What must never be here: SQL, files, formats.

mod activity;
mod api;
mod authorize;
mod body;
mod code;
mod conditional;
mod connection;
mod connections;
mod cross_site;
mod download;
mod error;
mod health;
mod index;
mod key;
mod message;
mod metrics;
mod pace;
mod package;
mod path;
mod routes;
mod server;
mod source;
mod tls;
mod trace;
mod unread;
mod upload;

pub use self::{
    connections::BEYOND,
    key::fetch_command,
    server::{ServeError, serve},
    source::source_address,
    tls::{Tls, TlsError},
};
