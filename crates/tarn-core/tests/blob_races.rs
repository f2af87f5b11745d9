//! Publishers and sweepers of the same bytes, with a pause at every step, and uploads that die between the put and the record: no
//! package that was taken ever loses its bytes.
//!
//! The publishers and sweepers are those of the server, or of two servers that share PostgreSQL and an S3 store. What they do is a race
//! because all publish one of a few packages, each into a repository of its own, delete it soon, and keep nothing that was deleted.
//!
//! `TARN_RACE_ROUNDS` sets how many packages are taken in each test.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use apk::{arch::Arch, digest::Sha256Digest, sign::KeySize};
use apk_testkit::v2::PackageBuilder;
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest as _, Sha256};
use tarn_base::{
    clock::{Clock, Timestamp},
    names::{Branch, OwnerName, RepositoryName},
    secret::Secret,
};
use tarn_core::{
    Registry,
    jobs::{free, sweep},
    publish::{Destination, IfExists},
    settings::Settings,
};
use tarn_store::{
    blobs::{BlobKey, Blobs, Expected, S3Credentials, S3Settings, Storage},
    metadata::{Actor, BlobFacts, Database, FileAddress, NewUser, OwnerId, Visibility},
};
use tarn_testkit::{ACCESS_KEY, Postgres, S3Server, SECRET_KEY};
use tempfile::TempDir;

/// 2026-11-22 21:00:00 UTC.
const START: Timestamp = Timestamp::from_seconds(1_795_381_200);

/// That of all servers: 32 bytes.
const SEALING_KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// Publishers at once; half as many sweepers.
const PUBLISHERS: u32 = 6;

/// How many packages they all publish. The fewer, the more often they meet.
const PACKAGES: u32 = 6;

/// The longest pause, in microseconds.
const LONGEST: u64 = 4_000;

/// Numbers that are mixed enough.
#[derive(Debug, Default)]
struct Mixed(AtomicU64);

impl Mixed {
    fn below(&self, end: u64) -> u64 {
        let number = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (number ^ (number >> 27)) % end
    }

    /// Most often none, or a short one.
    fn pause(&self) -> Duration {
        Duration::from_micros(match self.below(4) {
            0 => self.below(LONGEST),
            1 => self.below(LONGEST / 20),
            _ => 0,
        })
    }
}

struct World {
    /// The servers.
    registries: Vec<Registry>,
    owner: OwnerId,
    packages: Vec<Vec<u8>>,
    mixed: Arc<Mixed>,
    /// Publishes that are still to come.
    left: AtomicU32,
    taken: AtomicU32,
    freed: AtomicU64,
}

impl World {
    /// Opens a registry in each folder; where there are several, they share a database and a store.
    async fn open(
        folders: &[TempDir],
        shared: Option<(&Database, &Storage)>,
        rounds: u32,
    ) -> Arc<Self> {
        let mixed = Arc::new(Mixed::default());
        let clock = Clock::manual(START);
        let mut registries = Vec::new();
        for folder in folders {
            let mut settings = Settings {
                key_size: KeySize::Rsa2048,
                keep_deleted: Duration::ZERO,
                sealing_key: Some(Secret::new(SEALING_KEY.to_owned())),
                ..Settings::in_folder(folder.path().to_path_buf())
            };
            if let Some((database, storage)) = shared {
                settings.database = database.clone();
                settings.storage = storage.clone();
            }
            let pauses = Arc::clone(&mixed);
            let blobs = Blobs::open(settings.data_dir.clone(), &settings.storage);
            let blobs = blobs.await.unwrap().with_pauses(move || pauses.pause());
            let registry = Registry::over(blobs, settings, clock.clone());
            registries.push(registry.await.unwrap());
        }
        let new = NewUser {
            name: &OwnerName::parse("alice").unwrap(),
            password_hash: None,
            admin: false,
            visibility: Visibility::Public,
        };
        let metadata = registries.first().unwrap().metadata();
        let server = Actor::SERVER;
        let owner = metadata.add_user(new, &server.at(START)).await;
        let owner = owner.unwrap().id;
        let package = |number| {
            PackageBuilder::new(&format!("p{number}"), "1.0-r0")
                .arch("x86_64")
                .build()
        };
        Arc::new(Self {
            registries,
            owner,
            packages: (0..PACKAGES).map(package).collect(),
            mixed,
            left: AtomicU32::new(rounds),
            taken: AtomicU32::new(0),
            freed: AtomicU64::new(0),
        })
    }

    /// The server that number so much is a client or a job of.
    fn registry(&self, number: u32) -> &Registry {
        let which = number as usize % self.registries.len();
        self.registries.get(which).unwrap()
    }

