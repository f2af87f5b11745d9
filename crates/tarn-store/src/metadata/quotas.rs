//! How much an owner has, and how much they may have.
//!
//! What they have is a counter, moved in the transactions that add and remove files. So no rows are counted, and of two
//! uploads that want the last place one gets it.

use std::collections::BTreeMap;

use super::{
    Act, Metadata, MetadataError, OwnerId,
    audit::Done,
    engine::{Transaction, sql},
    given::{Given, given},
    rows::{Columns, FromRow, Joined, row, size_in_row},
};

/// The most that an owner may have. `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all files of the newest generations together; a noarch file counts once.
    pub bytes: Option<u64>,
    /// How many such files.
    pub packages: Option<u64>,
}

row! {
    /// Limits of one owner in place of the server's. `None`: the server's holds.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct OwnQuota {
        /// No limit on bytes and packages, whatever the server's are. The two below are `None` then.
        pub unlimited: bool,
        /// Bytes of all files together.
        pub bytes: Option<u64>,
        /// How many files.
        pub packages: Option<u64>,
        /// Bytes of one upload, more or less than the server takes from others.
        pub upload: Option<u64>,
    }
}

row! {
    /// What an owner has now.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub struct Usage {
        /// Bytes of all files of the newest generations; a noarch file counts once.
        pub bytes: u64,
        /// How many such files.
        pub packages: u64,
    }
}

/// Why an owner cannot have another file. The text is for the uploader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    /// Its bytes do not fit.
    #[error(
        "the quota of this owner does not hold the package: {used} of {limit} bytes are used and this upload needs \
         {needed}; delete packages, or ask an administrator of this server for more"
    )]
    Bytes {
        /// How many there may be.
        limit: u64,
        /// How many there are.
        used: u64,
        /// How many the upload needs.
        needed: u64,
    },
    /// It would be one too many.
    #[error(
        "the quota of this owner does not hold the package: {used} of {limit} packages are there and this upload needs \
         1; delete packages, or ask an administrator of this server for more"
    )]
    Packages {
        /// How many there may be.
        limit: u64,
        /// How many there are.
        used: u64,
    },
}

impl Quota {
    /// Says whether a file of `needed` bytes may come to what is `used`.
    ///
    /// # Errors
    ///
    /// Which limit it would break.
    pub fn admit(&self, used: Usage, needed: u64) -> Result<(), OverQuota> {
        if let Some(limit) = self.packages
            && used.packages >= limit
        {
            let used = used.packages;
            return Err(OverQuota::Packages { limit, used });
        }
        if let Some(limit) = self.bytes
            && used.bytes.saturating_add(needed) > limit
        {
            let used = used.bytes;
            return Err(OverQuota::Bytes {
                limit,
                used,
                needed,
            });
        }
        Ok(())
    }
}

impl OwnQuota {
    /// What holds for an owner with these limits where `default` holds for others.
    pub fn over(self, default: Quota) -> Quota {
        if self.unlimited {
            return Quota::default();
        }
        Quota {
            bytes: self.bytes.or(default.bytes),
            packages: self.packages.or(default.packages),
        }
    }
}

/// The columns of a [`Holding`], for a SELECT with [`usage_joins`].
macro_rules! usage_columns {
    () => {
        "owner_usage.bytes, owner_usage.packages, quotas.unlimited, quotas.bytes, quotas.packages, quotas.upload"
    };
}
pub(super) use usage_columns;

/// The tables of [`usage_columns`], beside `owners`.
macro_rules! usage_joins {
    () => {
        "LEFT JOIN owner_usage ON owner_usage.owner_id = owners.id LEFT JOIN quotas ON quotas.owner_id = owners.id"
    };
}
pub(super) use usage_joins;

/// The question for one owner.
macro_rules! usage_of_one {
    () => {
        concat!(
            "SELECT ",
            usage_columns!(),
            " FROM owners ",
            usage_joins!(),
            " WHERE owners.id = $1"
        )
    };
}

impl Metadata {
    /// What an owner has, and the limits that are theirs alone.
    pub async fn usage(&self, owner: OwnerId) -> Result<(Usage, OwnQuota), MetadataError> {
        let holding: Option<Holding> = self.engine.look_up(sql!(usage_of_one!(), owner)).await?;
        Ok(holding.map_or_else(Default::default, |Holding { usage, own }| (usage, own)))
    }

    /// What an owner has, counted file by file: what [`Metadata::usage`] should say.
    pub async fn counted_usage(&self, owner: OwnerId) -> Result<Usage, MetadataError> {
        self.engine
            .row(sql!(
                "SELECT CAST(COALESCE(SUM(package_files.size), 0) AS BIGINT) AS bytes, COUNT(*) AS packages \
                 FROM repositories JOIN package_files ON package_files.repository_id = repositories.id \
                 WHERE repositories.owner_id = $1 AND package_files.removed_at IS NULL",
                owner
            ))
            .await?
            .ok_or(MetadataError::Missing("count"))
    }

