//! A server for one test.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use apk::sign::KeySize;
use apk_testkit::v2::PackageBuilder;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tarn_base::{
    clock::{Clock, Timestamp},
    names::OwnerName,
    random::Random,
    secret::Secret,
};
use tarn_core::{
    Registry,
    access::{AccessLimits, Accounts, PasswordCost, TokenRequest},
    settings::Settings,
};
use tarn_http::{ServeError, Tls, serve};
use tarn_store::metadata::{Actor, Database, OwnerKind, Role, Visibility};
use tarn_testkit::on_postgres;
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::client::{Answer, Connection, Request, put};

/// 2026-11-22 21:00:00 UTC.
pub(crate) const START: Timestamp = Timestamp::from_seconds(1_795_381_200);

/// Who administers in these tests.
pub(crate) static BY: Actor = Actor::COMMAND_LINE;

/// Where the server's packages of `alice` are.
pub(crate) const ALICE: &str = "/api/packages/alice/alpine";

/// The index of edge/main for x86_64.
pub(crate) const INDEX: &str = "/api/packages/alice/alpine/edge/main/x86_64/APKINDEX.tar.gz";

/// The file of [`hello`] once it is in edge/main.
pub(crate) const HELLO: &str = "/api/packages/alice/alpine/edge/main/x86_64/hello-1.0-r0.apk";

/// A file of a certificate for localhost that signs itself.
fn certificate(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tarn/tests/e2e/certificates");
    folder.join(format!("{name}.pem"))
}

