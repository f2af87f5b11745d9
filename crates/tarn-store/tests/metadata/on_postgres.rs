//! The same tests on PostgreSQL.

tarn_testkit::suite_on_postgres!("--skip", "sqlite_files::");
