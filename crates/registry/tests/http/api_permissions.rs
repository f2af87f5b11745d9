//! Every operation of the API, asked by everybody: the table says who may, and what is answered to the others. An operation
//! that is not in the table fails the test.

use registry::metadata::{AuditFilter, AuditResult, Role, Visibility};
use serde_json::{Value, json};

use crate::{
    client::{Request, get, json, put, request},
    server::{BY, TestServer, name, package, password},
};

/// Whom an operation is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum For {
    /// Everybody.
    All,
    /// Whoever may read `club`, which is private.
    Readers,
    /// Whoever is signed in, by whatever means.
    SignedIn,
    /// Whoever administers their own account: not with a token that lacks the scope.
    Oneself,
    /// The same, and no token does it.
    Password,
    /// Whoever may write to `club`.
    Writers,
    /// The admins of `club`.
    Admins,
    /// The same, and the others are told that there is no such thing.
    Hidden,
    /// Administrators of the server.
    Site,
}

/// The callers, in the order in which they ask: those who may do less come first.
const CALLERS: [&str; 6] = ["nobody", "token", "stranger", "member", "chief", "root"];

/// What each of them is answered. 0: what the table says.
const fn answers(whom: For) -> [u16; 6] {
    match whom {
        For::All => [0, 0, 0, 0, 0, 0],
        For::Readers => [401, 0, 403, 0, 0, 0],
        For::SignedIn => [401, 0, 0, 0, 0, 0],
        For::Oneself => [401, 401, 0, 0, 0, 0],
        For::Password => [401, 403, 0, 0, 0, 0],
        For::Writers => [401, 0, 403, 403, 0, 0],
        For::Admins => [401, 401, 403, 403, 0, 0],
        For::Hidden => [401, 401, 404, 404, 0, 0],
        For::Site => [401, 401, 403, 403, 403, 0],
    }
}

/// The version of the package in `club`, and the newest one.
const HELLO: &str = "/packages/club/alpine/hello/1.0-r0";
const LATEST: &str = "/packages/club/alpine/hello/-/latest";

