//! Certificates that an authority issued by ACME, the accounts there, and what it asks for while an order is under way.
//!
//! A certificate is found by the URL of the authority's directory and by its names, so other settings find another one, or none.

use super::{
    Metadata, MetadataError,
    engine::sql,
    rows::{row, select},
};
use tarn_base::clock::Timestamp;

row! {
    /// A certificate with its key.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct StoredCertificate as certificate_columns {
        /// The certificate and those of its issuers, in PEM.
        pub chain: String = certificates.chain,
        /// Its private key, sealed.
        pub private_key: Vec<u8> = certificates.private_key,
        /// From when on it is valid.
        pub not_before: Timestamp = certificates.not_before,
        /// Until when it is valid.
        pub not_after: Timestamp = certificates.not_after,
    }
}

row! {
    /// Orders that failed one after the other.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FailedOrders as failed_columns {
        /// How many.
        pub count: u32 = failed_orders.failures,
        /// When the last one did.
        pub at: Timestamp = failed_orders.failed_at,
    }
}

/// Whose certificate: the URL of the authority's directory, and the names, sorted, with commas between.
#[derive(Debug, Clone, Copy)]
pub struct CertificateOf<'a> {
    /// The URL.
    pub directory: &'a str,
    /// The names.
    pub names: &'a str,
}

impl Metadata {
    /// The certificate that was issued last.
    pub async fn certificate(
        &self,
        of: CertificateOf<'_>,
    ) -> Result<Option<StoredCertificate>, MetadataError> {
        self.engine
            .row(sql!(
                select!(
                    certificate_columns,
                    "FROM certificates WHERE directory = $1 AND names = $2"
                ),
                of.directory,
                of.names
            ))
            .await
    }

    /// Keeps a certificate in the place of the one before, and forgets the orders that failed.
    pub async fn keep_certificate(
        &self,
        of: CertificateOf<'_>,
        new: &StoredCertificate,
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        let kept = sql!(
            "INSERT INTO certificates (directory, names, chain, private_key, not_before, not_after) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (directory, names) DO UPDATE \
             SET chain = excluded.chain, private_key = excluded.private_key, \
             not_before = excluded.not_before, not_after = excluded.not_after",
            of.directory,
            of.names,
            new.chain.as_str(),
            new.private_key.as_slice(),
            new.not_before,
            new.not_after
        );
        transaction.run_one("certificate", kept).await?;
        transaction
            .run(sql!(
                "DELETE FROM failed_orders WHERE directory = $1 AND names = $2",
                of.directory,
                of.names
            ))
            .await?;
        transaction.commit().await
    }

    /// The orders that failed since a certificate was issued, where there are any.
    pub async fn failed_orders(
        &self,
        of: CertificateOf<'_>,
    ) -> Result<Option<FailedOrders>, MetadataError> {
        self.engine
            .row(sql!(
                select!(
                    failed_columns,
                    "FROM failed_orders WHERE directory = $1 AND names = $2"
                ),
                of.directory,
                of.names
            ))
            .await
    }

    /// Counts one more order that failed. Gives how many there are.
    pub async fn note_failed_order(
        &self,
        of: CertificateOf<'_>,
        at: Timestamp,
    ) -> Result<u32, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let count = sql!(
            "INSERT INTO failed_orders (directory, names, failures, failed_at) VALUES ($1, $2, 1, $3) \
                 ON CONFLICT (directory, names) DO UPDATE \
                 SET failures = failed_orders.failures + 1, failed_at = excluded.failed_at RETURNING failures",
            of.directory,
            of.names,
            at
        );
        let count = transaction.one("count of failed orders", count).await?;
        transaction.commit().await?;
        Ok(count)
    }

    /// Says how many orders have failed, and when the last one did.
    pub async fn set_failed_orders(
        &self,
        of: CertificateOf<'_>,
        failed: FailedOrders,
    ) -> Result<(), MetadataError> {
        let statement = sql!(
            "INSERT INTO failed_orders (directory, names, failures, failed_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (directory, names) DO UPDATE SET failures = excluded.failures, failed_at = excluded.failed_at",
            of.directory,
            of.names,
            failed.count,
            failed.at
        );
        self.engine.run(statement).await.map(drop)
    }

    /// The sealed credentials of the account that was made with that address.
    pub async fn acme_account(
        &self,
        directory: &str,
        email: &str,
    ) -> Result<Option<Vec<u8>>, MetadataError> {
        let statement = sql!(
            "SELECT credentials FROM acme_accounts WHERE directory = $1 AND email = $2",
            directory,
            email
        );
        self.engine.row(statement).await
    }

    /// Keeps the sealed credentials of an account.
    pub async fn keep_acme_account(
        &self,
        directory: &str,
        email: &str,
        credentials: &[u8],
    ) -> Result<(), MetadataError> {
        self.engine
            .run(sql!(
                "INSERT INTO acme_accounts (directory, email, credentials) VALUES ($1, $2, $3) \
                 ON CONFLICT (directory, email) DO UPDATE SET credentials = excluded.credentials",
                directory,
                email,
                credentials
            ))
            .await
            .map(drop)
    }

    /// Answers the authority no more about a name, unless another answer has taken the place of this one.
    pub async fn forget_acme_challenge(
        &self,
        name: &str,
        digest: &[u8; 32],
    ) -> Result<(), MetadataError> {
        let statement = sql!(
            "DELETE FROM acme_challenges WHERE name = $1 AND digest = $2",
            name,
            digest.as_slice()
        );
        self.engine.run(statement).await.map(drop)
    }

    /// Forgets an account that the authority does not know any more.
    pub async fn forget_acme_account(
        &self,
        directory: &str,
        email: &str,
    ) -> Result<(), MetadataError> {
        let statement = sql!(
            "DELETE FROM acme_accounts WHERE directory = $1 AND email = $2",
            directory,
            email
        );
        self.engine.run(statement).await.map(drop)
    }

    /// Lets every server answer what the authority asks about a name, until `ends_at`. `digest`: the SHA-256 of the key
    /// authorization (RFC 8737, section 3). What ended by `now` is forgotten.
    pub async fn keep_acme_challenge(
        &self,
        name: &str,
        digest: &[u8; 32],
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        transaction
            .run(sql!("DELETE FROM acme_challenges WHERE ends_at <= $1", now))
            .await?;
        let kept = sql!(
            "INSERT INTO acme_challenges (name, digest, ends_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET digest = excluded.digest, ends_at = excluded.ends_at",
            name,
            digest,
            ends_at
        );
        transaction.run_one("challenge", kept).await?;
        transaction.commit().await
    }

    /// What the authority is to be answered about a name, while it may ask.
    pub async fn acme_challenge(
        &self,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<[u8; 32]>, MetadataError> {
        let statement = sql!(
            "SELECT digest FROM acme_challenges WHERE name = $1 AND ends_at > $2",
            name,
            now
        );
        self.engine.look_up(statement).await
    }
}
