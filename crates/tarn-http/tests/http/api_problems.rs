//! Refusals of the API: problem documents, by the same words as on the package routes.

use serde_json::json;

use crate::{
    client::{get, head, json, put, request},
    server::{TestServer, password, problem, refusal},
};

#[tokio::test]
async fn what_is_not_there_is_a_problem_document() {
    let server = TestServer::start().await;
    for target in ["/api/v1", "/api/v1/", "/api/v1/none", "/api/v1/user/none"] {
        problem(&server, &get(target), 404, "/api/v1/openapi.json").await;
    }
    for owner in ["nobody", ".hidden", "a%20b", "%2e%2e"] {
        let target = format!("/api/v1/packages/{owner}");
        problem(&server, &get(target), 404, "no such owner").await;
    }
    for package in [
        "alpine/none",
        "alpine/%7C",
        "alpine/none/1.0-r0",
        "alpine/-/1.0-r0",
        "alpine/hello/none",
    ] {
        let target = format!("/api/v1/packages/alice/{package}");
        problem(&server, &get(target), 404, "no such version").await;
    }
    // Beside the API refusals stay what they are.
    refusal(&server, &get("/api/v10"), 404, "nothing is at").await;
}

#[tokio::test]
async fn a_wrong_method_is_refused_with_those_that_are_allowed() {
    let server = TestServer::start().await;
    let answer = server
        .send(&request("POST", "/api/v1/version"))
        .await
        .problem(
            405,
            "POST is not for this path; the header Allow names what is",
        );
    assert_eq!(answer.header("Allow"), Some("GET,HEAD"));
    let answer = server
        .send(&request(
            "OPTIONS",
            "/api/v1/packages/alice/alpine/hello/1.0-r0",
        ))
        .await
        .problem(405, "OPTIONS is not for this path");
    assert_eq!(answer.header("Allow"), Some("GET,HEAD,DELETE"));
}

