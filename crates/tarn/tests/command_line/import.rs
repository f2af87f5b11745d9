//! `import index`: an existing repository, from a folder and from a server.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::PathBuf,
    thread,
};

use apk::{
    limits::Limits,
    sign::{KeyName, KeySize, SigningKey},
    v3::{self, container::Compression},
};
use apk_testkit::v2::PackageBuilder;
use insta::assert_snapshot;
use rustix::process::Signal;
use tarn_testkit::{block_of, must_say};

use crate::{
    harness::{Folder, PASSWORD, Said, head_of, without_hashes},
    inspect::signed_index,
};

/// Where packages are imported to.
const PLACE: [&str; 6] = [
    "--owner",
    "admin",
    "--branch",
    "v3.23",
    "--repository",
    "main",
];

const KEY: &str = "alice-5f.rsa.pub";

fn package(name: &str, arch: &str) -> Vec<u8> {
    PackageBuilder::new(name, "1.0-r0")
        .arch(arch)
        .file("usr/bin/x", name.as_bytes())
        .build()
}

/// A registry beside a repository in `repo`, signed by a key whose halves are in files.
fn with_repository() -> Folder {
    let folder = Folder::with_registry();
    let (key, name) = (
        SigningKey::generate(KeySize::Rsa2048).unwrap(),
        KeyName::parse(KEY).unwrap(),
    );
    folder.write(KEY, key.public_key().to_pem());
    folder.write("alice-5f.rsa", key.to_pkcs8_pem().unwrap().as_bytes());
    fs::create_dir(folder.path("other")).unwrap();
    let other = SigningKey::generate(KeySize::Rsa2048).unwrap();
    fs::write(folder.path("other").join(KEY), other.public_key().to_pem()).unwrap();
    let anywhere = package("anywhere", "noarch");
    for arch in ["aarch64", "x86_64"] {
        let path = |file: &str| format!("repo/{arch}/{file}");
        fs::create_dir_all(folder.path(&path(""))).unwrap();
        let hello = package("hello", arch);
        folder.write(&path("hello-1.0-r0.apk"), &hello);
        folder.write(&path("anywhere-1.0-r0.apk"), &anywhere);
        folder.write(
            &path("APKINDEX.tar.gz"),
            signed_index(&[&hello, &anywhere], &name, &key),
        );
    }
    folder
}

fn import(folder: &Folder, source: &str, more: &[&str]) -> Said {
    let begin = ["import", "index", source, "--quiet"];
    folder.tarn(&[&begin, &PLACE[..], more].concat())
}

