//! What the documents tell readers to type: the first screen of the README, the tutorial, the examples for CI.

use std::{fs, path::Path, process::Command};

use tarn_testkit::block_of;
use tempfile::TempDir;

use crate::{
    build_tools::{Work, key_of},
    harness::{
        Apk, Package, Server, alpine_or_leave_out, curl_or_leave_out,
        server::{ADMIN, TARN, credentials_of},
        tools,
    },
};

/// Runs a block that is typed on a stock Alpine, up to where apk installs: the harness has an apk with a root of its own.
fn on_alpine(alpine: &Path, apk: &Apk, server: &Server, block: &str) {
    let wget = format!(
        "wget() {{ {root}/lib/ld-musl-x86_64.so.1 --library-path {root}/lib:{root}/usr/lib {root}/bin/busybox wget \"$@\"; }}\n",
        root = alpine.display()
    );
    let repositories = apk.keys().with_file_name("repositories");
    let (fetch, install) = block.split_once(" && apk add").unwrap();
    assert_eq!(install.trim_end(), " --update-cache hello");
    let fetch = with_server(fetch, server)
        .replace("/etc/apk/keys", apk.keys().to_str().unwrap())
        .replace("/etc/apk/repositories", repositories.to_str().unwrap())
        .replace("KEY", &key_of(server));
    let mut command = Command::new("/bin/sh");
    command.args(["-euc", &format!("{wget}{fetch}")]);
    let ended = command.env("no_proxy", "*").output().unwrap();
    assert!(ended.status.success(), "{fetch}: {ended:?}");
}

/// A block about a server on this machine.
fn with_server(block: &str, server: &Server) -> String {
    block
        .replace("admin:PASSWORD", ADMIN)
        .replace("http://127.0.0.1:8080", &server.base)
        .replace("http://HOST:8080", &server.base)
}

#[test]
fn the_first_screen_of_the_readme_is_true() {
    let Some(alpine) = alpine_or_leave_out() else {
        return;
    };
    let server = Server::start();
    let folder = TempDir::new().unwrap();
    Package::new("hello", "1.0-r0")
        .file("usr/bin/hello", "hello")
        .write_into(folder.path());
    let publish = block_of(
        "README.md",
        "curl -sS --fail-with-body --user admin:PASSWORD",
    );
    let mut command = Command::new("/bin/sh");
    command.args(["-euc", &with_server(&publish, &server)]);
    let ended = command
        .current_dir(folder.path())
        .env("no_proxy", "*")
        .output();
    assert!(ended.unwrap().status.success(), "{publish}");
    let apk = Apk::new(&alpine, &[]);
    on_alpine(
        &alpine,
        &apk,
        &server,
        &block_of("README.md", "wget -O /etc/apk/keys/KEY"),
    );
    apk.expect(&["add", "hello"]);
    assert_eq!(apk.installed("usr/bin/hello").as_deref(), Some("hello"));
}

#[test]
fn the_tutorial_is_true() {
    let (Some(nfpm), Some(alpine)) = (tools::nfpm_or_leave_out(), alpine_or_leave_out()) else {
        return;
    };
    let server = Server::start();
    let work = Work::new(&server, &nfpm);
    std::os::unix::fs::symlink(&*TARN, work.at("bin/tarn")).unwrap();
    let settings = block_of("docs/tutorial.md", "# nfpm.yaml");
    let make = block_of("docs/tutorial.md", "nfpm package");
    let publish = with_server(
        &block_of("docs/tutorial.md", "--upload-file hello.apk"),
        &server,
    );
    work.write("nfpm.yaml", &settings);
    let said = work.expect(&make);
    assert!(said.contains("hello") && said.contains("1.0.0"), "{said}");
    work.expect(&publish);
    let apk = Apk::new(&alpine, &[]);
    on_alpine(
        &alpine,
        &apk,
        &server,
        &block_of("docs/tutorial.md", "wget -O /etc/apk/keys/KEY"),
    );
    apk.expect(&["add", "hello"]);
    assert_eq!(
        apk.installed("usr/bin/hello").as_deref(),
        Some("#!/bin/sh\necho hello\n")
    );

    work.write(
        "nfpm.yaml",
        &settings.replace("version: 1.0.0", "version: 1.0.1"),
    );
    work.expect(&make);
    work.expect(&publish);
    for command in block_of("docs/tutorial.md", "apk update && apk upgrade")
        .trim()
        .split(" && ")
    {
        let words: Vec<&str> = command.split(' ').skip(1).collect();
        apk.expect(&words);
    }
    let listed = apk.expect(&["list", "--installed"]);
    assert!(listed.contains("hello-1.0.1"), "{listed}");
}

#[test]
fn the_loops_of_ci_services_publish() {
    if !curl_or_leave_out() {
        return;
    }
    let server = Server::start();
    server.add_user("alice", "public");
    server.tarn(&["org", "add", "acme", "--owner", "alice"], "");
    let words = block_of("docs/ci.md", "tarn token add");
    let words: Vec<&str> = words.split_whitespace().skip(1).collect();
    let token = server.tarn(&words, "");
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    fs::create_dir(&out).unwrap();
    for (number, block) in [
        block_of("docs/ci.md", "for file in out/*.apk"),
        block_of("docs/ci.md", "# .github/workflows/publish.yaml"),
        block_of("docs/ci.md", "# .gitlab-ci.yml"),
        block_of("docs/ci.md", "# .woodpecker/publish.yaml"),
    ]
    .iter()
    .enumerate()
    {
        // One that is there already, and one that is new.
        Package::new("hello", &format!("1.{number}-r0")).write_into(&out);
        let begin = block.find("for file in").unwrap();
        let end = begin + block[begin..].find("done").unwrap() + "done".len();
        let lines = block[begin..end].replace("https://HOST", &server.base);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-euc", &lines]).current_dir(folder.path());
        shell.envs([("TARN_TOKEN", token.trim()), ("no_proxy", "*")]);
        let ended = shell.output().unwrap();
        assert!(ended.status.success(), "{lines}: {ended:?}");
        let path = format!("/v3.23/main/x86_64/hello-1.{number}-r0.apk");
        server
            .alpine("acme", &path)
            .user(&credentials_of("alice"))
            .expect(200);
    }
}
