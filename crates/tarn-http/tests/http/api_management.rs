//! What is administered through the API: what it shows once, what a token is kept from, and what is written down.

use std::time::Duration;

use serde_json::json;
use tarn_core::access::{Code, TokenRequest};
use tarn_store::metadata::{OwnerKind, Role, Visibility};

use crate::{
    client::{Answer, Request, get, json, request},
    generator::Generator,
    server::{BY, TestServer, ask, by, expect, hello, name, problem},
};

async fn world() -> TestServer {
    let server = TestServer::start().await;
    server.add_admin("root").await;
    server
}

#[tokio::test]
async fn a_token_is_shown_once_works_and_is_revoked() {
    let server = world().await;
    let order = json!({
        "name": "ci", "scopes": ["write:package"], "limits": ["alice/edge/*"],
        "networks": ["127.0.0.0/8"], "expires_at": "2026-11-22T22:00:00Z"
    });
    let made = ask(
        &server,
        by("alice", json("POST", "/api/v1/users/alice/tokens", &order)),
    )
    .await;
    let made = made.expect(201).json();
    let secret = made["sha1"].as_str().unwrap().to_owned();
    let mut whole = order.clone();
    whole["id"] = made["id"].clone();
    whole["created_at"] = json!("2026-11-22T21:00:00Z");
    whole["last_used_at"] = json!(null);
    whole["sha1"] = json!(secret);
    whole["token_last_eight"] = json!(secret[secret.len() - 8..]);
    assert_eq!(made, whole);
    let list = expect(&server, &by("alice", get("/api/v1/user/tokens")), 200).await;
    assert_eq!(list.header("X-Total-Count"), Some("1"));
    assert!(!list.text().contains(&secret));
    expect(&server, &get("/api/v1/user").bearer(&secret), 200).await;
    let again = by("alice", json("POST", "/api/v1/user/tokens", &order));
    problem(&server, &again, 409, "already has a token").await;
    let number = made["id"].to_string();
    let gone = request("DELETE", format!("/api/v1/user/tokens/{number}"));
    ask(&server, by("alice", gone)).await.expect(204);
    problem(&server, &get("/api/v1/user").bearer(&secret), 401, "").await;
}

