//! How long a publisher waits while another owner's packages expire, are freed, and go with their owner.
//!
//! ```text
//! cargo run --release -p tarn-core --example housekeeping -- [PACKAGES]
//! ```
//!
//! It makes a registry of that many packages (100,000) in a temporary folder, and publishes small packages of another owner one after
//! the other meanwhile. Two repositories are enough: what takes long is the number of rows.

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::{
    error::Error,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use apk::sign::KeySize;
use apk_testkit::v2::PackageBuilder;
use bytes::Bytes;
use futures_util::stream;
use rusqlite::{Connection, params};
use tarn_base::{
    clock::Clock,
    names::{Branch, OwnerName, RepositoryName},
};
use tarn_core::{
    Registry, jobs,
    publish::{Destination, IfExists, expiry::Run},
    settings::Settings,
};
use tarn_store::metadata::{Actor, NewUser, OwnerId, Visibility, in_batches};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const BY: &Actor = &Actor::COMMAND_LINE;

#[tokio::main]
async fn main() -> Outcome<()> {
    let packages = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => 100_000,
    };
    let folder = tempfile::tempdir()?;
    let settings = Settings {
        key_size: KeySize::Rsa2048,
        keep_deleted: Duration::ZERO,
        ..Settings::in_folder(folder.path().to_path_buf())
    };
    let registry = Registry::open(settings, Clock::system()).await?;
    let other = add_user(&registry, "other").await?;
    let many = add_user(&registry, "many").await?;
    publish(&registry, many, "template").await?;
    let template = registry.metadata().usage(many).await?.0.bytes;
    multiply(folder.path(), packages, template)?;
    println!("{packages} packages");

    beside(
        &registry,
        other,
        "nothing",
        tokio::time::sleep(Duration::from_secs(10)),
    )
    .await?;
    let expiry = registry.administration().expiry();
    expiry.set(many, &"*/*".parse()?, 1, 0, BY).await?;
    let work = expiry.run(None, Run::Remove(BY), |_| ());
    println!(
        "  {} expired",
        beside(&registry, other, "expiry", work).await??
    );
    let freed = beside(&registry, other, "freeing", jobs::free(&registry)).await??;
    println!("  {freed:?}");

    let gone = add_user(&registry, "gone").await?;
    publish(&registry, gone, "template").await?;
    multiply(folder.path(), packages, template)?;
    let metadata = registry.metadata();
    let act = BY.at(registry.clock().now());
    let work = metadata.remove_owner(gone, true, &act);
    println!(
        "  {} packages",
        beside(&registry, other, "removing the owner", work).await??
    );
    let work = in_batches(|| metadata.clear_removed());
    println!(
        "  {} rows",
        beside(&registry, other, "clearing its rows", work).await??
    );
    let freed = beside(&registry, other, "freeing its blobs", jobs::free(&registry)).await??;
    println!("  {freed:?}");
    Ok(())
}

async fn add_user(registry: &Registry, name: &str) -> Outcome<OwnerId> {
    let new = NewUser {
        name: &OwnerName::parse(name)?,
        password_hash: None,
        admin: false,
        visibility: Visibility::Public,
    };
    let act = BY.at(registry.clock().now());
    Ok(registry.metadata().add_user(new, &act).await?.id)
}

async fn publish(registry: &Registry, owner: OwnerId, name: &str) -> Outcome<()> {
    let destination = Destination {
        owner,
        branch: Branch::parse("edge")?,
        repository: RepositoryName::parse("main")?,
        by: BY.clone(),
        announced: None,
        file_name: None,
        if_exists: IfExists::Refuse,
        past: None,
    };
    let package = PackageBuilder::new(name, "1.0-r0").build();
    let body = stream::iter([Ok(Bytes::from(package))]);
    registry.publisher().publish(destination, body).await?;
    Ok(())
}

