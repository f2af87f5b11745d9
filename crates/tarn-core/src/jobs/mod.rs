//! Housekeeping beside the requests.

mod retain;
mod schedule;
mod sweep;

pub use self::{
    retain::{expire, forget_expired_sessions, forget_expired_tokens, retain},
    schedule::{Job, JobCounts, Schedule, run},
    sweep::{Freed, SweepError, Swept, free, sweep},
};
