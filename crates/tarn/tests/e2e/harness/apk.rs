//! The real apk, with a throwaway root to install into.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::Server;

const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// The apk of one test: its root, its keys, its repositories and its home folder.
pub(crate) struct Apk {
    alpine: PathBuf,
    scratch: TempDir,
    arch: String,
    environment: Vec<(String, String)>,
    cached: bool,
    whole_root: bool,
    by_root: bool,
}

/// What a run of apk printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) success: bool,
    pub(crate) output: String,
}

impl Apk {
    /// A root with nothing in it that knows these repositories and no key yet.
    pub(crate) fn new(alpine: &Path, repositories: &[String]) -> Self {
        let apk = Self::prepare(alpine, &[]);
        fs::create_dir(apk.root()).unwrap();
        apk.expect(&["add", "--initdb"]);
        apk.set_repositories(repositories);
        apk
    }

    /// The same with one repository and with the key of `admin`.
    pub(crate) fn of(server: &Server, alpine: &Path, repository: impl Into<String>) -> Self {
        Self::new(alpine, &[repository.into()]).trusting(server, "admin", "")
    }

    /// A copy of the whole of Alpine, where the scripts of a package find a shell.
    pub(crate) fn with_whole_root(alpine: &Path, repositories: &[String]) -> Self {
        let mut apk = Self::prepare(alpine, repositories);
        let mut copy = Command::new("cp");
        let copied = copy.arg("-a").arg(alpine).arg(apk.root()).status();
        assert!(copied.unwrap().success());
        apk.whole_root = true;
        apk
    }

    /// The same with no repositories in it.
    pub(crate) fn stock(alpine: &Path) -> Self {
        let apk = Self::with_whole_root(alpine, &[]);
        fs::write(apk.root().join("etc/apk/repositories"), "").unwrap();
        apk
    }

    fn prepare(alpine: &Path, repositories: &[String]) -> Self {
        let apk = Self {
            alpine: alpine.to_owned(),
            scratch: TempDir::new().unwrap(),
            arch: "x86_64".to_owned(),
            environment: Vec::new(),
            cached: false,
            whole_root: false,
            by_root: false,
        };
        for folder in ["keys", "home", "cache", "fetched"] {
            fs::create_dir(apk.scratch.path().join(folder)).unwrap();
        }
        apk.set_repositories(repositories);
        apk
    }

    pub(crate) fn arch(mut self, arch: &str) -> Self {
        arch.clone_into(&mut self.arch);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes keys and repositories from `/etc/apk` of the root, as an installed system does.
    pub(crate) fn by_its_root(mut self) -> Self {
        self.by_root = true;
        self
    }

    /// Keeps indexes between runs, as an installed Alpine does. `update`, and what installs, ask for newer ones.
    pub(crate) fn cached(mut self) -> Self {
        self.cached = true;
        self
    }

    /// Trusts the key of an owner, as the server hands it out now.
    pub(crate) fn trusting(self, server: &Server, owner: &str, credentials: &str) -> Self {
        let answer = server.alpine(owner, "/key").user(credentials).expect(200);
        self.with_key(answer.file_name(), &answer.body)
    }

    /// Trusts a key, kept under that name.
    pub(crate) fn with_key(self, name: &str, pem: &[u8]) -> Self {
        fs::write(self.scratch.path().join("keys").join(name), pem).unwrap();
        self
    }

    pub(crate) fn netrc(self, text: &str) -> Self {
        fs::write(self.scratch.path().join("home/.netrc"), text).unwrap();
        self
    }

    pub(crate) fn set_repositories(&self, repositories: &[String]) {
        let path = self.scratch.path().join("repositories");
        fs::write(path, repositories.join("\n") + "\n").unwrap();
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.scratch.path().join("root")
    }

    /// Where it looks for keys.
    pub(crate) fn keys(&self) -> PathBuf {
        self.scratch.path().join("keys")
    }

    pub(crate) fn fetched(&self) -> PathBuf {
        self.scratch.path().join("fetched")
    }

    /// The content of an installed file, or nothing where it is not there.
    pub(crate) fn installed(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.root().join(path)).ok()
    }

