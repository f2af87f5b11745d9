//! The facts, asked for and changed as the rest of the server does it, on a real database: every test on a file of SQLite, and once more on
//! a database of a PostgreSQL server (`on_postgres`).

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

mod accounts;
mod audit;
mod batches;
mod blob_facts;
mod catalog;
mod certificates;
mod database;
mod deleted_files;
mod guesses;
mod imports;
mod indexes;
mod job_runs;
mod on_postgres;
mod packages;
mod processes;
mod quotas;
mod relations;
mod second_factors;
mod sessions;
mod signing_keys;
mod sqlite_files;
mod what_is_noted;
mod windows;

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    name::PackageName,
    version::Version,
};
use futures_util::future::join_all;
use rusqlite::{Connection, types::ValueRef};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, OwnerName, RepositoryName},
};
use tarn_store::metadata::{
    Act, Actor, AuditFilter, Database, FileAddress, IndexedPackage, Metadata, NewBlob,
    NewPackageFile, NewToken, NewUser, NewWebhook, OwnerId, PackageAddress, PackageFile,
    PackageFormat, RecordError, Recorded, Through, UserChange, Visibility, WebhookEvents,
};
use tarn_testkit::on_postgres;
use tempfile::TempDir;

/// 2026-11-22 21:00:00 UTC.
const START: Timestamp = Timestamp::from_seconds(1_795_381_200);

/// What is done is done by an administrator on the server's machine.
const ACT: Act<'_> = Act {
    by: &Actor::COMMAND_LINE,
    at: START,
};

/// The same at that moment.
fn act(at: Timestamp) -> Act<'static> {
    Act { at, ..ACT }
}

/// A database in a folder of its own, with the user `alice`.
struct World {
    folder: TempDir,
    metadata: Metadata,
    alice: OwnerId,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let metadata = open(&folder).await;
        let alice = add_user(&metadata, "alice").await;
        Self {
            folder,
            metadata,
            alice,
        }
    }

    /// Records `name` 1.0-r0 for `arch` in edge/main.
    async fn record(&self, name: &str, arch: &str) -> Result<Recorded, RecordError> {
        self.record_at(name, arch, START).await
    }

    async fn record_at(
        &self,
        name: &str,
        arch: &str,
        now: Timestamp,
    ) -> Result<Recorded, RecordError> {
        record(&self.metadata, self.alice, name, arch, now).await
    }

    /// Records these for `x86_64`: the first in a transaction of its own, for which all others wait and gather. Nothing may
    /// have been recorded before, for it is answered a moment before the next has its turn. Gives how many transactions that
    /// took, too.
    async fn record_together(&self, names: &[&str]) -> (Vec<Result<Recorded, RecordError>>, u64) {
        let before = self.metadata.recording_transactions();
        let writer = Writer::of(&self.folder);
        let records = names.iter().map(|name| self.record(name, "x86_64"));
        // Each is polled once before the lock is free: the first waits for the lock, and the others for the first.
        let (recorded, ()) = tokio::join!(join_all(records), async { drop(writer) });
        (recorded, self.metadata.recording_transactions() - before)
    }

    /// Runs SQL as another process does, and gives what the columns of each row hold.
    fn sql(&self, text: &str) -> Vec<Vec<String>> {
        sql(&self.folder, text)
    }

    async fn remove(&self, name: &str, arch: &str, now: Timestamp) -> bool {
        self.metadata
            .remove_package(
                &PackageAddress {
                    owner: self.alice,
                    branch: &branch(),
                    repository: &main_repository(),
                    arch: &Arch::parse(arch).unwrap(),
                    name: &PackageName::parse(name).unwrap(),
                    version: &Version::parse("1.0-r0").unwrap(),
                },
                &Act {
                    by: &Actor::COMMAND_LINE,
                    at: now,
                },
            )
            .await
            .unwrap()
    }

    async fn file(&self, arch: &str, file_name: &str) -> Option<PackageFile> {
        self.metadata
            .package_file(&FileAddress {
                owner: self.alice,
                branch: &branch(),
                repository: &main_repository(),
                arch: &Arch::parse(arch).unwrap(),
                file_name,
            })
            .await
            .unwrap()
    }

    /// The packages of a v2 index at a generation.
    async fn rows_at(&self, of: Recorded, arch: &str, generation: i64) -> Vec<IndexedPackage> {
        let index = (&Arch::parse(arch).unwrap(), PackageFormat::V2);
        let metadata = &self.metadata;
        let rows = metadata.index_rows(of.repository, index, generation, 0, 1_000);
        rows.await.unwrap()
    }

    /// Their names and architectures.
    async fn index_at(&self, of: Recorded, arch: &str, generation: i64) -> Vec<String> {
        let rows = self.rows_at(of, arch, generation).await;
        let facts = rows.iter().map(|row| row.facts.read().unwrap());
        let names = facts.map(|facts| format!("{} {}", facts.name, facts.arch));
        names.collect()
    }
}

/// The database of that folder, on the engine that the tests run on.
fn database(folder: &TempDir) -> Database {
    match tarn_testkit::database_in(folder.path()) {
        Some(url) => Database::Postgres(url.parse().unwrap()),
        None => Database::Sqlite(folder.path().join("tarn.db")),
    }
}

