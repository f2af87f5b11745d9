//! The whole of Tarn from outside: the binary as a process, the real `curl`, the real apk of Alpine 3.23.
//!
//! Every test starts a server of its own in a data folder of its own, so they run side by side. What a test needs
//! from outside is found by [`harness::tools`]; `make test` installs it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something fails"
)]

/// A tool that a test needs. Where it is missing, the test is left out: it returns.
macro_rules! found {
    ($tool:expr) => {
        match $tool {
            Some(found) => found,
            None => return,
        }
    };
}

mod harness;

mod access;
mod acme;
mod browser;
mod build_tools;
mod client;
mod commands;
mod compose;
mod conditional;
mod credentials;
mod documents;
mod durability;
mod file_names;
mod forge_again;
mod forge_clients;
mod forge_import;
mod forge_sources;
mod hostile;
mod index_v3;
mod install;
mod interruptions;
mod limits;
mod noarch;
mod pages;
mod postgres;
mod proxy;
mod races;
mod reference;
mod removal;
mod rotation;
mod s3_store;
mod second_factor;
mod slow_clients;
mod team;
mod tls;
mod two_nodes;
mod uploads;
mod v3_packages;
mod versions;
