//! The same tests on PostgreSQL.

tarn_testkit::suite_on_postgres!("--skip", "no_secret_is_in_the_files_of_the_database");
