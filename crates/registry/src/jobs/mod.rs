//! Housekeeping beside the requests.

mod sweep;

pub use self::sweep::{SweepError, Swept, sweep};
