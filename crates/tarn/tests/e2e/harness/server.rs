//! `tarn serve` as a process, and the other commands of `tarn` on its data folder.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Output, Stdio},
    sync::{Arc, LazyLock, Mutex, mpsc},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tarn_testkit::{Line, Running};
use tempfile::TempDir;

use super::{Answer, Curl, Package, becomes_true, index::Index};

/// The password of the first administrator, whose name is `admin`.
pub(crate) const PASSWORD: &str = "Open-Sesame_42";

/// `admin` with the right password, as curl wants it.
pub(crate) const ADMIN: &str = "admin:Open-Sesame_42";

/// How the hash of a password begins that the server made.
pub(crate) const DEFAULT_COST: &str = "$argon2id$v=19$m=19456,t=2,p=1$";

/// The binary that is tested: that of this build, or the one that `TARN_TEST_BINARY` names, such as `target/release/tarn`.
pub(crate) static TARN: LazyLock<OsString> = LazyLock::new(|| {
    env::var_os("TARN_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_tarn").into())
});

/// How long a server may take to start, to stop, or to finish work in the background.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running server with a data folder of its own.
pub(crate) struct Server {
    pub(crate) base: String,
    child: Running,
    data: Arc<TempDir>,
    log: Arc<Mutex<String>>,
}

/// The data folder of a server that has been stopped or killed.
pub(crate) struct Stopped {
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
    data: Arc<TempDir>,
}

impl Server {
    /// Starts in an empty data folder and waits until it can serve.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same with further arguments of `serve`.
    pub(crate) fn start_with(line: &(impl Line + ?Sized)) -> Self {
        Self::start_on(Arc::new(TempDir::new().unwrap()), line)
    }

    /// Starts on a folder that another command made, with further arguments of `serve`.
    pub(crate) fn start_on(data: Arc<TempDir>, line: &(impl Line + ?Sized)) -> Self {
        let mut command = serve_command(Command::new(&*TARN), data.path());
        command.args(line.words());
        Self::spawn(command, data)
    }

    /// Starts by way of `wrapper`, a command that ends in running the program given to it as arguments.
    pub(crate) fn start_below(mut wrapper: Command) -> Self {
        let data = Arc::new(TempDir::new().unwrap());
        wrapper.env("DATA", data.path()).arg(&*TARN);
        Self::spawn(serve_command(wrapper, data.path()), data)
    }

