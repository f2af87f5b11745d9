//! The tables, brought up to date by refinery: all migrations in one transaction, or none.
//!
//! refinery's own driver begins transactions of its own; this one works inside of the one that [`migrate`] holds, which has the lock of
//! those who write.

use deadpool_postgres::tokio_postgres::{Client, Error};
use refinery_core::{
    AsyncMigrate, Migration, Runner,
    traits::r#async::{AsyncQuery, AsyncTransaction},
};

use super::{
    super::{
        MetadataError,
        migrations::{self, HISTORY},
    },
    WRITERS,
    address::PostgresAddress,
    connections::{Connector, Session},
};

/// Refuses a database that a newer version of the program made.
pub(super) async fn refuse_newer(
    address: &PostgresAddress,
    connector: &Connector,
) -> Result<(), MetadataError> {
    let (client, _task) = connector.connect(Session::default()).await?;
    is_known(address, &client).await
}

async fn is_known(address: &PostgresAddress, client: &Client) -> Result<(), MetadataError> {
    let is_there = client
        .query_one("SELECT to_regclass($1) IS NOT NULL", &[&HISTORY])
        .await?;
    if !is_there.try_get::<_, bool>(0)? {
        return Ok(());
    }
    let newest_made = format!("SELECT CAST(MAX(version) AS BIGINT) FROM {HISTORY}");
    let found = client.query_one(&newest_made, &[]).await?.try_get(0)?;
    migrations::refuse_newer(address, found)
}

/// Brings the tables up to date in one transaction. A second process that starts at the same time waits, and then finds them made.
pub(super) async fn migrate(
    address: &PostgresAddress,
    connector: &Connector,
) -> Result<(), MetadataError> {
    let (client, _task) = connector.connect(Session::default()).await?;
    // What is not committed goes with the connection.
    client.batch_execute(&format!("BEGIN; {WRITERS}")).await?;
    is_known(address, &client).await?;
    let made = match migrations::of_postgres() {
        Ok(migrations) => {
            Runner::new(&migrations)
                .set_grouped(true)
                .run_async(&mut Within(&client))
                .await
        }
        Err(error) => Err(error),
    };
    made.map_err(|error| migrations::failed(address.to_string(), error))?;
    Ok(client.batch_execute("COMMIT").await?)
}

/// A connection in a transaction.
struct Within<'c>(&'c Client);

impl AsyncTransaction for Within<'_> {
    type Error = Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        statements: T,
    ) -> Result<usize, Error> {
        let mut count = 0;
        for statement in statements {
            self.0.batch_execute(statement).await?;
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncQuery<Vec<Migration>> for Within<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, Error> {
        let rows = self.0.query(query, &[]).await?;
        rows.iter()
            .map(|row| {
                let (at, checksum): (String, String) = (row.try_get(2)?, row.try_get(3)?);
                let (number, name) = (row.try_get(0)?, row.try_get(1)?);
                Ok(migrations::made(number, name, &at, &checksum))
            })
            .collect()
    }
}

impl AsyncMigrate for Within<'_> {}