fn listed(folder: &Folder) -> Vec<String> {
    let said = folder.tarn("package list admin");
    said.stdout.lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn a_repository_in_a_folder_is_taken_over_with_its_key() {
    let folder = with_repository();
    let repo = folder.path("repo").display().to_string();
    let mut all = String::new();
    let mut say = |title: &str, said: Said| {
        all.push_str(&format!(
            "# {title}\n{}",
            without_hashes(&said.all().replace(&repo, "[repo]"))
        ));
    };
    say("no key", import(&folder, &repo, &[]));
    say(
        "another key of that name",
        import(
            &folder,
            &repo,
            &[
                "--key",
                &folder.path("other").join(KEY).display().to_string(),
            ],
        ),
    );
    assert_eq!(listed(&folder), Vec::<String>::new());
    say(
        "a dry run",
        import(&folder, &repo, &["--key", KEY, "--dry-run"]),
    );
    assert_eq!(listed(&folder), Vec::<String>::new());
    say(
        "one architecture",
        import(&folder, &repo, &["--key", KEY, "--arch", "x86_64"]),
    );
    say(
        "all, and the key",
        import(&folder, &repo, &["--signing-key", "alice-5f.rsa"]),
    );
    say(
        "again",
        import(&folder, &repo, &["--signing-key", "alice-5f.rsa"]),
    );
    assert_snapshot!("imported", all);
    assert_eq!(listed(&folder).len(), 3);
    let keys = folder.tarn("key list admin");
    assert!(keys.stdout.contains(KEY), "{}", keys.stdout);
}

#[test]
fn packages_that_only_one_of_two_indexes_lists_come_too() {
    let folder = with_repository();
    // The index of v3 has the package of v3 besides those that the other lists.
    let modern = apk_testkit::v3::PackageBuilder::new("modern", "1.0-r0")
        .build()
        .unwrap();
    folder.write("repo/x86_64/modern-1.0-r0.apk", &modern);
    let read = |bytes: &[u8]| {
        let mut reader = apk::package::reader(bytes, &Limits::default());
        reader.push(bytes).unwrap();
        reader.finish().unwrap()
    };
    let packages = [read(&modern), read(&package("hello", "x86_64"))];
    let mut entries: Vec<_> = packages
        .iter()
        .map(|package| v3::index::IndexEntry {
            facts: package.facts(),
            hash: package.hash(),
            size: package.size(),
        })
        .collect();
    let pem = fs::read(folder.path("alice-5f.rsa")).unwrap();
    let key = SigningKey::from_pem(&pem).unwrap();
    let index = v3::index::write(&entries, "", &[&key], Compression::Deflate).unwrap();
    folder.write("repo/x86_64/packages.adb", index);
    let said = import(&folder, "repo", &["--key", KEY, "--arch", "x86_64"]).good();
    assert_eq!(
        said.stdout,
        "imported x86_64/hello-1.0-r0.apk\nimported x86_64/anywhere-1.0-r0.apk\nimported x86_64/modern-1.0-r0.apk\n"
    );
    assert_eq!(listed(&folder).len(), 3);

    // The sizes in an index can be anything.
    for entry in &mut entries {
        entry.size = u64::MAX - 1;
    }
    let index = v3::index::write(&entries, "", &[&key], Compression::Deflate).unwrap();
    folder.write("repo/x86_64/Packages.adb", index);
    let large = ["--key", KEY, "--dry-run"];
    import(&folder, "repo/x86_64/Packages.adb", &large).good();
}

#[test]
fn what_is_not_what_the_index_says_is_left_out_and_the_rest_comes() {
    let folder = with_repository();
    let file = |name: &str| format!("repo/x86_64/{name}-1.0-r0.apk");
    // Another package under that name, and one that is gone.
    let other = PackageBuilder::new("hello", "1.0-r0")
        .file("usr/bin/x", b"changed")
        .build();
    folder.write(&file("hello"), other);
    fs::remove_file(folder.path(&file("anywhere"))).unwrap();
    let said = import(
        &folder,
        "repo/x86_64/APKINDEX.tar.gz",
        &["--allow-untrusted"],
    );
    assert_snapshot!("import_refused", said.all());
    let index = fs::read(folder.path("repo/x86_64/APKINDEX.tar.gz")).unwrap();
    folder.write("cut.tar.gz", &index[..index.len() - 20]);
    let said = import(&folder, "cut.tar.gz", &["--allow-untrusted"]);
    assert_eq!(said.exit, 3, "{}", said.stderr);
    said.tells("have the index made again");
    assert_eq!(listed(&folder), Vec::<String>::new());
    folder.write(&file("anywhere"), package("anywhere", "noarch"));
    let said = import(&folder, "repo", &["--allow-untrusted", "--arch", "x86_64"]);
    assert_eq!(said.exit, 3);
    assert!(
        said.stdout.contains("imported x86_64/anywhere-1.0-r0.apk"),
        "{}",
        said.stdout
    );
    assert_eq!(listed(&folder).len(), 1);
}

#[test]
fn an_import_runs_beside_the_server_and_comes_with_its_dates() {
    let folder = with_repository();
    let server = folder.serve(&[], &[]);
    import(&folder, "repo", &["--key", KEY]).good();
    assert!(server.stop(Signal::TERM).0.success());
    assert_eq!(dates(&folder), [BUILT; 3]);
}

/// When the packages of these tests were built, as they say themselves.
const BUILT: &str = "2023-11-14T22:13:20";

/// When the packages here were published.
fn dates(folder: &Folder) -> Vec<String> {
    let said = folder.tarn("package list admin --json");
    let listed: Vec<serde_json::Value> = serde_json::from_str(&said.stdout).unwrap();
    let date =
        |package: &serde_json::Value| package["published_at"].as_str().unwrap()[..19].to_owned();
    listed.iter().map(date).collect()
}

#[test]
fn an_import_that_was_killed_leaves_no_package_with_the_date_of_the_import() {
    let folder = with_repository();
    let begin = |source: &str| {
        let arguments = ["import", "index", source, "--key", KEY];
        folder.command(&[&arguments[..], &PLACE].concat(), &[])
    };
    // One package never comes, the others do.
    let url = unreliable(folder.path(""), Some("anywhere"));
    let mut child = begin(&url).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap();
    assert!(first.starts_with("imported "), "{first}");
    child.kill().unwrap();
    child.wait().unwrap();
    let before = dates(&folder);
    assert!(
        !before.is_empty() && before.iter().all(|date| date == BUILT),
        "{before:?}"
    );

    let said = import(&folder, "repo", &["--key", KEY]).good();
    assert!(said.stdout.contains("unchanged "), "{}", said.stdout);
    assert_eq!(dates(&folder), [BUILT; 3]);
    // What was restored here is as old as that.
    let hello = "v3.23/main/x86_64/hello-1.0-r0.apk";
    for act in ["delete", "restore"] {
        folder.tarn(&["package", act, "admin", hello]).good();
    }
    let restored = dates(&folder);
    assert_ne!(restored, [BUILT; 3]);
    import(&folder, "repo", &["--key", KEY]).good();
    assert_eq!(dates(&folder), restored);
}

#[test]
fn what_was_deleted_here_comes_again_only_when_it_is_asked_for() {
    let folder = with_repository();
    let of_x86 = |more: &[&str]| {
        let common = ["--key", KEY, "--arch", "x86_64"];
        import(&folder, "repo", &[&common[..], more].concat())
    };
    assert_eq!(of_x86(&[]).exit, 0);
    let hello = "v3.23/main/x86_64/hello-1.0-r0.apk";
    folder.tarn(&["package", "delete", "admin", hello]).good();
    let said = of_x86(&[]).good();
    assert_eq!(
        said.stdout,
        "left out x86_64/hello-1.0-r0.apk: it came with an earlier import and was deleted here since; `--again` brings it back\n\
         unchanged x86_64/anywhere-1.0-r0.apk\n"
    );
    let said = of_x86(&["--again"]);
    assert!(
        said.stdout
            .starts_with("imported x86_64/hello-1.0-r0.apk\n"),
        "{}",
        said.all()
    );
}

/// Serves the files below `root`; every third answer breaks off in the middle. A request for a file called `held` gets no answer.
fn unreliable(root: PathBuf, held: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut waiting = Vec::new();
        for (number, stream) in listener.incoming().enumerate() {
            let mut reader = BufReader::new(stream.unwrap());
            let lines = head_of(&mut reader);
            let Some(path) = lines.first().and_then(|line| line.split(' ').nth(1)) else {
                continue;
            };
            if held.is_some_and(|held| path.contains(held)) {
                waiting.push(reader);
                continue;
            }
            let stream = reader.get_mut();
            let Ok(content) = fs::read(root.join(path.trim_start_matches('/'))) else {
                // Some servers call a path that can't be one of theirs a bad request.
                let (status, text) = match number == 0 || path.contains("no-repo") {
                    true => ("400 Bad Request", "no repository has that path"),
                    false => ("404 Not Found", ""),
                };
                let length = text.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
                );
                let _ = stream.write_all(answer.as_bytes());
                continue;
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                content.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let sent = if number % 3 == 2 {
                content.len() / 2
            } else {
                content.len()
            };
            let _ = stream.write_all(&content[..sent]);
        }
    });
    format!("http://{address}/repo")
}

