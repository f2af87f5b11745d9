//! The server library of Tarn: its modules are the stations a package passes.

pub mod clock;
pub mod names;
