//! What pages cost a server whose one owner has very many packages: processor time, queries, and bytes.
//!
//! ```text
//! cargo run --release -p tarn-http --example page_cost -- [PACKAGES]
//! ```
//!
//! It makes a registry of that many packages (100,000) in a temporary folder, all in one repository, all of which need one library. The
//! processor time is that of the whole process: the database, the template, the connection, and the client that asks.

#![expect(clippy::print_stdout, reason = "a program whose output is its purpose")]

use std::{error::Error, fs, net::SocketAddr, path::Path};

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
    Registry,
    publish::{Destination, IfExists},
    settings::Settings,
};
use tarn_http::serve;
use tarn_store::metadata::{Actor, NewUser, OwnerId, Visibility};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How often each page is asked for.
const TIMES: u32 = 100;

/// Jiffies a second (`CLK_TCK`), which is 100 on every Linux that Rust runs on.
const JIFFIES: f64 = 100.0;

#[tokio::main]
async fn main() -> Outcome<()> {
    let packages = match std::env::args().nth(1) {
        Some(number) => number.parse()?,
        None => 100_000,
    };
    let folder = tempfile::tempdir()?;
    let settings = Settings {
        key_size: KeySize::Rsa2048,
        ..Settings::in_folder(folder.path().to_path_buf())
    };
    let registry = Registry::open(settings, Clock::system()).await?;
    let owner = add_user(&registry, "many").await?;
    let library = PackageBuilder::new("libhub", "1.0-r0").field("provides", "so:libhub.so.1=1");
    publish(&registry, owner, library).await?;
    let template = PackageBuilder::new("package-of-a-usual-length", "1.2.3-r4")
        .field(
            "pkgdesc",
            "What a package says of itself in one sentence of the usual length",
        )
        .field("origin", "source")
        .field("depend", "so:libhub.so.1")
        .field("depend", "so:libc.musl-x86_64.so.1");
    publish(&registry, owner, template).await?;
    multiply(folder.path(), packages)?;
    println!("{packages} packages");

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(serve(
        registry.clone(),
        listener,
        None,
        std::future::pending(),
    ));
    let repository = "/many/edge/main";
    let package = "package-of-a-usual-length77";
    println!("{:60} {:>8} {:>8} {:>8}", "page", "ms", "queries", "bytes");
    for path in [
        "/".to_owned(),
        "/?q=length7".to_owned(),
        "/many".to_owned(),
        repository.to_owned(),
        format!("{repository}?sort=newest"),
        format!("{repository}?after=package-of-a-usual-length5"),
        format!("{repository}?name=length"),
        format!("{repository}?name=libhub"),
        format!("{repository}?name=libhub&sort=newest"),
        format!("{repository}?name=nothing"),
        format!("{repository}?origin=source"),
        format!("{repository}/{package}"),
        format!("{repository}/libhub"),
        "/many/-/feed.atom".to_owned(),
    ] {
        measure(&registry, address, &path).await?;
    }
    serving.abort();
    Ok(())
}

/// Asks for a page again and again on one connection, and prints what one costs.
async fn measure(registry: &Registry, address: SocketAddr, path: &str) -> Outcome<()> {
    let mut connection = BufReader::new(TcpStream::connect(address).await?);
    let bytes = ask(&mut connection, path).await?;
    let (before, asked) = (processor_time()?, registry.metadata().questions());
    for _ in 0..TIMES {
        ask(&mut connection, path).await?;
    }
    let times = f64::from(TIMES);
    let took = (processor_time()? - before) / times * 1_000.0;
    let queries = (registry.metadata().questions() - asked) / u64::from(TIMES);
    println!("{path:60} {took:8.2} {queries:8} {bytes:8}");
    Ok(())
}

/// One request. Gives the bytes of the body.
async fn ask(connection: &mut BufReader<TcpStream>, path: &str) -> Outcome<usize> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).await?;
    let mut length = 0;
    let mut line = String::new();
    connection.read_line(&mut line).await?;
    if !line.contains(" 200 ") {
        return Err(format!("{path}: {line}").into());
    }
    while line.trim() != "" {
        line.clear();
        connection.read_line(&mut line).await?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    Ok(length)
}

/// The processor time of this process, in seconds (proc(5), `utime` and `stime` of `/proc/self/stat`).
fn processor_time() -> Outcome<f64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = text.rsplit_once(')').ok_or("no stat")?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut jiffies = || -> Outcome<f64> { Ok(fields.next().ok_or("no times")?.parse()?) };
    Ok((jiffies()? + jiffies()?) / JIFFIES)
}

async fn add_user(registry: &Registry, name: &str) -> Outcome<OwnerId> {
    let new = NewUser {
        name: &OwnerName::parse(name)?,
        password_hash: None,
        admin: false,
        visibility: Visibility::Public,
    };
    let by = Actor::COMMAND_LINE;
    let act = by.at(registry.clock().now());
    Ok(registry.metadata().add_user(new, &act).await?.id)
}

async fn publish(registry: &Registry, owner: OwnerId, package: PackageBuilder) -> Outcome<()> {
    let destination = Destination {
        owner,
        branch: Branch::parse("edge")?,
        repository: RepositoryName::parse("main")?,
        by: Actor::COMMAND_LINE,
        announced: None,
        file_name: None,
        if_exists: IfExists::Refuse,
        past: None,
    };
    let body = stream::iter([Ok(Bytes::from(package.arch("x86_64").build()))]);
    registry.publisher().publish(destination, body).await?;
    Ok(())
}

/// Makes `packages` more of the package file that was recorded last, with the same bytes.
fn multiply(folder: &Path, packages: i64) -> Outcome<()> {
    let mut database = Connection::open(folder.join("tarn.db"))?;
    let transaction = database.transaction()?;
    transaction.execute_batch(
        "CREATE TEMP TABLE more (number INTEGER); CREATE TEMP TABLE template AS SELECT MAX(id) AS id FROM package_files",
    )?;
    transaction.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
         INSERT INTO more SELECT n FROM numbers",
        [packages],
    )?;
    transaction.execute_batch(
        "INSERT INTO package_files (repository_id, arch, name, version, file_name, sha256, size, sequence, added_at, \
         created_at, format, identity, index_bytes, signers, facts) SELECT repository_id, arch, name || number, version, \
         name || number || '-' || version || '.apk', sha256, size, sequence + number, added_at + number, created_at, format, \
         identity, index_bytes, signers, facts FROM package_files, more WHERE id = (SELECT id FROM template); \
         INSERT INTO package_versions (owner_id, name, version, description, created_at, files) \
         SELECT owner_id, name || number, version, description, created_at, 1 FROM package_versions, more \
         WHERE package_versions.id = (SELECT MAX(id) FROM package_versions); \
         INSERT INTO package_names (owner_id, repository_id, kind, name, bounds, file_id) \
         SELECT names.owner_id, files.repository_id, names.kind, CASE WHEN names.kind = 'provides' THEN files.name ELSE names.name END, names.bounds, \
         files.id FROM package_files AS files, package_names AS names \
         WHERE files.id > (SELECT id FROM template) AND names.file_id = (SELECT id FROM template)",
    )?;
    transaction.execute(
        "UPDATE repositories SET generation = generation + ?1, last_sequence = last_sequence + ?1",
        params![packages],
    )?;
    transaction.execute(
        "UPDATE index_heads SET generation = generation + ?1, live = live + ?1",
        params![packages],
    )?;
    transaction.commit()?;
    Ok(())
}