#[test]
fn a_repository_on_a_server_that_breaks_off_is_taken_over_whole() {
    let folder = with_repository();
    let url = unreliable(folder.path(""), None);
    let said = import(&folder, &url, &["--key", KEY]);
    assert_eq!(said.exit, 0, "{}{}", said.stdout, said.stderr);
    let mut lines: Vec<&str> = said.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "imported aarch64/anywhere-1.0-r0.apk",
            "imported aarch64/hello-1.0-r0.apk",
            "imported x86_64/hello-1.0-r0.apk",
            "unchanged x86_64/anywhere-1.0-r0.apk",
        ]
    );
    assert_eq!(listed(&folder).len(), 3);
    let said = import(&folder, &url.replace("/repo", "/no-repo"), &["--key", KEY]);
    assert_eq!(said.exit, 1);
    assert!(
        said.stderr
            .contains("there is no index at http://127.0.0.1:")
            && said
                .stderr
                .contains("caused by: no repository has that path"),
        "{}",
        said.stderr
    );
    let said = import(&folder, "http://127.0.0.1:1/nothing", &["--key", KEY]);
    assert_eq!((said.exit, said.stdout.as_str()), (1, ""));
}

#[test]
fn the_lines_of_the_documents_take_a_repository_over() {
    let folder = with_repository();
    let lines = block_of("docs/client.md", "tarn import index")
        .replace("https://old.example.org/alpine/v3.23/main", "repo")
        .replace("--owner acme", "--owner admin")
        .replace("builder@example.org-5f3c.rsa", "alice-5f.rsa");
    assert_eq!(folder.sh(&lines).matches("imported ").count(), 3);
    let keys = folder.tarn("key list admin");
    assert!(keys.stdout.contains(KEY), "{}", keys.stdout);
}

