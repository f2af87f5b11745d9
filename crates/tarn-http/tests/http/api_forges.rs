//! What clients of Forgejo and Gitea send and ask, taken from their own structures of bodies and their lists of routes.

use serde_json::{Value, json};
use tarn_store::metadata::{Role, Visibility};

use crate::{
    client::{Answer, get, json, put, request},
    server::{TestServer, hello, package, password, published},
};

async fn world() -> TestServer {
    let server = TestServer::start().await;
    server.add_admin("root").await;
    server
}

async fn send(server: &TestServer, method: &str, path: &str, body: &Value) -> Answer {
    let asked = json(method, format!("/api/v1{path}"), body);
    let asked = asked.basic("root", &password("root"));
    server.send(&asked).await
}

async fn read(server: &TestServer, user: &str, path: &str) -> Answer {
    let asked = get(format!("/api/v1{path}")).basic(user, &password(user));
    server.send(&asked).await
}

#[tokio::test]
async fn the_bodies_of_their_clients_are_taken() {
    let server = world().await;
    let account = json!({
        "source_id": 0, "login_name": "", "username": "bob", "full_name": "Bob", "email": "bob@example.org",
        "password": "the password of bob", "must_change_password": false, "send_notify": false, "visibility": null
    });
    let made = send(&server, "POST", "/admin/users", &account).await;
    assert_eq!(made.expect(201).json()["prohibit_login"], false);
    let change = json!({
        "source_id": 0, "login_name": "bob", "email": null, "full_name": null, "password": "",
        "must_change_password": null, "website": null, "location": null, "description": null, "active": true,
        "admin": null, "allow_git_hook": null, "allow_import_local": null, "max_repo_creation": null,
        "prohibit_login": true, "allow_create_organization": null, "restricted": null, "visibility": ""
    });
    let changed = send(&server, "PATCH", "/admin/users/bob", &change).await;
    let changed = changed.expect(200).json();
    assert_eq!(
        (&changed["active"], &changed["prohibit_login"]),
        (&json!(false), &json!(true))
    );
    read(&server, "bob", "/user").await.expect(401);
    let change = json!({ "source_id": 0, "login_name": "bob", "prohibit_login": false });
    let changed = send(&server, "PATCH", "/admin/users/bob", &change).await;
    assert_eq!(changed.expect(200).json()["active"], true);
    // The empty password left the old one.
    read(&server, "bob", "/user").await.expect(200);

    let page = json!({
        "username": "acme", "full_name": "Acme", "description": "", "email": "", "website": "", "location": "",
        "visibility": "", "repo_admin_change_team_access": false
    });
    let made = send(&server, "POST", "/orgs", &page).await.expect(201);
    assert_eq!(made.json()["visibility"], "public");
    let change =
        json!({ "full_name": "Acme", "website": "https://acme.example", "visibility": "" });
    send(&server, "PATCH", "/orgs/acme", &change)
        .await
        .expect(200);

    let team = json!({
        "name": "ci", "description": "", "permission": "write", "can_create_org_repo": false,
        "includes_all_repositories": true, "units": ["repo.code", "repo.packages"],
        "units_map": { "repo.code": "read", "repo.packages": "write" }
    });
    let made = send(&server, "POST", "/orgs/acme/teams", &team).await;
    let path = format!("/teams/{}", made.expect(201).json()["id"]);
    let change = json!({
        "name": "ci", "description": null, "permission": "write", "can_create_org_repo": null,
        "includes_all_repositories": null, "units": null
    });
    let limits = json!({ "limits": ["edge/*"] });
    send(&server, "PATCH", &path, &limits).await.expect(200);
    let changed = send(&server, "PATCH", &path, &change).await.expect(200);
    assert_eq!(changed.json()["limits"], json!(["edge/*"]));

    for kind in ["gitea", "forgejo"] {
        let hook = json!({
            "type": kind, "config": { "url": "https://hooks.example/x", "content_type": "json" },
            "events": ["package"], "branch_filter": "", "authorization_header": "", "active": true, "name": "ci",
            "is_system_webhook": false
        });
        let made = send(&server, "POST", "/orgs/acme/hooks", &hook).await;
        let made = made.expect(201).json();
        assert_eq!(
            (&made["type"], &made["active"]),
            (&json!("tarn"), &json!(true))
        );
        let path = format!("/orgs/acme/hooks/{}", made["id"]);
        let change = json!({ "events": null, "branch_filter": "*", "authorization_header": "", "active": false });
        let changed = send(&server, "PATCH", &path, &change).await.expect(200);
        assert_eq!(changed.json()["active"], false);
    }
}