/// Does `work` while packages of `owner` are published one after the other, and says how long both took.
async fn beside<T>(
    registry: &Registry,
    owner: OwnerId,
    what: &str,
    work: impl Future<Output = T>,
) -> Outcome<T> {
    let over = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn({
        let (registry, over, what) = (registry.clone(), Arc::clone(&over), what.replace(' ', "-"));
        async move {
            let mut took = Vec::new();
            while took.is_empty() || !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                publish(&registry, owner, &format!("{what}{}", took.len())).await?;
                took.push((began.elapsed(), began));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Outcome::Ok(took)
        }
    });
    let began = Instant::now();
    let done = work.await;
    let all = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let mut took = publishing.await??;
    took.sort();
    let at = |part: usize| took.get(took.len() * part / 1_000).or(took.last());
    let at = |part: usize| at(part).map(|(took, _)| *took).unwrap_or_default();
    // When the longest were, since the work began: what comes at regular times has a reason.
    let longest: Vec<String> = took
        .iter()
        .rev()
        .take(5)
        .map(|(took, at)| {
            let at = at.saturating_duration_since(began);
            format!("{took:.1?} (at {at:.1?})")
        })
        .collect();
    println!(
        "{what}: {all:.1?}; {} publishes, median {:.1?}, 99 % {:.1?}, longest {}",
        took.len(),
        at(500),
        at(990),
        longest.join(", ")
    );
    Ok(done)
}

/// Makes `packages` more of the package file that was recorded last, each with bytes of its own, and all of them old.
fn multiply(folder: &Path, packages: i64, size: u64) -> Outcome<()> {
    let database = Connection::open(folder.join("tarn.db"))?;
    database.busy_timeout(Duration::from_secs(10))?;
    database
        .execute_batch("CREATE TEMP TABLE more (number INTEGER, sha256 BLOB); BEGIN IMMEDIATE")?;
    database.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
         INSERT INTO more SELECT n, randomblob(32) FROM numbers",
        [packages],
    )?;
    let size = i64::try_from(size)?;
    database.execute(
        "INSERT INTO blobs (sha256, size, created_at, state) SELECT sha256, ?1, 0, 'live' FROM more",
        [size],
    )?;
    database.execute_batch(
        "INSERT INTO package_files (repository_id, arch, name, version, file_name, sha256, size, sequence, added_at, \
         created_at, format, identity, index_bytes, signers, facts) SELECT repository_id, arch, name || number, version, name || number || '-1.0-r0.apk', \
         more.sha256, size, sequence + number, added_at + number, 0, format, identity, index_bytes, signers, facts FROM package_files, more \
         WHERE id = (SELECT MAX(id) FROM package_files); \
         INSERT INTO package_versions (owner_id, name, version, description, created_at, files) \
         SELECT owner_id, name || number, version, description, 0, 1 FROM package_versions, more \
         WHERE id = (SELECT MAX(id) FROM package_versions)",
    )?;
    for statement in [
        "UPDATE repositories SET generation = generation + ?1, last_sequence = last_sequence + ?1 \
         WHERE id = (SELECT MAX(id) FROM repositories) AND ?2 = ?2",
        "UPDATE index_heads SET generation = generation + ?1, bytes = bytes * (live + ?1) / live, live = live + ?1 \
         WHERE repository_id = (SELECT MAX(id) FROM repositories) AND ?2 = ?2",
        "UPDATE owner_usage SET packages = packages + ?1, bytes = bytes + ?1 * ?2 \
         WHERE owner_id = (SELECT MAX(owner_id) FROM repositories)",
    ] {
        database.execute(statement, params![packages, size])?;
    }
    database.execute_batch("COMMIT")?;
    let mut blobs = database.prepare("SELECT lower(hex(sha256)) FROM more")?;
    let bytes = vec![0; usize::try_from(size)?];
    for blob in blobs.query_map([], |row| row.get::<_, String>(0))? {
        let blob = blob?;
        let (first_byte, rest) = blob.split_at(2);
        fs::write(folder.join("blobs").join(first_byte).join(rest), &bytes)?;
    }
    Ok(())
}