#[test]
fn a_feed_of_openwrt_is_taken_over_from_a_private_server_with_its_key() {
    // The feed is on another server, whose owner is private, and signed by a key of an elliptic curve.
    let feed = with_repository();
    let key = SigningKey::generate_p256().unwrap();
    feed.write("private-key.pem", key.to_pkcs8_pem().unwrap().as_bytes());
    import(&feed, "repo", &["--key", KEY]).good();
    feed.tarn("key import admin private-key.pem --name feed.pem")
        .good();
    feed.tarn("user visibility admin private").good();
    let server = feed.serve(&[], &[]);

    let folder = Folder::with_registry();
    fs::copy(feed.path("private-key.pem"), folder.path("private-key.pem")).unwrap();
    let lines = |credentials: &str| {
        let url = format!(
            "http://{credentials}{}/api/packages/admin/alpine/v3.23/main/x86_64",
            server.address
        );
        block_of("docs/openwrt.md", "tarn import index")
            .replace(
                "https://feed.example.org/packages/aarch64_cortex-a53/feed",
                &url,
            )
            .replace("--owner OWNER", "--owner admin")
            .replace("NAME.pem", "feed.pem")
    };
    let refused = format!("if {}; then exit 9; fi 2>&1", lines("").trim());
    let said = folder.sh(&refused);
    assert!(
        said.contains("401") || said.contains("credentials"),
        "{said}"
    );
    assert_eq!(listed(&folder), Vec::<String>::new());

    let said = folder.sh(&lines(&format!("admin:{}@", PASSWORD.replace(' ', "%20"))));
    assert_eq!(said.matches("imported ").count(), 2, "{said}");
    assert_eq!(dates(&folder), [BUILT; 2]);
    let keys = folder.tarn("key list admin").stdout;
    must_say(&keys, "feed.pem");
    must_say(&keys, "ec-p256");
    drop(server);
}
