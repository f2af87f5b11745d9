//! Facts: who there is, what they published, at which generation. The only module that knows SQL.
//!
//! Every change is one transaction: saved whole, or it never happened. Inside one there is nothing but SQL: no file,
//! no network, no waiting for anybody. Every change looks at how many rows it changed. What is committed survives a
//! power cut.
//!
//! A caller that gives up (drops the future) in the middle of a change leaves nothing behind, but for the last
//! moment: a commit under way is not called back. So whoever goes away without an answer can't know; who gets an
//! answer can rely on it.

mod audit;
mod blob_facts;
mod catalog;
mod change_times;
mod engine;
mod error;
mod indexes;
mod kinds;
mod members;
mod memory;
mod owners;
mod packages;
mod signing_keys;
mod sqlite;
mod tokens;

use std::{path::PathBuf, sync::Arc};

use self::memory::Answers;
pub use self::{
    audit::{Act, Actor},
    blob_facts::{BLOB_CLAIM_LIFETIME, BLOB_GRACE, BlobClaim},
    catalog::{
        CatalogFile, CatalogOwner, CatalogRepository, CatalogVersion, Page, SEARCHED_VERSIONS,
        Sight, Window,
    },
    error::MetadataError,
    indexes::{IndexChanges, IndexHead, IndexRow, IndexedPackage},
    kinds::{
        KeyState, OwnerId, OwnerKind, PackageFileId, RepositoryId, Role, SigningKeyId, Through,
        TokenId, UnknownWord, Visibility,
    },
    owners::{AddOwnerError, NewUser, Owner, User},
    packages::{FileAddress, NewPackageFile, PackageAddress, PackageFile, RecordError, Recorded},
    signing_keys::{
        AddKeyError, ChangeKeyError, MAX_ACTIVE_KEYS, NewSigningKey, OtherKeys, SigningKeyRow,
    },
    tokens::{AddTokenError, NewToken, Token},
};

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Database {
    /// A file, made when there is none. Its folder must be there, on a local disk.
    Sqlite(PathBuf),
}

/// The database, open. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Metadata {
    engine: engine::Engine,
    memory: Arc<Memory>,
}

/// The answers that serving files needs again and again.
#[derive(Debug)]
struct Memory {
    watch: memory::Watch,
    owners: Answers<String, Option<Owner>>,
    users: Answers<String, Option<User>>,
    roles: Answers<(OwnerId, OwnerId), Option<Role>>,
    tokens: Answers<[u8; 32], Option<(Token, User)>>,
    signing_keys: Answers<OwnerId, Arc<[SigningKeyRow]>>,
    index_heads: Answers<indexes::Place, Option<IndexHead>>,
    package_files: Answers<packages::Place, Option<PackageFile>>,
    searches: catalog::Turns,
}

impl Memory {
    fn new(watch: memory::Watch) -> Self {
        Self {
            watch,
            owners: Answers::new(10_000),
            users: Answers::new(10_000),
            roles: Answers::new(10_000),
            tokens: Answers::new(10_000),
            signing_keys: Answers::new(1_000),
            index_heads: Answers::new(10_000),
            package_files: Answers::new(50_000),
            searches: catalog::Turns::new(),
        }
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
        let (engine, watch) = match database {
            Database::Sqlite(path) => sqlite::open(path).await?,
        };
        Ok(Self {
            engine,
            memory: Arc::new(Memory::new(watch)),
        })
    }

    /// Waits for what is under way and closes. Every use after this is an error.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// One statement in a transaction of its own, which must change one row.
    async fn change_one(
        &self,
        what: &'static str,
        statement: engine::Statement,
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        transaction.run_one(what, statement).await?;
        transaction.commit().await
    }

    /// One statement in a transaction of its own, which must change one row, and what is written down of it.
    async fn change_and_note(
        &self,
        what: &'static str,
        statement: engine::Statement,
        act: &Act<'_>,
        done: audit::Done<'_>,
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        transaction.run_one(what, statement).await?;
        transaction.note(act, done).await?;
        transaction.commit().await
    }
}
