//! The edge: requests in, answers out. The only module that knows the web framework.
//!
//! A handler takes the request apart, calls one function of another station, and puts the answer together. It holds
//! no rules. What must never be here: SQL, files, formats.

mod api;
mod authorize;
mod body;
mod code;
mod conditional;
mod connection;
mod cross_site;
mod download;
mod error;
mod health;
mod host;
mod index;
mod key;
mod malformed;
mod metrics;
mod pace;
mod package;
mod path;
mod routes;
mod server;
mod source;
mod trace;
mod unread;
mod upload;
mod workers;

pub use self::{
    key::fetch_command,
    server::{ServeError, serve},
    source::source_address,
};