    /// Gives an owner the limits of their own that `change` makes of those they had; with `None`, the server's. No other caller changes
    /// them in between. `false` when nothing was to be changed. What is there stays, also where it is more than the new limits.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when a limit is beyond what the database holds, or it
    /// fails.
    pub async fn change_quota(
        &self,
        owner: OwnerId,
        change: impl FnOnce(OwnQuota) -> Option<OwnQuota> + Send,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        transaction.lock_owner(owner).await?;
        let before = sql!(usage_of_one!(), owner);
        let before: Holding = transaction.one("owner", before).await?;
        let quota = change(before.own);
        let in_row = |limit: Option<u64>| limit.map(size_in_row).transpose();
        let changed = match quota {
            None => transaction
                .run(sql!("DELETE FROM quotas WHERE owner_id = $1", owner))
                .await?,
            Some(quota) => transaction
                .run(sql!(
                    "INSERT INTO quotas (owner_id, unlimited, bytes, packages, upload) VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT (owner_id) DO UPDATE SET unlimited = excluded.unlimited, bytes = excluded.bytes, \
                     packages = excluded.packages, upload = excluded.upload \
                     WHERE quotas.unlimited <> excluded.unlimited OR quotas.bytes IS DISTINCT FROM excluded.bytes \
                     OR quotas.packages IS DISTINCT FROM excluded.packages \
                     OR quotas.upload IS DISTINCT FROM excluded.upload",
                    owner,
                    quota.unlimited,
                    in_row(quota.bytes)?,
                    in_row(quota.packages)?,
                    in_row(quota.upload)?
                ))
                .await?,
        };
        if changed == 0 {
            return Ok(false);
        }
        let detail = quota.map(|quota| quota.to_string());
        let action = match quota {
            Some(_) => "quota.change",
            None => "quota.delete",
        };
        let done = Done::of(owner, action, "").with(detail.as_deref());
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }
}

/// What an owner has and may have, in the middle of a transaction.
pub(super) struct Holding {
    usage: Usage,
    own: OwnQuota,
}

impl FromRow for Holding {
    const COLUMNS: usize = Usage::COLUMNS + OwnQuota::COLUMNS;

    fn take(left: &mut Columns) -> Result<Self, MetadataError> {
        let (usage, own): (Joined<Usage>, Joined<OwnQuota>) = FromRow::take(left)?;
        Ok(Self {
            usage: usage.0.unwrap_or_default(),
            own: own.0.unwrap_or_default(),
        })
    }
}

impl Holding {
    /// Says whether the owner may have another file of `size` bytes.
    pub(super) fn admit(&self, size: u64, default: Quota) -> Result<(), OverQuota> {
        self.own.over(default).admit(self.usage, size)
    }

    /// Counts a file that comes, for those behind it.
    pub(super) fn take(&mut self, size: u64) {
        self.usage.bytes = self.usage.bytes.saturating_add(size);
        self.usage.packages += 1;
    }
}

/// Counts files of these sizes that come to owners, in the transaction that records them.
pub(super) fn taken(files: impl Iterator<Item = (OwnerId, i64)>) -> Given {
    let mut taken: BTreeMap<OwnerId, (i64, i64)> = BTreeMap::new();
    for (owner, size) in files {
        let (bytes, packages) = taken.entry(owner).or_default();
        *bytes = bytes.saturating_add(size);
        *packages += 1;
    }
    given!(
        taken,
        |(owner, (bytes, packages))| {
            owner_id: owner,
            bytes: bytes,
            packages: packages,
        },
        "INSERT INTO owner_usage (owner_id, bytes, packages) SELECT owner_id, bytes, packages FROM given WHERE TRUE \
         ON CONFLICT (owner_id) DO UPDATE SET bytes = owner_usage.bytes + excluded.bytes, \
         packages = owner_usage.packages + excluded.packages"
    )
    .each_changes("usage of the owner")
}

/// Counts a file of `size` bytes that goes, in the transaction that removes it.
pub(super) async fn give_back(
    transaction: &mut Transaction,
    owner: OwnerId,
    size: u64,
) -> Result<(), MetadataError> {
    let statement = sql!(
        "UPDATE owner_usage SET bytes = bytes - $2, packages = packages - 1 WHERE owner_id = $1",
        owner,
        size_in_row(size)?
    );
    transaction.run_one("usage of the owner", statement).await
}

impl std::fmt::Display for OwnQuota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = |limit: Option<u64>| match limit {
            Some(limit) => limit.to_string(),
            None if self.unlimited => "no limit".to_owned(),
            None => "the server's".to_owned(),
        };
        write!(
            f,
            "bytes: {}, packages: {}, ",
            said(self.bytes),
            said(self.packages)
        )?;
        match self.upload {
            Some(upload) => write!(f, "one upload: {upload}"),
            None => f.write_str("one upload: the server's"),
        }
    }
}
