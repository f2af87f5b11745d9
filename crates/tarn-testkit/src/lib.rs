//! What the tests of several crates start. No other code depends on it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

mod documents;
mod postgres;
mod s3_server;
mod shell;
mod suite;
mod tools;

pub use self::{
    documents::block_of,
    postgres::Postgres,
    s3_server::{ACCESS_KEY, REGION, S3Server, SECRET_KEY},
    suite::{Session, database_in, on_postgres, run_on_postgres, sql_in},
    tools::{free_address, left_out, not_run},
};
