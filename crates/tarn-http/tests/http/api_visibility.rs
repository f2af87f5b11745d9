//! What the API's lists name: never an owner whose packages the caller may not read.

use std::collections::BTreeSet;

use tarn_store::metadata::{Role, Visibility};

use crate::{
    client::{Request, get},
    server::{TestServer, package, password, problem},
};

const OWNERS: [(&str, Visibility); 6] = [
    ("puser", Visibility::Public),
    ("luser", Visibility::Limited),
    ("vuser", Visibility::Private),
    ("porg", Visibility::Public),
    ("lorg", Visibility::Limited),
    ("vorg", Visibility::Private),
];

/// Who asks, and which of the owners are in read_scope.
const SEEN: [(&str, &[&str]); 9] = [
    ("nobody", &["puser", "porg"]),
    ("stranger", &["puser", "luser", "porg", "lorg"]),
    ("reader", &["puser", "luser", "porg", "lorg", "vorg"]),
    ("writer", &["puser", "luser", "porg", "lorg", "vorg"]),
    ("manager", &["puser", "luser", "porg", "lorg", "vorg"]),
    ("vuser", &["puser", "luser", "vuser", "porg", "lorg"]),
    ("root", &["puser", "luser", "vuser", "porg", "lorg", "vorg"]),
    (
        "reader, token to read",
        &["puser", "luser", "porg", "lorg", "vorg"],
    ),
    ("root, token for public owners", &["puser", "porg"]),
];

async fn world() -> TestServer {
    let server = TestServer::start().await;
    for (owner, visibility) in OWNERS {
        if owner.ends_with("org") {
            server.add_organisation(owner, visibility).await;
        } else {
            server.add_user(owner, visibility).await;
        }
    }
    for user in ["stranger", "reader", "writer", "manager", "root"] {
        server.add_user(user, Visibility::Public).await;
    }
    for organisation in ["porg", "lorg", "vorg"] {
        server.set_member(organisation, "reader", Role::Read).await;
        server.set_member(organisation, "writer", Role::Write).await;
        server
            .set_member(organisation, "manager", Role::Admin)
            .await;
    }
    let root = crate::server::name("root");
    let by = tarn_store::metadata::Actor::COMMAND_LINE;
    server.accounts().set_admin(&root, true, &by).await.unwrap();
    for (owner, _) in OWNERS {
        let seed = package(&format!("seed-of-{owner}"), "x86_64");
        let repository = format!("{owner}/alpine/edge/main");
        server.publish_by("root", &repository, seed).await;
    }
    server
}

#[tokio::test]
async fn lists_and_searches_name_what_the_caller_may_read_and_nothing_else() {
    let server = world().await;
    let to_read = server.token("reader", "read:package").await;
    let for_public = server.token("root", "public-only,write:package").await;
    let by = |who: &str, request: Request| match who {
        "nobody" => request,
        "reader, token to read" => request.bearer(&to_read),
        "root, token for public owners" => request.bearer(&for_public),
        user => request.basic(user, &password(user)),
    };
    let all: BTreeSet<&str> = OWNERS.iter().map(|(owner, _)| *owner).collect();
    for (who, seen) in SEEN {
        let seen: BTreeSet<&str> = seen.iter().copied().collect();

        let list = server
            .send(&by(who, get("/api/v1/owners")))
            .await
            .expect(200);
        for owner in &all {
            let quoted = format!("\"{owner}\"");
            let named = list.text().contains(&quoted);
            assert_eq!(
                named,
                seen.contains(owner),
                "{who}: {owner} in the list of owners"
            );
            let prefix = format!("/api/v1/owners?q={}", &owner[..2]);
            let list = server.send(&by(who, get(prefix))).await.expect(200);
            let named = list.text().contains(&quoted);
            assert_eq!(named, seen.contains(owner), "{who}: {owner} by the prefix");
        }

        let found = server
            .send(&by(who, get("/api/v1/search/packages?q=seed")))
            .await
            .expect(200);
        assert_eq!(
            found.header("X-Total-Count"),
            Some(seen.len().to_string().as_str()),
            "{who}"
        );
        for owner in &all {
            assert_eq!(
                found.text().contains(&format!("seed-of-{owner}\"")),
                seen.contains(owner),
                "{who}: {owner} in the search"
            );
        }

        // The lists of one owner are refused just where the list of all leaves the owner out.
        for owner in &all {
            for target in [
                format!("/api/v1/owners/{owner}"),
                format!("/api/v1/owners/{owner}/repositories"),
                format!("/api/v1/packages/{owner}"),
                format!("/api/v1/packages/{owner}/alpine/seed-of-{owner}"),
                format!("/api/v1/packages/{owner}/alpine/seed-of-{owner}/1.0-r0"),
                format!("/api/v1/packages/{owner}/alpine/seed-of-{owner}/1.0-r0/files"),
            ] {
                let answer = server.send(&by(who, get(&target))).await;
                let expected = match (seen.contains(owner), who) {
                    (true, _) => 200,
                    (false, "nobody") => 401,
                    (false, _) => 403,
                };
                assert_eq!(answer.status, expected, "{who}: {target}");
                if expected != 200 {
                    assert!(!answer.text().contains("seed"), "{who}: {target}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_disabled_account_lists_nothing() {
    let server = TestServer::start().await;
    let token = server.token("alice", "read:package").await;
    let alice = crate::server::name("alice");
    let by = tarn_store::metadata::Actor::COMMAND_LINE;
    server
        .accounts()
        .set_disabled(&alice, true, &by)
        .await
        .unwrap();
    for target in [
        "/api/v1/owners",
        "/api/v1/search/packages?q=x",
        "/api/v1/user",
    ] {
        problem(&server, &get(target).bearer(&token), 401, "").await;
    }
}
