//! The parts of a registry, put together.

use std::{net::IpAddr, sync::Arc};

use crate::{
    access::{Access, Accounts, AuditLog, Refusals, SecondFactors},
    certificates::Certificates,
    contents::Contents,
    imports::Imports,
    index::Indexes,
    jobs::JobCounts,
    keys::Keys,
    metrics::RequestCounts,
    publish::{Publisher, Quotas, Remover, expiry::Expiry},
    resources::Resources,
    settings::Settings,
    turns::TurnsOf,
    webhooks::{Deliverer, DeliveryLimits, Webhooks},
};
use apk::facts::RENDERING;
use tarn_base::{
    clock::Clock,
    random::Random,
    sealer::{Sealer, SealerError},
};
use tarn_net::{AddressRules, Client, ClientLimits, Resolver, Roots};
use tarn_store::{
    blobs::Blobs,
    metadata::{Actor, Database, Metadata},
};

mod error;

pub use error::OpenError;

/// Methods that give the parts of something: what each is, its name, its type.
macro_rules! parts {
    ($self:ident => $from:expr; $($(#[$doc:meta])* $part:ident: $type:ty;)+) => {
        $(
            $(#[$doc])*
            pub fn $part(&$self) -> &$type {
                &$from.$part
            }
        )+
    };
}

/// Those methods for the parts of an [`Administration`].
macro_rules! administered {
    ($self:ident => $from:expr) => {
        parts! {
            $self => $from;
            /// Accounts, organisations and tokens.
            accounts: Accounts;
            /// Second factors.
            second_factors: SecondFactors;
            /// Signing keys.
            keys: Keys;
            /// Webhooks.
            webhooks: Webhooks;
            /// What comes from another registry.
            imports: Imports;
            /// Who did what.
            audit: AuditLog;
            /// What owners have and may have.
            quotas: Quotas;
            /// The way out for packages.
            remover: Remover;
            /// The rules by which packages go by themselves.
            expiry: Expiry;
        }
    };
}

/// The sealing key of the settings, else the one in the data folder. Makes nothing.
fn sealing_key(settings: &Settings) -> Result<Option<Sealer>, SealerError> {
    match &settings.sealing_key {
        Some(key) => Sealer::from_setting(key).map(Some),
        None => Sealer::found_in_data_folder(&settings.data_dir),
    }
}

/// What a server would find that is started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// There is no account yet: it makes the first one.
    pub is_first_run: bool,
    /// It makes the sealing key.
    pub makes_sealing_key: bool,
}

impl Survey {
    /// Looks at the database and the sealing key as [`Registry::open`] does, and makes and changes nothing.
    ///
    /// # Errors
    ///
    /// When [`Registry::open`] would fail for one of them.
    pub async fn of(settings: &Settings) -> Result<Self, OpenError> {
        let found = Metadata::survey(&settings.database).await?;
        let key = sealing_key(settings)?;
        match (&key, &found.sealing_check) {
            (Some(key), Some(check)) => key.check(check)?,
            (None, Some(_)) => {
                return Err(Sealer::missing_from_data_folder(&settings.data_dir, true).into());
            }
            (_, None) => {}
        }
        Ok(Self {
            is_first_run: !found.has_users,
            makes_sealing_key: key.is_none(),
        })
    }
}

/// What can be administered beside a running server: the database, and nothing of the packages' bytes.
#[derive(Debug, Clone)]
pub struct Administration {
    resources: Resources,
    accounts: Accounts,
    second_factors: SecondFactors,
    keys: Keys,
    webhooks: Webhooks,
    imports: Imports,
    audit: AuditLog,
    quotas: Quotas,
    remover: Remover,
    expiry: Expiry,
}

impl Administration {
    /// Opens the database and the sealing key, and makes what is not there. Only who holds the folder alone may: the
    /// server at its first run.
    ///
    /// # Errors
    ///
    /// When one of them cannot be opened, and when the sealing key is gone or another one than the database's.
    pub async fn open(settings: &Settings, clock: &Clock) -> Result<Self, OpenError> {
        Self::open_with(settings, clock, true).await
    }

    /// Opens a registry that is there, perhaps beside its server, and makes no sealing key: the server may have its own from a
    /// setting that this process was not given, and would not open what another one seals.
    ///
    /// # Errors
    ///
    /// When the database or the sealing key cannot be opened, when there is no sealing key, or another one than the database's.
    pub async fn open_existing(settings: &Settings, clock: &Clock) -> Result<Self, OpenError> {
        Self::open_with(settings, clock, false).await
    }

    /// Takes the sealing key that is there now for that of the database, after the old one was lost for good. What the old one
    /// sealed stays closed for ever. The server must not run meanwhile: it goes on with the old one.
    ///
    /// # Errors
    ///
    /// When the database or the sealing key cannot be opened, and when there is no sealing key.
    pub async fn replace_sealing_key(
        settings: &Settings,
        clock: &Clock,
        by: &Actor,
    ) -> Result<(), OpenError> {
        let metadata = Metadata::open(&settings.database).await?;
        let missing = || Sealer::missing_from_data_folder(&settings.data_dir, false);
        let key = sealing_key(settings)?.ok_or_else(missing)?;
        let text = key.check_text().map_err(SealerError::Check)?;
        let act = by.at(clock.now());
        let replaced = metadata.replace_sealing_check(&text, &act).await;
        metadata.close().await;
        Ok(replaced?)
    }

    async fn open_with(
        settings: &Settings,
        clock: &Clock,
        may_make_key: bool,
    ) -> Result<Self, OpenError> {
        let metadata = Metadata::open_with(&settings.database, settings.write_wait).await?;
        Self::over(metadata, settings, clock, may_make_key).await
    }

    async fn over(
        metadata: Metadata,
        settings: &Settings,
        clock: &Clock,
        may_make_key: bool,
    ) -> Result<Self, OpenError> {
        let check = metadata.sealing_check().await?;
        let sealer = match sealing_key(settings)? {
            Some(key) => key,
            None if may_make_key && check.is_none() => {
                Sealer::from_data_folder(&settings.data_dir)?
            }
            None => {
                let needed = check.is_some();
                return Err(Sealer::missing_from_data_folder(&settings.data_dir, needed).into());
            }
        };
        // Another sealing key beside keys that this database's own one seals would leave every index without a signature, and be
        // noticed when a client asks for one. So it is with second factors and with webhooks.
        let check = match check {
            Some(check) => check,
            None => {
                let text = sealer.check_text().map_err(SealerError::Check)?;
                metadata.keep_sealing_check(&text).await?
            }
        };
        sealer.check(&check)?;
        let resources = Resources {
            metadata,
            sealer: Arc::new(sealer),
            clock: clock.clone(),
            random: Random::system(),
        };
        let metadata = || resources.metadata.clone();
        let rules = AddressRules::new(settings.webhook_networks.clone());
        Ok(Self {
            audit: AuditLog::new(metadata()),
            quotas: Quotas::new(metadata(), clock.clone(), settings),
            expiry: Expiry::new(metadata(), clock.clone()),
            remover: Remover::new(metadata(), clock.clone(), settings),
            accounts: Accounts::new(metadata(), clock.clone()),
            second_factors: SecondFactors::new(resources.clone(), &settings.access),
            keys: Keys::new(resources.clone(), settings.key_size),
            webhooks: Webhooks::new(resources.clone(), rules),
            imports: Imports::new(resources.clone()),
            resources,
        })
    }

    /// The facts.
    pub fn metadata(&self) -> &Metadata {
        &self.resources.metadata
    }

    administered!(self => self);
}

/// A registry that serves: cheap to clone, and every clone is the same one.
#[derive(Debug, Clone)]
pub struct Registry(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    settings: Settings,
    clock: Clock,
    administration: Administration,
    blobs: Blobs,
    access: Access,
    certificates: Option<Certificates>,
    refusals: Refusals,
    indexes: Indexes,
    contents: Contents,
    publisher: Publisher,
    requests: RequestCounts,
    job_counts: JobCounts,
    list_turns: TurnsOf<IpAddr>,
}

impl Registry {
    /// Opens the registry, for this process alone: no second server takes the same folder while this one lives. What
    /// a crash left half received is removed.
    ///
    /// # Errors
    ///
    /// When the folder, the database or the sealing key cannot be opened, or another server holds the folder; when there
    /// are packages' files and the database is new.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let blobs = Blobs::open(settings.data_dir.clone(), &settings.storage).await?;
        Self::over(blobs, settings, clock).await
    }

    /// Opens a registry that is there for an import, beside its server where one runs: it publishes, and everything that two
    /// servers share is safe to share with it. It makes no sealing key, as [`Administration::open_existing`].
    ///
    /// # Errors
    ///
    /// As [`Registry::open`], and when another import runs.
    pub async fn open_beside(settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let blobs = Blobs::open_beside(settings.data_dir.clone(), &settings.storage).await?;
        Self::with(blobs, settings, clock, false).await
    }

    /// What [`Registry::open`] gives, over a store that is open: that of the settings.
    ///
    /// # Errors
    ///
    /// As [`Registry::open`].
    pub async fn over(blobs: Blobs, settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let registry = Self::with(blobs, settings, clock, true).await?;
        let (version, now) = (i64::from(RENDERING), registry.clock().now());
        registry.metadata().note_rendering(version, now).await?;
        Ok(registry)
    }

    async fn with(
        blobs: Blobs,
        settings: Settings,
        clock: Clock,
        may_make_key: bool,
    ) -> Result<Self, OpenError> {
        let metadata = open_database(&settings, &blobs).await?;
        let administration =
            Administration::over(metadata, &settings, &clock, may_make_key).await?;
        let resources = administration.resources.clone();
        let metadata = &administration.resources.metadata;
        let keys = administration.keys().clone();
        let limits = settings.package_limits.clone();
        let factors = administration.second_factors().clone();
        let access = Access::new(resources.clone(), settings.access, factors)?;
        access.recall_guesses().await?;
        let acme = settings.acme.clone();
        let certificates = acme.map(|acme| Certificates::new(resources, acme));
        Ok(Self(Arc::new(Parts {
            access,
            certificates,
            refusals: Refusals::start(metadata.clone(), clock.clone(), settings.refusals),
            contents: Contents::new(blobs.clone(), limits.clone()),
            indexes: Indexes::new(metadata.clone(), keys, settings.index_cache, limits),
            publisher: Publisher::new(metadata.clone(), blobs.clone(), clock.clone(), &settings),
            requests: RequestCounts::default(),
            job_counts: JobCounts::default(),
            list_turns: TurnsOf::new(1),
            blobs,
            administration,
            clock,
            settings,
        })))
    }

    parts! {
        self => self.0;
        /// Its settings.
        settings: Settings;
        /// Its time.
        clock: Clock;
        /// What commands need too: accounts, keys and all that is set up.
        administration: Administration;
        /// The bytes of packages.
        blobs: Blobs;
        /// Who a caller is.
        access: Access;
    }

    /// The facts.
    pub fn metadata(&self) -> &Metadata {
        self.0.administration.metadata()
    }

    administered!(self => self.0.administration);

    /// The certificate that an authority issues, where one does.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.0.certificates.as_ref()
    }

    parts! {
        self => self.0;
        /// What was refused, on its way into the audit log.
        refusals: Refusals;
        /// Signed indexes.
        indexes: Indexes;
        /// What is in packages.
        contents: Contents;
        /// The way in for packages.
        publisher: Publisher;
        /// What was counted of requests and connections.
        requests: RequestCounts;
        /// What is counted of its jobs.
        job_counts: JobCounts;
        /// Whose turn it is to ask for a list: one at a time for each network that requests come from. So the lists of one client,
        /// however slow and many, have the database's readers no more often than those of any other.
        list_turns: TurnsOf<IpAddr>;
    }

    /// What sends messages to webhooks, as the settings say. It works once it is started.
    pub fn deliverer(&self) -> Deliverer {
        let rules = AddressRules::new(self.settings().webhook_networks.clone());
        self.deliverer_with(
            Client::new(
                rules,
                Resolver::system(),
                Roots::OfTheSystem,
                ClientLimits::default(),
            ),
            DeliveryLimits::default(),
        )
    }

    /// The same, by another client.
    pub fn deliverer_with(&self, client: Client, limits: DeliveryLimits) -> Deliverer {
        Deliverer::new(self.0.administration.resources.clone(), client, limits)
    }
}

/// Opens the database beside `blobs`, unless it is a new one and there are some: then the database is elsewhere, or lost,
/// and an operator who goes on with a new one believes that all is well.
async fn open_database(settings: &Settings, blobs: &Blobs) -> Result<Metadata, OpenError> {
    let strange = || OpenError::StrangeBlobs {
        blobs: settings.storage.shown(&settings.data_dir),
        database: settings.database.to_string(),
    };
    let has_blobs = blobs.store().any().await?;
    // Before one is made, so that none is in the way of the one that is to be restored.
    let is_new = match &settings.database {
        Database::Sqlite(path) => path.try_exists().is_ok_and(|is_there| !is_there),
        Database::Postgres(_) => !Metadata::survey(&settings.database).await?.has_users,
    };
    if has_blobs && is_new {
        return Err(strange());
    }
    let metadata = Metadata::open_with(&settings.database, settings.write_wait).await?;
    if has_blobs && metadata.user_count().await? == 0 {
        metadata.close().await;
        return Err(strange());
    }
    let new = Random::system().text(b"0123456789abcdef", 32)?;
    let identifier = metadata.identifier(&new).await?;
    blobs.store().claim(&identifier).await?;
    Ok(metadata)
}