async fn open(folder: &TempDir) -> Metadata {
    Metadata::open(&database(folder)).await.unwrap()
}

/// Runs SQL in the database of that folder as another process does, and gives what the columns of each row hold.
fn sql(folder: &TempDir, text: &str) -> Vec<Vec<String>> {
    if on_postgres() {
        let rows = tarn_testkit::sql_in(folder.path(), text);
        let columns = |row: &str| row.split('|').map(str::to_owned).collect();
        return rows.lines().map(columns).collect();
    }
    rows_of(
        &Connection::open(folder.path().join("tarn.db")).unwrap(),
        text,
    )
}

/// The same in a database of SQLite.
fn rows_of(database: &Connection, text: &str) -> Vec<Vec<String>> {
    let mut statement = database.prepare(text).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns)
            .map(|column| {
                Ok(match row.get_ref(column)? {
                    ValueRef::Integer(number) => number.to_string(),
                    value => value.as_str().unwrap_or_default().to_owned(),
                })
            })
            .collect()
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// Another process that has begun to write: everyone else waits until it is dropped.
struct Writer {
    _sqlite: Option<Connection>,
    _postgres: Option<tarn_testkit::Session>,
}

impl Writer {
    fn of(folder: &TempDir) -> Self {
        let postgres = on_postgres().then(|| {
            let lock = "BEGIN; SELECT pg_advisory_xact_lock(6071310);";
            tarn_testkit::Session::begin(folder.path(), lock)
        });
        let sqlite = (!on_postgres()).then(|| {
            let connection = Connection::open(folder.path().join("tarn.db")).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            connection
        });
        Self {
            _sqlite: sqlite,
            _postgres: postgres,
        }
    }
}

fn name(name: &str) -> OwnerName {
    OwnerName::parse(name).unwrap()
}

/// A public user of that name who signs in by tokens only.
fn user(name: &OwnerName) -> NewUser<'_> {
    NewUser {
        name,
        password_hash: None,
        admin: false,
        visibility: Visibility::Public,
    }
}

async fn add_user(metadata: &Metadata, called: &str) -> OwnerId {
    let added = metadata.add_user(user(&name(called)), &ACT).await;
    added.unwrap().id
}

async fn add_administrator(metadata: &Metadata, called: &str) -> OwnerId {
    let name = name(called);
    let new = NewUser {
        admin: true,
        ..user(&name)
    };
    metadata.add_user(new, &ACT).await.unwrap().id
}

/// A token without limits.
fn token<'t>(owner: OwnerId, label: &'t str, hash: &'t [u8; 32]) -> NewToken<'t> {
    NewToken {
        owner,
        label,
        hash,
        scopes: "read:package",
        limits: "",
        networks: "",
        expires_at: None,
        at_most: 10,
    }
}

/// A webhook for everything.
fn webhook(owner: OwnerId, seed: &[u8; 16]) -> NewWebhook<'_> {
    NewWebhook {
        owner,
        url: "https://hooks.example/",
        seed,
        sealed: b"sealed",
        events: WebhookEvents::ALL,
        active: true,
        at_most: 2,
    }
}

/// What changes nothing of a user but whether the account is disabled.
fn disabled(disabled: bool) -> UserChange<'static> {
    UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    }
}

/// The entries of the audit log about such actions.
fn about(action: &str) -> AuditFilter {
    AuditFilter {
        action: Some(action.to_owned()),
        ..AuditFilter::default()
    }
}

async fn record(
    metadata: &Metadata,
    owner: OwnerId,
    name: &str,
    arch: &str,
    now: Timestamp,
) -> Result<Recorded, RecordError> {
    metadata
        .record_package(
            &package(owner, name, arch, blob(name)),
            &Act {
                by: &actor(owner),
                at: now,
            },
        )
        .await
}

fn package(owner: OwnerId, name: &str, arch: &str, blob: NewBlob) -> NewPackageFile {
    NewPackageFile::new(
        owner,
        branch(),
        main_repository(),
        &facts(name, arch),
        PackageHash::Identity(Identity::from_bytes([7; 20])),
        blob,
    )
}

/// A v2 package that says no more than it has to.
fn facts(name: &str, arch: &str) -> PackageFacts {
    let format = Format::V2 {
        data_hash: digest(name),
    };
    PackageFacts {
        description: format!("The package {name}"),
        ..PackageFacts::new(
            format,
            PackageName::parse(name).unwrap(),
            Version::parse("1.0-r0").unwrap(),
            Arch::parse(arch).unwrap(),
        )
    }
}

/// That account, by a request.
fn actor(account: OwnerId) -> Actor {
    Actor {
        account: Some((account, "alice".to_owned())),
        token: None,
        address: Some([192, 0, 2, 1].into()),
        through: Through::Http,
    }
}

/// Bytes that belong to that name.
fn blob(name: &str) -> NewBlob {
    NewBlob {
        place: 0,
        sha256: digest(name),
        size: 7,
    }
}

/// A digest that belongs to that name, as long as names differ in their first 32 bytes.
fn digest(name: &str) -> Sha256Digest {
    let mut bytes = [0; 32];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    Sha256Digest::from_bytes(bytes)
}

fn branch() -> Branch {
    Branch::parse("edge").unwrap()
}

fn main_repository() -> RepositoryName {
    RepositoryName::parse("main").unwrap()
}
