//! The commands that talk to a server: `push` and `install-key`, and what packages of `tarn` install beside it.

use std::{
    fs,
    io::{BufReader, Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    sync::mpsc,
    thread,
};

use apk::sign::{KeySize, SigningKey};
use apk_testkit::v2::PackageBuilder;
use insta::assert_snapshot;
use rustix::process::Signal;
use serde_json::Value;
use tarn_testkit::block_of;

use crate::harness::{Folder, PASSWORD, Said, head_of, names_in, replaced, without_hashes};

fn package(name: &str) -> PackageBuilder {
    PackageBuilder::new(name, "1.0-r0").file("usr/bin/x", b"#!/bin/sh\n")
}

/// A registry that serves, with a token of `admin` that may write.
struct Served {
    folder: Folder,
    server: Option<crate::harness::Server>,
    address: String,
    token: String,
}

impl Served {
    fn start() -> Self {
        let folder = Folder::empty();
        let server = folder.serve(&[], &[("TARN_ADMIN_PASSWORD", PASSWORD)]);
        let add = "token add --user admin --name ci --scope write:package";
        let token = folder.tarn(add).line().to_owned();
        Self {
            address: server.address.clone(),
            server: Some(server),
            folder,
            token,
        }
    }

    fn to(&self) -> String {
        format!("http://{}/admin/v3.23/main", self.address)
    }

    fn push(&self, line: &str) -> Said {
        self.push_with(line, &[("TARN_TOKEN", &self.token)])
    }

    fn push_with(&self, line: &str, variables: &[(&str, &str)]) -> Said {
        let line = format!("push --to {} {line}", self.to());
        let home = self.folder.path("");
        let mut variables = variables.to_vec();
        variables.push(("HOME", home.to_str().unwrap()));
        self.folder.tarn_with(&line, &variables, "")
    }

    /// What was said, with what differs from run to run in brackets. It never holds the token.
    fn shown(&self, said: &Said) -> String {
        let text = said.all();
        assert!(!text.contains(&self.token), "{text}");
        without_hashes(&text.replace(&self.address, "[address]"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            let (status, _, stderr) = server.stop(Signal::TERM);
            assert!(status.success() || thread::panicking(), "{stderr}");
        }
    }
}

#[test]
fn packages_are_published_once_and_differences_are_refused() {
    let served = Served::start();
    let folder = &served.folder;
    folder.write("hello.apk", package("hello").build());
    folder.write("world.apk", package("world").build());
    let mut all = String::new();
    let mut say = |title: &str, said: &Said| {
        all.push_str(&format!("# {title}\n{}\n", served.shown(said)));
    };
    say(
        "two, one at a time",
        &served.push("hello.apk world.apk --jobs 1 --wait"),
    );
    say("again", &served.push("hello.apk world.apk --jobs 1"));
    folder.write(
        "hello.apk",
        package("hello")
            .file("usr/bin/y", b"#!/bin/sh\nexit\n")
            .build(),
    );
    let said = served.push("hello.apk");
    // The size depends on how well it was compressed.
    let sizes = r"\([0-9]+ there, [0-9]+ here\)";
    let stderr = replaced(sizes, &said.stderr, "([sizes])");
    say("other bytes", &Said { stderr, ..said });
    assert_snapshot!("pushed", without_sizes(&all));

    let said = served.push("world.apk --json --quiet");
    assert_eq!(said.stderr, "");
    let files: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(files[0]["outcome"], "unchanged");
    assert_eq!(files[0]["package"], "world-1.0-r0.apk");
    assert_eq!(files[0]["arch"], "x86_64");
}

/// `text` with the size of each upload in brackets.
fn without_sizes(text: &str) -> String {
    replaced(r"(?m)^(uploading .*?) \(.*$", text, "$1 ([size])")
}

#[test]
fn nothing_is_sent_when_one_file_would_be_refused() {
    let served = Served::start();
    let folder = &served.folder;
    folder.write("good.apk", package("good").build());
    folder.write("damaged.apk", package("damaged").wrong_data_hash().build());
    folder.write("text.apk", "hello");
    let again = package("good").file("usr/bin/y", b"#!/bin/sh\nexit\n");
    folder.write("again.apk", again.build());
    let mut all = String::new();
    for line in [
        "good.apk damaged.apk text.apk",
        "good.apk damaged.apk --dry-run",
        "good.apk --dry-run",
        ".",
        "good.apk good.apk again.apk",
    ] {
        all.push_str(&served.shown(&served.push(line)));
    }
    assert_snapshot!("not_sent", all);
    let listed = folder.tarn("package list admin --json");
    assert_eq!(listed.stdout, "[]\n");
    // A dry run asks no server.
    let said = folder.tarn("push good.apk --dry-run");
    assert_eq!((said.exit, said.stdout.as_str()), (0, "valid good.apk\n"));
    // What a server refuses unless it is lenient.
    folder.write("rc.apk", PackageBuilder::new("rc", "1.0-rc.1").build());
    let said = folder.tarn("push rc.apk --dry-run");
    assert_eq!(said.exit, 3, "{}", said.stderr);
    let said = folder.tarn("push rc.apk --dry-run --lenient-versions");
    assert_eq!(
        (said.exit, said.stdout.as_str()),
        (0, "valid rc.apk\n"),
        "{}",
        said.stderr
    );
}

#[test]
fn who_asks_comes_from_a_variable_a_file_or_netrc() {
    let served = Served::start();
    let folder = &served.folder;
    let mut all = String::new();
    folder.write("a.apk", package("a").build());
    for (line, variables) in [
        ("a.apk -q", &[][..]),
        ("a.apk -q", &[("TARN_TOKEN", "wrong")]),
        ("a.apk -q --token-file nowhere", &[]),
    ] {
        all.push_str(&served.shown(&served.push_with(line, variables)));
    }
    assert_snapshot!("credentials", all);

    folder.write("token", format!("{}\n", served.token));
    folder.write("b.apk", package("b").build());
    folder.write("c.apk", package("c").build());
    let published = |said: &Said| {
        assert_eq!(said.exit, 0, "{}", said.stderr);
        assert!(said.stdout.starts_with("published "), "{}", said.stdout);
    };
    published(&served.push_with("a.apk --token-file token", &[]));
    folder.write(
        ".netrc",
        format!("machine 127.0.0.1 login x password {}\n", served.token),
    );
    published(&served.push_with("b.apk", &[]));
    let to = format!(
        "http://admin:{}@{}/admin/v3.23/main",
        PASSWORD.replace(' ', "%20"),
        served.address
    );
    let said = folder.tarn_with("push c.apk", &[("TARN_PUSH_TO", &to)], "");
    published(&said);
    assert!(!format!("{}{}", said.stdout, said.stderr).contains("sesame"));
}

#[test]
fn a_wrong_place_is_refused_in_words() {
    let served = Served::start();
    let folder = &served.folder;
    folder.write("a.apk", package("a").build());
    let free = tarn_testkit::free_address().to_string();
    let mut all = String::new();
    for to in [
        format!("http://{}/nobody/v3.23/main", served.address),
        format!("http://{}/v3.23/main", served.address),
        "ftp://example.org/a/b/c".to_owned(),
        // Where no scheme is written, it is https.
        format!("{}/admin/v3.23/main", served.address),
        format!("http://{free}/admin/v3.23/main"),
    ] {
        let arguments = ["push", "a.apk", "--quiet", "--retries", "0", "--to", &to];
        let said = folder.tarn_with(&arguments, &[("TARN_TOKEN", &served.token)], "");
        all.push_str(&served.shown(&said).replace(&free, "[free]"));
    }
    all.push_str(&folder.tarn("push a.apk").all());
    all.push_str(&served.shown(&served.push("out/*.apk")));
    assert_snapshot!("wrong_places", all);
}

/// A server that answers what it is given, and says which requests it had.
fn scripted(answers: &'static [&'static str]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let head = head_of(&mut reader);
            let length = head.iter().find_map(|line| {
                let line = line.to_lowercase();
                line.strip_prefix("content-length: ")?.parse().ok()
            });
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).unwrap();
            sender.send(head[0].clone()).unwrap();
            let answer = format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\n");
            reader.get_mut().write_all(answer.as_bytes()).unwrap();
        }
    });
    (address, requests)
}

