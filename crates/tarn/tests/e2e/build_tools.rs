//! Programs of others that make packages, and that read repositories: nfpm, goreleaser, apko, melange and Renovate, as their pages in
//! `docs/` say.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tarn_testkit::block_of;
use tempfile::TempDir;

use crate::harness::{
    Apk, Package, Server, alpine_or_leave_out,
    server::{ADMIN, PASSWORD},
    tools,
};

/// A folder with files of a user, and what the documents leave open.
pub(crate) struct Work<'a> {
    folder: TempDir,
    server: &'a Server,
    path: String,
}

impl<'a> Work<'a> {
    /// A folder whose commands find `program`.
    pub(crate) fn new(server: &'a Server, program: &Path) -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        let name = program.file_stem().unwrap();
        std::os::unix::fs::symlink(program, folder.path().join("bin").join(name)).unwrap();
        let path = format!(
            "{}:{}",
            folder.path().join("bin").display(),
            std::env::var("PATH").unwrap()
        );
        Self {
            folder,
            server,
            path,
        }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A text of a document, with this server, its administrator and its key.
    pub(crate) fn fill_in(&self, text: &str) -> String {
        let host = self.server.address();
        text.replace("https://USER:TOKEN@HOST", &format!("http://{ADMIN}@{host}"))
            .replace("https://HOST", &self.server.base)
            .replace("/OWNER/", "/admin/")
            .replace("USER", "admin")
            .replace("TOKEN", PASSWORD)
            .replace("KEY", &key_of(self.server))
    }

    /// Runs the lines of a shell in the folder.
    fn sh(&self, text: &str) -> Output {
        Command::new("/bin/sh")
            .args(["-euc", text])
            .current_dir(self.folder.path())
            .env("PATH", &self.path)
            .env("HOME", self.folder.path())
            .env("no_proxy", "*")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("CI")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same; it must end well. Gives what it printed.
    pub(crate) fn expect(&self, text: &str) -> String {
        let output = self.sh(text);
        let said = said(&output);
        assert!(
            output.status.success(),
            "{text}\n{said}\n{}",
            self.server.log()
        );
        said
    }
}

fn said(output: &Output) -> String {
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    said
}

/// The file name of the key that signs the indexes of `admin`.
pub(crate) fn key_of(server: &Server) -> String {
    let key = server.alpine("admin", "/key").user(ADMIN).expect(200);
    key.file_name().to_owned()
}

#[test]
fn nfpm_builds_what_apk_installs() {
    let (Some(nfpm), Some(alpine)) = (tools::nfpm_or_leave_out(), alpine_or_leave_out()) else {
        return;
    };
    let server = Server::start();
    let work = Work::new(&server, &nfpm);
    let settings = block_of("docs/nfpm.md", "# nfpm.yaml");
    let commands = work.fill_in(&block_of("docs/nfpm.md", "nfpm package"));
    work.write("nfpm.yaml", &settings);
    work.write("hello", "#!/bin/sh\necho hello\n");
    work.expect(&commands);
    // A job that runs again.
    work.expect(&commands);

    let apk = Apk::new(&alpine, &[server.repository("v3.23/main")]);
    let apk = apk.trusting(&server, "admin", ADMIN);
    apk.expect(&["add", "hello=1.2.3-r1"]);
    apk.must_have("usr/bin/hello", "#!/bin/sh\necho hello\n");

    // The versions of the page.
    let page = include_str!("../../../../docs/nfpm.md");
    for (written, packaged, instead) in [
        ("1.2.3-rc1", "1.2.3_rc1-r1", None),
        ("1.2.3-rc.1", "1.2.3_rc.1-r1", Some("1.2.3_rc1")),
        ("1.2.3+git5", "1.2.3-r1-git5", Some("1.2.3_git5")),
        ("1.2.3_git5\nversion_schema: none", "1.2.3_git5-r1", None),
    ] {
        let shown = written.split('\n').next().unwrap();
        assert!(page.contains(shown), "{written}");
        assert!(page.contains(packaged), "{packaged}");
        let version = format!("version: {written}");
        work.write("nfpm.yaml", &settings.replace("version: 1.2.3", &version));
        let output = work.sh(&commands.replace("-fsS", "-sS"));
        let said = said(&output);
        let names = server.index("v3.23/main").packages();
        match instead {
            None => assert!(names.contains(&format!("hello-{packaged}")), "{said}"),
            Some(instead) => assert!(said.contains(packaged) && said.contains(instead), "{said}"),
        }
    }
}

/// A module of Go with a program that goreleaser builds, under the tag `v1.2.3`.
const GO_PROGRAM: &str = r#"
git init -q . && git remote add origin https://example.org/hello/hello.git
git config user.email alice@example.org && git config user.name Alice
printf 'module example.org/hello\n\ngo 1.21\n' >go.mod
printf 'package main\n\nfunc main() { println("hello") }\n' >main.go
printf 'dist/\nbin/\ngo/\n.cache/\n' >.gitignore
git add . && git commit -q -m 'Say hello' && git tag v1.2.3
"#;

#[test]
fn goreleaser_uploads_what_apk_installs() {
    let (Some(goreleaser), Some(alpine)) =
        (tools::goreleaser_or_leave_out(), alpine_or_leave_out())
    else {
        return;
    };
    let server = Server::start();
    let work = Work::new(&server, &goreleaser);
    let settings = work.fill_in(&block_of("docs/goreleaser.md", "# .goreleaser.yaml"));
    // There is no forge to make a release on.
    let settings = format!("project_name: hello\n{settings}release:\n  disable: true\n");
    let command = work.fill_in(&block_of("docs/goreleaser.md", "goreleaser release"));
    let command = format!(
        "export GOPATH=$HOME/go GOPROXY=off GOTOOLCHAIN=local GOFLAGS=-modcacherw\n{command}"
    );

    // Without the line that the page calls needed.
    let needed = "    custom_artifact_name: true\n";
    work.write(".goreleaser.yaml", &settings.replace(needed, ""));
    work.expect(GO_PROGRAM);
    let refused = work.sh(&command);
    assert!(
        !refused.status.success() && said(&refused).contains("400"),
        "{}",
        said(&refused)
    );
    server
        .alpine("admin", "/v3.23/main/x86_64/APKINDEX.tar.gz")
        .expect(404);

    work.write(".goreleaser.yaml", &settings);
    work.expect("git commit -q -a -m 'As the page says' && git tag -f v1.2.3");
    work.expect(&command);
    for arch in ["x86_64", "aarch64"] {
        let index = server.index_for("v3.23/main", arch);
        assert_eq!(index.packages(), ["hello-1.2.3"]);
    }
    let apk = Apk::new(&alpine, &[server.repository("v3.23/main")]);
    let apk = apk.trusting(&server, "admin", ADMIN);
    apk.expect(&["add", "hello"]);
    assert!(apk.root().join("usr/bin/hello").is_file());
}

#[test]
fn renovate_finds_the_versions() {
    let mut node = found!(tools::renovate_or_leave_out());
    let page = include_str!("../../../../docs/renovate.md");
    assert!(page.contains("/alpine?branch=v3.23&components=main&arch=x86_64"));
    let server = Server::start();
    for version in ["1.0-r0", "1.1-r0"] {
        server.publish("v3.23/main", &Package::new("hello", version));
    }
    server.tarn("user visibility admin private");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/renovate/main.mjs");
    let listing = block_of("docs/renovate.md", "customDatasources");
    let output = node
        .arg(program)
        .args([&server.base, "admin", PASSWORD])
        .env("TARN_RENOVATE_LISTING", listing)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stdout == b"done\n",
        "{}\n{}",
        said(&output),
        server.log()
    );
}

/// A package `hello` with a shell beside it, which environments of melange need: the busybox of Alpine under the names that are called.
fn hello_with_a_shell(alpine: &Path) -> Package {
    let read = |path: &str| fs::read(alpine.join(path)).unwrap();
    let mut package = Package::new("hello", "1.0-r0")
        .file("usr/bin/hello", "#!/bin/sh\necho hello\n")
        .file("lib/ld-musl-x86_64.so.1", read("lib/ld-musl-x86_64.so.1"));
    for name in ["sh", "mkdir"] {
        package = package.file(&format!("bin/{name}"), read("bin/busybox"));
    }
    package
}

#[test]
fn apko_and_melange_find_the_key_by_themselves() {
    let alpine = found!(alpine_or_leave_out());
    let server = Server::start();
    server.publish("v3.23/main", &hello_with_a_shell(&alpine));
    if let Some(apko) = tools::apko_or_leave_out() {
        apko_builds_an_image(&Work::new(&server, &apko));
    }
    if let Some(melange) = tools::melange_or_leave_out() {
        melange_builds_a_package(&Work::new(&server, &melange), &alpine);
    }
}

fn apko_builds_an_image(work: &Work<'_>) {
    let settings = work.fill_in(&block_of("docs/apko-melange.md", "# apko.yaml"));
    let build = block_of("docs/apko-melange.md", "apko build");
    let built = |settings: &str| {
        work.write("apko.yaml", settings);
        // What it keeps of an earlier run.
        let _ = fs::remove_dir_all(work.at(".cache"));
        let output = work.sh(&build);
        let list = "tar -xOf hello.tar --wildcards '*.tar.gz' | tar -tzf - && rm hello.tar";
        output
            .status
            .success()
            .then(|| work.expect(list))
            .ok_or(said(&output))
    };
    let file = "usr/bin/hello";
    assert!(built(&settings).unwrap().contains(file));

    // For a private owner the credentials in the address open the packages; the key has to be named.
    work.server.tarn("user visibility admin private");
    let refused = built(&settings).unwrap_err();
    assert!(refused.contains("401"), "{refused}");
    let private = work.fill_in(&block_of("docs/apko-melange.md", "USER:TOKEN@HOST"));
    let (repositories, keyring) = private.split_once("  keyring:").unwrap();
    let (_, packages) = settings.split_once("  packages:").unwrap();
    let unnamed = format!("contents:\n{repositories}  packages:{packages}");
    let refused = built(&unnamed).unwrap_err();
    assert!(!refused.contains("401"), "{refused}");
    let named = format!("contents:\n{repositories}  keyring:{keyring}  packages:{packages}");
    assert!(built(&named).unwrap().contains(file));
    work.server.tarn("user visibility admin public");
}

fn melange_builds_a_package(work: &Work<'_>, alpine: &Path) {
    let recipe = work.fill_in(&block_of("docs/apko-melange.md", "# greeting.yaml"));
    work.write("greeting.yaml", &recipe);
    work.expect(&work.fill_in(&block_of("docs/apko-melange.md", "melange build")));
    let apk = Apk::new(alpine, &[work.server.repository("v3.23/main")]);
    let apk = apk.trusting(work.server, "admin", ADMIN);
    apk.expect(&["add", "greeting"]);
    apk.must_have("usr/share/greeting/text", "hello\n");
}
