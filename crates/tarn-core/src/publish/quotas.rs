//! What an owner may have, for those who administer it.

use crate::settings::Settings;
use tarn_base::clock::Clock;
use tarn_store::metadata::{
    Actor, Metadata, MetadataError, OwnQuota, OwnerId, Quota, Usage, Waiting,
};

/// What an owner has and may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// What is there.
    pub used: Usage,
    /// What deleted packages keep on the disk.
    pub waiting: Waiting,
    /// The limits in force.
    pub limit: Quota,
    /// The most bytes of one upload.
    pub upload: u64,
    /// Those of the limits that are the owner's own.
    pub own: OwnQuota,
}

/// Limits to be changed. `None`: as it was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaChange {
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// How many files.
    pub packages: Option<u64>,
    /// Bytes of one upload.
    pub upload: Option<u64>,
}

/// The owners' limits.
#[derive(Debug, Clone)]
pub struct Quotas {
    metadata: Metadata,
    clock: Clock,
    default: Quota,
    max_upload: u64,
}

impl Quotas {
    /// Limits in `metadata`, over those of the settings.
    pub fn new(metadata: Metadata, clock: Clock, settings: &Settings) -> Self {
        Self {
            metadata,
            clock,
            default: settings.quota,
            max_upload: settings.max_upload,
        }
    }

    /// What an owner has and may have.
    pub async fn allowance(&self, owner: OwnerId) -> Result<Allowance, MetadataError> {
        let (used, own) = self.metadata.usage(owner).await?;
        Ok(Allowance {
            used,
            waiting: self.metadata.waiting_to_be_freed(owner).await?,
            limit: own.over(self.default),
            upload: own.upload.unwrap_or(self.max_upload),
            own,
        })
    }

    /// Gives an owner limits of their own. Those that `change` leaves out stay as they were, but that an owner without
    /// any limit gets the server's for them.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when the database fails.
    pub async fn change(
        &self,
        owner: OwnerId,
        change: QuotaChange,
        by: &Actor,
    ) -> Result<(), MetadataError> {
        let change = |own: OwnQuota| {
            Some(OwnQuota {
                unlimited: own.unlimited && change.bytes.is_none() && change.packages.is_none(),
                bytes: change.bytes.or(own.bytes),
                packages: change.packages.or(own.packages),
                upload: change.upload.or(own.upload),
            })
        };
        self.merge(owner, change, by).await
    }

    /// Takes every limit on bytes and packages from an owner.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when the database fails.
    pub async fn lift(&self, owner: OwnerId, by: &Actor) -> Result<(), MetadataError> {
        let lifted = |own: OwnQuota| {
            Some(OwnQuota {
                unlimited: true,
                upload: own.upload,
                ..OwnQuota::default()
            })
        };
        self.merge(owner, lifted, by).await
    }

    /// Puts these limits in the place of the owner's own; with `None` the server's hold again.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when the database fails.
    pub async fn set(
        &self,
        owner: OwnerId,
        quota: Option<OwnQuota>,
        by: &Actor,
    ) -> Result<(), MetadataError> {
        self.merge(owner, |_| quota, by).await
    }

    async fn merge(
        &self,
        owner: OwnerId,
        change: impl FnOnce(OwnQuota) -> Option<OwnQuota> + Send,
        by: &Actor,
    ) -> Result<(), MetadataError> {
        let act = by.at(self.clock.now());
        self.metadata
            .change_quota(owner, change, &act)
            .await
            .map(drop)
    }
}