#[test]
fn a_busy_server_below_a_path_is_asked_again() {
    let folder = Folder::empty();
    folder.write("a.apk", package("a").build());
    let (address, requests) = scripted(&[
        "404 Not Found\r\nContent-Length: 0",
        "503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nbusy",
        "404 Not Found\r\nContent-Length: 0",
        "201 Created\r\nContent-Length: 0",
    ]);
    let to = format!("http://{address}/sub/path/alice/edge/main");
    let said = folder.tarn(&["push", "a.apk", "--to", &to]).good();
    assert_eq!(
        said.stdout,
        format!(
            "published http://{address}/sub/path/api/packages/alice/alpine/edge/main/x86_64/a-1.0-r0.apk\n"
        )
    );
    said.tells("busy; trying again in 0 s");
    let file = "/sub/path/api/packages/alice/alpine/edge/main";
    let asked: Vec<String> = requests.iter().collect();
    assert_eq!(
        asked,
        [
            format!("HEAD {file}/x86_64/a-1.0-r0.apk HTTP/1.1"),
            format!("PUT {file}?if-exists=same HTTP/1.1"),
            format!("HEAD {file}/x86_64/a-1.0-r0.apk HTTP/1.1"),
            format!("PUT {file}?if-exists=same HTTP/1.1"),
        ]
    );
}

