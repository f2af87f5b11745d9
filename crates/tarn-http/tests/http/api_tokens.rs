//! What a token does of what administers: no more than its scopes say, and no more of them than an owner can look after.

use std::time::Duration;

use serde_json::json;
use tarn_core::{access::TokenRequest, jobs::Schedule};
use tarn_store::metadata::{OwnerKind, Visibility};

use crate::{
    client::{get, json, request},
    server::{BY, TestServer, ask, by, expect, hello, name, problem},
};

#[tokio::test]
async fn a_token_that_administers_does_nothing_to_packages_that_it_may_not() {
    let server = TestServer::start().await;
    server.add_admin("root").await;
    server.add_organisation("acme", Visibility::Private).await;
    server
        .publish_by("alice", "acme/alpine/edge/main", hello())
        .await;
    let token = async |user: &str, scopes: &str| {
        let request = TokenRequest {
            limits: if user == "alice" { "acme/*/*" } else { "" }
                .parse()
                .unwrap(),
            ..TokenRequest::new(scopes, scopes.parse().unwrap())
        };
        let user = name(user);
        let made = server
            .accounts()
            .add_token(OwnerKind::User, &user, &request, None, &BY);
        made.await.unwrap().1.expose().to_owned()
    };
    let rule = json!({ "pattern": "edge/*", "days": 1, "keep": 0 });
    let public = json!({ "visibility": "public" });
    let purge = |target: &str| request("DELETE", format!("/api/v1/{target}?purge=true"));
    let deleting = |org: &str| json("POST", format!("/api/v1/owners/{org}/expiry-rules"), &rule);
    let publishing = |target: &str| json("PATCH", format!("/api/v1/{target}"), &public);
    let narrow = token("alice", "admin,write:package,no-delete").await;
    for order in [purge("orgs/acme"), deleting("acme")] {
        problem(&server, &order.bearer(&narrow), 401, "delete:package").await;
    }
    expect(&server, &publishing("orgs/acme").bearer(&narrow), 200).await;
    let admin = token("alice", "admin").await;
    problem(
        &server,
        &publishing("orgs/acme").bearer(&admin),
        401,
        "read:package",
    )
    .await;
    let own = server.token("alice", "admin").await;
    problem(
        &server,
        &publishing("user/settings").bearer(&own),
        401,
        "read:package",
    )
    .await;
    let (site, reads) = (token("root", "admin"), token("root", "admin,read:package"));
    let (site, reads) = (site.await, reads.await);
    problem(
        &server,
        &publishing("admin/users/alice").bearer(&site),
        401,
        "read:package",
    )
    .await;
    server.publish("edge/main", hello()).await.expect(201);
    problem(
        &server,
        &purge("admin/users/alice").bearer(&reads),
        401,
        "delete:package",
    )
    .await;
    let leads = json!({ "config": { "url": "https://hooks.example/x" } });
    let hook = json("POST", "/api/v1/user/hooks", &leads);
    problem(&server, &hook.clone().bearer(&own), 401, "read:package").await;
    let hook = ask(&server, by("alice", hook)).await.expect(201).json();
    let hook = format!("/api/v1/user/hooks/{}", hook["id"]);
    problem(
        &server,
        &json("PATCH", &*hook, &leads).bearer(&own),
        401,
        "read:package",
    )
    .await;
    // Each refusal is in the log, and the packages are there.
    server.registry.refusals().flush().await;
    let log = get("/api/v1/audit?action=package.delete&result=refused");
    assert_eq!(
        ask(&server, by("root", log))
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        3
    );
    for owner in ["acme", "alice"] {
        let list = by("root", get(format!("/api/v1/packages/{owner}")));
        assert_eq!(ask(&server, list).await.header("X-Total-Count"), Some("1"));
    }
    let wide = token("alice", "admin,delete:package").await;
    expect(&server, &deleting("acme").bearer(&wide), 201).await;
    expect(&server, &purge("orgs/acme").bearer(&wide), 204).await;
}

#[tokio::test]
async fn tokens_that_expired_are_listed_for_thirty_days_more() {
    let server = TestServer::start().await;
    let day = Duration::from_secs(86_400);
    let expired = server.token_for("alice", "read:package", Some(day)).await;
    server.token("alice", "admin").await;
    let mut schedule = Schedule::new(server.registry.clone());
    let mut left = async |days: u32| {
        server.clock.advance(days * day);
        schedule.run_due().await;
        let list = by("alice", get("/api/v1/user/tokens"));
        let list = ask(&server, list).await.expect(200).json();
        list.as_array().unwrap().len()
    };
    assert_eq!(left(31).await, 2);
    assert_eq!(left(1).await, 1);
    assert_eq!(left(1000).await, 1);
    let asked = get("/api/v1/user").bearer(&expired);
    ask(&server, asked).await.problem(401, "wrong");
}
