//! The server's certificate, where an authority issues it by ACME.
//!
//! Certificate, account and challenges are rows, and the private keys among them are sealed. So one certificate serves all servers on one
//! database: one of them orders, under a lease; all look for a new one every few seconds; and the authority may connect to any of them,
//! which answers out of the row of the challenge. A restart finds the certificate and orders none.
//!
//! It is renewed when a third of its life is left: for one of 90 days 30 days before its end. An order that fails is tried again
//! after a minute, and after ever longer pauses, since authorities count failures and refuse those who try too often.

mod due;

use std::{
    error::Error,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{sleep, timeout};

use self::due::{due_at, pause_after};
use crate::{
    leased::{Leased, under_lease},
    resources::Resources,
};
use tarn_base::{
    clock::Timestamp, counter::Counter, hint::Hint as _, sealer::SealError, secret::Secret,
};
use tarn_net::{AcmeError, Authority};
use tarn_store::metadata::{CertificateOf, FailedOrders, MetadataError, StoredCertificate};

/// How often the rows are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How long an order may take. An authority is given up after half of it.
const ORDER: Duration = Duration::from_secs(300);

/// The name of the lease.
const LEASE_NAME: &str = "certificate";

/// The account is not of an owner.
const NO_OWNER: i64 = 0;

/// How to order the certificate.
#[derive(Debug, Clone)]
pub struct AcmeSettings {
    /// Who issues it.
    pub authority: Authority,
    /// For which names, at least one: in lower case.
    pub names: Vec<String>,
    /// Where the authority writes to about it.
    pub email: Option<String>,
}

/// A certificate with its key.
#[derive(Debug)]
pub struct ServerCertificate {
    /// The certificate and those of its issuers, in PEM.
    pub chain: String,
    /// Its private key, in PEM.
    pub private_key: Secret,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

/// What is known of the certificate, for the metrics.
#[derive(Debug, Default)]
pub struct CertificateCounts {
    /// Certificates that this server had issued.
    pub issued: Counter,
    /// Orders of this server that failed.
    pub failed: Counter,
    /// When the certificate in use ends, in seconds since 1970; 0 where there is none.
    not_after: AtomicI64,
    /// How many orders failed since the last that did not, of whichever server.
    failing: AtomicU64,
}

impl CertificateCounts {
    /// When the certificate in use ends, in seconds since 1970; 0 where there is none.
    pub fn not_after(&self) -> u64 {
        u64::try_from(self.not_after.load(Ordering::Relaxed)).unwrap_or_default()
    }

    /// How many orders failed since the last that did not.
    pub fn failing(&self) -> u64 {
        self.failing.load(Ordering::Relaxed)
    }
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error(transparent)]
    Acme(#[from] AcmeError),
    #[error("the database failed: {0}")]
    Metadata(#[from] MetadataError),
    #[error("a private key: {0}")]
    Seal(#[from] SealError),
    #[error("the order was given up after {} seconds", ORDER.as_secs())]
    GivenUp,
    #[error("the new certificate has to be renewed already: check this server's clock")]
    Old,
}

/// The certificate of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Certificates(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    resources: Resources,
    settings: AcmeSettings,
    /// The names as the rows have them.
    key: String,
    started_at: Timestamp,
    counts: CertificateCounts,
}

impl Certificates {
    pub(crate) fn new(resources: Resources, settings: AcmeSettings) -> Self {
        let mut names = settings.names.clone();
        names.sort_unstable();
        Self(Arc::new(Parts {
            started_at: resources.clock.now(),
            resources,
            settings,
            key: names.join(","),
            counts: CertificateCounts::default(),
        }))
    }

    /// The names that it is for, as the settings give them.
    pub fn names(&self) -> &[String] {
        &self.0.settings.names
    }

    /// What is known of it.
    pub fn counts(&self) -> &CertificateCounts {
        &self.0.counts
    }

    /// The digest that the authority wants to find under a name now.
    pub async fn challenge(&self, name: &str) -> Result<Option<[u8; 32]>, MetadataError> {
        let Resources {
            metadata, clock, ..
        } = &self.0.resources;
        metadata.acme_challenge(name, clock.now()).await
    }

    /// What keeps the certificate. `present` takes each one into use, and says why where it can't.
    pub fn keeper<P>(&self, present: P) -> Keeper<P>
    where
        P: Fn(&ServerCertificate) -> Result<(), Box<dyn Error + Send + Sync>>,
    {
        Keeper {
            certificates: self.clone(),
            present,
            shown: None,
        }
    }
}

impl Parts {
    fn of(&self) -> CertificateOf<'_> {
        CertificateOf {
            directory: self.settings.authority.directory(),
            names: &self.key,
        }
    }

    /// What the private key is called where it is sealed.
    fn sealed_as(&self) -> String {
        format!("certificate/{}", self.key)
    }

    fn opened(&self, stored: &StoredCertificate) -> Result<ServerCertificate, SealError> {
        let sealed = &stored.private_key;
        let private_key = self
            .resources
            .sealer
            .open(NO_OWNER, &self.sealed_as(), sealed)?;
        Ok(ServerCertificate {
            chain: stored.chain.clone(),
            private_key,
            not_after: stored.not_after,
        })
    }

    /// Where the account is, and the address that it is of.
    fn account_of(&self) -> (&str, &str) {
        let email = self.settings.email.as_deref().unwrap_or_default();
        (self.settings.authority.directory(), email)
    }

    /// The account's credentials. Credentials sealed with another key are replaced.
    async fn account(&self) -> Result<Secret, OrderError> {
        let (metadata, settings) = (&self.resources.metadata, &self.settings);
        let (directory, email) = self.account_of();
        let name = format!("acme/{directory}");
        if let Some(sealed) = metadata.acme_account(directory, email).await?
            && let Ok(credentials) = self.resources.sealer.open(NO_OWNER, &name, &sealed)
        {
            return Ok(credentials);
        }
        let credentials = settings
            .authority
            .register(settings.email.as_deref())
            .await?;
        let exposed = credentials.expose();
        let sealed = self.resources.sealer.seal(NO_OWNER, &name, exposed)?;
        metadata
            .keep_acme_account(directory, email, &sealed)
            .await?;
        Ok(credentials)
    }

    /// Orders a certificate, and keeps it.
    async fn order(&self) -> Result<StoredCertificate, OrderError> {
        let Resources {
            metadata, clock, ..
        } = &self.resources;
        let credentials = self.account().await?;
        let AcmeSettings {
            authority, names, ..
        } = &self.settings;
        let begun = authority.begin(&credentials, names).await;
        if let Err(AcmeError::NoAccount) = begun {
            // The next order makes another.
            let (directory, email) = self.account_of();
            metadata.forget_acme_account(directory, email).await?;
        }
        let begun = begun?;
        for proof in begun.proofs() {
            let now = clock.now();
            metadata
                .keep_acme_challenge(&proof.name, &proof.digest, now, now.after(ORDER))
                .await?;
        }
        let proofs = begun.proofs().to_vec();
        let issued = begun.finish().await;
        for proof in proofs {
            let forgotten = metadata.forget_acme_challenge(&proof.name, &proof.digest);
            if let Err(error) = forgotten.await {
                // It expires by itself.
                tracing::warn!(%error, "could not remove an answer to the authority");
            }
        }
        let issued = issued?;
        let key = issued.private_key.expose();
        let new = StoredCertificate {
            private_key: self
                .resources
                .sealer
                .seal(NO_OWNER, &self.sealed_as(), key)?,
            chain: issued.chain,
            not_before: issued.not_before,
            not_after: issued.not_after,
        };
        metadata.keep_certificate(self.of(), &new).await?;
        let now = clock.now();
        match due_at(Some(&new), None, (self.started_at, now)) <= now {
            true => Err(OrderError::Old),
            false => Ok(new),
        }
    }

    /// Orders one if it is time for it, on the only server that does so now.
    async fn order_if_due(&self) -> Result<(), MetadataError> {
        if !self.is_due().await? {
            return Ok(());
        }
        let work = async {
            // Another server may have done it since.
            let done = match self.is_due().await {
                Ok(true) => self.order_and_tell().await,
                other => other.map(drop),
            };
            (done, self.resources.clock.now())
        };
        // The certificate says when an order is due, not the lease.
        let due = (self.resources.clock.now(), Duration::ZERO);
        match under_lease(&self.resources.metadata, LEASE_NAME, due, work).await? {
            Leased::Done(done) => done,
            Leased::Elsewhere | Leased::NotDue(_) => Ok(()),
        }
    }

    async fn is_due(&self) -> Result<bool, MetadataError> {
        let held = self.resources.metadata.certificate(self.of()).await?;
        let held = held.filter(|stored| self.opened(stored).is_ok());
        let failed = self.resources.metadata.failed_orders(self.of()).await?;
        let failing = failed.map_or(0, |failed| u64::from(failed.count));
        self.counts.failing.store(failing, Ordering::Relaxed);
        let now = self.resources.clock.now();
        Ok(due_at(held.as_ref(), failed, (self.started_at, now)) <= now)
    }

    async fn order_and_tell(&self) -> Result<(), MetadataError> {
        let Resources {
            metadata, clock, ..
        } = &self.resources;
        let (counts, names) = (&self.counts, &self.key);
        // Counted before: a server that can't write, or ends in the middle of each order, must not order again and again.
        let now = clock.now();
        let count = metadata.note_failed_order(self.of(), now).await?;
        let ordered = timeout(ORDER, self.order()).await;
        let error = match ordered.unwrap_or(Err(OrderError::GivenUp)) {
            Ok(new) => {
                counts.issued.one();
                let until = new.not_after.rfc3339_micros();
                tracing::info!(names, until, "a certificate was issued");
                return Ok(());
            }
            Err(error) => error,
        };
        counts.failed.one();
        // An order takes minutes: the pause begins when it has failed, also where the certificate that came was too old.
        let now = clock.now();
        let failed = FailedOrders { count, at: now };
        metadata.set_failed_orders(self.of(), failed).await?;
        let next = now.after(pause_after(count)).rfc3339_micros();
        let hint = match &error {
            OrderError::Acme(error) => error.hint(),
            _ => None,
        };
        let held = metadata.certificate(self.of()).await?;
        let until = held.map(|held| held.not_after.rfc3339_micros());
        match until {
            Some(until) => tracing::warn!(
                names, %error, hint, next, "the certificate was not renewed; the one in use is valid until {until}"
            ),
            None => {
                tracing::error!(names, %error, hint, next, "no certificate was issued; there is none yet");
            }
        }
        Ok(())
    }
}

/// Keeps the certificate of a server new.
#[derive(Debug)]
pub struct Keeper<P> {
    certificates: Certificates,
    present: P,
    /// The chain of the certificate in use.
    shown: Option<String>,
}

impl<P> Keeper<P>
where
    P: Fn(&ServerCertificate) -> Result<(), Box<dyn Error + Send + Sync>>,
{
    /// Takes the newest certificate into use, where it is another one than before.
    pub async fn look(&mut self) -> Result<(), MetadataError> {
        let parts = &self.certificates.0;
        let Some(stored) = parts.resources.metadata.certificate(parts.of()).await? else {
            return Ok(());
        };
        if self.shown.as_ref() == Some(&stored.chain) {
            return Ok(());
        }
        let presented = match parts.opened(&stored) {
            Ok(certificate) => (self.present)(&certificate),
            Err(error) => Err(error.into()),
        };
        match presented {
            Ok(()) => {
                let end = stored.not_after.seconds();
                parts.counts.not_after.store(end, Ordering::Relaxed);
            }
            Err(error) => tracing::error!(%error, "the certificate in the database cannot be used"),
        }
        // Not again every few seconds.
        self.shown = Some(stored.chain);
        Ok(())
    }

    /// Orders and renews it, and takes it into use, until `shutdown` is ready.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let keep = async {
            loop {
                let ordered = self.certificates.0.order_if_due().await;
                let looked = self.look().await;
                if let Err(error) = ordered.and(looked) {
                    tracing::warn!(%error, "could not check the certificate");
                }
                sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = pin!(shutdown) => {}
            () = keep => {}
        }
    }
}
