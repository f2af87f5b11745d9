//! Whole commands: what they print, where, and how they exit.
//!
//! Each test runs the built program in a folder of its own, on a real registry where it needs one. What differs from run to
//! run (ports, dates, random secrets) is put in brackets before it is compared.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what a test needs and does not find fails the test"
)]

mod accounts;
mod client;
mod documents;
mod harness;
mod help;
mod housekeeping;
mod import;
mod inspect;
mod keys;
mod logging;
mod reference;
mod serving;
mod settings;
mod terminal;
mod webhooks;
