//! A connection to the database of another program, for imports.

use deadpool_postgres::tokio_postgres::Client;

use super::{super::MetadataError, PostgresAddress, tls::Tls};

impl PostgresAddress {
    /// A connection to this database, whatever is in it. It ends with the client.
    ///
    /// # Errors
    ///
    /// When the trusted certificates can't be read, or the server refuses.
    pub async fn connect(&self) -> Result<Client, MetadataError> {
        let tls = Tls::new(self).await?;
        let connected = self.config().connect(tls).await;
        let (client, connection) = connected.map_err(|error| MetadataError::Open {
            database: self.to_string(),
            hint: "check the settings, and that the server takes connections from here".to_owned(),
            source: error.into(),
        })?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to another program's database ended");
            }
        });
        Ok(client)
    }
}
