//! Facts: who there is, what they published, at which generation. The only module that knows SQL.
//!
//! Every change is one transaction: saved whole, or it never happened. Inside one there is nothing but SQL: no file,
//! no network, no waiting for other callers. Every change looks at how many rows it changed. What is committed survives a
//! power cut.
//!
//! Every function fails with a [`MetadataError`] when the database does. A section `# Errors` stands where there is more to say.
//!
//! Which database it is, and that its statements run on threads that may wait, is the business of `engine.rs`.
//!
//! A caller that gives up (drops the future) in the middle of a change leaves nothing behind, but for the last
//! moment: a commit under way is not called back, nor is a package that is being recorded (`committer.rs`). So a caller that goes
//! away without an answer can't know; who gets an answer can rely on it.

mod admission;
mod audit;
mod audit_entries;
mod batches;
mod blob_facts;
mod catalog;
mod certificates;
mod change_times;
mod committer;
mod db_version;
mod deleted_files;
mod deliveries;
mod engine;
mod error;
mod event_facts;
mod expiry_rules;
mod file_removals;
mod foreign_tokens;
mod given;
mod guesses;
mod imports;
mod indexes;
mod job_runs;
mod kinds;
mod leases;
mod live_files;
mod members;
mod memory;
mod migrations;
mod outbox;
mod owners;
mod packages;
mod pages;
mod postgres;
mod publishing;
mod quotas;
mod relations;
mod removals;
mod renames;
mod rows;
mod second_factors;
mod served_files;
mod sessions;
mod signing_keys;
mod sqlite;
mod stored_facts;
mod survey;
mod teams;
mod tokens;
mod users;
mod webhooks;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use self::memory::Answers;
pub use self::{
    audit::{Act, Actor, Refused},
    audit_entries::{AuditEntry, AuditFilter, Named},
    batches::{in_batches, rest_since},
    blob_facts::{BlobFacts, BlobStanding, NewBlob, STRAY_GRACE},
    catalog::{
        ArchitectureState, CatalogFile, CatalogOwner, CatalogPlace, CatalogRepository,
        CatalogVersion, FileOfPackage, FilesWanted, Found, InScope, ListedFile, OwnersWanted,
        ReadScope, RepositoryState, VersionPlace,
    },
    certificates::{CertificateOf, FailedOrders, StoredCertificate},
    deleted_files::{Deleted, DeletedFile, Waiting},
    deliveries::{Delivery, Outcome, Redelivered, TakenDelivery},
    error::MetadataError,
    event_facts::{AccountFacts, EventFacts, PackageFacts},
    expiry_rules::{ExpiryRule, NewExpiryRule},
    file_removals::Removed,
    foreign_tokens::{ForeignHash, NewForeignToken},
    guesses::{GuessCount, Guessed},
    imports::{Imported, ImportedKind, ImportedUser, SealFactor},
    indexes::{IndexChanges, IndexHead, IndexedPackage},
    job_runs::JobRun,
    kinds::{
        AuditResult, DeliveryId, DeliveryState, EventSubject, ExpiryRuleId, KeyState, KeyType,
        OwnerId, OwnerKind, PackageFileId, PackageFormat, RepositoryId, Role, SessionId,
        SigningKeyId, TeamId, Through, TokenId, UnknownWord, VersionRule, Visibility, WebhookEvent,
        WebhookId,
    },
    leases::{Lease, LeaseAnswer},
    live_files::{LiveFile, OldPackage},
    members::Member,
    owners::{AddOwnerError, BUILT_IN_TEAMS, Owner},
    packages::{NewPackageFile, PackageAddress, Past, RecordError, Recorded},
    pages::{Page, Window},
    postgres::{BadAddress, PostgresAddress},
    quotas::{OverQuota, OwnQuota, Quota, Usage},
    relations::{Dependent, MOST_DEPENDENTS, MOST_RELATED, Provider, RelatedPackage},
    removals::RemoveOwnerError,
    renames::{FormerName, MAX_FORMER_NAMES, Relimit, RenameError},
    second_factors::{CodeClaim, CodeOutcome, SecondFactor},
    served_files::{FileAddress, PackageFile},
    sessions::{NewSession, Session},
    signing_keys::{
        AddKeyError, ChangeKeyError, KeyOrigin, MAX_ACTIVE_KEYS, NewSigningKey, OtherKeys,
        SigningKeyRow,
    },
    stored_facts::{PackageSigner, StoredFacts, StoredFactsError, StoredSigners},
    survey::Surveyed,
    teams::{Team, TeamError, TeamGrantRow},
    tokens::{AddTokenError, Bearer, NewToken, Token},
    users::{ChangeUserError, NewUser, User, UserChange},
    webhooks::{AddWebhookError, NewWebhook, WebhookChange, WebhookEvents, WebhookRow},
};