    fn is_over(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    fn any_package(&self) -> (u64, &[u8]) {
        let which = self.mixed.below(u64::from(PACKAGES));
        let package = self.packages.get(usize::try_from(which).unwrap());
        (which, package.unwrap())
    }

    /// Publishes, looks whether the bytes are there, and deletes, over and over.
    async fn publish(self: Arc<Self>, number: u32) {
        let registry = self.registry(number);
        let branch = Branch::parse("edge").unwrap();
        let repository = RepositoryName::parse(&format!("r{number}")).unwrap();
        let one_less = |left: u32| left.checked_sub(1);
        while self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
            .is_ok()
        {
            let (which, package) = self.any_package();
            let destination = Destination {
                owner: self.owner,
                branch: branch.clone(),
                repository: repository.clone(),
                by: Actor::COMMAND_LINE,
                announced: None,
                file_name: None,
                if_exists: IfExists::Refuse,
                past: None,
            };
            let body = stream::iter([Ok(Bytes::from(package.to_vec()))]);
            let published = registry.publisher().publish(destination, body).await;
            published.unwrap();
            self.taken.fetch_add(1, Ordering::Relaxed);
            let address = FileAddress {
                owner: self.owner,
                branch: &branch,
                repository: &repository,
                arch: &Arch::parse("x86_64").unwrap(),
                file_name: &format!("p{which}-1.0-r0.apk"),
            };
            // At once, and again after whatever was on its way has arrived.
            for wait in [Duration::ZERO, self.mixed.pause()] {
                tokio::time::sleep(wait).await;
                let metadata = registry.metadata();
                let found = metadata.package_file(&address).await.unwrap().unwrap();
                let store = registry.blobs().store();
                let whole = store.has_whole(&found.blob(), found.size).await.unwrap();
                assert!(whole, "{} was taken and is lost", found.blob());
            }
            let remover = registry.administration().remover();
            let removed = remover.remove(&address, &Actor::SERVER).await.unwrap();
            assert!(removed.is_some());
        }
    }

    /// Puts bytes where an upload would, and dies before it records them.
    async fn die(self: Arc<Self>, number: u32) {
        let registry = self.registry(number);
        while !self.is_over() {
            tokio::time::sleep(Duration::from_micros(self.mixed.below(8 * LONGEST))).await;
            let (_, package) = self.any_package();
            let sha256 = Sha256Digest::from_bytes(Sha256::digest(package).into());
            let known = registry.metadata().blob(&sha256).await.unwrap();
            let place = known.as_ref().map_or(0, BlobFacts::place_for_upload);
            let mut incoming = registry.blobs().begin().await.unwrap();
            incoming.write(package).unwrap();
            let key = BlobKey { sha256, place };
            let put = registry.blobs().put(&mut incoming, &key, Expected::New);
            put.await.unwrap();
        }
    }

    /// Frees what was deleted, and now and then compares the store with the database.
    async fn sweep(self: Arc<Self>, number: u32) {
        let registry = self.registry(number);
        let mut round = number;
        while !self.is_over() {
            round += 1;
            // Deleted a moment ago is long enough ago; and what was left behind is old enough now and then.
            let days = if round.is_multiple_of(40) { 31 } else { 0 };
            let step = Duration::from_secs(days * 86_400 + 1);
            registry.clock().advance(step);
            let freed = if round.is_multiple_of(20) {
                let swept = sweep(registry).await.unwrap();
                assert_eq!(swept.damaged, 0, "{swept:?}");
                swept.removed
            } else {
                free(registry).await.unwrap().blobs
            };
            self.freed.fetch_add(freed, Ordering::Relaxed);
            tokio::time::sleep(self.mixed.pause()).await;
        }
    }
}

/// Has them all race until so many packages were taken, or as many as `TARN_RACE_ROUNDS` says.
async fn race(folders: &[TempDir], shared: Option<(&Database, &Storage)>, rounds: u32) {
    let wanted = std::env::var("TARN_RACE_ROUNDS").ok();
    let rounds = wanted.map_or(rounds, |wanted| wanted.parse().unwrap());
    let world = World::open(folders, shared, rounds).await;
    let publishers = (0..PUBLISHERS).map(|number| tokio::spawn(Arc::clone(&world).publish(number)));
    let sweepers = (0..PUBLISHERS / 2).map(|number| tokio::spawn(Arc::clone(&world).sweep(number)));
    let dying = (0..2).map(|number| tokio::spawn(Arc::clone(&world).die(number)));
    let all: Vec<_> = publishers.chain(sweepers).chain(dying).collect();
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(world.taken.load(Ordering::Relaxed), rounds);
    let freed = world.freed.load(Ordering::Relaxed);
    assert!(
        freed > u64::from(rounds) / 20,
        "hardly a race: {freed} freed"
    );
    // What was left behind goes in the end, and nothing else was there.
    let registry = world.registry(0);
    for days in [1, 31, 1] {
        let step = Duration::from_secs(days * 86_400);
        registry.clock().advance(step);
        sweep(registry).await.unwrap();
    }
    assert!(!registry.blobs().store().any().await.unwrap());
}

fn folders<const COUNT: usize>() -> [TempDir; COUNT] {
    [(); COUNT].map(|()| tempfile::tempdir().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_package_that_was_taken_loses_its_bytes_in_files() {
    race(&folders::<1>(), None, 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_package_that_was_taken_by_one_of_two_servers_loses_its_bytes_in_an_s3_store() {
    let Some(server) = S3Server::versitygw() else {
        return;
    };
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.create("tarn", None);
    let database = Database::Postgres(postgres.url("tarn").parse().unwrap());
    let settings = S3Settings {
        credentials: Some(S3Credentials {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: Secret::new(SECRET_KEY.to_owned()),
            session_token: None,
        }),
        ..S3Settings::parse(&server.make_place("races")).unwrap()
    };
    let storage = Storage::S3(Box::new(settings));
    race(&folders::<2>(), Some((&database, &storage)), 200).await;
}
