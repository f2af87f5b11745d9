//! The whole of Tarn from outside: the binary as a process, the real `curl`, the real apk of Alpine 3.23.
//!
//! Every test starts a server of its own in a data folder of its own, so they run side by side. What a test needs
//! from outside is found by [`harness::tools`]; `make test` installs it.

#[cfg(test)]
mod harness;

#[cfg(test)]
mod access;
#[cfg(test)]
mod acme;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod build_tools;
#[cfg(test)]
mod client;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod conditional;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod file_names;
#[cfg(test)]
mod forge_clients;
#[cfg(test)]
mod forge_import;
#[cfg(test)]
mod forge_sources;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod index_v3;
#[cfg(test)]
mod install;
#[cfg(test)]
mod interruptions;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod noarch;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod races;
#[cfg(test)]
mod ranges;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod removal;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod s3_store;
#[cfg(test)]
mod second_factor;
#[cfg(test)]
mod slow_clients;
#[cfg(test)]
mod success;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod two_nodes;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod v3_packages;
#[cfg(test)]
mod versions;