#[tokio::test]
async fn a_token_makes_no_wider_token_and_adds_no_member() {
    let server = world().await;
    let admin = server.token("root", "admin").await;
    let wider = json!({ "name": "wider", "scopes": ["write:package"] });
    for target in ["/api/v1/user/tokens", "/api/v1/users/alice/tokens"] {
        let order = json("POST", target, &wider).bearer(&admin);
        ask(&server, order).await.problem(403, "wider scopes");
    }
    let password = json!({ "password": "another password" });
    let (code, is_admin) = (json!({ "code": "123456" }), json!({ "admin": true }));
    for (method, target, body) in [
        ("PUT", "/api/v1/user/password", password.clone()),
        ("PUT", "/api/v1/user/second-factor", code),
        ("PATCH", "/api/v1/admin/users/alice", password),
        ("PATCH", "/api/v1/admin/users/alice", is_admin),
        (
            "POST",
            "/api/v1/admin/users",
            json!({ "username": "mallory", "admin": true }),
        ),
        (
            "POST",
            "/api/v1/admin/users",
            json!({ "username": "mallory", "password": "another password" }),
        ),
    ] {
        let order = json(method, target, &body).bearer(&admin);
        problem(&server, &order, 403, "a token changes no password").await;
    }
    let begin = request("POST", "/api/v1/user/second-factor").bearer(&admin);
    problem(&server, &begin, 403, "a token changes no password").await;
    // Who is let in does what the token may not do, or goes on when it has ended.
    server.add_organisation("acme", Visibility::Public).await;
    server.set_member("acme", "root", Role::Admin).await;
    let team = json(
        "POST",
        "/api/v1/orgs/acme/teams",
        &json!({ "name": "ci", "permission": "write", "limits": ["edge/*"] }),
    );
    let team = ask(&server, by("root", team)).await.expect(201).json()["id"].clone();
    let widen = format!("/api/v1/teams/{team}");
    let join = format!("{widen}/members/alice");
    let grants = [
        (
            "PUT",
            "/api/v1/orgs/acme/members/alice",
            json!({ "role": "admin" }),
        ),
        (
            "PUT",
            "/api/v1/orgs/acme/members/alice",
            json!({ "role": "read" }),
        ),
        (
            "POST",
            "/api/v1/orgs/acme/teams",
            json!({ "name": "more", "permission": "write" }),
        ),
        ("PATCH", &widen, json!({ "limits": [] })),
        ("PUT", &join, json!(null)),
    ];
    let soon = server
        .token_for("root", "admin,write:package", Some(Duration::from_secs(60)))
        .await;
    for (method, target, body) in &grants {
        let order = json(method, *target, body).bearer(&admin);
        ask(&server, order).await.problem(401, "lacks the scope");
        let order = json(method, *target, body).bearer(&soon);
        ask(&server, order).await.problem(403, "expires");
    }
    let whole = server.token("root", "admin,write:package").await;
    let order = json(
        "PUT",
        "/api/v1/orgs/acme/members/alice",
        &json!({ "role": "write" }),
    );
    ask(&server, order.bearer(&whole)).await.expect(204);
    // What is left of administering works, and says by which token it was done.
    let order = json(
        "PATCH",
        "/api/v1/admin/users/alice",
        &json!({ "active": false }),
    );
    assert_eq!(
        ask(&server, order.bearer(&admin)).await.expect(200).json()["active"],
        false
    );
    let log = ask(
        &server,
        by("root", get("/api/v1/audit?action=user.disable")),
    )
    .await;
    let entry = &log.expect(200).json()[0];
    assert_eq!(entry["account"], "root");
    assert_eq!(entry["token"], "admin None");
    assert_eq!(entry["owner"], "alice");
}

#[tokio::test]
async fn a_token_limited_to_owners_administers_those_alone() {
    let server = world().await;
    server.add_organisation("acme", Visibility::Private).await;
    server.add_organisation("other", Visibility::Private).await;
    let request = TokenRequest {
        limits: "acme/*/*".parse().unwrap(),
        ..TokenRequest::new("acme", "admin".parse().unwrap())
    };
    let alice = name("alice");
    let made = server
        .accounts()
        .add_token(OwnerKind::User, &alice, &request, None, &BY);
    let token = made.await.unwrap().1.expose().to_owned();
    let members = async |org: &str| {
        let list = get(format!("/api/v1/orgs/{org}/members")).bearer(&token);
        ask(&server, list).await
    };
    assert_eq!(
        members("acme").await.expect(200).json()[0]["login"],
        "alice"
    );
    members("other").await.problem(403, "limited");
    let own = get("/api/v1/user/tokens").bearer(&token);
    ask(&server, own).await.problem(403, "limited");
}

#[tokio::test]
async fn a_second_factor_comes_and_goes() {
    let server = world().await;
    let target = "/api/v1/user/second-factor";
    let state =
        async |request: Request| ask(&server, request).await.expect(200).json()["state"].clone();
    assert_eq!(state(by("alice", get(target))).await, "off");
    let begun = expect(&server, &by("alice", request("POST", target)), 201)
        .await
        .json();
    let uri = begun["otpauth_uri"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("otpauth://totp/"), "{uri}");
    assert_eq!(state(by("alice", get(target))).await, "begun");
    let code = Generator::of(&uri).code(server.clock.now());
    let confirm = json("PUT", target, &json!({ "code": code }));
    let codes = ask(&server, by("alice", confirm)).await.expect(200).json();
    let codes: Vec<String> = serde_json::from_value(codes["recovery_codes"].clone()).unwrap();
    assert!(
        codes.len() > 2
            && codes
                .iter()
                .all(|code| Code::parse(code.as_bytes()).is_ok())
    );
    // The password alone is not enough any more; with one recovery code to sign in, another turns it off.
    problem(&server, &by("alice", get(target)), 401, "").await;
    let disable = json("DELETE", target, &json!({ "code": codes[1] }));
    let disable = by("alice", disable).header("X-Gitea-OTP", &codes[0]);
    ask(&server, disable).await.expect(204);
    assert_eq!(state(by("alice", get(target))).await, "off");
}

