//! What pages cost a server whose one owner has very many packages: processor time, queries, and bytes. And what lists of the API cost
//! where an owner has very many repositories and the token that asks is limited to some of them.
//!
//! ```text
//! cargo run --release -p tarn-http --example page_cost -- [PACKAGES [REPOSITORIES]]
//! ```
//!
//! It makes a registry of that many packages (100,000) in a temporary folder, all in one repository, all of which need one library; and
//! another one of that many repositories (2,000), each of which has the same 150 versions of one package. The processor time is that of
//! the whole process: the database, the template, the connection, and the client that asks.

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
    access::TokenRequest,
    publish::{Destination, IfExists},
    settings::Settings,
};
use tarn_http::serve;
use tarn_store::metadata::{Actor, NewUser, OwnerId, OwnerKind, Visibility};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How often each page is asked for.
const TIMES: u32 = 100;

/// Jiffies a second (`CLK_TCK`), which is 100 on every Linux that Rust runs on.
const JIFFIES: f64 = 100.0;

/// How many versions each of the many repositories has.
const VERSIONS: i64 = 150;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut numbers = std::env::args().skip(1);
    let mut number = |usual: i64| numbers.next().map_or(Ok(usual), |given| given.parse());
    let (packages, repositories) = (number(100_000)?, number(2_000)?);
    pages(packages).await?;
    lists(repositories).await
}

/// An empty registry in that folder.
async fn open(folder: &Path) -> Outcome<Registry> {
    let settings = Settings {
        key_size: KeySize::Rsa2048,
        ..Settings::in_folder(folder.to_path_buf())
    };
    Ok(Registry::open(settings, Clock::system()).await?)
}

/// Serves it until it is dropped with the runtime.
async fn start(registry: &Registry) -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(
        registry.clone(),
        listener,
        None,
        std::future::pending(),
    ));
    Ok(address)
}

fn print_heads(what: &str) {
    println!("{what:60} {:>8} {:>8} {:>8}", "ms", "queries", "bytes");
}

/// What pages cost with that many packages in one repository.
async fn pages(packages: i64) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let registry = open(folder.path()).await?;
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
    let address = start(&registry).await?;
    let repository = "/many/edge/main";
    let package = "package-of-a-usual-length77";
    print_heads("page");
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
        let head = "Accept: text/html";
        measure(&registry, address, (&path, head, &path), TIMES).await?;
    }
    Ok(())
}

/// What the list of an owner's versions costs where that many repositories have the same versions, by what the token may read.
async fn lists(repositories: i64) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let registry = open(folder.path()).await?;
    let owner = add_user(&registry, "wide").await?;
    publish(&registry, owner, PackageBuilder::new("tool", "1.0-r0")).await?;
    spread(folder.path(), repositories)?;
    println!("\n{repositories} repositories of {VERSIONS} versions");

    let address = start(&registry).await?;
    print_heads("token may read");
    for (reads, limits, times) in [
        ("everything", "", TIMES),
        ("one repository", "wide/edge/r7", TIMES),
        ("one repository in ten", "wide/edge/r*7", 10),
        ("all repositories by a pattern", "wide/edge/r*", 3),
    ] {
        let request = TokenRequest {
            limits: limits.parse()?,
            ..TokenRequest::new(reads, "read:package".parse()?)
        };
        let name = OwnerName::parse("wide")?;
        let accounts = registry.administration().accounts();
        let by = Actor::COMMAND_LINE;
        let made = accounts.add_token(OwnerKind::User, &name, &request, None, &by);
        let head = format!("Authorization: Bearer {}", made.await?.1.expose());
        let path = "/api/v1/packages/wide?limit=50";
        measure(&registry, address, (path, &head, reads), times).await?;
    }
    Ok(())
}

/// Asks for a path, with a line of the head, again and again on one connection, and prints what one costs.
async fn measure(
    registry: &Registry,
    address: SocketAddr,
    (path, head, what): (&str, &str, &str),
    times: u32,
) -> Outcome<()> {
    let mut connection = BufReader::new(TcpStream::connect(address).await?);
    let bytes = ask(&mut connection, path, head).await?;
    let (before, asked) = (processor_time()?, registry.metadata().questions());
    for _ in 0..times {
        ask(&mut connection, path, head).await?;
    }
    let took = (processor_time()? - before) / f64::from(times) * 1_000.0;
    let queries = (registry.metadata().questions() - asked) / u64::from(times);
    println!("{what:60} {took:8.2} {queries:8} {bytes:8}");
    Ok(())
}

/// One request. Gives the bytes of the body.
async fn ask(connection: &mut BufReader<TcpStream>, path: &str, head: &str) -> Outcome<usize> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n");
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

/// Makes [`VERSIONS`] of the one package that was recorded, with the same bytes, and gives each of `repositories` all of them.
fn spread(folder: &Path, repositories: i64) -> Outcome<()> {
    let mut database = Connection::open(folder.join("tarn.db"))?;
    let transaction = database.transaction()?;
    transaction.execute_batch(
        "CREATE TEMP TABLE more (number INTEGER); CREATE TEMP TABLE versions (number INTEGER)",
    )?;
    for (table, last) in [("more", repositories - 1), ("versions", VERSIONS - 1)] {
        transaction.execute(
            &format!(
                "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1) \
                 INSERT INTO {table} SELECT n FROM numbers"
            ),
            [last],
        )?;
    }
    transaction.execute_batch(
        "INSERT INTO package_files (repository_id, arch, name, version, file_name, sha256, size, sequence, added_at, created_at, format, \
         identity, index_bytes, signers, facts) SELECT repository_id, arch, name, '1.' || number || '-r0', \
         name || '-1.' || number || '-r0.apk', sha256, size, sequence + number, added_at + number, created_at, format, identity, \
         index_bytes, signers, facts FROM package_files, versions; \
         INSERT INTO package_versions (owner_id, name, version, description, created_at, files) \
         SELECT owner_id, name, '1.' || number || '-r0', description, created_at, 1 FROM package_versions, versions; \
         UPDATE repositories SET generation = generation + (SELECT MAX(number) FROM versions), \
         last_sequence = last_sequence + (SELECT MAX(number) FROM versions); \
         UPDATE index_heads SET generation = generation + (SELECT MAX(number) FROM versions), \
         live = live + (SELECT MAX(number) FROM versions); \
         INSERT INTO repositories (owner_id, branch, name, generation, last_sequence, changed_at) \
         SELECT owner_id, branch, 'r' || number, generation, last_sequence, changed_at FROM repositories, more; \
         INSERT INTO package_files (repository_id, arch, name, version, file_name, sha256, size, sequence, added_at, created_at, format, \
         identity, index_bytes, signers, facts) SELECT repositories.id, arch, package_files.name, version, file_name, sha256, size, \
         sequence, added_at, created_at, format, identity, index_bytes, signers, facts FROM package_files, repositories \
         WHERE repositories.id <> package_files.repository_id; \
         INSERT INTO index_heads (repository_id, arch, format, generation, changed_at, published_at, live, bytes) \
         SELECT repositories.id, arch, format, index_heads.generation, index_heads.changed_at, published_at, live, bytes \
         FROM index_heads, repositories WHERE repositories.id <> index_heads.repository_id; \
         UPDATE package_versions SET files = (SELECT COUNT(*) FROM repositories)",
    )?;
    transaction.commit()?;
    Ok(())
}
