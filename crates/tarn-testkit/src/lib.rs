//! What the tests of several crates start. No other code depends on it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something fails"
)]

mod documents;
mod line;
mod postgres;
mod running;
mod s3_server;
mod shell;
mod suite;
mod tools;

pub use self::{
    documents::block_of,
    line::Line,
    postgres::Postgres,
    running::Running,
    s3_server::{ACCESS_KEY, REGION, S3Server, SECRET_KEY},
    suite::{Session, database_in, on_postgres, run_on_postgres, sql_in},
    tools::{cache_folder, free_address, left_out, must_say, not_run},
};
