//! What the lists of the API leave out where a token is limited: what it may not read is neither listed, nor counted, nor
//! found.

use apk_testkit::v2::PackageBuilder;
use tarn_core::access::TokenRequest;
use tarn_store::metadata::{OwnerKind, Visibility};

use crate::{
    client::{Answer, get},
    server::{BY, TestServer, name},
};

fn described(name: &str, description: &str) -> Vec<u8> {
    PackageBuilder::new(name, "1.0-r0")
        .without("pkgdesc")
        .arch("x86_64")
        .field("pkgdesc", description)
        .file(&format!("usr/share/{name}"), description.as_bytes())
        .build()
}

/// `alice` with three packages in two repositories, one of them in both; `bob`, limited; `vorg`, private, alice's.
async fn world() -> TestServer {
    let server = TestServer::start().await;
    server.add_user("bob", Visibility::Limited).await;
    server.add_user("root", Visibility::Public).await;
    server.add_organisation("vorg", Visibility::Private).await;
    let root = name("root");
    server.accounts().set_admin(&root, true, &BY).await.unwrap();
    for (place, package, description) in [
        ("alice/alpine/edge/testing", "seed-open", "an open thing"),
        ("alice/alpine/edge/testing", "seed-both", "the open half"),
        ("alice/alpine/v3.23/main", "seed-both", "the closed half"),
        ("alice/alpine/Edge/testing", "seed-shut", "a shut thing"),
        ("alice/alpine/v3.23/main", "seed-closed", "a closed thing"),
        ("bob/alpine/edge/testing", "seed-bob", "of bob"),
        ("vorg/alpine/edge/testing", "seed-vorg", "of vorg"),
    ] {
        let package = described(package, description);
        server.publish_by("root", place, package).await;
    }
    server
}

impl TestServer {
    async fn limited(&self, kind: OwnerKind, owner: &str, scopes: &str, limits: &str) -> String {
        let label = format!("{scopes} {limits}");
        let request = TokenRequest {
            limits: limits.parse().unwrap(),
            ..TokenRequest::new(&label, scopes.parse().unwrap())
        };
        let made = self
            .accounts()
            .add_token(kind, &name(owner), &request, None, &BY)
            .await;
        made.unwrap().1.expose().to_owned()
    }
}