#[test]
fn waiting_ends_with_a_failure_where_the_index_does_not_come() {
    let folder = Folder::empty();
    folder.write("a.apk", package("a").build());
    let (address, requests) = scripted(&[
        "404 Not Found\r\nContent-Length: 0",
        "201 Created\r\nContent-Length: 0",
        "404 Not Found\r\nContent-Length: 0",
    ]);
    let to = format!("http://{address}/alice/edge/main");
    let said = folder.tarn(&["push", "a.apk", "--to", &to, "--quiet", "--wait=1s"]);
    let text = said.all().replace(&address, "[address]");
    assert_snapshot!("waited", text);
    let asked = requests.iter().last().unwrap();
    assert!(
        asked.starts_with("GET /api/packages/alice/alpine/edge/main/x86_64/APKINDEX.tar.gz "),
        "{asked}"
    );
}

#[test]
fn what_will_not_go_better_is_not_tried_again_nor_with_other_files() {
    let folder = Folder::empty();
    folder.write("a.apk", package("a").build());
    folder.write("b.apk", package("b").build());
    let (address, requests) = scripted(&[
        "405 Method Not Allowed\r\nContent-Length: 0",
        "308 Permanent Redirect\r\nLocation: https://new.example.org/\r\nContent-Length: 0",
    ]);
    let to = format!("http://{address}/alice/edge/main");
    let said = folder.tarn(&["push", "a.apk", "b.apk", "--to", &to, "--jobs", "1"]);
    let text = said.all().replace(&address, "[address]");
    assert_snapshot!("redirected", without_sizes(&text));
    assert_eq!(requests.iter().count(), 2);
}