#[tokio::test]
async fn what_is_not_done_here_is_refused_and_leaves_nothing() {
    let server = world().await;
    server.add_organisation("acme", Visibility::Public).await;
    let ci = json!({ "name": "ci", "permission": "write" });
    let made = send(&server, "POST", "/orgs/acme/teams", &ci).await;
    let team = format!("/teams/{}", made.expect(201).json()["id"]);
    let hook = json!({ "config": { "url": "https://hooks.example/x" } });
    let with = |body: &Value, field: &str, value: Value| {
        let mut body = body.clone();
        body[field] = value;
        body
    };
    let bob = json!({ "username": "bob", "password": "the password of bob" });
    let ops = json!({ "name": "ops", "permission": "write" });
    let none = json!({});
    for (method, path, body, words) in [
        (
            "POST",
            "/admin/users",
            with(&bob, "source_id", json!(2)),
            "`source_id`",
        ),
        (
            "POST",
            "/admin/users",
            with(&bob, "must_change_password", json!(true)),
            "`must_change_password`",
        ),
        (
            "POST",
            "/admin/users",
            with(&bob, "emial", json!("")),
            "unknown field `emial`",
        ),
        (
            "POST",
            "/admin/users",
            with(&bob, "restricted", json!(true)),
            "`restricted`",
        ),
        (
            "POST",
            "/admin/users",
            with(&bob, "created_at", json!("2026-01-01T00:00:00Z")),
            "`created_at`",
        ),
        (
            "PATCH",
            "/admin/users/alice",
            json!({ "restricted": true, "active": false }),
            "`restricted`",
        ),
        (
            "PATCH",
            "/admin/users/alice",
            json!({ "source_id": 1, "active": false }),
            "`source_id`",
        ),
        (
            "POST",
            "/orgs/acme/hooks",
            with(&hook, "branch_filter", json!("edge")),
            "`branch_filter`",
        ),
        (
            "POST",
            "/orgs/acme/hooks",
            with(&hook, "authorization_header", json!("Bearer x")),
            "`authorization_header`",
        ),
        (
            "POST",
            "/orgs/acme/hooks",
            with(&hook, "is_system_webhook", json!(true)),
            "`is_system_webhook`",
        ),
        (
            "POST",
            "/orgs/acme/hooks",
            with(&hook, "type", json!("slack")),
            "unknown variant `slack`",
        ),
        (
            "POST",
            "/orgs/acme/teams",
            with(&ops, "units", json!(["repo.code"])),
            "packages only",
        ),
        (
            "POST",
            "/orgs/acme/teams",
            with(&ops, "units_map", json!({ "repo.packages": "read" })),
            "packages only",
        ),
        (
            "PATCH",
            &team,
            with(&none, "name", json!("ops")),
            "keeps its name",
        ),
        (
            "PATCH",
            &team,
            with(&none, "permission", json!("admin")),
            "keeps its name",
        ),
        (
            "PATCH",
            &team,
            with(&none, "units_map", json!({ "repo.packages": "read" })),
            "packages only",
        ),
    ] {
        let refused = send(&server, method, path, &body).await;
        refused.problem(422, words);
    }
    // Twice the same is refused as it is in any other body.
    let twice = "{\"username\":\"bob\",\"email\":\"\",\"username\":\"eve\"}";
    let twice = put("", twice).with_method_and_target_of(&request("POST", "/api/v1/admin/users"));
    let twice = twice.header("Content-Type", "application/json");
    let twice = server.send(&twice.basic("root", &password("root"))).await;
    twice.problem(422, "duplicate field `username`");

    let count = async |path: &str| {
        let list = read(&server, "root", path).await.expect(200);
        list.header("X-Total-Count").unwrap().to_owned()
    };
    assert_eq!(count("/admin/users").await, "2");
    assert_eq!(count("/orgs/acme/hooks").await, "0");
    assert_eq!(count("/orgs/acme/teams").await, "4");
    read(&server, "alice", "/user").await.expect(200);
}

