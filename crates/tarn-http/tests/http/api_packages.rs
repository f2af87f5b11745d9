//! The API's lists of packages, versions and files, the search, and deleting a version.

use apk_testkit::v2::PackageBuilder;
use serde_json::Value;
use tarn_core::access::TokenRequest;
use tarn_store::metadata::{OwnerKind, Visibility};

use tarn_testkit::on_postgres;

use crate::{
    client::{Answer, Request, delete, get},
    server::{ALICE, BY, INDEX, TestServer, hello, name, package, password, published},
};

const PACKAGES: &str = "/api/v1/packages/alice";

/// A package of that version, which says `description`.
fn described(name: &str, version: &str, description: &str) -> Vec<u8> {
    PackageBuilder::new(name, version)
        .without("pkgdesc")
        .arch("x86_64")
        .field("pkgdesc", description)
        .file(&format!("usr/share/{name}"), version.as_bytes())
        .build()
}

fn by_alice(request: Request) -> Request {
    request.basic("alice", &password("alice"))
}

fn names(list: &Answer) -> Vec<String> {
    let list = list.json();
    let entries = list.as_array().unwrap().iter();
    entries
        .map(|entry| format!("{} {}", text(entry, "name"), text(entry, "version")))
        .collect()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

#[tokio::test]
async fn a_version_is_one_entry_whatever_its_files() {
    let server = TestServer::start().await;
    for repository in ["edge/main", "v3.23/main"] {
        for arch in ["x86_64", "aarch64"] {
            let package = package("hello", arch);
            server.publish(repository, package).await.expect(201);
        }
    }
    let list = server.send(&get(PACKAGES)).await.expect(200);
    assert_eq!(list.header("X-Total-Count"), Some("1"));
    assert_eq!(list.header("Link"), None);
    let entry = &list.json()[0];
    assert_eq!(entry["type"], "alpine");
    assert_eq!(entry["name"], "hello");
    assert_eq!(entry["version"], "1.0-r0");
    assert_eq!(entry["files"], 4);
    assert_eq!(entry["created_at"], "2026-11-22T21:00:00Z");
    assert_eq!(entry["owner"]["login"], "alice");
    assert_eq!(entry["owner"]["username"], "alice");
    assert_eq!(entry["owner"]["kind"], "user");
    assert_eq!(entry["creator"]["login"], "alice");

    let one = server
        .send(&get("/api/v1/packages/ALICE/alpine/hello/1.0-r0"))
        .await
        .expect(200);
    assert_eq!(one.json(), *entry);
}

#[tokio::test]
async fn files_tell_where_they_are_and_what_they_say_of_themselves() {
    let server = TestServer::start().await;
    let bytes = PackageBuilder::new("hello", "1.0-r0")
        .without("pkgdesc")
        .without("license")
        .without("builddate")
        .arch("x86_64")
        .field("pkgdesc", "A greeting")
        .field("license", "MIT")
        .field("depend", "so:libc.musl-x86_64.so.1")
        .field("depend", "!goodbye")
        .field("provides", "greeting=1.0")
        .field("builddate", "1700000000")
        .file("usr/share/hello", b"hello\n")
        .build();
    let size = bytes.len();
    server.publish("edge/main", bytes).await.expect(201);
    let target = format!("{PACKAGES}/alpine/hello/1.0-r0/files");
    let files = server.send(&get(target)).await.expect(200).json();
    let file = &files[0];
    assert_eq!(file["name"], "hello-1.0-r0.apk");
    assert_eq!(file["size"], size);
    assert_eq!(file["branch"], "edge");
    assert_eq!(file["repository"], "main");
    assert_eq!(file["architecture"], "x86_64");
    let metadata = &file["metadata"];
    assert_eq!(metadata["description"], "A greeting");
    assert_eq!(metadata["license"], "MIT");
    assert_eq!(metadata["build_date"], "2023-11-14T22:13:20Z");
    assert_eq!(metadata["depends"][0], "so:libc.musl-x86_64.so.1");
    assert_eq!(metadata["depends"][1], "!goodbye");
    assert_eq!(metadata["provides"][0], "greeting=1.0");

    let download = server.send(&get(text(file, "path"))).await.expect(200);
    assert_eq!(download.body.len(), size);
    assert_eq!(
        download.header("ETag").unwrap().trim_matches('"'),
        text(file, "sha256")
    );
}

#[tokio::test]
async fn pages_are_linked_and_the_newest_comes_first() {
    let server = TestServer::start().await;
    for number in 1..=5 {
        let package = described("hello", &format!("1.{number}-r0"), "");
        server.publish("edge/main", package).await.expect(201);
    }
    let first = server
        .send(&get(format!("{PACKAGES}?limit=2&q=HELL")))
        .await
        .expect(200);
    assert_eq!(names(&first), ["hello 1.5-r0", "hello 1.4-r0"]);
    assert_eq!(first.header("X-Total-Count"), Some("5"));
    assert_eq!(
        first.header("Link"),
        Some(
            "<http://registry.test/api/v1/packages/alice?q=HELL&page=2&limit=2>; rel=\"next\", \
             <http://registry.test/api/v1/packages/alice?q=HELL&page=3&limit=2>; rel=\"last\""
        )
    );
    let last = server
        .send(&get("/api/v1/packages/alice?q=HELL&page=3&limit=2"))
        .await;
    assert_eq!(names(&last), ["hello 1.1-r0"]);
    let beyond = server
        .send(&get(format!("{PACKAGES}?page=4000000000")))
        .await;
    assert_eq!(names(&beyond.expect(200)), Vec::<String>::new());
    let unencoded = get("/api/v1/packages/alice?q=ü&page=2");
    assert_eq!(
        server.send(&unencoded).await.expect(200).header("Link"),
        Some(
            "<http://registry.test/api/v1/packages/alice?q=%C3%BC&page=1&limit=30>; rel=\"first\", \
             <http://registry.test/api/v1/packages/alice?q=%C3%BC&page=1&limit=30>; rel=\"prev\""
        )
    );
    let versions = server
        .send(&get(format!("{PACKAGES}/alpine/hello?limit=1")))
        .await;
    assert_eq!(names(&versions), ["hello 1.5-r0"]);
    assert_eq!(versions.header("X-Total-Count"), Some("5"));
}

#[tokio::test]
async fn a_filter_takes_every_character_for_itself() {
    let server = TestServer::start().await;
    for name in ["under_score", "underXscore", "plus+one"] {
        published(&server, "edge/main", package(name, "x86_64")).await;
    }
    for (query, expected) in [
        ("r_s", &["under_score 1.0-r0"][..]),
        ("%25", &[]),
        ("s%2Bo", &["plus+one 1.0-r0"]),
        ("xsc", &["underXscore 1.0-r0"]),
        ("%5C", &[]),
    ] {
        let list = server.send(&get(format!("{PACKAGES}?q={query}"))).await;
        assert_eq!(names(&list.expect(200)), expected, "{query}");
        let found = server
            .send(&get(format!("/api/v1/search/packages?q={query}")))
            .await;
        assert_eq!(names(&found.expect(200)), expected, "{query}");
    }
}

#[tokio::test]
async fn a_search_finds_names_before_descriptions() {
    let server = TestServer::start().await;
    for (name, description) in [
        ("shell", "A thing"),
        ("other", "Has a SHELL in it"),
        ("shell-utils", "Another"),
        ("unrelated", "Nothing of it"),
    ] {
        let package = described(name, "1.0-r0", description);
        server.publish("edge/main", package).await.expect(201);
    }
    let found = server
        .send(&get("/api/v1/search/packages?q=Shell"))
        .await
        .expect(200);
    assert_eq!(
        names(&found),
        ["shell 1.0-r0", "shell-utils 1.0-r0", "other 1.0-r0"]
    );
    assert_eq!(found.header("X-Total-Count"), Some("3"));
    assert_eq!(found.header("X-Search-Cut"), None);

    // Too short to be looked for within names.
    let found = server.send(&get("/api/v1/search/packages?q=SH")).await;
    assert_eq!(names(&found), ["shell-utils 1.0-r0", "shell 1.0-r0"]);

    // The newest description counts, whichever file brings it.
    let renamed = PackageBuilder::new("other", "1.0-r0")
        .without("pkgdesc")
        .arch("aarch64")
        .field("pkgdesc", "Renamed")
        .build();
    server.publish("edge/main", renamed).await.expect(201);
    for (text, count) in [("has%20a", "0"), ("RENAMED", "1")] {
        let found = server
            .send(&get(format!("/api/v1/search/packages?q={text}")))
            .await;
        assert_eq!(found.header("X-Total-Count"), Some(count), "{text}");
    }
}

#[tokio::test]
async fn a_search_finds_a_name_whatever_its_age_and_says_when_it_was_cut() {
    let server = TestServer::start().await;
    for name in ["zsh", "oh-my-zsh"] {
        let package = described(name, "1.0-r0", "A thing");
        server.publish("edge/main", package).await.expect(201);
    }
    server.sql(
        "WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000) \
         INSERT INTO package_versions (owner_id, name, version, description, created_at, files) \
         SELECT owner_id, 'plugin' || n, '1.0-r0', 'Completion for zsh', 1, 1 FROM numbers, \
         (SELECT owner_id FROM package_versions WHERE name = 'zsh') AS owner",
    );
    let search = async |text: &str| {
        let target = format!("/api/v1/search/packages?q={text}&limit=2");
        server.send(&get(target)).await.expect(200)
    };
    let found = search("zsh").await;
    assert_eq!(names(&found), ["zsh 1.0-r0", "plugin10000 1.0-r0"]);
    assert_eq!(found.header("X-Search-Cut"), Some("true"));
    assert_eq!(found.header("X-Total-Count"), Some("10001"));
    let found = search("my-zsh").await;
    assert_eq!(names(&found), ["oh-my-zsh 1.0-r0"]);
    assert_eq!(found.header("X-Search-Cut"), None);
}

#[tokio::test]
async fn repositories_count_the_packages_of_each_architecture() {
    let server = TestServer::start().await;
    for (repository, name, arch) in [
        ("v3.23/main", "a", "x86_64"),
        ("edge/main", "a", "x86_64"),
        ("edge/main", "b", "x86_64"),
        ("edge/main", "c", "noarch"),
    ] {
        published(&server, repository, package(name, arch)).await;
    }
    let list = server
        .send(&get("/api/v1/owners/alice/repositories"))
        .await
        .expect(200);
    assert_eq!(list.header("X-Total-Count"), Some("2"));
    let list = list.json();
    assert_eq!(
        (&list[0]["branch"], &list[1]["branch"]),
        (&"edge".into(), &"v3.23".into())
    );
    assert_eq!(list[0]["packages"], 3);
    assert_eq!(list[0]["generation"], 3);
    assert_eq!(
        list[0]["architectures"],
        serde_json::json!([{ "name": "noarch", "packages": 1 }, { "name": "x86_64", "packages": 2 }])
    );
}

#[tokio::test]
async fn a_deleted_version_is_out_of_lists_and_of_every_index() {
    let server = TestServer::start().await;
    for repository in ["edge/main", "v3.23/main"] {
        server.publish(repository, hello()).await.expect(201);
    }
    published(&server, "edge/main", package("kept", "x86_64")).await;
    let before = server.send(&get(INDEX)).await.expect(200);
    let target = format!("{PACKAGES}/alpine/hello/1.0-r0");
    server.send(&by_alice(delete(&target))).await.expect(204);
    let after = server.send(&get(INDEX)).await.expect(200);
    assert_ne!(before.body, after.body);
    let other = INDEX.replace("edge", "v3.23");
    server.send(&get(other)).await.expect(404);
    let list = server.send(&get(PACKAGES)).await.expect(200);
    assert_eq!(names(&list), ["kept 1.0-r0"]);
    let found = server.send(&get("/api/v1/search/packages?q=hello")).await;
    assert_eq!(found.header("X-Total-Count"), Some("0"));
    for request in [
        get(&target),
        by_alice(delete(&target)),
        get(format!("{target}/files")),
    ] {
        server.send(&request).await.problem(404, "no such version");
    }
    // What is deleted file by file is gone from the lists just so, and what comes again is there again.
    let file = format!("{ALICE}/edge/main/x86_64/kept-1.0-r0.apk");
    server.send(&by_alice(delete(file))).await.expect(204);
    let list = server.send(&get(PACKAGES)).await.expect(200);
    assert_eq!(names(&list), Vec::<String>::new());
    server.publish("edge/main", hello()).await.expect(201);
    let list = server.send(&get(PACKAGES)).await.expect(200);
    assert_eq!(names(&list), ["hello 1.0-r0"]);
}

#[tokio::test]
async fn an_uploader_whom_the_caller_may_not_know_of_is_not_named() {
    let server = TestServer::start().await;
    server.add_user("paula", Visibility::Private).await;
    server.add_organisation("club", Visibility::Public).await;
    server
        .set_member("club", "paula", tarn_store::metadata::Role::Write)
        .await;
    server
        .publish_by("paula", "club/alpine/edge/main", hello())
        .await;
    let target = "/api/v1/packages/club";
    let creator = async |request: Request| {
        let list = server.send(&request).await.expect(200).json();
        list[0]["creator"]["login"].as_str().map(str::to_owned)
    };
    assert_eq!(creator(get(target)).await, None);
    assert_eq!(creator(by_alice(get(target))).await, None);
    let own = get(target).basic("paula", &password("paula"));
    assert_eq!(creator(own).await.as_deref(), Some("paula"));
}

#[tokio::test]
async fn all_files_of_a_version_come_at_once_unless_pages_are_asked_for() {
    let server = TestServer::start().await;
    for number in 0..31 {
        let place = format!("edge/repository{number}");
        server.publish(&place, hello()).await.expect(201);
    }
    let target = format!("{PACKAGES}/alpine/hello/1.0-r0/files");
    for (query, count) in [("", 31), ("?page=1", 30), ("?limit=0", 30), ("?limit=7", 7)] {
        let list = server.send(&get(format!("{target}{query}"))).await;
        let list = list.expect(200);
        assert_eq!(list.header("X-Total-Count"), Some("31"));
        assert_eq!(list.header("Link").is_some(), count < 31, "{query}");
        assert_eq!(list.json().as_array().unwrap().len(), count, "{query}");
    }
}

#[tokio::test]
async fn a_version_is_deleted_whole_or_not_at_all() {
    let server = TestServer::start().await;
    for arch in ["aarch64", "riscv64", "x86_64"] {
        let package = package("hello", arch);
        server.publish("edge/main", package).await.expect(201);
    }
    let before = server.send(&get(INDEX)).await.expect(200);
    let target = format!("{PACKAGES}/alpine/hello/1.0-r0");
    let files = async || {
        let files = server.send(&get(format!("{target}/files"))).await;
        files.header("X-Total-Count").map(str::to_owned)
    };
    let (trigger, removal) = if on_postgres() {
        (
            "CREATE FUNCTION no() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$; \
             CREATE TRIGGER third BEFORE UPDATE OF removed_at ON package_files FOR EACH ROW \
             WHEN (OLD.arch = 'x86_64') EXECUTE FUNCTION no()",
            "DROP TRIGGER third ON package_files",
        )
    } else {
        (
            "CREATE TRIGGER third BEFORE UPDATE OF removed_at ON package_files WHEN OLD.arch = 'x86_64' \
             BEGIN SELECT RAISE(ABORT, 'no'); END",
            "DROP TRIGGER third",
        )
    };
    server.sql(trigger);
    server.send(&by_alice(delete(&target))).await.expect(500);
    assert_eq!(files().await.as_deref(), Some("3"));
    let after = server.send(&get(INDEX)).await.expect(200);
    assert_eq!(before.body, after.body);
    server.sql(removal);
    server.send(&by_alice(delete(&target))).await.expect(204);
    assert_eq!(files().await, None);
    server.send(&get(INDEX)).await.expect(404);
}

#[tokio::test]
async fn links_begin_with_the_base_url_or_as_the_request_names_the_server() {
    let based = |url: &'static str| {
        TestServer::start_with(move |settings| settings.base_url = Some(url.to_owned()))
    };
    let proxied = get(format!("{PACKAGES}?page=2")).header("X-Forwarded-Proto", "https");
    for (server, request, begin) in [
        (
            based("https://packages.example/tarn").await,
            get(format!("{PACKAGES}?page=2")),
            "<https://packages.example/tarn/api/v1/packages/alice?page=1&limit=30>",
        ),
        (
            TestServer::start().await,
            proxied,
            "<https://registry.test/api/v1/packages/alice?page=1&limit=30>",
        ),
    ] {
        let answer = server.send(&request).await.expect(200);
        let link = answer.header("Link").unwrap();
        assert!(link.starts_with(begin), "{link}");
    }
}

