//! What a database holds that decides how a server starts, found out without making or changing anything; and the text by
//! which the sealing key is checked.

use super::{
    Act, Database, Metadata, MetadataError, audit::Done, engine::Engine, engine::sql, postgres,
    sqlite,
};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surveyed {
    /// There is an account.
    pub has_users: bool,
    /// The text that only the sealing key opens, once there is one.
    pub sealing_check: Option<Vec<u8>>,
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
            Database::Postgres(address) => Some(postgres::open_unchanged(address).await?),
        };
        let Some(engine) = engine else {
            return Ok(Surveyed::default());
        };
        let surveyed = async {
            let has_users = has_table(&engine, "users").await?
                && engine
                    .any(sql!("SELECT 1 AS one FROM users LIMIT 1"))
                    .await?;
            let sealing_check = match has_table(&engine, "sealing_check").await? {
                true => sealing_check(&engine).await?,
                false => None,
            };
            Ok(Surveyed {
                has_users,
                sealing_check,
            })
        }
        .await;
        engine.close().await;
        surveyed
    }

    /// The text that only the sealing key of this database opens, once there is one.
    pub async fn sealing_check(&self) -> Result<Option<Vec<u8>>, MetadataError> {
        sealing_check(&self.engine).await
    }

    /// Keeps `sealed` as that text, unless there is one. Gives the one that is there then: of two processes that start at once, the
    /// first decides.
    pub async fn keep_sealing_check(&self, sealed: &[u8]) -> Result<Vec<u8>, MetadataError> {
        let mut transaction = self.engine.write().await?;
        transaction
            .run(sql!(
                "INSERT INTO sealing_check (one, sealed) VALUES (1, $1) ON CONFLICT (one) DO NOTHING",
                sealed
            ))
            .await?;
        let kept = sql!("SELECT sealed FROM sealing_check");
        let kept = transaction.one("check of the sealing key", kept).await?;
        transaction.commit().await?;
        Ok(kept)
    }

    /// Puts `sealed` in the place of that text, for a new sealing key after the old one was lost.
    pub async fn replace_sealing_check(
        &self,
        sealed: &[u8],
        act: &Act<'_>,
    ) -> Result<(), MetadataError> {
        let statement = sql!(
            "INSERT INTO sealing_check (one, sealed) VALUES (1, $1) ON CONFLICT (one) DO UPDATE SET sealed = excluded.sealed",
            sealed
        );
        let done = Done {
            action: "sealing-key.replace",
            ..Done::default()
        };
        let mut transaction = self.engine.write().await?;
        transaction
            .run_one("check of the sealing key", statement)
            .await?;
        transaction.note_and_commit(act, done).await
    }
}

async fn sealing_check(engine: &Engine) -> Result<Option<Vec<u8>>, MetadataError> {
    engine.row(sql!("SELECT sealed FROM sealing_check")).await
}

/// Whether there is such a table: a database of an earlier version may have none.
async fn has_table(engine: &Engine, table: &str) -> Result<bool, MetadataError> {
    let text = engine.text(
        "SELECT 1 AS one FROM sqlite_schema WHERE type = 'table' AND name = $1",
        "SELECT 1 AS one FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1",
    );
    engine.any(sql!(text, table)).await
}