#[tokio::test]
async fn a_renamed_owner_is_led_to_in_the_api() {
    let server = world().await;
    server.publish("edge/main", hello()).await.expect(201);
    let rename = json(
        "POST",
        "/api/v1/admin/users/alice/rename",
        &json!({ "new_username": "alicia" }),
    );
    ask(&server, by("root", rename)).await.expect(204);
    let moved = ask(&server, get("/api/v1/packages/alice?page=1"))
        .await
        .problem_or_moved();
    assert_eq!(moved.as_deref(), Some("/api/v1/packages/alicia?page=1"));
    let names = ask(
        &server,
        by("root", get("/api/v1/owners/alicia/former-names")),
    )
    .await;
    assert_eq!(names.expect(200).json()[0]["name"], "alice");
    let release = request("DELETE", "/api/v1/admin/former-names/alice");
    ask(&server, by("root", release)).await.expect(204);
    problem(
        &server,
        &get("/api/v1/packages/alice"),
        404,
        "no such owner",
    )
    .await;
}

#[tokio::test]
async fn who_administers_a_renamed_owner_is_led_to_it() {
    let server = world().await;
    server.add_user("bob", Visibility::Public).await;
    server.add_organisation("acme", Visibility::Private).await;
    let rename = json(
        "POST",
        "/api/v1/orgs/acme/rename",
        &json!({ "new_name": "apex" }),
    );
    ask(&server, by("alice", rename)).await.expect(204);
    let token = server.token("alice", "admin").await;
    for target in ["orgs/acme/teams?page=2", "owners/acme/keys"] {
        let asked = get(format!("/api/v1/{target}"));
        let moved = ask(&server, asked.clone().bearer(&token)).await;
        let new = format!("/api/v1/{}", target.replace("acme", "apex"));
        assert_eq!(moved.problem_or_moved().as_deref(), Some(&*new));
        ask(&server, by("bob", asked)).await.problem(403, "");
    }
    let rotate = request("POST", "/api/v1/owners/acme/keys").bearer(&token);
    ask(&server, rotate).await.problem(404, "called apex now");
    let read = get("/api/v1/packages/acme").bearer(&token);
    ask(&server, read).await.problem(401, "read:package");
}

