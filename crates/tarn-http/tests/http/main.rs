//! The HTTP contract, as a client on a real socket sees it: status, headers and text of every route.
//!
//! One server for each test, in a folder of its own, with a clock that stands still until the test moves it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

mod access_table;
mod api_document;
mod api_forges;
mod api_keys;
mod api_limits;
mod api_management;
mod api_packages;
mod api_permissions;
mod api_problems;
mod api_refusals;
mod api_tokens;
mod api_visibility;
mod audit;
mod browser;
mod bursts;
mod client;
mod conditions;
mod connections;
mod credentials;
mod deleted;
mod forms;
mod generator;
mod guessing;
mod headers;
mod metrics;
mod noarch;
mod on_postgres;
mod owners;
mod pages;
mod pages_facts;
mod pages_packages;
mod paths;
mod quotas;
mod refusals;
mod second_factor;
mod server;
mod shutdown;
mod tools;
mod v3_packages;
mod web_access;
mod web_admin;
mod web_cost;
mod web_owner;
mod web_paging;
mod web_private;
mod web_repository;
mod web_session;
mod web_settings;
mod web_templates;
mod web_webhooks;
