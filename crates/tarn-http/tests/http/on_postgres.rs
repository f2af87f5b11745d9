//! The same tests on PostgreSQL.

use tarn_store::metadata::{Database, Metadata};

#[test]
fn every_test_passes_on_postgresql_too() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let migrate = |url: &str| {
        let database = Database::Postgres(url.parse().unwrap());
        runtime.block_on(async { Metadata::open(&database).await.unwrap().close().await });
    };
    tarn_testkit::suite_on_postgres(
        &["--skip", "no_secret_is_in_the_files_of_the_database"],
        migrate,
    );
}
