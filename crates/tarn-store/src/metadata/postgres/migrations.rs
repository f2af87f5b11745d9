//! The tables, brought up to date by refinery: all migrations in one transaction, or none.
//!
//! refinery's own driver begins transactions of its own; this one works inside of the one that [`migrate`] holds, which has the lock of
//! those who write.

use deadpool_postgres::tokio_postgres::{Client, Error};
use refinery_core::{
    AsyncMigrate, Migration, Runner,
    error::Kind,
    traits::r#async::{AsyncQuery, AsyncTransaction},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    super::MetadataError,
    WRITERS,
    address::PostgresAddress,
    connections::{Connector, Session},
};

macro_rules! migrations {
    ($($name:literal from $file:literal),+ $(,)?) => {
        /// In the order of their numbers. refinery wants the names so.
        pub(super) const MIGRATIONS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../migrations/postgres/", $file)))),+
        ];
    };
}

migrations! {
    "V1__registry" from "0001_registry.sql",
    "V2__audit" from "0002_audit.sql",
    "V3__access" from "0003_access.sql",
    "V4__second_factors" from "0004_second_factors.sql",
    "V5__quotas" from "0005_quotas.sql",
    "V6__webhooks" from "0006_webhooks.sql",
    "V7__catalog" from "0007_catalog.sql",
    "V8__sessions" from "0008_sessions.sql",
    "V9__certificates" from "0009_certificates.sql",
}

/// Where refinery writes down which migrations were made.
const HISTORY: &str = "refinery_schema_history";

fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

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
    let newest_made = format!("SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM {HISTORY}");
    let found: i64 = client.query_one(&newest_made, &[]).await?.try_get(0)?;
    let known = newest();
    if found > known {
        let database = address.to_string();
        return Err(MetadataError::Newer {
            database,
            found,
            known,
        });
    }
    Ok(())
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
    let migrations: Result<Vec<Migration>, _> = MIGRATIONS
        .iter()
        .map(|(name, text)| Migration::unapplied(name, text))
        .collect();
    let made = match migrations {
        Ok(migrations) => {
            Runner::new(&migrations)
                .set_grouped(true)
                .run_async(&mut Within(&client))
                .await
        }
        Err(error) => Err(error),
    };
    made.map_err(|error| failed(address, error))?;
    Ok(client.batch_execute("COMMIT").await?)
}

fn failed(address: &PostgresAddress, error: refinery_core::Error) -> MetadataError {
    let database = address.to_string();
    match error.kind() {
        Kind::DivergentVersion(made, _) => MetadataError::Unreleased {
            database,
            migration: made.version().into(),
        },
        _ => MetadataError::Migrate {
            database,
            source: error.into(),
        },
    }
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
                // What can't be read is no migration of this program: its checksum differs.
                let at = OffsetDateTime::parse(&at, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
                let checksum = checksum.parse().unwrap_or(0);
                Ok(Migration::applied(
                    row.try_get(0)?,
                    row.try_get(1)?,
                    at,
                    checksum,
                ))
            })
            .collect()
    }
}

impl AsyncMigrate for Within<'_> {}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The files of a folder of migrations, in order.
    fn files(engine: &str) -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("migrations")
            .join(engine);
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read_to_string(path).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    /// What a migration lets a column hold: each list of words, and each condition that is no list.
    fn rules(text: &str) -> Vec<String> {
        let code: Vec<&str> = text
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .collect();
        let code = code.join(" ").replace(" COLLATE \"C\"", "");
        let mut rules: Vec<String> = ["CHECK (", "UNIQUE (", "PRIMARY KEY ("]
            .into_iter()
            .flat_map(|word| {
                code.match_indices(word)
                    .map(|(at, _)| {
                        let mut depth = 0;
                        let rule = code.get(at..).unwrap_or_default();
                        rule.chars()
                            .take_while(|letter| {
                                depth += i32::from(*letter == '(') - i32::from(*letter == ')');
                                *letter != ')' || depth > 0
                            })
                            .collect()
                    })
                    .collect::<Vec<String>>()
            })
            .collect();
        rules.sort();
        rules
    }

    #[test]
    fn the_migrations_are_those_of_sqlite() {
        let (own, others) = (files("postgres"), files("sqlite"));
        let known: Vec<&str> = MIGRATIONS.iter().map(|(_, text)| *text).collect();
        let texts: Vec<&str> = own.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts, known);
        for (number, (name, _)) in MIGRATIONS.iter().enumerate() {
            assert!(name.starts_with(&format!("V{}__", number + 1)), "{name}");
        }
        assert_eq!(own.len(), others.len());
        for ((name, text), (other_name, other_text)) in own.iter().zip(&others) {
            assert_eq!(name, other_name);
            assert_eq!(rules(text), rules(other_text), "{name}");
        }
    }
}
