//! The engine of v3: the payload of `Packages.adb` as a pure function of the one before it and of what changed.
//!
//! It does for v3 what [`super::engine`] does for v2, by the same rules: any order of changes that ends with the same packages
//! gives the same bytes, an append costs the end, a removal one chunk and the hashing behind it. [`layout`] says where
//! the payload is cut and why. Packages come as payloads of their own ([`Record`](super::Record)), and are copied from part to part by their
//! values: nothing here knows what a package is, but for what it is sorted by.
//!
//! [`State::apply`] writes and compresses; [`Unsigned`] hashes, and puts the file together. Parts that are the same are
//! shared between states, and the hash of what is before them is kept ([`Prefix`]).

mod array;
mod check;
mod cut;
mod file;
mod gathered;
mod layout;
mod open;
mod part;
mod state;

pub use self::{
    file::{Prefix, Unsigned},
    gathered::Gathered,
    state::State,
};
