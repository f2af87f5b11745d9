//! versitygw, an S3 server over a folder, started once for a test process. Where the program is missing a test is left out and says
//! so, or fails if nothing may be left out.

use std::{
    env, fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

pub(crate) const ACCESS_KEY: &str = "tarn-tests";
pub(crate) const SECRET_KEY: &str = "a-secret-of-the-tests";
pub(crate) const REGION: &str = "test-1";

/// The server. It ends with this process, and its folder goes with it.
pub(crate) struct Versitygw {
    /// `http://127.0.0.1:PORT`
    pub(crate) endpoint: String,
    /// Each folder in it is a bucket, each file in that an object.
    folder: PathBuf,
    /// Its input is open for as long as this process lives, however that ends.
    _shell: Child,
}

/// The server of this process. `None` means that the caller leaves its test out.
pub(crate) fn versitygw_or_leave_out() -> Option<&'static Versitygw> {
    static SERVER: OnceLock<Option<Versitygw>> = OnceLock::new();
    SERVER.get_or_init(start).as_ref()
}

fn start() -> Option<Versitygw> {
    let program = program()?;
    let root = env::temp_dir().join(format!("tarn-versitygw-{}", std::process::id()));
    let (folder, beside) = (root.join("buckets"), root.join("attributes"));
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(&beside).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    // The shell ends when its input does.
    let script = r#""$0" --quiet --region "$1" --port "$2" posix --sidecar "$3/attributes" "$3/buckets" </dev/null &
        server=$!; read -r _; kill "$server"; wait "$server"; rm -rf "$3""#;
    let shell = Command::new("sh")
        .args(["-c", script])
        .arg(program)
        .args([REGION, &address.to_string()])
        .arg(&root)
        .env("ROOT_ACCESS_KEY", ACCESS_KEY)
        .env("ROOT_SECRET_KEY", SECRET_KEY)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "versitygw does not start");
        thread::sleep(Duration::from_millis(20));
    }
    Some(Versitygw {
        endpoint: format!("http://{address}"),
        folder,
        _shell: shell,
    })
}

/// Where the program is: in the cache of the tests, or on the path.
fn program() -> Option<PathBuf> {
    let cache = env::var_os("TARN_TEST_CACHE").map(PathBuf::from);
    let home = || Some(Path::new(&env::var_os("HOME")?).join(".cache/tarn-tests"));
    let cached = cache.or_else(home).map(|cache| cache.join("bin/versitygw"));
    let on_path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&on_path).map(|folder| folder.join("versitygw"));
    let found = cached
        .into_iter()
        .chain(on_path)
        .find(|path| path.is_file());
    if found.is_some() {
        return found;
    }
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    assert!(
        !set("CI") && !set("TARN_REQUIRE_TOOLS"),
        "versitygw is missing, and nothing may be left out here; `make test` installs it"
    );
    // Around the test runner's capture, so that it is seen.
    let line = b"left out: tests that need versitygw; `make test` installs it\n";
    std::io::stderr().write_all(line).unwrap();
    None
}

impl Versitygw {
    /// Makes a bucket and gives its folder.
    pub(crate) fn make_bucket(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        fs::create_dir(&folder).unwrap();
        folder
    }

    /// The URL for `--storage`, of a prefix in that bucket.
    pub(crate) fn url(&self, bucket: &str) -> String {
        format!(
            "s3://{bucket}/some/prefix?endpoint={}&region={REGION}",
            self.endpoint
        )
    }
}
