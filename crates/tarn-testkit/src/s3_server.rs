//! S3 servers on this machine: versitygw, over a folder, and Garage. Each is started once for a test process.

use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use crate::{cache_folder, free_address, left_out, shell::shell};

/// The name of a key that may do everything, as Garage wants one.
pub const ACCESS_KEY: &str = "GK00112233445566778899aabb";
/// Its secret.
pub const SECRET_KEY: &str = "5ec2e7000000000000000000000000000000000000000000000000005ec2e700";
/// The region of both servers, as `packaging/compose/` has it.
pub const REGION: &str = "garage";

/// The only bucket of Garage, as `packaging/compose/three.yaml` has it.
const BUCKET: &str = "tarn";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Versitygw,
    Garage,
}

/// A server. It ends with this process, and its folder goes with it.
#[derive(Debug)]
pub struct S3Server {
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    kind: Kind,
    folder: PathBuf,
    /// Its input is open for as long as this process lives, however that ends.
    _shell: Child,
}

impl S3Server {
    /// versitygw. None, and says so, where it is not installed.
    ///
    /// # Panics
    ///
    /// When it does not start, and when it is not installed where nothing may be left out.
    #[must_use]
    pub fn versitygw() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<S3Server>> = OnceLock::new();
        SERVER.get_or_init(start_versitygw).as_ref()
    }

    /// Garage, which differs in places: it ignores conditions of a PUT. None, and says so, where it is not installed.
    ///
    /// # Panics
    ///
    /// As above.
    #[must_use]
    pub fn garage() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<S3Server>> = OnceLock::new();
        SERVER.get_or_init(start_garage).as_ref()
    }

    /// Those of both that are installed.
    ///
    /// # Panics
    ///
    /// As above.
    #[must_use]
    pub fn all() -> Vec<&'static Self> {
        [Self::versitygw(), Self::garage()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Makes a place of that name, in which there is nothing yet: a bucket, or a prefix in the one of Garage. Gives its URL for `--storage`.
    ///
    /// # Panics
    ///
    /// When it was made before.
    #[must_use]
    pub fn make_place(&self, name: &str) -> String {
        if self.kind == Kind::Versitygw {
            fs::create_dir(self.bucket(name)).unwrap();
        }
        self.url(name)
    }

    /// The URL of the place of that name, which may not be there.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        let bucket = match self.kind {
            Kind::Versitygw => name.to_owned(),
            Kind::Garage => format!("{BUCKET}/{name}"),
        };
        let endpoint = &self.endpoint;
        format!("s3://{bucket}/some/prefix?endpoint={endpoint}&region={REGION}")
    }

    /// The folder in which versitygw has the objects of a place.
    ///
    /// # Panics
    ///
    /// On Garage, which has them in files of its own.
    #[must_use]
    pub fn folder(&self, name: &str) -> PathBuf {
        assert_eq!(self.kind, Kind::Versitygw);
        self.bucket(name).join("some/prefix")
    }

    fn bucket(&self, name: &str) -> PathBuf {
        self.folder.join("buckets").join(name)
    }
}

fn start_versitygw() -> Option<S3Server> {
    let program = program("versitygw")?;
    let folder = new_folder("versitygw");
    for name in ["buckets", "attributes"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    let address = free_address();
    let mut server = below_a_shell(&folder, &program);
    server
        .args(["--quiet", "--region", REGION, "--port"])
        .arg(address.to_string())
        .args(["posix", "--sidecar"])
        .arg(folder.join("attributes"))
        .arg(folder.join("buckets"))
        .env("ROOT_ACCESS_KEY", ACCESS_KEY)
        .env("ROOT_SECRET_KEY", SECRET_KEY);
    let started = started(Kind::Versitygw, server, folder, address);
    wait_until("versitygw", || TcpStream::connect(address).is_ok());
    Some(started)
}

fn start_garage() -> Option<S3Server> {
    let program = program("garage")?;
    let folder = new_folder("garage");
    let [address, rpc, admin] = [(); 3].map(|()| free_address());
    let place = folder.display();
    let settings = folder.join("garage.toml");
    // The settings that are packaged, at a place of its own.
    let packaged =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/compose/garage.toml");
    let mut text = fs::read_to_string(packaged).unwrap();
    for (written, here) in [
        ("/var/lib/garage/", format!("{place}/")),
        ("127.0.0.1:3901", rpc.to_string()),
        ("0.0.0.0:3900", address.to_string()),
    ] {
        assert!(text.contains(written), "{written}");
        text = text.replace(written, &here);
    }
    let text = format!(
        "metadata_fsync = false\ndata_fsync = false\n{text}\n[admin]\napi_bind_addr = \"{admin}\"\nadmin_token = \"of-the-tests\"\n"
    );
    fs::write(&settings, text).unwrap();
    let mut server = below_a_shell(&folder, &program);
    server
        .arg("-c")
        .arg(settings)
        .args(["server", "--single-node", "--default-bucket"])
        .env("GARAGE_RPC_SECRET", SECRET_KEY)
        .env("GARAGE_DEFAULT_ACCESS_KEY", ACCESS_KEY)
        .env("GARAGE_DEFAULT_SECRET_KEY", SECRET_KEY)
        .env("GARAGE_DEFAULT_BUCKET", BUCKET);
    let started = started(Kind::Garage, server, folder, address);
    wait_until("Garage", || is_healthy(admin));
    Some(started)
}

/// A command that runs `program`, ends it when its own input ends, and then deletes the folder.
fn below_a_shell(folder: &Path, program: &Path) -> Command {
    let commands = r#""$@" </dev/null & server=$!; read -r _; kill "$server"; wait "$server""#;
    let mut shell = shell(commands, folder);
    shell.arg(program);
    shell
}

fn started(kind: Kind, mut shell: Command, folder: PathBuf, address: SocketAddr) -> S3Server {
    S3Server {
        endpoint: format!("http://{address}"),
        kind,
        folder,
        _shell: shell.spawn().unwrap(),
    }
}

fn wait_until(what: &str, is_ready: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_ready() {
        assert!(Instant::now() < end, "{what} does not start");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What Garage says of itself at the address for its administration.
fn is_healthy(admin: SocketAddr) -> bool {
    let mut answer = String::new();
    let asked = TcpStream::connect(admin).and_then(|mut stream| {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
        stream.read_to_string(&mut answer)
    });
    asked.is_ok() && answer.starts_with("HTTP/1.1 200")
}

fn new_folder(name: &str) -> PathBuf {
    let prefix = format!("tarn-{name}-");
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir();
    folder.unwrap().keep()
}

/// Where a program is: in the cache of the tests, or on the path.
fn program(name: &'static str) -> Option<PathBuf> {
    let cached = cache_folder().map(|cache| cache.join("bin"));
    let on_path = env::var_os("PATH").unwrap_or_default();
    let found = cached
        .into_iter()
        .chain(env::split_paths(&on_path))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    if found.is_none() {
        left_out(name);
    }
    found
}
