//! The HTTP contract, as a client on a real socket sees it: status, headers and text of every route.
//!
//! One server for each test, in a folder of its own, with a clock that stands still until the test moves it.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod api_document;
mod api_packages;
mod api_problems;
mod api_visibility;
mod client;
mod conditions;
mod connections;
mod credentials;
mod forms;
mod headers;
mod noarch;
mod paths;
mod permissions;
mod refusals;
mod server;
