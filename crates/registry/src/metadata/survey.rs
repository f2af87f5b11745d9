//! What a database holds that decides how a server starts, found out without making or changing anything.

use super::{Database, Metadata, MetadataError, engine::Engine, engine::sql, sqlite};

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// Somebody has an account.
    pub has_users: bool,
    /// There are secrets that only the sealing key opens.
    pub has_sealed: bool,
}

impl Metadata {
    /// Looks into a database that may not be there, or come from an earlier version. It stays as it is.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or a newer version of the program made it.
    pub async fn survey(database: &Database) -> Result<Surveyed, MetadataError> {
        let engine = match database {
            Database::Sqlite(path) => sqlite::open_unchanged(path).await?,
        };
        let Some(engine) = engine else {
            return Ok(Surveyed::default());
        };
        let surveyed = async {
            Ok(Surveyed {
                has_users: holds(&engine, "users", "SELECT 1 AS one FROM users LIMIT 1").await?,
                has_sealed: has_sealed(&engine).await?,
            })
        }
        .await;
        engine.close().await;
        surveyed
    }

    /// Whether there are secrets that only the sealing key opens: signing keys, second factors or webhooks.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn has_sealed(&self) -> Result<bool, MetadataError> {
        has_sealed(&self.engine).await
    }
}

async fn has_sealed(engine: &Engine) -> Result<bool, MetadataError> {
    Ok(holds(
        engine,
        "signing_keys",
        "SELECT 1 AS one FROM signing_keys LIMIT 1",
    )
    .await?
        || holds(
            engine,
            "second_factors",
            "SELECT 1 AS one FROM second_factors LIMIT 1",
        )
        .await?
        || holds(engine, "webhooks", "SELECT 1 AS one FROM webhooks LIMIT 1").await?)
}

/// Whether `first`, which asks for a row of `table`, finds one. A database of an earlier version may have no such table.
async fn holds(engine: &Engine, table: &str, first: &'static str) -> Result<bool, MetadataError> {
    let exists = sql!(
        "SELECT 1 AS one FROM sqlite_schema WHERE type = 'table' AND name = $1",
        table
    );
    Ok(engine.row(exists).await?.is_some() && engine.row(sql!(first)).await?.is_some())
}
