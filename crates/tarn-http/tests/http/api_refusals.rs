//! What an operation refuses a caller who is known, for what they sent or for what they came with, is in the audit log.

use std::time::Duration;

use serde_json::json;
use tarn_core::access::TokenRequest;
use tarn_store::metadata::{OwnerKind, Visibility};

use crate::{
    client::{Request, delete, get, json, request},
    generator::Generator,
    server::{BY, TestServer, name, password},
};

const FACTOR: &str = "/api/v1/user/second-factor";

/// What the log is to have of a refusal: what was wanted, by which account, of which owner.
type Entry = (&'static str, &'static str, Option<&'static str>);

/// Sends a request that is refused, and looks for the one entry about it, with the text that the client got.
async fn refuse(server: &TestServer, request: &Request, status: u16, entry: Entry, why: &str) {
    let before = server.refused().await.len();
    let answer = server.send(request).await.problem(status, why);
    let refused = server.refused().await.split_off(before);
    let [found] = refused.as_slice() else {
        unreachable!("{request:?}: {}: {refused:?}", answer.text());
    };
    let (action, account, owner) = entry;
    assert_eq!(found.action, action, "{found:?}");
    assert_eq!(found.account.as_deref(), Some(account), "{found:?}");
    assert_eq!(found.owner.as_deref(), owner, "{found:?}");
    assert!(found.target.starts_with("/api/v1/"), "{found:?}");
    let told = answer.json();
    let told = told
        .pointer("/detail")
        .and_then(serde_json::Value::as_str)
        .unwrap();
    // The log has what is wrong, without what to do about it.
    let why = found.detail.as_deref().unwrap();
    assert!(!why.is_empty() && told.starts_with(why), "{told}: {why}");
}

#[tokio::test]
async fn a_code_in_a_body_that_is_refused_is_noted() {
    let server = TestServer::start().await;
    let by_password = |request: Request| request.basic("alice", &password("alice"));
    let own = ("owner.administer", "alice", Some("alice"));
    let early = by_password(json("PUT", FACTOR, &json!({ "code": "123456" })));
    let early = server.send(&early).await;
    early.problem(409, "nothing was begun");
    assert!(server.refused().await.is_empty());
    let begun = by_password(request("POST", FACTOR));
    let begun = server.send(&begun).await.expect(201).json();
    let generator = Generator::of(begun["otpauth_uri"].as_str().unwrap());
    let wrong = json!({ "code": generator.wrong(server.clock.now()) });

    let confirm = by_password(json("PUT", FACTOR, &wrong));
    for _ in 0..5 {
        refuse(&server, &confirm, 403, own, "the code is wrong").await;
    }
    refuse(&server, &confirm, 429, own, "too many wrong codes").await;
    server.clock.advance(Duration::from_secs(60));
    let right = || generator.code(server.clock.now());
    let confirm = by_password(json("PUT", FACTOR, &json!({ "code": right() })));
    server.send(&confirm).await.expect(200);
    for (method, target) in [
        ("DELETE", FACTOR.to_owned()),
        ("POST", format!("{FACTOR}/recovery-codes")),
    ] {
        server.clock.advance(Duration::from_secs(60));
        let request = by_password(json(method, target, &wrong)).header("X-Gitea-OTP", &right());
        refuse(&server, &request, 403, own, "the code is wrong").await;
    }
}

#[tokio::test]
async fn a_token_that_an_operation_refuses_is_noted() {
    let server = TestServer::start().await;
    server.add_admin("root").await;
    let (admin, of_root) = (
        server.token("alice", "admin").await,
        server.token("root", "admin").await,
    );

    let own = ("owner.administer", "alice", Some("alice"));
    let site = ("server.administer", "root", None);
    let password = json!({ "password": "another one" });
    let user = json!({ "username": "eve", "admin": true });
    let promoted = json!({ "admin": true });
    for (request, token, entry) in [
        (json("PUT", "/api/v1/user/password", &password), &admin, own),
        (request("POST", FACTOR), &admin, own),
        (json("POST", "/api/v1/admin/users", &user), &of_root, site),
        (
            json("PATCH", "/api/v1/admin/users/alice", &promoted),
            &of_root,
            site,
        ),
        (
            delete("/api/v1/admin/users/alice/second-factor"),
            &of_root,
            site,
        ),
    ] {
        let request = request.bearer(token);
        refuse(&server, &request, 403, entry, "a token changes no password").await;
    }

    let wide = json!({ "name": "wide", "scopes": ["write:package"] });
    let request = json("POST", "/api/v1/user/tokens", &wide).bearer(&admin);
    refuse(&server, &request, 403, own, "scopes").await;

    // What is asked about before it is known whose it is.
    for path in ["owners", "search/packages?q=hello"] {
        let request = get(format!("/api/v1/{path}")).bearer(&admin);
        let entry = ("package.read", "alice", None);
        refuse(&server, &request, 401, entry, "read:package").await;
    }
    let reader = server.token("alice", "read:package").await;
    let request = get("/api/v1/teams/1").bearer(&reader);
    let entry = ("owner.administer", "alice", None);
    refuse(&server, &request, 401, entry, "admin").await;
}

#[tokio::test]
async fn a_token_of_an_organisation_where_a_user_is_wanted_is_noted() {
    let server = TestServer::start().await;
    server.add_organisation("acme", Visibility::Public).await;
    let (kind, acme) = (OwnerKind::Organisation, name("acme"));
    let machine = TokenRequest::new("machine", "write:package".parse().unwrap());
    let accounts = server.accounts();
    let made = accounts.add_token(kind, &acme, &machine, None, &BY).await;
    let (_, machine) = made.unwrap();
    for path in ["user", "user/tokens", "user/second-factor"] {
        let request = get(format!("/api/v1/{path}")).bearer(machine.expose());
        let entry = ("owner.administer", "acme", Some("acme"));
        refuse(&server, &request, 403, entry, "belongs to no user").await;
    }
}

#[tokio::test]
async fn a_change_of_an_account_with_a_part_that_is_refused_changes_nothing() {
    let server = TestServer::start().await;
    server.add_admin("root").await;
    let by_root = |request: Request| request.basic("root", &password("root"));
    let entries = async || {
        let log = get("/api/v1/audit?limit=100&account=root&result=done");
        let log = server.send(&by_root(log)).await.expect(200).json();
        log.as_array().unwrap().len()
    };
    let before = entries().await;
    for (user, change, status, code) in [
        (
            "root",
            json!({ "password": "another password", "visibility": "private", "admin": false }),
            409,
            "last_admin",
        ),
        (
            "root",
            json!({ "password": "another password", "visibility": "private", "active": false }),
            409,
            "last_admin",
        ),
        (
            "alice",
            json!({ "visibility": "private", "admin": true, "password": "short" }),
            422,
            "weak_password",
        ),
    ] {
        let order = json("PATCH", format!("/api/v1/admin/users/{user}"), &change);
        let refused = server.send(&by_root(order)).await;
        refused.problem(status, "").code(code);
        let own = get("/api/v1/user").basic(user, &password(user));
        let own = server.send(&own).await.expect(200).json();
        assert_eq!(own["visibility"], "public", "{change}");
        assert_eq!(own["is_admin"], user == "root", "{change}");
    }
    assert_eq!(entries().await, before);
    let change = json!({ "visibility": "limited", "admin": true, "password": "another password" });
    let order = json("PATCH", "/api/v1/admin/users/alice", &change);
    let changed = server.send(&by_root(order)).await.expect(200).json();
    assert_eq!(
        (&changed["visibility"], &changed["is_admin"]),
        (&json!("limited"), &json!(true))
    );
    let own = get("/api/v1/user").basic("alice", "another password");
    server.send(&own).await.expect(200);
    assert_eq!(entries().await, before + 3);
    // Its visibility alone, too.
    let change = json!({ "visibility": "private" });
    let order = json("PATCH", "/api/v1/admin/users/alice", &change);
    let changed = server.send(&by_root(order)).await.expect(200).json();
    assert_eq!(changed["visibility"], "private");
}
