//! The edge: requests in, answers out. The only module that knows the web framework.
//!
//! A handler takes the request apart, calls one function of another part, and puts the answer together. It holds
//! no rules. What must never be here: SQL, files, formats.

mod api;
mod areas;
mod authorize;
mod code;
mod cookies;
mod cross_site;
mod error;
mod fallback;
mod monitoring;
mod packages;
mod routes;
mod transport;
mod web;

pub use crate::{
    code::refusals,
    packages::key::fetch_command,
    routes::api_description,
    transport::{
        connections::BEYOND,
        server::{ServeError, serve},
        source::source_address,
        tls::{Tls, TlsError},
    },
};