#[tokio::test]
async fn the_fields_that_are_not_looked_at_are_in_the_description() {
    let server = world().await;
    let document = server.send(&get("/api/v1/openapi.json")).await.json();
    for (body, fields) in [
        (
            "NewUser",
            ["email", "full_name", "login_name", "send_notify"],
        ),
        (
            "UserChange",
            ["email", "full_name", "login_name", "website"],
        ),
        (
            "NewOrganisation",
            ["description", "full_name", "website", "location"],
        ),
        (
            "OrganisationChange",
            ["description", "full_name", "website", "location"],
        ),
        (
            "NewTeam",
            [
                "description",
                "includes_all_repositories",
                "can_create_org_repo",
                "visibility",
            ],
        ),
        (
            "TeamChange",
            [
                "description",
                "includes_all_repositories",
                "can_create_org_repo",
                "visibility",
            ],
        ),
        ("NewHook", ["name"; 4]),
        ("HookChange", ["name"; 4]),
    ] {
        let schema = &document["components"]["schemas"][body];
        assert_eq!(schema["additionalProperties"], false, "{body}");
        for field in fields {
            let described = schema["properties"][field]["description"].as_str();
            let described = described.unwrap_or("");
            assert!(described.contains("not looked at"), "{body}: {field}");
        }
    }
}

#[tokio::test]
async fn the_latest_version_is_the_one_that_came_last() {
    let server = world().await;
    let version = |version: &str| {
        apk_testkit::v2::PackageBuilder::new("hello", version)
            .arch("x86_64")
            .build()
    };
    let latest = async || {
        let target = "/api/v1/packages/alice/alpine/hello/-/latest";
        server.send(&get(target)).await
    };
    latest().await.problem(404, "no such version");
    for number in ["1.9-r0", "1.10-r0", "1.2-r0"] {
        published(&server, "edge/main", version(number)).await;
        let shown = latest().await.expect(200).json();
        assert_eq!(shown["version"], number);
        let target = format!("/api/v1/packages/alice/alpine/hello/{number}");
        assert_eq!(server.send(&get(target)).await.json(), shown);
    }
    published(&server, "edge/main", package("other", "x86_64")).await;
    assert_eq!(latest().await.json()["version"], "1.2-r0");
}

#[tokio::test]
async fn organisations_are_listed_as_far_as_the_caller_may_know_of_them() {
    let server = world().await;
    for (organisation, visibility) in [
        ("open", Visibility::Public),
        ("inner", Visibility::Limited),
        ("secret", Visibility::Private),
    ] {
        server.add_organisation(organisation, visibility).await;
    }
    for user in ["bob", "carol"] {
        server.add_user(user, Visibility::Public).await;
    }
    server.set_member("secret", "bob", Role::Read).await;
    server.set_member("open", "bob", Role::Write).await;
    let names = |answer: Answer| {
        let list = answer.expect(200);
        let entries = list.json();
        let entries = entries.as_array().unwrap();
        assert_eq!(
            list.header("X-Total-Count"),
            Some(&*entries.len().to_string())
        );
        let name = |entry: &Value| entry["name"].as_str().unwrap().to_owned();
        entries.iter().map(name).collect::<Vec<_>>()
    };
    let nobody = server.send(&get("/api/v1/orgs")).await;
    assert_eq!(names(nobody), ["open"]);
    for (user, all, own) in [
        ("carol", &["inner", "open"][..], &[][..]),
        ("bob", &["inner", "open", "secret"], &["open", "secret"]),
        ("root", &["inner", "open", "secret"], &[]),
    ] {
        assert_eq!(names(read(&server, user, "/orgs").await), all, "{user}");
        assert_eq!(
            names(read(&server, user, "/user/orgs").await),
            own,
            "{user}"
        );
    }
    let public = server.token("bob", "read:package,public-only").await;
    let with_token = get("/api/v1/user/orgs").bearer(&public);
    assert_eq!(names(server.send(&with_token).await), ["open"]);
    let first = read(&server, "bob", "/orgs?limit=1").await.expect(200);
    let one = first.json();
    assert_eq!(one[0]["username"], "inner");
    assert_eq!(one[0]["visibility"], "limited");
    assert_eq!(first.header("X-Total-Count"), Some("3"));
}

#[tokio::test]
async fn a_user_is_shown_to_all_who_may_read_what_they_have() {
    let server = world().await;
    server.add_user("hidden", Visibility::Private).await;
    server.add_organisation("acme", Visibility::Public).await;
    server.publish("edge/main", hello()).await.expect(201);
    let shown = server.send(&get("/api/v1/users/Alice")).await.expect(200);
    let shown = shown.json();
    assert_eq!(
        (&shown["login"], &shown["username"]),
        (&json!("alice"), &json!("alice"))
    );
    assert!(shown["id"].is_i64() && shown["created"].is_string());
    assert_eq!(shown.get("is_admin"), None);
    let hidden = "/users/hidden";
    let nobody = get(format!("/api/v1{hidden}"));
    server.send(&nobody).await.problem(401, "");
    read(&server, "alice", hidden).await.problem(403, "");
    read(&server, "hidden", hidden).await.expect(200);
    read(&server, "root", "/users/acme")
        .await
        .problem(404, "no such owner");
    let rename = json!({ "new_username": "alicia" });
    send(&server, "POST", "/admin/users/alice/rename", &rename)
        .await
        .expect(204);
    let moved = server.send(&get("/api/v1/users/alice")).await.expect(301);
    assert_eq!(moved.header("Location"), Some("/api/v1/users/alicia"));
}