/// A running server with the public user `alice`.
pub(crate) struct TestServer {
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    accounts: Accounts,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), ServeError>>,
    folder: TempDir,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// One whose settings are not the usual ones.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_by(Clock::manual(START), change).await
    }

    /// One whose clock is not the usual one either.
    pub(crate) async fn start_by(clock: Clock, change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_on(clock, None, change).await
    }

    /// One that has the certificate of [`certificate`].
    pub(crate) async fn start_over_tls(change: impl FnOnce(&mut Settings)) -> Self {
        let tls = Tls::load(certificate("first"), certificate("first.key")).unwrap();
        Self::start_on(Clock::manual(START), Some(Arc::new(tls)), change).await
    }

    async fn start_on(
        clock: Clock,
        tls: Option<Arc<Tls>>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::in_folder(folder.path().to_path_buf());
        if let Some(url) = tarn_testkit::database_in(folder.path()) {
            settings.database = Database::Postgres(url.parse().unwrap());
        }
        settings.key_size = KeySize::Rsa2048;
        settings.access = AccessLimits::tiny();
        change(&mut settings);
        let server = Self::open(folder, settings, clock, tls).await;
        server.add_user("alice", Visibility::Public).await;
        server
    }

    async fn open(
        folder: TempDir,
        settings: Settings,
        clock: Clock,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        let registry = Registry::open(settings, clock.clone()).await.unwrap();
        let accounts = Accounts::with(
            registry.metadata().clone(),
            clock.clone(),
            Random::system(),
            PasswordCost::TINY,
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(registry.clone(), listener, tls, async {
            let _ = stopped.await;
        }));
        Self {
            clock,
            registry,
            accounts,
            address,
            stop: Some(stop),
            serving,
            folder,
        }
    }

    /// A connection of HTTP/2 to a server with TLS.
    pub(crate) async fn connect_http_2(
        &self,
    ) -> (
        http2::SendRequest<Empty<Bytes>>,
        http2::Connection<TokioIo<TlsStream<TcpStream>>, Empty<Bytes>, TokioExecutor>,
    ) {
        let mut roots = RootCertStore::empty();
        let first = CertificateDer::from_pem_file(certificate("first")).unwrap();
        roots.add(first).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from("localhost").unwrap(), stream)
            .await
            .unwrap();
        let io = TokioIo::new(stream);
        http2::handshake(TokioExecutor::new(), io).await.unwrap()
    }

    /// Stops it in order, and starts another on the same folder at the same time of its clock.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn restart_with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let Self {
            clock,
            registry,
            accounts,
            stop,
            serving,
            folder,
            ..
        } = self;
        drop(stop);
        serving.await.unwrap().unwrap();
        registry.access().write_down().await.unwrap();
        let mut settings = registry.settings().clone();
        change(&mut settings);
        registry.metadata().close().await;
        drop((registry, accounts));
        Self::open(folder, settings, clock, None).await
    }

    /// One that has [`hello`] in edge/main, long enough that its dates can be given away.
    pub(crate) async fn with_hello() -> Self {
        let server = Self::start().await;
        server.publish("edge/main", hello()).await.expect(201);
        server.clock.advance(Duration::from_secs(60));
        server
    }

    /// Adds a user, whose password is [`password`].
    pub(crate) async fn add_user(&self, user: &str, visibility: Visibility) {
        self.accounts
            .add_user(
                &name(user),
                Some(&Secret::new(password(user))),
                false,
                visibility,
                &BY,
            )
            .await
            .unwrap();
    }

    /// Adds a user who administers the server.
    pub(crate) async fn add_admin(&self, user: &str) {
        self.add_user(user, Visibility::Public).await;
        let made = self.accounts.set_admin(&name(user), true, &BY).await;
        assert!(made.unwrap());
    }

    pub(crate) async fn add_organisation(&self, organisation: &str, visibility: Visibility) {
        self.accounts
            .add_organisation(&name(organisation), visibility, &name("alice"), &BY)
            .await
            .unwrap();
    }

    pub(crate) async fn set_member(&self, organisation: &str, user: &str, role: Role) {
        self.accounts
            .set_member(&name(organisation), &name(user), Some(role), &BY)
            .await
            .unwrap();
    }

    /// A token of that user.
    pub(crate) async fn token(&self, user: &str, scopes: &str) -> String {
        self.token_for(user, scopes, None).await
    }

    pub(crate) async fn token_for(
        &self,
        user: &str,
        scopes: &str,
        lifetime: Option<Duration>,
    ) -> String {
        let label = format!("{scopes} {lifetime:?}");
        let request = TokenRequest {
            lifetime,
            ..TokenRequest::new(&label, scopes.parse().unwrap())
        };
        let (_, secret) = self
            .accounts
            .add_token(OwnerKind::User, &name(user), &request, None, &BY)
            .await
            .unwrap();
        secret.expose().to_owned()
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// A connection from another address of this machine, such as 127.0.0.2.
    pub(crate) async fn connect_from(&self, source: &str) -> Connection {
        Connection::open_from(source, self.address).await
    }

    /// Sends a request on a connection of its own.
    pub(crate) async fn send(&self, request: &Request) -> Answer {
        self.connect().await.send(request).await
    }

    /// Uploads as alice, to one of her repositories.
    pub(crate) async fn publish(&self, repository: &str, package: Vec<u8>) -> Answer {
        let request = put(format!("{ALICE}/{repository}"), package);
        self.send(&request.basic("alice", &password("alice"))).await
    }

    /// Has that user publish a package, which is taken. The repository is `{owner}/alpine/{branch}/{repository}`.
    pub(crate) async fn publish_by(&self, user: &str, repository: &str, package: Vec<u8>) {
        let request = put(format!("/api/packages/{repository}"), package);
        self.send(&by(user, request)).await.expect(201);
    }

    /// A connection on which that user uploads [`hello`] to a repository of their own: the server waits for the body.
    pub(crate) async fn begin_upload(&self, user: &str) -> Connection {
        let request = put(format!("/api/packages/{user}/alpine/edge/main"), hello());
        let request = by(user, request).header("Expect", "100-continue");
        let mut connection = self.connect().await;
        connection.write(&request.head_bytes()).await;
        connection.answer(false).await.expect(100);
        connection
    }

    /// How many blobs there are, and that nothing is half received.
    #[track_caller]
    pub(crate) fn blobs(&self) -> usize {
        let unfinished = files(&self.folder.path().join("tmp"));
        assert_eq!(unfinished, 0, "something was left half received");
        fs::read_dir(self.folder.path().join("blobs"))
            .unwrap()
            .map(|entry| files(&entry.unwrap().path()))
            .sum()
    }

    /// Has the database do that, as a program that opens it beside the server would.
    pub(crate) fn sql(&self, statement: &str) {
        if on_postgres() {
            drop(tarn_testkit::sql_in(self.folder.path(), statement));
            return;
        }
        let path = self.folder.path().join("tarn.db");
        let database = rusqlite::Connection::open(path).unwrap();
        database.execute_batch(statement).unwrap();
    }

    /// Has another process begin to write to the database: everything else waits until that is dropped.
    pub(crate) fn lock_database(&self) -> DatabaseLock {
        let postgres = on_postgres().then(|| {
            let lock = "BEGIN; SELECT pg_advisory_xact_lock(6071310);";
            tarn_testkit::Session::begin(self.folder.path(), lock)
        });
        let sqlite = (!on_postgres()).then(|| {
            let path = self.folder.path().join("tarn.db");
            let connection = rusqlite::Connection::open(path).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            connection
        });
        DatabaseLock {
            _sqlite: sqlite,
            _postgres: postgres,
        }
    }

    /// The files of the blobs.
    pub(crate) fn blob_files(&self) -> Vec<PathBuf> {
        fs::read_dir(self.folder.path().join("blobs"))
            .unwrap()
            .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
            .map(|entry| entry.unwrap().path())
            .collect()
    }

    /// What is in the files of the database, while they are open and once they are closed. Nothing can be asked after that.
    pub(crate) async fn database_files(&self) -> Vec<u8> {
        let read = || {
            let entries = fs::read_dir(self.folder.path()).unwrap();
            let paths = entries.map(|entry| entry.unwrap().path());
            let of_database = |path: &PathBuf| {
                let name = path.file_name().unwrap().to_str().unwrap();
                name.starts_with("tarn.db")
            };
            let files = paths
                .filter(of_database)
                .map(|path| fs::read(path).unwrap());
            files.collect::<Vec<_>>().concat()
        };
        let mut bytes = read();
        self.registry.metadata().close().await;
        bytes.extend(read());
        bytes
    }

    /// Tells the server to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<(), ServeError> {
        drop(self.stop.take());
        self.serving.await.unwrap()
    }
}