/// How long a change waits until nothing else writes, if it is not set otherwise. A request makes one change as a rule, so that it is
/// answered within ten seconds.
pub const WRITE_WAIT: Duration = Duration::from_secs(8);

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a process has one or two")]
pub enum Database {
    /// A file, made when there is none. Its folder must be there, on a local disk.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server, which must be there; its tables are made when there are none.
    Postgres(PostgresAddress),
}

impl fmt::Display for Database {
    /// Without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

/// The database, open. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Metadata {
    engine: engine::Engine,
    committer: Arc<committer::Committer>,
    memory: Arc<Memory>,
}

/// The answers that serving files needs again and again.
#[derive(Debug)]
struct Memory {
    watch: Arc<db_version::Watch>,
    owners: Answers<String, Option<Owner>>,
    former_owners: Answers<String, Option<Owner>>,
    users: Answers<String, Option<User>>,
    team_grants: Answers<(OwnerId, OwnerId), Arc<[TeamGrantRow]>>,
    tokens: Answers<[u8; 32], Option<(Token, Bearer)>>,
    second_factors: Answers<OwnerId, Option<SecondFactor>>,
    sessions: Answers<[u8; 32], Option<(Session, User)>>,
    signing_keys: Answers<OwnerId, Arc<[SigningKeyRow]>>,
    index_heads: Answers<indexes::Place, Option<IndexHead>>,
    package_files: Answers<served_files::Place, Option<PackageFile>>,
}

impl Memory {
    fn new(watch: db_version::Watch) -> Self {
        let watch = Arc::new(watch);
        Self {
            owners: Answers::new(&watch, 10_000),
            former_owners: Answers::new(&watch, 10_000),
            users: Answers::new(&watch, 10_000),
            team_grants: Answers::new(&watch, 10_000),
            tokens: Answers::new(&watch, 10_000),
            second_factors: Answers::new(&watch, 10_000),
            sessions: Answers::new(&watch, 10_000),
            signing_keys: Answers::new(&watch, 1_000),
            index_heads: Answers::new(&watch, 10_000),
            package_files: Answers::new(&watch, 50_000),
            watch,
        }
    }

    /// Keeps what a transaction that only published did not change. `before` is the version that was read inside of it.
    fn published(
        &self,
        before: Option<db_version::DbVersion>,
        after: Option<db_version::DbVersion>,
    ) {
        let Some(over) = self.watch.carried(before, after) else {
            return;
        };
        self.owners.carry(over);
        self.former_owners.carry(over);
        self.users.carry(over);
        self.team_grants.carry(over);
        self.tokens.carry(over);
        self.second_factors.carry(over);
        self.sessions.carry(over);
        self.signing_keys.carry(over);
        self.package_files.carry(over);
    }
}

impl Metadata {
    /// Opens the database, making it when there is none, and brings its tables up to date.
    ///
    /// Several processes may have it open at once.
    ///
    /// # Errors
    ///
    /// When it cannot be opened or made, a newer version of the program made it, or a migration fails.
    pub async fn open(database: &Database) -> Result<Self, MetadataError> {
        Self::open_with(database, WRITE_WAIT).await
    }

    /// The same, where a change waits for at most `write_wait` until nothing else writes, in this process and in others. Then it
    /// fails with [`MetadataError::Busy`].
    ///
    /// # Errors
    ///
    /// As [`Metadata::open`].
    pub async fn open_with(
        database: &Database,
        write_wait: Duration,
    ) -> Result<Self, MetadataError> {
        let (engine, watch) = match database {
            Database::Sqlite(path) => sqlite::open(path).await?,
            Database::Postgres(address) => postgres::open(address).await?,
        };
        let engine = engine.with_write_wait(write_wait);
        let memory = Arc::new(Memory::new(watch));
        let committer = committer::Committer::start(engine.clone(), Arc::clone(&memory));
        Ok(Self {
            committer: Arc::new(committer),
            engine,
            memory,
        })
    }

    /// How many questions the database was asked so far. What memory answers is none, and those inside of transactions that write are
    /// left out.
    pub fn questions(&self) -> u64 {
        self.engine.questions().value()
    }

    /// Waits for what is under way and closes. Every use after this is an error.
    pub async fn close(&self) {
        self.engine.close().await;
        let memory = Arc::clone(&self.memory);
        let closed = tokio::task::spawn_blocking(move || memory.watch.close()).await;
        if let Err(error) = closed {
            tracing::warn!(%error, "the database was not closed in order");
        }
    }
}