#[tokio::test]
async fn a_query_is_read_as_the_forges_read_it() {
    let server = world().await;
    server.publish("edge/main", hello()).await.expect(201);
    let list = "/api/v1/packages/alice";
    for (query, count) in [
        ("?type=alpine", "1"),
        ("?type=", "1"),
        ("?type=npm", "0"),
        ("?sort=newest&limit=abc&page=x", "1"),
        ("?q=hell&q=no&page=-1", "1"),
    ] {
        let listed = server
            .send(&get(format!("{list}{query}")))
            .await
            .expect(200);
        assert_eq!(listed.header("X-Total-Count"), Some(count), "{query}");
    }
    let version = server.send(&get("/api/v1/version?x=1")).await.expect(200);
    let expected = concat!("1.24.0+tarn-", env!("CARGO_PKG_VERSION"));
    assert_eq!(version.json()["version"], expected);
    // A token in a query does not sign in, and is no reason to refuse either.
    let own = read(&server, "alice", "/user?token=x&access_token=y").await;
    assert_eq!(own.expect(200).json()["login"], "alice");
    let org = json!({ "username": "acme" });
    send(&server, "POST", "/orgs?x=1", &org).await.expect(201);
    for request in [
        get("/api/v1/user?sudo=alice"),
        get("/api/v1/user").header("Sudo", "alice"),
        request("DELETE", "/api/v1/orgs/acme?sudo=alice"),
    ] {
        let request = request.basic("root", &password("root"));
        let refused = server.send(&request).await;
        refused
            .problem(400, "`sudo` is not done here")
            .code("invalid_request");
    }
    read(&server, "root", "/orgs/acme").await.expect(200);
    let files = format!("{list}/alpine/hello/1.0-r0/files?x");
    let files = server.send(&get(files)).await.expect(200).json();
    assert_eq!(files[0]["Size"], files[0]["size"]);
    assert!(files[0]["Size"].is_u64());
}

#[tokio::test]
async fn tokens_have_the_scopes_and_webhooks_the_secrets_that_their_clients_send() {
    let server = world().await;
    let order = |scopes: &[&str]| json!({ "name": scopes.join("+"), "scopes": scopes });
    for (scopes, granted) in [
        (&["all"][..], &["admin", "write:package"][..]),
        (
            &["read:user", "write:repository", "read:package"],
            &["read:package"],
        ),
        (&["read:user"], &["read:user"]),
    ] {
        let made = send(&server, "POST", "/users/root/tokens", &order(scopes)).await;
        assert_eq!(made.expect(201).json()["scopes"], json!(granted));
    }
    for (scopes, words) in [
        (&["read:repository"][..], "at least one of the scopes"),
        (&["sudo"], "there is no scope `sudo`"),
    ] {
        let refused = send(&server, "POST", "/users/root/tokens", &order(scopes)).await;
        refused.problem(422, words).code("invalid_field");
    }
    let only_user = server.token("alice", "read:user").await;
    let own = get("/api/v1/user").bearer(&only_user);
    assert_eq!(server.send(&own).await.expect(200).json()["login"], "alice");
    let packages = get("/api/v1/packages/alice").bearer(&only_user);
    let refused = server.send(&packages).await.problem(401, "read:package");
    refused.code("token_scope_missing");

    let hook =
        |secret: &str| json!({ "config": { "url": "https://hooks.example/x", "secret": secret } });
    for (secret, is_made) in [
        ("x".to_owned(), false),
        ("y".repeat(5000), false),
        (String::new(), true),
    ] {
        let made = send(&server, "POST", "/user/hooks", &hook(&secret)).await;
        assert_eq!(made.expect(201).json()["secret"].is_string(), is_made);
    }
    let refused = send(&server, "POST", "/user/hooks", &hook("a\nb")).await;
    refused
        .problem(422, "control character")
        .code("invalid_field");
}
