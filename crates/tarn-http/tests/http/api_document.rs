//! The OpenAPI document and the router say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    client::{get, request},
    server::TestServer,
};

const METHODS: [&str; 5] = ["GET", "PUT", "POST", "PATCH", "DELETE"];

async fn document(server: &TestServer) -> Value {
    server
        .send(&get("/api/v1/openapi.json"))
        .await
        .expect(200)
        .json()
}

/// The path with something in the place of each parameter.
fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        if segment.starts_with('{') {
            "1"
        } else {
            segment
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn the_router_answers_the_methods_of_the_document_and_no_others() {
    let server = TestServer::start().await;
    let document = document(&server).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 10, "{:?}", paths.keys());
    for (path, operations) in paths {
        assert!(path.starts_with("/api/v1/"), "{path}");
        let described: BTreeSet<String> = operations
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let answer = server.send(&request("TRACE", filled(path))).await;
        let answer = answer.problem(405, "TRACE");
        let allowed: BTreeSet<String> = answer
            .header("Allow")
            .unwrap()
            .split(',')
            .filter(|method| *method != "HEAD")
            .map(str::to_owned)
            .collect();
        assert_eq!(allowed, described, "{path}");
        for method in METHODS {
            let answer = server.send(&request(method, filled(path))).await;
            assert_eq!(
                answer.status != 405,
                described.contains(method),
                "{method} {path}: {}",
                answer.status
            );
        }
    }
}

#[test]
fn every_route_of_the_api_is_made_together_with_its_description() {
    // `routes!` puts a handler into the router and its description into the document; nothing else may add a route.
    let list = include_str!("../../src/routes.rs");
    for line in list.lines() {
        let bare = line.trim_start().starts_with(".route(") || line.contains("nest_service");
        assert!(!(bare && line.contains("/v1")), "{line}");
    }
    let (_, of_the_api) = list.split_once("fn api() -> OpenApiRouter").unwrap();
    let (of_the_api, _) = of_the_api.split_once("\n}\n").unwrap();
    assert!(of_the_api.contains(".routes(routes!("));
    for other in [".route(", ".merge(", "nest_service", "route_service"] {
        assert!(!of_the_api.contains(other), "{other}");
    }
}

#[tokio::test]
async fn every_operation_is_described_to_the_end() {
    let server = TestServer::start().await;
    let document = document(&server).await;
    let tags: BTreeSet<&str> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut names = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let of = format!("{method} {path}");
            let name = operation["operationId"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} is there twice");
            assert!(operation["summary"].is_string(), "{of}");
            for tag in operation["tags"].as_array().unwrap() {
                assert!(tags.contains(tag.as_str().unwrap()), "{of}: {tag}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{of}: {parameter}");
                let schema = &parameter["schema"];
                let bounded = [
                    "maxLength",
                    "minimum",
                    "enum",
                    "$ref",
                    "oneOf",
                    "anyOf",
                    "format",
                ]
                .iter()
                .any(|bound| !schema[bound].is_null());
                assert!(bounded, "{of}: {parameter}");
            }
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = match body["$ref"].as_str() {
                Some(target) => document.pointer(target.strip_prefix('#').unwrap()).unwrap(),
                None => body,
            };
            for (field, schema) in body["properties"].as_object().into_iter().flatten() {
                let is_text = schema["type"] == "string" || schema["type"][0] == "string";
                let bounded = ["maxLength", "enum", "format", "pattern"]
                    .iter()
                    .any(|bound| !schema[bound].is_null());
                assert!(!is_text || bounded, "{of}: {field}: {schema}");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = &response["content"];
                match status.as_str() {
                    "204" => assert!(content.is_null(), "{of}"),
                    "200" | "201" => assert!(content.is_object(), "{of}"),
                    _ => assert_eq!(
                        content["application/problem+json"]["schema"]["$ref"],
                        "#/components/schemas/Problem",
                        "{of}: {status}"
                    ),
                }
            }
        }
    }
}

#[tokio::test]
async fn what_the_document_points_at_is_in_it() {
    fn follow(root: &Value, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(root.pointer(pointer).is_some(), "{target}");
                }
                fields.values().for_each(|value| follow(root, value));
            }
            Value::Array(values) => values.iter().for_each(|value| follow(root, value)),
            _ => {}
        }
    }
    let server = TestServer::start().await;
    let document = document(&server).await;
    follow(&document, &document);
}

#[tokio::test]
async fn the_headers_of_lists_are_documented_where_they_are_sent() {
    let server = TestServer::start().await;
    let document = document(&server).await;
    let headers = |path: &str| {
        let headers = &document["paths"][path]["get"]["responses"]["200"]["headers"];
        let names = headers.as_object().into_iter().flatten();
        names.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(headers("/api/v1/owners"), ["Link", "X-Total-Count"]);
    assert_eq!(headers("/api/v1/audit"), ["Link"]);
    assert_eq!(headers("/api/v1/owners/{owner}/audit"), ["Link"]);
    assert_eq!(headers("/api/v1/audit/export"), [""; 0]);
    assert_eq!(headers("/api/v1/user"), [""; 0]);
}

#[tokio::test]
async fn the_table_of_the_forges_api_is_true() {
    let server = TestServer::start().await;
    let document = document(&server).await;
    // Names of parameters don't matter.
    let shape = |path: &str| {
        let segments = path.split('/').map(|segment| {
            let parameter = segment.starts_with('{');
            if parameter { "{}" } else { segment }
        });
        segments.collect::<Vec<_>>().join("/")
    };
    let mut answered = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if operations.get(method.to_lowercase()).is_some() {
                answered.insert(format!("{method} {}", shape(path)));
            }
        }
    }
    let page = include_str!("../../../../docs/forge-api.md");
    let (_, table) = page.split_once("## The API").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut seen = [0, 0];
    for row in rows {
        let (route, rest) = row.split_once("` | ").unwrap();
        let (method, path) = route.split_once(' ').unwrap();
        let is_answered = answered.contains(&format!("{method} /api/v1{}", shape(path)));
        assert_eq!(rest.starts_with("yes |"), is_answered, "{row}");
        assert_eq!(rest.starts_with("no |"), !is_answered, "{row}");
        seen[usize::from(is_answered)] += 1;
    }
    assert!(seen[0] > 3 && seen[1] > 20, "{seen:?}");
}