/// A transaction of another process.
pub(crate) struct DatabaseLock {
    _sqlite: Option<rusqlite::Connection>,
    _postgres: Option<tarn_testkit::Session>,
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

pub(crate) fn name(name: &str) -> OwnerName {
    OwnerName::parse(name).unwrap()
}

/// A request with the password of a user.
pub(crate) fn by(user: &str, request: Request) -> Request {
    request.basic(user, &password(user))
}

pub(crate) async fn ask(server: &TestServer, request: Request) -> Answer {
    server.send(&request).await
}

/// Publishes a package, which is taken.
pub(crate) async fn published(server: &TestServer, repository: &str, package: Vec<u8>) -> Answer {
    server.publish(repository, package).await.expect(201)
}

/// Sends a request that is answered with that status.
pub(crate) async fn expect(server: &TestServer, request: &Request, status: u16) -> Answer {
    server.send(request).await.expect(status)
}

/// Sends a request that is refused with that status and a line with those words in it.
pub(crate) async fn refusal(
    server: &TestServer,
    request: &Request,
    status: u16,
    words: &str,
) -> Answer {
    server.send(request).await.refusal(status, words)
}

/// Sends a request to the API that is refused with that status and a problem document with those words in it.
pub(crate) async fn problem(
    server: &TestServer,
    request: &Request,
    status: u16,
    words: &str,
) -> Answer {
    server.send(request).await.problem(status, words)
}

/// The password of that user.
pub(crate) fn password(user: &str) -> String {
    format!("the password of {user}")
}

/// A small package: hello 1.0-r0 for x86_64.
pub(crate) fn hello() -> Vec<u8> {
    package("hello", "x86_64")
}

/// A small package 1.0-r0.
pub(crate) fn package(name: &str, arch: &str) -> Vec<u8> {
    PackageBuilder::new(name, "1.0-r0")
        .arch(arch)
        .file(&format!("usr/share/{name}"), b"hello\n")
        .build()
}