/// One field of every entry, sorted; and the count in the header is that of the entries.
#[track_caller]
fn listed(answer: &Answer, field: &str) -> Vec<String> {
    let list = answer.json();
    let entries = list.as_array().unwrap();
    let count = answer.header("X-Total-Count").unwrap();
    assert_eq!(count, entries.len().to_string());
    let text = |entry: &serde_json::Value| entry[field].as_str().unwrap().to_owned();
    let mut texts: Vec<String> = entries.iter().map(text).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn a_token_lists_counts_and_finds_what_it_reads_and_nothing_else() {
    let server = world().await;
    let everything = [
        "seed-bob",
        "seed-both",
        "seed-closed",
        "seed-open",
        "seed-shut",
        "seed-vorg",
    ];
    for (kind, account, scopes, limits, owners, found) in [
        (
            OwnerKind::User,
            "root",
            "read:package",
            "",
            &["alice", "bob", "root", "vorg"][..],
            &everything[..],
        ),
        (
            OwnerKind::User,
            "root",
            "read:package",
            "alice/edge/*",
            &["alice"],
            &["seed-both", "seed-open"],
        ),
        (
            OwnerKind::User,
            "root",
            "read:package",
            "vorg/*/* bob/v3.23/*",
            &["bob", "vorg"],
            &["seed-vorg"],
        ),
        (
            OwnerKind::User,
            "root",
            "read:package",
            "*/edge/testing",
            &["alice", "bob", "root", "vorg"],
            &["seed-bob", "seed-both", "seed-open", "seed-vorg"],
        ),
        (
            OwnerKind::User,
            "root",
            "public-only,read:package",
            "*/edge/testing",
            &["alice", "root"],
            &["seed-both", "seed-open"],
        ),
        (
            OwnerKind::User,
            "bob",
            "read:package",
            "*/edge/testing",
            &["alice", "bob", "root"],
            &["seed-bob", "seed-both", "seed-open"],
        ),
        (
            OwnerKind::User,
            "alice",
            "read:package",
            "vorg/*/*",
            &["vorg"],
            &["seed-vorg"],
        ),
        (
            OwnerKind::Organisation,
            "vorg",
            "write:package",
            "",
            &["alice", "root", "vorg"],
            &[
                "seed-both",
                "seed-closed",
                "seed-open",
                "seed-shut",
                "seed-vorg",
            ],
        ),
        (
            OwnerKind::Organisation,
            "vorg",
            "write:package",
            "vorg/*/*",
            &["vorg"],
            &["seed-vorg"],
        ),
        (
            OwnerKind::Organisation,
            "vorg",
            "write:package",
            "*/v3.23/*",
            &["alice", "root", "vorg"],
            &["seed-both", "seed-closed"],
        ),
    ] {
        let token = server.limited(kind, account, scopes, limits).await;
        let who = format!("{account}: {scopes} {limits}");
        let list = server.send(&get("/api/v1/owners").bearer(&token)).await;
        assert_eq!(listed(&list.expect(200), "login"), owners, "{who}");
        let search = get("/api/v1/search/packages?q=seed").bearer(&token);
        let search = server.send(&search).await.expect(200);
        assert_eq!(listed(&search, "name"), found, "{who}");
    }
}

#[tokio::test]
async fn within_an_owner_a_limited_token_sees_its_repositories_only() {
    let server = world().await;
    let token = server
        .limited(OwnerKind::User, "alice", "read:package", "alice/edge/*")
        .await;
    let ask = async |target: &str| server.send(&get(target).bearer(&token)).await;

    let repositories = ask("/api/v1/owners/alice/repositories").await.expect(200);
    assert_eq!(listed(&repositories, "branch"), ["edge"]);
    let list = ask("/api/v1/packages/alice").await.expect(200);
    assert_eq!(listed(&list, "name"), ["seed-both", "seed-open"]);
    let named = ask("/api/v1/packages/alice?q=seed").await.expect(200);
    assert_eq!(listed(&named, "name"), ["seed-both", "seed-open"]);

    // What the two repositories have of one version is listed apart.
    let both = ask("/api/v1/packages/alice/alpine/seed-both/1.0-r0").await;
    let both = both.expect(200).json();
    assert_eq!(both["files"], 1);
    assert_eq!(both["description"], "the open half");
    assert_eq!(both["creator"], serde_json::Value::Null);
    let files = ask("/api/v1/packages/alice/alpine/seed-both/1.0-r0/files").await;
    assert_eq!(listed(&files.expect(200), "branch"), ["edge"]);
    for (text, count) in [("closed", "0"), ("shut", "0"), ("open", "1")] {
        let found = ask(&format!("/api/v1/search/packages?q={text}")).await;
        assert_eq!(found.header("X-Total-Count"), Some(count), "{text}");
    }

    for target in [
        "/api/v1/packages/alice/alpine/seed-closed",
        "/api/v1/packages/alice/alpine/seed-closed/1.0-r0",
        "/api/v1/packages/alice/alpine/seed-closed/1.0-r0/files",
        "/api/v1/packages/alice/alpine/seed-shut/1.0-r0",
    ] {
        let refused = ask(target).await.problem(404, "no such version");
        let nothing = ask(&target.replace("closed", "never").replace("shut", "never")).await;
        assert_eq!(refused.json()["detail"], nothing.json()["detail"]);
    }
    ask("/api/v1/packages/bob").await.problem(403, "limited");
}

#[tokio::test]
async fn a_version_is_deleted_only_by_who_may_delete_each_of_its_files() {
    let server = world().await;
    let target = "/api/v1/packages/alice/alpine/seed-both/1.0-r0";
    let narrow = server
        .limited(OwnerKind::User, "alice", "delete:package", "alice/edge/*")
        .await;
    let delete = crate::client::delete(target).bearer(&narrow);
    server.send(&delete).await.problem(403, "limited");
    // A version that it may not see is refused as one that is not there.
    let refused = async |package: &str| {
        let target = format!("/api/v1/packages/alice/alpine/{package}/1.0-r0");
        let delete = crate::client::delete(target).bearer(&narrow);
        let answer = server.send(&delete).await.problem(403, "limited");
        answer.json()["detail"].clone()
    };
    assert_eq!(refused("seed-closed").await, refused("seed-never").await);
    // An anonymous caller is asked for credentials, whether it is there or not.
    for package in ["seed-both", "seed-never", "%7C"] {
        let target = format!("/api/v1/packages/alice/alpine/{package}/1.0-r0");
        let delete = crate::client::delete(target);
        server.send(&delete).await.problem(401, "credentials");
    }
    let wide = server.token("alice", "delete:package").await;
    let whole = get(target).bearer(&wide);
    assert_eq!(server.send(&whole).await.expect(200).json()["files"], 2);
    let delete = crate::client::delete(target).bearer(&wide);
    server.send(&delete).await.expect(204);
    server.send(&whole).await.problem(404, "no such version");
}