type Row = (For, &'static str, &'static str, Value, &'static [u16]);

/// Who may, the method, the path, the body, and what those who may are answered. The first of them may leave the others
/// nothing to do.
fn table() -> Vec<Row> {
    use For::*;
    let none = || Value::Null;
    let token = || json!({ "name": "made", "scopes": ["read:package"] });
    let hook = || json!({ "config": { "url": "https://hooks.example/x" } });
    let code = || json!({ "code": "123456" });
    vec![
        (All, "GET", "/openapi.json", none(), &[200]),
        (All, "GET", "/version", none(), &[200]),
        (All, "GET", "/owners", none(), &[200]),
        (All, "GET", "/orgs", none(), &[200]),
        (All, "GET", "/users/guest", none(), &[200]),
        (SignedIn, "GET", "/user/orgs", none(), &[200]),
        (Readers, "GET", LATEST, none(), &[200]),
        (All, "GET", "/search/packages?q=hello", none(), &[200]),
        (SignedIn, "GET", "/user", none(), &[200]),
        (Readers, "GET", "/owners/club", none(), &[200]),
        (Readers, "GET", "/owners/club/repositories", none(), &[200]),
        (Readers, "GET", "/packages/club", none(), &[200]),
        (
            Readers,
            "GET",
            "/packages/club/alpine/hello",
            none(),
            &[200],
        ),
        (Readers, "GET", HELLO, none(), &[200]),
        (
            Readers,
            "GET",
            "/packages/club/alpine/hello/1.0-r0/files",
            none(),
            &[200],
        ),
        (Readers, "GET", "/orgs/club", none(), &[200]),
        (
            Oneself,
            "PATCH",
            "/user/settings",
            json!({ "visibility": "public" }),
            &[200],
        ),
        (Oneself, "GET", "/user/second-factor", none(), &[200]),
        (Password, "POST", "/user/second-factor", none(), &[201]),
        (Password, "PUT", "/user/second-factor", code(), &[403]),
        (
            Password,
            "POST",
            "/user/second-factor/recovery-codes",
            code(),
            &[409],
        ),
        (Password, "DELETE", "/user/second-factor", code(), &[204]),
        (
            Password,
            "PUT",
            "/user/password",
            json!({ "password": "short" }),
            &[422],
        ),
        (Oneself, "GET", "/user/tokens", none(), &[200]),
        (Oneself, "POST", "/user/tokens", token(), &[201]),
        (Oneself, "DELETE", "/user/tokens/made", none(), &[204]),
        (Oneself, "GET", "/user/hooks", none(), &[200]),
        (Oneself, "POST", "/user/hooks", hook(), &[201]),
        (Oneself, "GET", "/user/hooks/999", none(), &[404]),
        (
            Oneself,
            "PATCH",
            "/user/hooks/999",
            json!({ "active": false }),
            &[404],
        ),
        (Oneself, "DELETE", "/user/hooks/999", none(), &[404]),
        (Oneself, "GET", "/user/hooks/999/deliveries", none(), &[404]),
        (Oneself, "POST", "/user/hooks/999/tests", none(), &[404]),
        (
            Oneself,
            "POST",
            "/user/hooks/999/deliveries/1/redeliver",
            none(),
            &[404],
        ),
        (Admins, "GET", "/orgs/club/tokens", none(), &[200]),
        (Admins, "POST", "/orgs/club/tokens", token(), &[201, 409]),
        (
            Admins,
            "DELETE",
            "/orgs/club/tokens/made",
            none(),
            &[204, 404],
        ),
        (Admins, "GET", "/orgs/club/members", none(), &[200]),
        (Admins, "GET", "/orgs/club/members/member", none(), &[204]),
        (
            Admins,
            "PUT",
            "/orgs/club/members/guest",
            json!({ "role": "read" }),
            &[204],
        ),
        (
            Admins,
            "DELETE",
            "/orgs/club/members/guest",
            none(),
            &[204, 404],
        ),
        (Admins, "GET", "/orgs/club/teams", none(), &[200]),
        (
            Admins,
            "POST",
            "/orgs/club/teams",
            json!({ "name": "extra", "permission": "write" }),
            &[201, 409],
        ),
        (Hidden, "GET", "/teams/TEAM", none(), &[200]),
        (
            Hidden,
            "PATCH",
            "/teams/TEAM",
            json!({ "limits": ["edge/*"] }),
            &[200],
        ),
        (Hidden, "GET", "/teams/TEAM/members", none(), &[200]),
        (Hidden, "PUT", "/teams/TEAM/members/guest", none(), &[204]),
        (Hidden, "GET", "/teams/TEAM/members/guest", none(), &[200]),
        (
            Hidden,
            "DELETE",
            "/teams/TEAM/members/guest",
            none(),
            &[204, 404],
        ),
        (Hidden, "DELETE", "/teams/TEAM", none(), &[204, 404]),
        (Admins, "GET", "/orgs/club/hooks", none(), &[200]),
        (Admins, "POST", "/orgs/club/hooks", hook(), &[201]),
        (Admins, "GET", "/orgs/club/hooks/HOOK", none(), &[200]),
        (
            Admins,
            "PATCH",
            "/orgs/club/hooks/HOOK",
            json!({ "events": ["published"] }),
            &[200],
        ),
        (
            Admins,
            "POST",
            "/orgs/club/hooks/HOOK/tests",
            none(),
            &[201, 409],
        ),
        (
            Admins,
            "GET",
            "/orgs/club/hooks/HOOK/deliveries",
            none(),
            &[200],
        ),
        (
            Admins,
            "POST",
            "/orgs/club/hooks/HOOK/deliveries/999/redeliver",
            none(),
            &[404],
        ),
        (
            Admins,
            "DELETE",
            "/orgs/club/hooks/HOOK",
            none(),
            &[204, 404],
        ),
        (Admins, "GET", "/owners/club/keys", none(), &[200]),
        (Admins, "POST", "/owners/club/keys", none(), &[201, 409]),
        (
            Admins,
            "POST",
            "/owners/club/keys/none.rsa.pub/retire",
            none(),
            &[404],
        ),
        (
            Admins,
            "POST",
            "/owners/club/keys/none.rsa.pub/reactivate",
            none(),
            &[404],
        ),
        (Admins, "GET", "/owners/club/quota", none(), &[200]),
        (
            Site,
            "PUT",
            "/owners/club/quota",
            json!({ "packages": 100 }),
            &[200],
        ),
        (Site, "DELETE", "/owners/club/quota", none(), &[204]),
        (Admins, "GET", "/owners/club/expiry-rules", none(), &[200]),
        (
            Admins,
            "POST",
            "/owners/club/expiry-rules",
            json!({ "pattern": "edge/*", "days": 9, "keep": 1 }),
            &[201],
        ),
        (
            Admins,
            "DELETE",
            "/owners/club/expiry-rules/1",
            none(),
            &[204, 404],
        ),
        (Admins, "GET", "/owners/club/audit", none(), &[200]),
        (Admins, "GET", "/owners/club/audit/export", none(), &[200]),
        (Admins, "GET", "/owners/club/former-names", none(), &[200]),
        (
            Admins,
            "PATCH",
            "/orgs/club",
            json!({ "visibility": "private" }),
            &[200],
        ),
        (
            Admins,
            "POST",
            "/orgs/club/rename",
            json!({ "new_name": "taken" }),
            &[409],
        ),
        (Site, "GET", "/audit", none(), &[200]),
        (Site, "GET", "/audit/export", none(), &[200]),
        (Site, "GET", "/admin/users", none(), &[200]),
        (
            Site,
            "POST",
            "/admin/users",
            json!({ "username": "fresh", "password": "a long password" }),
            &[201],
        ),
        (
            Site,
            "PATCH",
            "/admin/users/fresh",
            json!({ "active": false }),
            &[200],
        ),
        (
            Site,
            "POST",
            "/admin/users/fresh/rename",
            json!({ "new_username": "fresher" }),
            &[204],
        ),
        (Site, "DELETE", "/admin/former-names/fresh", none(), &[204]),
        (
            Site,
            "DELETE",
            "/admin/users/fresher/second-factor",
            none(),
            &[409],
        ),
        (Site, "GET", "/users/guest/tokens", none(), &[200]),
        (Site, "POST", "/users/guest/tokens", token(), &[201]),
        (Site, "DELETE", "/users/guest/tokens/made", none(), &[204]),
        (Site, "DELETE", "/admin/users/fresher", none(), &[204]),
        (
            Site,
            "POST",
            "/orgs",
            json!({ "username": "neworg" }),
            &[201],
        ),
        (Writers, "DELETE", HELLO, none(), &[204, 404]),
        (Admins, "DELETE", "/orgs/club", none(), &[204, 404]),
    ]
}

/// `club`, private, with the admin `chief`, the reader `member` and one package; `token` is chief's, without the scope to
/// administer.
async fn world() -> (TestServer, String) {
    let server = TestServer::start().await;
    for user in ["chief", "member", "stranger", "guest", "taken", "root"] {
        server.add_user(user, Visibility::Public).await;
    }
    let accounts = server.accounts();
    accounts.set_admin(&name("root"), true, &BY).await.unwrap();
    let (club, chief) = (name("club"), name("chief"));
    let private = Visibility::Private;
    let made = accounts.add_organisation(&club, private, &chief, &BY).await;
    made.unwrap();
    server.set_member("club", "member", Role::Read).await;
    let upload = put(
        "/api/packages/club/alpine/edge/main",
        package("hello", "x86_64"),
    );
    let upload = upload.basic("chief", &password("chief"));
    server.send(&upload).await.expect(201);
    let token = server.token("chief", "write:package").await;
    (server, token)
}

/// How many changes there were. Reading the log is none.
async fn changes(server: &TestServer) -> usize {
    let filter = AuditFilter {
        result: Some(AuditResult::Done),
        ..AuditFilter::default()
    };
    let metadata = server.registry.metadata();
    let entries = metadata.audit_entries(&filter, None, 1_000).await;
    entries.unwrap().len()
}

fn asked(method: &str, path: &str, body: &Value) -> Request {
    let path = format!("/api/v1{path}");
    if body.is_null() {
        request(method, path)
    } else {
        json(method, path, body)
    }
}

#[tokio::test]
async fn every_operation_answers_everybody_as_the_table_says() {
    let (server, token) = world().await;
    let (mut team, mut hook) = (String::new(), String::new());
    for (whom, method, path, body, expected) in table() {
        let path = path.replace("TEAM", &team).replace("HOOK", &hook);
        for (who, answer) in CALLERS.into_iter().zip(answers(whom)) {
            let asked = asked(method, &path, &body);
            let asked = match who {
                "nobody" => asked,
                "token" => asked.bearer(&token),
                user => asked.basic(user, &password(user)),
            };
            let before = changes(&server).await;
            let found = server.send(&asked).await;
            let of = format!("{method} {path} by {who}: {}", found.text());
            match answer {
                0 => assert!(expected.contains(&found.status), "{}: {of}", found.status),
                refusal => {
                    assert_eq!(found.status, refusal, "{of}");
                    assert_eq!(changes(&server).await, before, "{of}");
                }
            }
            if method == "POST" && found.status == 201 {
                if path.ends_with("/teams") {
                    team = found.json()["id"].to_string();
                } else if path.ends_with("club/hooks") {
                    hook = found.json()["id"].to_string();
                }
            }
        }
    }
}

#[tokio::test]
async fn who_may_not_is_told_so_before_what_they_sent_is_looked_at() {
    let (server, token) = world().await;
    let document = server.send(&get("/api/v1/openapi.json")).await.json();
    let mut refused = 0;
    for (whom, method, path, body, _) in table() {
        let (template, operations) = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .find(|(template, operations)| {
                fits(template, path) && operations.get(method.to_lowercase()).is_some()
            })
            .unwrap();
        let operation = &operations[method.to_lowercase()];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let queried = parameters
            .clone()
            .any(|parameter| parameter["in"] == "query");
        let target = if queried {
            format!("/api/v1{path}?none=x")
        } else {
            format!("/api/v1{path}")
        };
        if body.is_null() && !queried {
            continue;
        }
        let mut asked = request(method, target);
        if !body.is_null() {
            asked = put("", "no JSON").with_method_and_target_of(&asked);
        }
        for (asked, answer) in [
            (asked.clone(), answers(whom)[0]),
            (asked.bearer(&token), answers(whom)[1]),
        ] {
            // Of teams nobody is told which there are, so the caller's rights are asked first there too.
            if answer != 0 {
                let found = server.send(&asked).await;
                assert_eq!(
                    found.status,
                    answer,
                    "{method} {template}: {}",
                    found.text()
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 40, "{refused}");
}

#[tokio::test]
async fn every_operation_is_in_the_table() {
    let server = TestServer::start().await;
    let document = server.send(&get("/api/v1/openapi.json")).await.json();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let found = table().iter().any(|(_, of, concrete, ..)| {
                of.eq_ignore_ascii_case(method) && fits(path, concrete)
            });
            assert!(found, "{method} {path} is not in the table");
        }
    }
}

fn fits(template: &str, concrete: &str) -> bool {
    let concrete = concrete.split('?').next().unwrap();
    let template: Vec<&str> = template
        .strip_prefix("/api/v1")
        .unwrap()
        .split('/')
        .collect();
    let concrete: Vec<&str> = concrete.split('/').collect();
    template.len() == concrete.len()
        && template
            .iter()
            .zip(&concrete)
            .all(|(of, found)| of.starts_with('{') || of == found)
}
