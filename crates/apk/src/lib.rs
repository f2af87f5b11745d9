//! The formats of Alpine's package manager: bytes in, values out.
//!
//! No files, sockets, clocks, async or database in here. The contract of every parser in this crate: no input makes
//! it panic, or use memory out of proportion to the [`limits::Limits`] it was given.

pub mod acl;
pub mod arch;
pub mod cursor;
pub mod dependency;
pub mod digest;
pub mod facts;
pub mod limits;
pub mod memory;
pub mod name;
pub mod package;
mod quoted;
pub mod script;
pub mod sign;
pub mod v2;
pub mod v3;
pub mod version;
