//! The JSON API under `/api/v1`: one file a group of routes, each handler with its description beside it.
//!
//! Where Forgejo and Gitea have a route for the same, the path and the names of the fields are theirs. The list of all
//! routes is `http/routes.rs`; `document.rs` makes the OpenAPI document of it.

pub(super) mod administer;
pub(super) mod audit;
mod callers;
pub(super) mod deleted;
pub(super) mod document;
pub(super) mod extract;
mod forges;
pub(super) mod hooks;
pub(super) mod keys;
mod moment;
pub(super) mod organisations;
pub(super) mod owners;
pub(super) mod packages;
pub(super) mod paging;
pub(super) mod parameters;
mod paths;
pub(super) mod problem;
pub(super) mod quotas;
pub(super) mod search;
pub(super) mod second_factor;
pub(super) mod server_version;
pub(super) mod teams;
pub(super) mod tokens;
pub(super) mod user;
pub(super) mod users;
mod versions;
mod words;