#[test]
fn a_key_is_put_where_apk_looks_and_another_one_stays() {
    let served = Served::start();
    let folder = &served.folder;
    let owner = format!("http://{}/admin", served.address);
    let install = |arguments: &[&str]| {
        let all = [&["install-key", &owner], arguments].concat();
        folder.tarn(&all)
    };
    let root = folder.path("root");
    let path = install(&["--root", root.to_str().unwrap()])
        .line()
        .to_owned();
    let keys = root.join("etc/apk/keys");
    let exported = folder.tarn("key export admin");
    assert_eq!(fs::read_to_string(&path).unwrap(), exported.stdout);
    exported.tells(path.rsplit('/').next().unwrap());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644
    );
    assert_eq!(names_in(&keys).len(), 1);

    let mut all = String::new();
    let mut say = |said: &Said| {
        let name = path.rsplit('/').next().unwrap();
        let text = served.shown(&Said {
            exit: said.exit,
            stdout: said.stdout.replace(name, "[key]"),
            stderr: said.stderr.replace(name, "[key]"),
        });
        all.push_str(&text);
    };
    say(&install(&["--keys-dir", "root/etc/apk/keys"]));
    let other = SigningKey::generate(KeySize::Rsa2048)
        .unwrap()
        .public_key()
        .to_pem();
    fs::write(&path, &other).unwrap();
    say(&install(&["--keys-dir", "root/etc/apk/keys"]));
    assert_eq!(fs::read_to_string(&path).unwrap(), other);
    let zeros = "0".repeat(64);
    let elsewhere = ["--keys-dir", "elsewhere", "--fingerprint", &zeros];
    say(&install(&elsewhere));
    assert!(!folder.path("elsewhere").exists());
    let nobody = format!("http://{}/nobody", served.address);
    say(&folder.tarn(&["install-key", &nobody, "--keys-dir", "elsewhere"]));
    // The owner is named in the place of a repository too, as `push` has it.
    let said = folder.tarn(&["install-key", &served.to(), "--keys-dir", "of-repository"]);
    assert!(
        said.line().starts_with("of-repository/admin@"),
        "{}",
        said.stdout
    );
    assert_snapshot!("keys_installed", all);
    assert_eq!(names_in(&keys).len(), 1);
}

#[test]
fn a_server_that_serves_is_healthy_and_one_that_does_not_is_not() {
    let served = Served::start();
    let folder = &served.folder;
    let healthy = folder.tarn_with("health", &[("TARN_LISTEN", &served.address)], "");
    assert_eq!(healthy.all(), "exit: 0\n--- stdout\n--- stderr\n");
    let everywhere = served.address.replace("127.0.0.1", "0.0.0.0");
    folder
        .tarn_with("health", &[("TARN_LISTEN", &everywhere)], "")
        .good();
    let (address, _requests) =
        scripted(&["503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"]);
    let busy = folder.tarn(&["health", "--url", &format!("http://{address}")]);
    assert_eq!(
        (busy.exit, busy.stderr.as_str()),
        (1, format!("error: http://{address}/: busy\n").as_str())
    );
    let absent = folder.tarn("health --url http://127.0.0.1:1");
    assert_eq!(absent.exit, 1);
    assert!(!absent.stderr.contains("--url"), "{}", absent.stderr);
    let absent = folder.tarn_with("health", &[("TARN_LISTEN", "127.0.0.1:1")], "");
    absent.tells("tarn health --url");
}

#[test]
fn shells_and_man_find_every_command() {
    let folder = Folder::empty();
    for shell in ["bash", "fish", "zsh"] {
        let said = folder.tarn(&["completions", shell]);
        assert_eq!((said.exit, said.stderr.as_str()), (0, ""));
        assert!(
            said.stdout.contains("install-key") && said.stdout.contains("dry-run"),
            "{shell}"
        );
    }
    // As the document says, with other folders.
    let block = block_of("docs/client.md", "tarn completions bash");
    let block = block
        .replace("/etc/bash_completion.d/tarn", "completions")
        .replace("/usr/local/share/man/man1", "man");
    folder.sh(&block);
    let completions = folder.tarn("completions bash").stdout;
    let written = fs::read_to_string(folder.path("completions")).unwrap();
    assert_eq!(written, completions);
    let pages = names_in(&folder.path("man"));
    for page in ["tarn.1", "tarn-serve.1", "tarn-push.1", "tarn-user-add.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} in {pages:?}");
    }
    let push = fs::read_to_string(folder.path("man/tarn-push.1")).unwrap();
    assert!(push.contains("TARN_TOKEN_FILE"), "{push}");
}
