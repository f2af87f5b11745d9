//! How many packages a second are recorded in one repository, by one writer and by 64, on SQLite and on PostgreSQL:
//!
//!     cargo run --release -p tarn-store --example publish_rate
//!
//! Both sync to the disk at each commit.

#![expect(clippy::print_stdout, reason = "it is a program")]

use std::{
    error::Error,
    time::{Duration, Instant},
};

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    name::PackageName,
    version::Version,
};
use sha2::{Digest as _, Sha256};
use tarn_base::{
    clock::{Clock, Timestamp},
    names::{Branch, OwnerName, RepositoryName},
};
use tarn_store::metadata::{
    Act, Actor, Database, Metadata, NewBlob, NewPackageFile, NewUser, OwnerId, Visibility,
};
use tarn_testkit::Postgres;

type Failed = Box<dyn Error + Send + Sync>;

/// For how long each is measured.
const WINDOW: Duration = Duration::from_secs(8);

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let sqlite = Database::Sqlite(folder.path().join("tarn.db"));
    measure("SQLite", &sqlite).await?;
    let durable = ["fsync=on", "full_page_writes=on", "shared_buffers=128MB"];
    if let Some(server) = Postgres::start_with(&durable, &[]) {
        server.create("tarn", None);
        measure(
            "PostgreSQL",
            &Database::Postgres(server.url("tarn").parse()?),
        )
        .await?;
    }
    Ok(())
}

async fn measure(name: &str, database: &Database) -> Result<(), Failed> {
    let metadata = Metadata::open(database).await?;
    let owner = NewUser {
        name: &OwnerName::parse("alice")?,
        password_hash: None,
        admin: false,
        visibility: Visibility::Public,
    };
    let act = Act {
        by: &Actor::COMMAND_LINE,
        at: Clock::system().now(),
    };
    let owner = metadata.add_user(owner, &act).await?.id;
    for writers in [1, 64] {
        let before = metadata.recording_transactions();
        let began = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| tokio::spawn(publish(metadata.clone(), owner, writers, writer, began)))
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await??);
        }
        times.sort_unstable();
        let at = |part: usize| {
            times
                .get(times.len() * part / 100)
                .copied()
                .unwrap_or_default()
        };
        println!(
            "{name}, {writers} writers: {:.0} a second, {:.1} in a transaction, p50 {:.2?}, p99 {:.2?}",
            times.len() as f64 / began.elapsed().as_secs_f64(),
            times.len() as f64 / (metadata.recording_transactions() - before) as f64,
            at(50),
            at(99)
        );
    }
    metadata.close().await;
    Ok(())
}

/// Publishes one package after the other until the window is over. Gives how long each took.
async fn publish(
    metadata: Metadata,
    owner: OwnerId,
    writers: usize,
    writer: usize,
    began: Instant,
) -> Result<Vec<Duration>, Failed> {
    let mut times = Vec::new();
    while began.elapsed() < WINDOW {
        let name = format!("package-{writers}-{writer}-{}", times.len());
        let new = package(owner, &name)?;
        let act = Act {
            by: &Actor::COMMAND_LINE,
            at: Timestamp::from_seconds(1_795_381_200),
        };
        let asked = Instant::now();
        metadata.record_package(&new, &act).await?;
        times.push(asked.elapsed());
    }
    Ok(times)
}

fn package(owner: OwnerId, name: &str) -> Result<NewPackageFile, Failed> {
    let digest = Sha256Digest::from_bytes(Sha256::digest(name).into());
    let facts = PackageFacts {
        description: format!("The package {name}, with a description of a usual length"),
        ..PackageFacts::new(
            Format::V2 { data_hash: digest },
            PackageName::parse(name)?,
            Version::parse("1.0-r0")?,
            Arch::parse("x86_64")?,
        )
    };
    Ok(NewPackageFile::new(
        owner,
        Branch::parse("edge")?,
        RepositoryName::parse("main")?,
        &facts,
        PackageHash::Identity(Identity::from_bytes([7; 20])),
        NewBlob {
            sha256: digest,
            place: 0,
            size: 20_000,
        },
    ))
}