    fn spawn(mut command: Command, data: Arc<TempDir>) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tarn starts");
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        follow(child.stdout.take().unwrap(), Arc::clone(&log), Some(found));
        follow(child.stderr.take().unwrap(), Arc::clone(&log), None);
        let mut server = Self {
            base: String::new(),
            child: Running(child),
            data,
            log,
        };
        server.base = address
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("no address on stdout:\n{}", server.log()));
        assert!(
            !server.base.ends_with(":0"),
            "the real port: {}",
            server.base
        );
        // Whatever its certificate is by now.
        let asked = || server.curl("/healthz").arg("-k").run().status == 200;
        let ready = becomes_true(PATIENCE, asked);
        assert!(ready, "/healthz never answered 200:\n{}", server.log());
        server
    }

    pub(crate) fn curl(&self, path: &str) -> Curl {
        Curl::new(&self.base, path)
    }

    /// A request below `/api/packages/{owner}/alpine`; `path` begins behind that with `/`.
    pub(crate) fn alpine(&self, owner: &str, path: &str) -> Curl {
        self.curl(&format!("/api/packages/{owner}/alpine{path}"))
    }

    /// An upload by the administrator.
    pub(crate) fn upload(&self, owner: &str, repository: &str, bytes: &[u8]) -> Curl {
        let call = self.alpine(owner, &format!("/{repository}")).user(ADMIN);
        call.upload_bytes(bytes)
    }

    /// Uploads to a repository of `admin`, and expects it to be taken.
    pub(crate) fn publish(&self, repository: &str, package: &Package) -> Answer {
        self.publish_for("admin", repository, package)
    }

    pub(crate) fn publish_for(&self, owner: &str, repository: &str, package: &Package) -> Answer {
        self.upload(owner, repository, &package.bytes()).expect(201)
    }

    /// A deletion by the administrator, of something below the packages of `admin`.
    pub(crate) fn delete(&self, path: &str) -> Curl {
        self.alpine("admin", path).user(ADMIN).method("DELETE")
    }

    /// The host and the port.
    pub(crate) fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// The address of a repository of `admin`, as it stands in `/etc/apk/repositories`.
    pub(crate) fn repository(&self, repository: &str) -> String {
        self.repository_of("admin", repository)
    }

    pub(crate) fn repository_of(&self, owner: &str, repository: &str) -> String {
        format!("{}/api/packages/{owner}/alpine/{repository}", self.base)
    }

    /// The same with credentials in the address.
    pub(crate) fn repository_as(&self, credentials: &str, owner: &str, repository: &str) -> String {
        let url = self.repository_of(owner, repository);
        url.replacen("http://", &format!("http://{credentials}@"), 1)
    }

    /// The index of a repository of `admin` for `x86_64`.
    pub(crate) fn index(&self, repository: &str) -> Index {
        self.index_for(repository, "x86_64")
    }

    pub(crate) fn index_for(&self, repository: &str, arch: &str) -> Index {
        let path = format!("/{repository}/{arch}/APKINDEX.tar.gz");
        Index::read(&self.alpine("admin", &path).user(ADMIN).expect(200).body)
    }

    /// Runs another command of `tarn` on the data folder, with `input` on its standard input.
    pub(crate) fn run_tarn(&self, line: &(impl Line + ?Sized), input: &str) -> Output {
        let mut command = Command::new(&*TARN);
        on_its_database(&mut command, self.data_folder());
        let mut child = command
            .args(line.words())
            .arg("--data-dir")
            .arg(self.data_folder())
            .env_remove("TARN_ADMIN_PASSWORD")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads no input may have ended before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// The same without input; it must end with 0. Gives its standard output.
    pub(crate) fn tarn(&self, line: &(impl Line + ?Sized)) -> String {
        self.tarn_with(line, "")
    }

    /// The same with input.
    pub(crate) fn tarn_with(&self, line: &(impl Line + ?Sized), input: &str) -> String {
        let output = self.run_tarn(line, input);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tarn {:?}: {errors}", line.words());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Adds a user. Its password is its name with `-Password-1` behind it.
    pub(crate) fn add_user(&self, name: &str, visibility: &str) {
        let line = format!("user add {name} --password-stdin --visibility {visibility}");
        self.tarn_with(&line, &format!("{}\n", password_of(name)));
    }

    /// A token of `user` with one scope.
    pub(crate) fn add_token(&self, user: &str, scope: &str) -> String {
        let line = format!("token add --user {user} --name {scope} --scope {scope}");
        let printed = self.tarn(&line);
        let token = printed.strip_suffix('\n').unwrap_or(&printed).to_owned();
        assert!(
            !token.is_empty() && !token.contains(char::is_whitespace),
            "{printed:?}"
        );
        token
    }

    pub(crate) fn data_folder(&self) -> &Path {
        self.data.path()
    }

    /// Every file of the data folder but those of the database, sorted.
    pub(crate) fn stored_files(&self) -> Vec<PathBuf> {
        files_below(self.data.path())
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until `holds` is true; fails with the log.
    #[track_caller]
    pub(crate) fn wait_until(&self, holds: impl FnMut() -> bool) {
        assert!(becomes_true(PATIENCE, holds), "{}", self.log());
    }

    /// Waits until the log has that in it. Gives the line.
    #[track_caller]
    pub(crate) fn wait_for(&self, said: &str) -> String {
        self.wait_until(|| self.log().contains(said));
        let log = self.log();
        let line = log.lines().find(|line| line.contains(said));
        line.unwrap().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Sends SIGTERM and waits for the end, which must come with exit code 0.
    pub(crate) fn stop(self) -> Stopped {
        self.signal(Signal::TERM);
        let stopped = self.wait();
        assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log);
        stopped
    }

    pub(crate) fn wait(mut self) -> Stopped {
        let ended = becomes_true(PATIENCE, || self.has_ended());
        assert!(ended, "the server did not end:\n{}", self.log());
        Stopped {
            status: self.child.wait().unwrap(),
            log: self.log(),
            data: Arc::clone(&self.data),
        }
    }
}

impl Stopped {
    /// Starts again on the same data.
    pub(crate) fn start(self) -> Server {
        self.start_with("")
    }

    /// The same with further arguments of `serve`.
    pub(crate) fn start_with(self, line: &(impl Line + ?Sized)) -> Server {
        Server::start_on(self.data, line)
    }

    pub(crate) fn data_folder(&self) -> &Path {
        self.data.path()
    }

    /// The same by way of `wrapper`, as [`Server::start_below`].
    pub(crate) fn start_below(self, mut wrapper: Command) -> Server {
        wrapper.arg(&*TARN);
        let command = serve_command(wrapper, self.data.path());
        Server::spawn(command, self.data)
    }
}

/// Runs a command of `tarn` on a data folder that no server has.
pub(crate) fn tarn_in(data: &Path, line: &(impl Line + ?Sized)) -> Output {
    Command::new(&*TARN)
        .args(line.words())
        .arg("--data-dir")
        .arg(data)
        .env_remove("TARN_ADMIN_PASSWORD")
        .output()
        .unwrap()
}

pub(crate) fn password_of(name: &str) -> String {
    format!("{name}-Password-1")
}

/// `name:password`, as curl wants it.
pub(crate) fn credentials_of(name: &str) -> String {
    format!("{name}:{}", password_of(name))
}

fn serve_command(mut command: Command, data: &Path) -> Command {
    command
        .args(["serve", "--data-dir"])
        .arg(data)
        // Not a flag, which a test may give itself.
        .env("TARN_LISTEN", "127.0.0.1:0")
        .env("TARN_ADMIN_PASSWORD", PASSWORD);
    on_its_database(&mut command, data);
    command
}

/// Where the tests run on PostgreSQL, the metadata of that data folder is there.
fn on_its_database(command: &mut Command, data: &Path) {
    if let Some(url) = tarn_testkit::database_in(data) {
        command.env("TARN_DATABASE", url);
    }
}

/// Every file below a folder but the database's, with its path inside the folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        // A folder or file may go away while it is looked at.
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if !entry.file_name().to_string_lossy().contains(".db") {
                files.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

/// Collects what the server says, and hands on the first address in it.
fn follow(
    stream: impl Read + Send + 'static,
    log: Arc<Mutex<String>>,
    found: Option<mpsc::Sender<String>>,
) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let address = line.strip_prefix("listening on ");
            if let (Some(address), Some(found)) = (address, &found) {
                let _ = found.send(address.trim_end().to_owned());
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}