#[tokio::test]
async fn head_gives_the_headers_of_get() {
    let server = TestServer::with_hello().await;
    for target in [
        "/api/v1/packages/alice",
        "/api/v1/version",
        "/api/v1/openapi.json",
    ] {
        let full = server.send(&get(target)).await.expect(200);
        let empty = server.send(&head(target)).await.expect(200);
        for name in [
            "Content-Type",
            "Content-Length",
            "X-Total-Count",
            "Cache-Control",
        ] {
            assert_eq!(full.header(name), empty.header(name), "{target}: {name}");
        }
        assert!(empty.body.is_empty());
    }
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused() {
    let server = TestServer::start().await;
    for (query, words) in [
        ("page=x", "whole numbers"),
        ("limit=-1", "whole numbers"),
        ("limit=", "whole numbers"),
        ("limit=%2B1", "whole numbers"),
        ("page=9223372036854775808", "whole numbers"),
        ("name=x", "unknown field `name`"),
        ("page=1&page=2", "duplicate field `page`"),
        (&format!("q={}", "x".repeat(65)), "64 bytes"),
    ] {
        let target = format!("/api/v1/owners?{query}");
        server
            .send(&get(target))
            .await
            .problem(400, words)
            .code("invalid_request");
    }
    let target = format!("/api/v1/packages/alice?q={}", "x".repeat(101));
    problem(&server, &get(target), 400, "at most 100 characters").await;
    for query in ["", "?q=", "?page=1"] {
        let target = format!("/api/v1/search/packages{query}");
        server.send(&get(target)).await.problem(400, "q");
    }
}

#[tokio::test]
async fn credentials_are_refused_as_on_the_package_routes() {
    let server = TestServer::start().await;
    for target in [
        "/api/v1/user",
        "/api/v1/owners",
        "/api/v1/packages/alice",
        "/api/v1/search/packages?q=x",
    ] {
        let wrong = get(target).basic("alice", "wrong");
        let texts = [
            server.send(&wrong).await.problem(401, "").json()["detail"].clone(),
            json!(
                server
                    .send(&get("/api/packages/alice/alpine/key").basic("alice", "wrong"))
                    .await
                    .text()
                    .trim_end()
            ),
        ];
        assert_eq!(texts[0], texts[1]);
    }
    problem(&server, &get("/api/v1/user"), 401, "needs credentials").await;
}

#[tokio::test]
async fn a_body_is_read_only_as_what_it_has_to_be() {
    let server = TestServer::start().await;
    let target = "/api/v1/user/password";
    let by = |request: crate::client::Request| request.basic("alice", &password("alice"));
    let raw = |body: &str, kind: &str| by(put(target, body).header("Content-Type", kind));
    for (request, status, words) in [
        (by(put(target, "{}")), 415, "Content-Type: application/json"),
        (
            raw("{}", "text/plain"),
            415,
            "Content-Type: application/json",
        ),
        (raw("", "application/json"), 400, "no JSON"),
        (raw("{\"password\"", "application/json"), 400, "no JSON"),
        (
            raw("[1]", "application/json; charset=utf-8"),
            422,
            "an array, not an object",
        ),
        (
            by(json("PUT", target, &json!({}))),
            422,
            "missing field `password`",
        ),
        (
            by(json("PUT", target, &json!({ "password": 1 }))),
            422,
            "invalid type",
        ),
        (
            by(json(
                "PUT",
                target,
                &json!({ "password": "long enough", "more": 1 }),
            )),
            422,
            "unknown field `more`",
        ),
        (
            by(json("PUT", target, &json!({ "password": "short" }))),
            422,
            "too short",
        ),
        (
            raw(&"[".repeat(60_000), "application/json"),
            422,
            "an array, not an object",
        ),
        (
            raw(&" ".repeat(65_537), "application/json"),
            413,
            "65536 bytes",
        ),
    ] {
        server.send(&request).await.problem(status, words);
    }
    // The old password counts still.
    server.send(&by(get("/api/v1/user"))).await.expect(200);
}

#[tokio::test]
async fn a_password_is_changed_by_the_password_alone() {
    let server = TestServer::start().await;
    let target = "/api/v1/user/password";
    let new = json!({ "password": "another password" });
    problem(
        &server,
        &json("PUT", target, &new),
        401,
        "needs credentials",
    )
    .await;
    let token = server.token("alice", "write:package").await;
    let by_token = json("PUT", target, &new).bearer(&token);
    problem(&server, &by_token, 403, "a token changes no password").await;
    let by_password = json("PUT", target, &new).basic("alice", &password("alice"));
    server.send(&by_password).await.expect(204);
    let user = get("/api/v1/user");
    problem(
        &server,
        &user.clone().basic("alice", &password("alice")),
        401,
        "",
    )
    .await;
    let answer = server.send(&user.basic("alice", "another password")).await;
    assert_eq!(answer.expect(200).json()["login"], "alice");
}

#[tokio::test]
async fn a_parameter_that_no_route_knows_is_refused_and_nothing_is_done() {
    let server = TestServer::with_hello().await;
    let hello = "/api/v1/packages/alice/alpine/hello/1.0-r0";
    let by = |request: crate::client::Request| request.basic("alice", &password("alice"));
    let words = "this route knows no parameters";
    let narrower = request("DELETE", format!("{hello}?architecture=x86_64"));
    server.send(&by(narrower)).await.problem(400, words);
    server.send(&get(hello)).await.expect(200);
    let key = request("POST", "/api/v1/owners/alice/keys/none.rsa.pub/retire?x");
    server.send(&by(key)).await.problem(400, words);
    for target in ["/api/v1/owners/alice", "/api/v1/openapi.json"] {
        let asked = format!("{target}?page=1");
        server.send(&get(&asked)).await.problem(400, words);
        server.send(&head(&asked)).await.expect(400);
        // Nothing behind the `?` is nothing.
        server.send(&get(format!("{target}?"))).await.expect(200);
        let trace = request("TRACE", asked);
        server.send(&trace).await.problem(405, "TRACE");
    }
    // Beside the API clients may write what they like there.
    let key = get("/api/packages/alice/alpine/key?x=1");
    server.send(&key).await.expect(200);
}

#[tokio::test]
async fn what_a_page_of_another_site_sends_changes_nothing() {
    let server = TestServer::start().await;
    let by = |header: &str, value: &str| {
        let rotate = request("POST", "/api/v1/owners/alice/keys");
        let rotate = rotate.basic("alice", &password("alice"));
        rotate.header(header, value)
    };
    for (header, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "http://evil.test"),
        ("Origin", "null"),
    ] {
        let answer = server.send(&by(header, value)).await;
        answer.problem(403, "a page of another site sent this");
    }
    let keys = get("/api/v1/owners/alice/keys").basic("alice", &password("alice"));
    let keys = keys.header("Sec-Fetch-Site", "cross-site");
    let list = server.send(&keys).await.expect(200);
    assert_eq!(list.header("X-Total-Count"), Some("0"));
    let same = by("Sec-Fetch-Site", "same-origin");
    server.send(&same).await.expect(201);
    let upload = put("/api/packages/alice/alpine/edge/main", "x");
    let upload = upload.header("Sec-Fetch-Site", "cross-site");
    server.send(&upload).await.refusal(403, "another site");
}

