//! The stations, put together.

use std::sync::Arc;

use crate::{
    access::{Access, Accounts},
    blobs::{BlobError, Blobs, FolderLock},
    clock::Clock,
    index::Indexes,
    keys::{KeyError, Keys, Sealer},
    metadata::{Metadata, MetadataError},
    publish::Publisher,
    settings::Settings,
};

/// A registry: cheap to clone, and every clone is the same one.
#[derive(Clone)]
pub struct Registry(Arc<Stations>);

struct Stations {
    settings: Settings,
    clock: Clock,
    metadata: Metadata,
    blobs: Blobs,
    access: Access,
    accounts: Accounts,
    keys: Keys,
    indexes: Indexes,
    publisher: Publisher,
    /// Held while this process serves, so that no second server takes the same folder.
    _lock: Option<FolderLock>,
}

/// Why a registry could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database.
    #[error("cannot open the database")]
    Metadata(#[from] MetadataError),
    /// The folder of the blobs.
    #[error("cannot open the data folder")]
    Blobs(#[from] BlobError),
    /// The key that seals private keys.
    #[error("cannot read the sealing key")]
    Keys(#[from] KeyError),
}

impl Registry {
    /// Opens the registry for administration, beside a server or without one.
    ///
    /// # Errors
    ///
    /// When the folder, the database or the sealing key cannot be opened.
    pub async fn open(settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let blobs = Blobs::open(settings.data_dir.clone()).await?;
        Self::assemble(settings, clock, blobs, None).await
    }

    /// Opens the registry to serve it: takes the lock of the data folder and removes what a crash left behind.
    ///
    /// # Errors
    ///
    /// As [`Registry::open`], and when another server holds the folder.
    pub async fn open_for_serving(settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let blobs = Blobs::open(settings.data_dir.clone()).await?;
        let lock = blobs.lock().await?;
        Self::assemble(settings, clock, blobs, Some(lock)).await
    }

    async fn assemble(
        settings: Settings,
        clock: Clock,
        blobs: Blobs,
        lock: Option<FolderLock>,
    ) -> Result<Self, OpenError> {
        let metadata = Metadata::open(&settings.database).await?;
        let sealer = match &settings.sealing_key {
            Some(key) => Sealer::from_setting(key)?,
            None => Sealer::from_data_folder(&settings.data_dir)?,
        };
        let keys = Keys::new(metadata.clone(), sealer, clock.clone(), settings.key_size);
        Ok(Self(Arc::new(Stations {
            access: Access::new(metadata.clone(), clock.clone(), settings.access.clone()),
            accounts: Accounts::new(metadata.clone(), clock.clone(), settings.access.clone()),
            indexes: Indexes::new(
                metadata.clone(),
                keys.clone(),
                settings.index_cache,
                settings.package_limits.clone(),
            ),
            publisher: Publisher::new(metadata.clone(), blobs.clone(), clock.clone(), &settings),
            keys,
            blobs,
            metadata,
            clock,
            settings,
            _lock: lock,
        })))
    }

    /// What it was told.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Its time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The facts.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The bytes of packages.
    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    /// Who a caller is.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// Accounts, organisations and tokens.
    pub fn accounts(&self) -> &Accounts {
        &self.0.accounts
    }

    /// Signing keys.
    pub fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Signed indexes.
    pub fn indexes(&self) -> &Indexes {
        &self.0.indexes
    }

    /// The way in for packages.
    pub fn publisher(&self) -> &Publisher {
        &self.0.publisher
    }
}