#[tokio::test]
async fn a_token_is_revoked_by_its_number_before_one_that_is_called_so() {
    let server = world().await;
    let target = "/api/v1/user/tokens";
    let make = async |name: &str| {
        let order = json!({ "name": name, "scopes": ["read:package"] });
        let made = ask(&server, by("alice", json("POST", target, &order))).await;
        made.expect(201).json()["id"].to_string()
    };
    let number = make("ci").await;
    make(&number).await;
    let left = async || {
        let list = ask(&server, by("alice", get(target))).await.json();
        let entries = list.as_array().unwrap().iter();
        let names = entries.map(|token| token["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let revoke = || request("DELETE", format!("{target}/{number}"));
    ask(&server, by("alice", revoke())).await.expect(204);
    assert_eq!(left().await, [number.as_str()]);
    ask(&server, by("alice", revoke())).await.expect(204);
    assert_eq!(left().await, [""; 0]);
}

#[tokio::test]
async fn a_token_that_does_not_administer_does_not_learn_which_teams_there_are() {
    let server = world().await;
    server.add_organisation("acme", Visibility::Public).await;
    let teams = ask(&server, by("alice", get("/api/v1/orgs/acme/teams"))).await;
    let number = teams.expect(200).json()[0]["id"].to_string();
    let token = server.token("alice", "write:package").await;
    let mut details = Vec::new();
    for team in [number.as_str(), "4711", "none"] {
        let asked = get(format!("/api/v1/teams/{team}")).bearer(&token);
        let refused = ask(&server, asked).await.problem(401, "admin");
        details.push(refused.json()["detail"].clone());
    }
    assert!(
        details.windows(2).all(|pair| pair[0] == pair[1]),
        "{details:?}"
    );
}

#[tokio::test]
async fn the_log_is_cut_within_a_second() {
    let server = world().await;
    server.clock.advance(std::time::Duration::from_millis(500));
    server.add_organisation("acme", Visibility::Public).await;
    let count = async |query: &str| {
        let log = get(format!("/api/v1/audit?action=org.add&{query}"));
        let log = ask(&server, by("root", log)).await.expect(200);
        log.json().as_array().unwrap().len()
    };
    assert_eq!(count("since=2026-11-22T21:00:00.5Z").await, 1);
    assert_eq!(count("since=2026-11-22T21:00:00.500001Z").await, 0);
    assert_eq!(count("until=2026-11-22T21:00:00.5Z").await, 0);
    assert_eq!(count("until=2026-11-22T21:00:00.500001Z").await, 1);
}

impl Answer {
    fn problem_or_moved(self) -> Option<String> {
        let moved = self.expect(301);
        moved.header("Location").map(str::to_owned)
    }
}

#[tokio::test]
async fn an_owner_reads_its_own_part_of_the_log_and_pages_through_it() {
    let server = world().await;
    server.add_organisation("acme", Visibility::Private).await;
    server.add_user("bob", Visibility::Public).await;
    for role in [Role::Read, Role::Write, Role::Read, Role::Write] {
        server.set_member("acme", "bob", role).await;
    }
    let mut target = Some("/api/v1/owners/acme/audit?limit=2".to_owned());
    let mut seen = Vec::new();
    while let Some(page) = target {
        let page = ask(&server, by("alice", get(page))).await.expect(200);
        for entry in page.json().as_array().unwrap() {
            assert_eq!(entry["owner"], "acme");
            seen.push(entry["id"].as_i64().unwrap());
        }
        target = page
            .header("Link")
            .map(|link| link[1..link.find('>').unwrap()].to_owned());
    }
    assert_eq!(seen.len(), 5, "the organisation and four members");
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    // The filter on the owner cannot be widened.
    let sly = get("/api/v1/owners/acme/audit?owner=root");
    assert_eq!(
        ask(&server, by("alice", sly))
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        5
    );
    let export = async |user: &str, target: &str| {
        let export = ask(&server, by(user, get(target))).await.expect(200);
        assert_eq!(export.header("Content-Type"), Some("application/x-ndjson"));
        let text = export.text();
        let id = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_i64();
        let ids = text.lines().map(|line| id(line).unwrap());
        ids.collect::<Vec<_>>()
    };
    let of_acme = "/api/v1/owners/acme/audit/export";
    assert_eq!(export("alice", of_acme).await, seen);
    // From the entry on where one was cut off.
    let rest = format!("{of_acme}?before={}", seen[1]);
    assert_eq!(export("alice", &rest).await, seen[2..]);
    let all = export("root", "/api/v1/audit/export").await;
    let rest = format!("/api/v1/audit/export?before={}", all[3]);
    assert_eq!(export("root", &rest).await, all[4..]);
}

#[tokio::test]
async fn a_quota_set_through_the_api_holds() {
    let server = world().await;
    let target = "/api/v1/owners/alice/quota";
    let set = by("root", json("PUT", target, &json!({ "packages": 0 })));
    let quota = ask(&server, set).await.expect(200).json();
    assert_eq!(
        (&quota["limit_packages"], &quota["used_packages"]),
        (&json!(0), &json!(0))
    );
    server.publish("edge/main", hello()).await.expect(413);
    let nothing = json("PUT", target, &json!({ "upload": 0 }));
    problem(&server, &by("root", nothing), 422, "at least 1 byte").await;
    expect(&server, &by("root", request("DELETE", target)), 204).await;
    server.publish("edge/main", hello()).await.expect(201);
    assert_eq!(
        ask(&server, by("alice", get(target))).await.json()["used_packages"],
        1
    );
}

#[tokio::test]
async fn a_webhook_that_is_made_inactive_never_was_active() {
    let server = world().await;
    let order = json!({ "config": { "url": "https://hooks.example/x" }, "active": false });
    let made = by("alice", json("POST", "/api/v1/user/hooks", &order));
    let made = ask(&server, made).await.expect(201).json();
    assert_eq!(made["active"], false);
    let target = format!("/api/v1/user/hooks/{}", made["id"]);
    let shown = ask(&server, by("alice", get(target))).await.expect(200);
    assert_eq!(shown.json()["active"], false);
    let log = by("root", get("/api/v1/audit?action=webhook."));
    let log = ask(&server, log).await.expect(200).json();
    let actions = log.as_array().unwrap().iter().map(|entry| &entry["action"]);
    assert_eq!(actions.collect::<Vec<_>>(), ["webhook.add"]);
}

#[tokio::test]
async fn the_log_of_a_webhook_is_paged_through_behind_any_backlog() {
    let server = world().await;
    let order = json!({ "config": { "url": "https://hooks.example/x" } });
    let made = by("alice", json("POST", "/api/v1/user/hooks", &order));
    let made = ask(&server, made).await.expect(201).json();
    let target = format!("/api/v1/user/hooks/{}", made["id"]);
    // Disabling gives up what is pending: one message that has ended, and many behind it that have not.
    server.publish("edge/main", hello()).await.expect(201);
    for active in [false, true] {
        let change = json("PATCH", &target, &json!({ "active": active }));
        ask(&server, by("alice", change)).await.expect(200);
    }
    let log = async |query: &str| {
        let log = get(format!("{target}/deliveries?{query}"));
        ask(&server, by("alice", log)).await.expect(200)
    };
    let ended = log("").await.json()[0]["id"].as_i64().unwrap();
    let metadata = server.registry.metadata();
    let alice = metadata.owner(&name("alice")).await.unwrap().unwrap();
    let webhooks = server.registry.administration().webhooks();
    for _ in 0..501 {
        let again = webhooks.redeliver(&alice, (None, ended), &BY);
        again.await.unwrap();
    }

    let first = log("limit=100").await;
    assert_eq!(first.header("X-Total-Count"), Some("502"));
    let last = format!("<http://registry.test{target}/deliveries?page=6&limit=100>; rel=\"last\"");
    assert!(first.header("Link").unwrap().contains(&last));
    let last = log("limit=100&page=6").await.json();
    assert_eq!(last.as_array().unwrap().len(), 2);
    assert_eq!(
        (&last[1]["id"], &last[1]["state"]),
        (&json!(ended), &json!("failed"))
    );
    let failed = log("state=failed").await;
    assert_eq!(failed.header("X-Total-Count"), Some("1"));
    assert_eq!(failed.json()[0], last[1]);
    let redeliver = |hook: &str, delivery: &serde_json::Value| {
        let target = format!("/api/v1/user/hooks/{hook}/deliveries/{delivery}/redeliver");
        by("alice", request("POST", target))
    };
    let hook = made["id"].to_string();
    expect(&server, &redeliver(&hook, &last[1]["id"]), 201).await;
    problem(
        &server,
        &redeliver(&hook, &last[0]["id"]),
        409,
        "is pending",
    )
    .await;
    let other = ask(&server, redeliver("4711", &last[1]["id"])).await;
    other.problem(404, "webhook");
}
