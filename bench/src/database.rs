//! How many packages a second are recorded in one repository: by one writer and by many, on PostgreSQL beside SQLite.

use std::time::{Duration, Instant};

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    name::PackageName,
    version::Version,
};
use sha2::{Digest as _, Sha256};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, OwnerName, RepositoryName},
};
use tarn_store::metadata::{
    Act, Actor, Database, Metadata, NewBlob, NewPackageFile, NewUser, OwnerId, Visibility,
};
use tarn_testkit::Postgres;
use tokio::runtime::{Builder, Runtime};

use crate::{
    Effort, Result,
    measure::{Samples, Seconds, p99, whole},
    report::{Row, Table},
    tools::{WorkFolder, settle_disk},
};

/// Writers where there are many.
const MANY: usize = 64;

const ACT: Act<'_> = Act {
    by: &Actor::COMMAND_LINE,
    at: Timestamp::from_seconds(1_795_381_200),
};

/// A database, and what was measured of it: packages a second, and of many writers the p99 of one in seconds.
struct Side {
    metadata: Metadata,
    owner: OwnerId,
    one: Samples,
    many: Samples,
    many_p99: Samples,
}

/// Runs the benchmark.
pub(crate) fn run(effort: Effort) -> Result<Table> {
    let folder = WorkFolder::new("database")?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    // Both on one disk.
    let settings = ["fsync=on", "full_page_writes=on", "shared_buffers=128MB"];
    let server = Postgres::start_in(folder.path(), &settings, &[]);
    let server = server.ok_or("PostgreSQL 15 is not installed")?;
    server.create("tarn", None);
    let mut sqlite = Side::open(&runtime, &Database::Sqlite(folder.path().join("tarn.db")))?;
    let mut postgres = Side::open(&runtime, &Database::Postgres(server.url("tarn").parse()?))?;
    let window = Duration::from_secs(if effort.quick { 1 } else { 5 });
    let rounds = effort.slow_rounds();
    let cores = std::thread::available_parallelism()?;
    for round in 0..rounds {
        for side in [&mut sqlite, &mut postgres] {
            settle_disk()?;
            side.measure(&runtime, round, window)?;
        }
    }
    let table = Table {
        name: "database",
        how: format!(
            "Publishing as the database sees it, without HTTP, bytes and indexes: packages are recorded in one repository, each acknowledged \
             once it is on the disk. {rounds} rounds in turns of {} s each, in this process; PostgreSQL runs on the same {cores} cores, over a Unix \
             socket, with its data beside SQLite's and its syncs on. {MANY} writers begin the next package when the last one is acknowledged.",
            window.as_secs()
        ),
        rows: rows(&sqlite, &postgres),
    };
    runtime.block_on(async {
        sqlite.metadata.close().await;
        postgres.metadata.close().await;
    });
    Ok(table)
}

fn rows(sqlite: &Side, postgres: &Side) -> Vec<Row> {
    let beside = |writers: &str, here: &Samples, there: &Samples| {
        let what = format!("PostgreSQL, {writers}: packages a second");
        Row::new(what, "the same on SQLite", (here, there), whole).unit("a second")
    };
    let reaches = |writers: &str, rates: &Samples, goal: f64| {
        let what = format!("PostgreSQL, {writers}: packages a second");
        let of = format!("{goal} a second");
        let row = Row::of_number(what, of, (rates, goal), whole);
        row.unit("a second").at_least(1.0)
    };
    let many = format!("{MANY} writers");
    let p99 = |seconds| {
        let theirs = Seconds(sqlite.many_p99.median());
        format!("{}; on SQLite {theirs}", Seconds(seconds))
    };
    vec![
        beside("one writer", &postgres.one, &sqlite.one),
        beside(&many, &postgres.many, &sqlite.many),
        reaches("one writer", &postgres.one, 800.0),
        reaches(&many, &postgres.many, 5_000.0),
        Row::of_number(
            format!("PostgreSQL, {many}: the p99 of one package"),
            "50 ms",
            (&postgres.many_p99, 0.05),
            p99,
        )
        .at_most(1.0),
    ]
}

impl Side {
    fn open(runtime: &Runtime, database: &Database) -> Result<Self> {
        let alice = NewUser {
            name: &OwnerName::parse("alice")?,
            password_hash: None,
            admin: false,
            visibility: Visibility::Public,
        };
        let (metadata, owner) = runtime.block_on(async {
            let metadata = Metadata::open(database).await?;
            let owner = metadata.add_user(alice, &ACT).await?;
            Ok::<_, crate::Failure>((metadata, owner.id))
        })?;
        Ok(Self {
            metadata,
            owner,
            one: Samples::default(),
            many: Samples::default(),
            many_p99: Samples::default(),
        })
    }

    fn measure(&mut self, runtime: &Runtime, round: usize, window: Duration) -> Result<()> {
        let (rate, _) = self.publish(runtime, round, 1, window)?;
        self.one.push(rate);
        let (rate, p99) = self.publish(runtime, round, MANY, window)?;
        self.many.push(rate);
        self.many_p99.push(p99);
        Ok(())
    }

    /// Publishes until the window is over. Gives the packages a second, and within how many seconds 99 of 100 were done.
    fn publish(
        &self,
        runtime: &Runtime,
        round: usize,
        writers: usize,
        window: Duration,
    ) -> Result<(f64, f64)> {
        let began = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let (metadata, owner) = (self.metadata.clone(), self.owner);
                runtime.spawn(async move {
                    let mut times = Vec::new();
                    while began.elapsed() < window {
                        let name = format!("p{round}-{writers}-{writer}-{}", times.len());
                        let new = package(owner, &name)?;
                        let asked = Instant::now();
                        metadata.record_package(&new, &ACT).await?;
                        times.push(asked.elapsed().as_secs_f64());
                    }
                    Ok::<_, crate::Failure>(times)
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(runtime.block_on(task)??);
        }
        let rate = times.len() as f64 / began.elapsed().as_secs_f64();
        Ok((rate, p99(times).ok_or("nothing was published")?))
    }
}

fn package(owner: OwnerId, name: &str) -> Result<NewPackageFile> {
    let sha256 = Sha256Digest::from_bytes(Sha256::digest(name).into());
    let facts = PackageFacts {
        description: format!("The package {name}, with a description of a usual length"),
        ..PackageFacts::new(
            Format::V2 { data_hash: sha256 },
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
            sha256,
            place: 0,
            size: 20_000,
        },
    ))
}