    /// Makes sure that a file was installed, with that content.
    #[track_caller]
    pub(crate) fn must_have(&self, path: &str, content: &str) {
        assert_eq!(self.installed(path).as_deref(), Some(content), "{path}");
    }

    /// Runs `apk COMMAND …` with the options that make it look at this test alone.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let (command, rest) = arguments.split_first().expect("a command of apk");
        let root = rustix::process::geteuid().is_root();
        let mut call = program(&self.alpine, self.whole_root && !root);
        call.arg(command).arg("--root").arg(self.root());
        call.args(["--arch", &self.arch]);
        if !self.by_root {
            call.arg("--keys-dir").arg(self.scratch.path().join("keys"));
            call.arg("--repositories-file");
            call.arg(self.scratch.path().join("repositories"));
        }
        if self.cached {
            call.arg("--cache-dir")
                .arg(self.scratch.path().join("cache"));
            call.arg("--update-cache");
        } else {
            call.arg("--no-cache");
        }
        if matches!(*command, "add" | "del" | "upgrade") && !root && !self.whole_root {
            call.arg("--usermode");
        }
        call.args(rest)
            .env("HOME", self.scratch.path().join("home"));
        call.envs(self.environment.iter().map(|(name, value)| (name, value)));
        finish(call)
    }

    /// The same; it must end well and say nothing that smells of a fault. Gives what it printed.
    pub(crate) fn expect(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert!(run.success, "apk {arguments:?}: {}", run.output);
        run.assert_clean();
        run.output
    }

    /// The same; it must fail. Gives what it printed.
    pub(crate) fn expect_failure(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert!(!run.success, "apk {arguments:?} went well: {}", run.output);
        run.output
    }

    /// The same; it must say that the signature is by no key that it trusts.
    #[track_caller]
    pub(crate) fn must_refuse(&self, arguments: &[&str]) {
        let run = self.run(arguments);
        assert!(run.output.contains("UNTRUSTED"), "{}", run.output);
    }

    /// Runs lines of a shell as root inside the whole root.
    pub(crate) fn inside(&self, lines: &str, variables: &[(&str, &str)]) -> Run {
        let mut call = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            call.arg("--map-root-user");
        }
        call.arg("chroot").arg(self.root());
        call.args(["/bin/sh", "-ec", lines]).env_clear();
        call.envs([("HOME", "/root"), ("PATH", PATH)]);
        call.envs(variables.iter().copied());
        finish(call)
    }

    /// `name-version` of everything the repositories offer, sorted.
    pub(crate) fn search(&self, patterns: &[&str]) -> Vec<String> {
        let output = self.expect(&[&["search"], patterns].concat());
        let mut lines: Vec<String> = output.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Run {
    /// apk may end with 0 although it refused an index; its words say so.
    pub(crate) fn assert_clean(&self) {
        let lower = self.output.to_lowercase();
        for word in [
            "error",
            "warning",
            "untrusted",
            "bad signature",
            "format is invalid",
        ] {
            assert!(!lower.contains(word), "{word:?} in {}", self.output);
        }
    }
}

/// Runs an apk that looks at no repository, such as `apk version`.
pub(crate) fn bare(alpine: &Path, arguments: &[&str]) -> Run {
    let mut call = program(alpine, false);
    call.args(arguments);
    finish(call)
}

/// The apk of `alpine`, started by the loader beside it. `mapped` makes the caller root in a name space of its own.
fn program(alpine: &Path, mapped: bool) -> Command {
    let loader = alpine.join("lib/ld-musl-x86_64.so.1");
    let mut call = if mapped {
        let mut call = Command::new("unshare");
        call.arg("--map-root-user").arg(loader);
        call
    } else {
        Command::new(loader)
    };
    let folders = [alpine.join("lib"), alpine.join("usr/lib")];
    call.arg("--library-path")
        .arg(std::env::join_paths(folders).unwrap());
    call.arg(alpine.join("sbin/apk"));
    call.env_clear().env("PATH", PATH);
    call
}

fn finish(mut call: Command) -> Run {
    let output = call.stdin(Stdio::null()).output().expect("apk starts");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Run {
        success: output.status.success(),
        output: text,
    }
}