#[tokio::test]
async fn a_package_is_deleted_with_all_its_versions_or_not_at_all() {
    let server = TestServer::start().await;
    for (repository, package_name, version) in [
        ("edge/main", "hello", "1.0-r0"),
        ("edge/main", "hello", "1.1-r0"),
        ("v3.23/main", "hello", "1.0-r0"),
        ("edge/main", "hello-doc", "1.0-r0"),
        ("edge/main", "hello.d", "1.0-r0"),
    ] {
        let package = described(package_name, version, "");
        server.publish(repository, package).await.expect(201);
    }
    let all = format!("{PACKAGES}/alpine/hello");
    let delete = || crate::client::delete(&all);
    server
        .send(&delete())
        .await
        .problem(401, "credentials")
        .code("credentials_needed");
    let reader = server.token("alice", "read:package").await;
    let refused = server.send(&delete().bearer(&reader)).await;
    refused
        .problem(401, "delete:package")
        .code("token_scope_missing");
    // A token that is limited to one of the repositories does not delete half of it.
    let order = TokenRequest {
        limits: "alice/edge/*".parse().unwrap(),
        ..TokenRequest::new("limited", "write:package".parse().unwrap())
    };
    let alice = name("alice");
    let accounts = server.accounts();
    let made = accounts.add_token(OwnerKind::User, &alice, &order, None, &BY);
    let (_, limited) = made.await.unwrap();
    let refused = server.send(&delete().bearer(limited.expose())).await;
    refused
        .problem(403, "limited to other places")
        .code("token_limits");
    let list = server.send(&get(PACKAGES)).await;
    assert_eq!(list.header("X-Total-Count"), Some("4"));
    let narrower = format!("{all}?architecture=x86_64");
    let by = |request: crate::client::Request| request.basic("alice", &password("alice"));
    let narrower = server.send(&by(crate::client::delete(narrower))).await;
    narrower.problem(400, "knows no parameters");

    server.send(&by(delete())).await.expect(204);
    let list = server.send(&get(PACKAGES)).await;
    assert_eq!(names(&list), ["hello.d 1.0-r0", "hello-doc 1.0-r0"]);
    for repository in ["edge/main", "v3.23/main"] {
        let path = format!("/api/packages/alice/alpine/{repository}/x86_64/hello-1.0-r0.apk");
        server
            .send(&get(path))
            .await
            .refusal(404, "no such package file")
            .code("no_such_file");
    }
    server
        .send(&by(delete()))
        .await
        .problem(404, "no such version")
        .code("no_such_package");
}
