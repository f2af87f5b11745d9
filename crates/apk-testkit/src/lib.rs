//! Makes packages of both formats, good and bad, for tests, fuzzers and measurements. Only a dev-dependency: no part of the server has it.

pub mod facts;
pub mod v2;
pub mod v3;
