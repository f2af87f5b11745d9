//! A PostgreSQL server of a test's own, on a Unix socket in a temporary folder.

use std::{
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use tempfile::TempDir;

use crate::{left_out, shell::shell};

/// The user of the server and its administrator.
const USER: &str = "postgres";

/// A server that runs until this is dropped. It keeps nothing through a power cut.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    folder: TempDir,
    port: String,
    /// Stops the server and deletes the folder when its input ends: with this process, however that ends.
    keeper: Option<Child>,
}

/// Where a file system in memory has room for the databases of a suite, some 2 GiB of many small files, it is much faster. One that syncs
/// is on a disk, where that means something.
fn place(settings: &[&str]) -> PathBuf {
    if settings.contains(&"fsync=on") {
        return std::env::temp_dir();
    }
    const ROOM: u64 = 8 << 30;
    let memory = Path::new("/dev/shm");
    let has_room =
        rustix::fs::statvfs(memory).is_ok_and(|found| found.f_bavail * found.f_frsize >= ROOM);
    let available = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = available
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemAvailable:")?
                .trim()
                .strip_suffix(" kB")
        })
        .and_then(|kib| kib.parse::<u64>().ok());
    if has_room && available.is_some_and(|kib| kib << 10 >= ROOM) {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

impl Postgres {
    /// Starts one. None, and says so, where PostgreSQL 15 or newer is not installed.
    ///
    /// # Panics
    ///
    /// When it does not start, and when it is not installed where nothing may be left out.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with(&[], &[])
    }

    /// The same, with settings of the server, each as `name=value`, and files in the folder of its data, by name.
    ///
    /// # Panics
    ///
    /// As above.
    #[must_use]
    pub fn start_with(settings: &[&str], files: &[(&str, &str)]) -> Option<Self> {
        Self::start_in(&place(settings), settings, files)
    }

    /// The same, with its data below a folder, which its user has to be able to open.
    ///
    /// # Panics
    ///
    /// As above.
    #[must_use]
    pub fn start_in(place: &Path, settings: &[&str], files: &[(&str, &str)]) -> Option<Self> {
        let Some(programs) = programs() else {
            left_out("PostgreSQL 15");
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("pg")
            .tempdir_in(place)
            .unwrap();
        let port = settings.iter().find_map(|set| set.strip_prefix("port="));
        let port = port.unwrap_or("5432").to_owned();
        let mut server = Self {
            programs,
            folder,
            port,
            keeper: None,
        };
        give(server.folder.path());
        let data = server.data();
        server.keeper = Some(server.keeper());
        server.run(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                USER,
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
            ],
        );
        for (name, text) in files {
            let path = Path::new(&data).join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            give(&path);
        }
        let mut options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c fsync=off -c full_page_writes=off \
             -c max_connections=300 -c shared_buffers=32MB -c max_wal_size=256MB",
            server.folder.path().display()
        );
        for setting in settings {
            options.push_str(" -c ");
            options.push_str(setting);
        }
        let log = format!("{}/log", server.folder.path().display());
        server.run(
            "pg_ctl",
            &["-D", &data, "-w", "-l", &log, "-o", &options, "start"],
        );
        Some(server)
    }

    /// The URL of a database of that name.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        url(self.folder.path(), name)
    }

    /// The folder of its data, for its configuration files.
    #[must_use]
    pub fn data(&self) -> String {
        format!("{}/data", self.folder.path().display())
    }

    /// Makes a database, a copy of another one where `of` names one.
    ///
    /// # Panics
    ///
    /// When it can't be made.
    pub fn create(&self, name: &str, of: Option<&str>) {
        create(self.folder.path(), name, of).expect("a database is made");
    }

    /// Runs SQL in a database and gives what it prints: a line a row, columns separated by `|`.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn sql(&self, database: &str, text: &str) -> String {
        let mut command = psql(self.folder.path(), database);
        let output = command.args(["-p", &self.port, "-c", text]).output();
        answer(&output.unwrap()).expect("the SQL is right")
    }

    /// Stops the server at once and starts it again.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn restart(&self) {
        let data = self.data();
        let log = format!("{}/log", self.folder.path().display());
        self.run(
            "pg_ctl",
            &["-D", &data, "-w", "-m", "immediate", "-l", &log, "restart"],
        );
    }

    /// Stops the server at once; [`Self::restart`] starts it again.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn stop(&self) {
        let data = self.data();
        self.run("pg_ctl", &["-D", &data, "-w", "-m", "immediate", "stop"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.as_its_user(program, arguments);
        assert!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn keeper(&self) -> Child {
        let stop = self.command_as_its_user("pg_ctl");
        let mut shell = shell(r#"read -r _; "$@""#, self.folder.path());
        shell.arg(stop.get_program()).args(stop.get_args()).args([
            "-D",
            &self.data(),
            "-w",
            "-m",
            "immediate",
            "stop",
        ]);
        shell.spawn().unwrap()
    }

    fn command_as_its_user(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        // The server refuses to run as root.
        if !is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args([
            format!("--reuid={USER}"),
            format!("--regid={USER}"),
            "--init-groups".to_owned(),
        ]);
        command.arg(program);
        command
    }

    fn as_its_user(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command_as_its_user(program);
        // The server must not keep this process's output open.
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let errors = self.folder.path().join("errors");
        command.stderr(fs::File::create(&errors).unwrap());
        let status = command.status().unwrap();
        Output {
            status,
            stdout: Vec::new(),
            stderr: fs::read(errors).unwrap(),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

/// Lets the user of the server own a file.
fn give(path: &Path) {
    if is_root() {
        let owned = Command::new("chown").arg(USER).arg(path).status();
        assert!(owned.unwrap().success(), "there is no user {USER}");
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

/// The URL of a database of the server whose socket is in that folder.
pub(crate) fn url(socket: &Path, name: &str) -> String {
    format!("postgres://{USER}@/{name}?host={}", socket.display())
}

/// Makes a database, and gives what the server said when it did not.
pub(crate) fn create(socket: &Path, name: &str, of: Option<&str>) -> Result<(), String> {
    let of = of
        .map(|of| format!(" TEMPLATE \"{of}\""))
        .unwrap_or_default();
    sql(socket, USER, &format!("CREATE DATABASE \"{name}\"{of}")).map(drop)
}

/// Runs SQL and gives what it prints, a line a row, or what the server said when that failed.
pub(crate) fn sql(socket: &Path, database: &str, text: &str) -> Result<String, String> {
    answer(&psql(socket, database).args(["-c", text]).output().unwrap())
}

fn answer(output: &Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8(output.stdout.clone()).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

pub(crate) fn psql(socket: &Path, database: &str) -> Command {
    let program = programs().expect("it was there before").join("psql");
    let mut command = Command::new(program);
    command
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER])
        .arg("-h")
        .arg(socket)
        .args(["-d", database]);
    command
}

/// The folder of the programs of the newest PostgreSQL, 15 at least.
fn programs() -> Option<PathBuf> {
    // Debian keeps them apart by version, so that several can be installed; Alpine links the one in /usr/libexec.
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (folder, below) in [("/usr/lib/postgresql", "bin"), ("/usr/libexec", "")] {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let version = name
                .to_str()
                .unwrap_or_default()
                .trim_start_matches("postgresql");
            if let Ok(version) = version.parse()
                && version >= 15
            {
                found.push((version, entry.path().join(below)));
            }
        }
    }
    found.retain(|(_, programs)| programs.join(OsStr::new("initdb")).is_file());
    let newest = found.into_iter().max().map(|(_, programs)| programs);
    // Fedora has one version, among the programs of everyone.
    let only =
        || Some(PathBuf::from("/usr/bin")).filter(|programs| major_version(programs) >= Some(15));
    newest.or_else(only)
}

/// The first number in `pg_ctl (PostgreSQL) 16.4`.
fn major_version(programs: &Path) -> Option<u32> {
    let output = Command::new(programs.join("pg_ctl"))
        .arg("--version")
        .output();
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    text.split_whitespace()
        .last()?
        .split('.')
        .next()?
        .parse()
        .ok()
}
