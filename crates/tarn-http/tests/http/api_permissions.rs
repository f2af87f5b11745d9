//! Every operation of the API, asked by everybody: the table says who may, and what is answered to the others. An operation
//! that is not in the table fails the test, and so does a refusal of a known account that is not in the audit log.

mod table;

use std::time::Duration;

use serde_json::Value;
use tarn_core::access::TokenRequest;
use tarn_store::metadata::{AuditFilter, AuditResult, OwnerKind, Role, Visibility};

use self::table::{CALLERS, table};
use crate::{
    client::{Request, get, json, put, request},
    server::{BY, TestServer, hello, name, password},
};

/// `club`, private, with one package, and the callers of the table.
struct World {
    server: TestServer,
    /// The tokens of those who do not sign in with a password.
    tokens: Vec<(&'static str, String)>,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start_with(|settings| {
            settings.refusals.per_source = 10_000;
            settings.refusals.per_minute = 10_000;
        })
        .await;
        for user in [
            "chief", "member", "writer", "stranger", "disabled", "guest", "taken", "root",
        ] {
            server.add_user(user, Visibility::Public).await;
        }
        let accounts = server.accounts();
        accounts.set_admin(&name("root"), true, &BY).await.unwrap();
        let (club, chief) = (name("club"), name("chief"));
        let private = Visibility::Private;
        let made = accounts.add_organisation(&club, private, &chief, &BY).await;
        made.unwrap();
        server.set_member("club", "member", Role::Read).await;
        server.set_member("club", "writer", Role::Write).await;
        server.set_member("club", "disabled", Role::Admin).await;
        let disabled = accounts.set_disabled(&name("disabled"), true, &BY).await;
        assert!(disabled.unwrap());
        server
            .publish_by("chief", "club/alpine/edge/main", hello())
            .await;

        let (user, minute) = (OwnerKind::User, Some(Duration::from_secs(60)));
        let mut tokens = Vec::new();
        for (who, kind, of, scopes, limits, lifetime) in [
            ("expired", user, "chief", "admin,write:package", "", minute),
            ("token", user, "chief", "write:package", "", None),
            (
                "elsewhere",
                user,
                "root",
                "admin,write:package",
                "taken/*/*",
                None,
            ),
            (
                "machine",
                OwnerKind::Organisation,
                "club",
                "write:package",
                "",
                None,
            ),
        ] {
            let request = TokenRequest {
                limits: limits.parse().unwrap(),
                lifetime,
                ..TokenRequest::new(who, scopes.parse().unwrap())
            };
            let of = name(of);
            let made = accounts.add_token(kind, &of, &request, None, &BY).await;
            tokens.push((who, made.unwrap().1.expose().to_owned()));
        }
        server.clock.advance(Duration::from_secs(60));
        Self { server, tokens }
    }

    /// A request, as one of the callers sends it.
    fn by(&self, who: &str, request: Request) -> Request {
        match self.tokens.iter().find(|(of, _)| *of == who) {
            Some((_, token)) => request.bearer(token),
            None if who == "nobody" => request,
            None => request.basic(who, &password(who)),
        }
    }

    /// The newest entries of the audit log with that result, as many as that, the newest first.
    async fn log(&self, result: AuditResult, most: u32) -> Vec<i64> {
        let filter = AuditFilter {
            result: Some(result),
            ..AuditFilter::default()
        };
        self.server.registry.refusals().flush().await;
        let metadata = self.server.registry.metadata();
        let entries = metadata.audit_entries(&filter, None, most).await;
        let entries = entries.unwrap().into_iter();
        entries.map(|entry| entry.id).collect()
    }
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
async fn every_operation_answers_every_caller_as_the_table_says() {
    let world = World::new().await;
    let (mut team, mut hook) = (String::new(), String::new());
    for row in table() {
        let (method, body) = (row.method, &row.body);
        let path = row.path.replace("TEAM", &team).replace("HOOK", &hook);
        for (who, answer) in CALLERS.into_iter().zip(row.answers) {
            let asked = world.by(who, asked(method, &path, body));
            let changed = world.log(AuditResult::Done, 1).await;
            let refused = world.log(AuditResult::Refused, 1).await;
            let found = world.server.send(&asked).await;
            let of = format!("{method} {path} by {who}: {}", found.text());
            match answer {
                None => assert!(
                    row.expected.contains(&found.status),
                    "{}: {of}",
                    found.status
                ),
                Some(refusal) => {
                    assert_eq!(found.status, refusal, "{of}");
                    // Nothing was done, and of everybody who is known it is noted once.
                    assert_eq!(world.log(AuditResult::Done, 1).await, changed, "{of}");
                    let mut now = world.log(AuditResult::Refused, 2).await;
                    if who != "nobody" {
                        assert_ne!(now.first(), refused.first(), "{of}");
                        now.remove(0);
                    }
                    assert_eq!(now.first(), refused.first(), "{of}");
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
async fn a_caller_without_the_right_is_refused_before_the_body_is_read() {
    let world = World::new().await;
    let document = get("/api/v1/openapi.json");
    let document = world.server.send(&document).await.json();
    let mut refused = 0;
    for row in table() {
        let (method, path, body) = (row.method, row.path, &row.body);
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
        for (who, answer) in CALLERS.into_iter().zip(row.answers) {
            // Which teams exist is a secret, so the caller's rights are checked first there too.
            if let Some(answer) = answer {
                let found = world.server.send(&world.by(who, asked.clone())).await;
                let of = format!("{method} {template} by {who}: {}", found.text());
                assert_eq!(found.status, answer, "{of}");
                refused += 1;
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[tokio::test]
async fn every_operation_is_in_the_table() {
    let server = TestServer::start().await;
    let document = server.send(&get("/api/v1/openapi.json")).await.json();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let found = table()
                .iter()
                .any(|row| row.method.eq_ignore_ascii_case(method) && fits(path, row.path));
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