#[tokio::test]
async fn an_entry_that_is_empty_or_holds_several_is_no_limit() {
    let server = TestServer::start().await;
    server
        .add_organisation("acme", tarn_store::metadata::Visibility::Public)
        .await;
    let by = |request: crate::client::Request| request.basic("alice", &password("alice"));
    let team = json!({ "name": "ci", "permission": "write", "limits": ["edge/main"] });
    let team = json("POST", "/api/v1/orgs/acme/teams", &team);
    let made = server.send(&by(team)).await.expect(201).json();
    let target = format!("/api/v1/teams/{}", made["id"]);
    for entry in [
        "",
        " ",
        "edge/main,v3.23/main",
        "edge/main|",
        "edge/main v3.23/main",
    ] {
        for field in ["scopes", "limits", "networks"] {
            let mut order = json!({ "name": "t", "scopes": ["read:package"] });
            order[field] = json!([entry]);
            let order = by(json("POST", "/api/v1/user/tokens", &order));
            let words = format!("an entry of `{field}` is empty or holds several");
            server.send(&order).await.problem(422, &words);
        }
        let limits = json!({ "limits": [entry] });
        let change = by(json("PATCH", &target, &limits));
        let words = "an entry of `limits` is empty or holds several";
        server.send(&change).await.problem(422, words);
    }
    let team = server.send(&by(get(&target))).await.expect(200).json();
    assert_eq!(team["limits"], json!(["edge/main"]));
    let tokens = server
        .send(&by(get("/api/v1/user/tokens")))
        .await
        .expect(200);
    assert_eq!(tokens.header("X-Total-Count"), Some("0"));
}

#[tokio::test]
async fn a_refusal_says_what_to_do_through_the_api_and_not_on_a_command_line() {
    let server = TestServer::with_hello().await;
    server
        .add_user("root", tarn_store::metadata::Visibility::Public)
        .await;
    let root = crate::server::name("root");
    let accounts = server.accounts();
    let by = &crate::server::BY;
    accounts.set_admin(&root, true, by).await.unwrap();
    server
        .add_organisation("acme", tarn_store::metadata::Visibility::Public)
        .await;
    server
        .set_member("acme", "root", tarn_store::metadata::Role::Admin)
        .await;
    let key = get("/api/packages/alice/alpine/key");
    server.send(&key).await.expect(200);
    let keys = get("/api/v1/owners/alice/keys").basic("alice", &password("alice"));
    let key = server.send(&keys).await.expect(200).json()[0]["name"].clone();
    let retire = format!("owners/alice/keys/{}/retire", key.as_str().unwrap());
    for (method, target, status, words) in [
        ("DELETE", "admin/users/alice", 409, "`?purge=true`"),
        ("DELETE", "admin/users/nobody", 404, "check the name"),
        (
            "GET",
            "users/nobody/tokens",
            404,
            "no such owner; check its name in the path",
        ),
        ("PUT", "orgs/acme/members/nobody", 404, "check the name"),
        (
            "GET",
            "orgs/acme/hooks/1",
            404,
            "the list names those there are",
        ),
        (
            "GET",
            "orgs/acme/hooks/abc",
            404,
            "the list names those there are",
        ),
        (
            "POST",
            "owners/alice/keys/none.rsa.pub/retire",
            404,
            "the list names",
        ),
        ("POST", &retire, 409, "begin a rotation"),
        ("POST", "owners/alice/keys", 201, ""),
        ("POST", "owners/alice/keys", 409, "retire the older one"),
    ] {
        let target = format!("/api/v1/{target}");
        let asked = match method {
            "PUT" => json(method, target, &json!({ "role": "read" })),
            _ => request(method, target),
        };
        let answer = server.send(&asked.basic("root", &password("root"))).await;
        if status == 201 {
            answer.expect(201);
            continue;
        }
        let detail = answer.problem(status, words).json()["detail"].to_string();
        assert!(
            !detail.contains("`tarn ") && !detail.contains("--"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn who_asks_for_a_user_as_an_organisation_gets_the_right_path() {
    let server = TestServer::start().await;
    let public = tarn_store::metadata::Visibility::Public;
    server.add_organisation("acme", public).await;
    for (target, words) in [
        (
            "users/acme/tokens",
            "`acme` is an organisation; ask under /api/v1/orgs/acme",
        ),
        (
            "orgs/alice/teams",
            "`alice` is a user; ask under /api/v1/users/alice",
        ),
    ] {
        let asked = get(format!("/api/v1/{target}")).basic("alice", &password("alice"));
        server.send(&asked).await.problem(404, words);
    }
}
