//! `GET /api/v1/openapi.json`: the API, described by OpenAPI 3.1, made of the routes themselves.
//!
//! A handler describes what it takes and what it gives when all is well. What all of them have in common is added here:
//! the refusals, and the headers of lists.

use std::sync::{LazyLock, OnceLock};

use axum::{
    Extension,
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use utoipa::{OpenApi, openapi};

use super::{
    forges,
    problem::{MEDIA_TYPE, Problem},
    words::EVENTS,
};

/// What is no operation: the head of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tarn",
        description = "The JSON API of a registry for Alpine packages. Packages themselves are published, downloaded and \
                       indexed under `/api/packages`.\n\nWhere Forgejo and Gitea have a route for the same, the path and \
                       the names of the fields are theirs. A refusal is a problem document (RFC 9457), whose `detail` \
                       says what is wrong and what to do.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(Problem)),
    tags(
        (name = "server", description = "The server itself"),
        (name = "user", description = "The caller"),
        (name = "owners", description = "Users and organisations, and what repositories they have"),
        (name = "tokens", description = "Access tokens of users and organisations"),
        (name = "organisations", description = "Organisations and their members"),
        (name = "teams", description = "Teams of organisations"),
        (name = "keys", description = "The keys that sign indexes"),
        (name = "quotas", description = "What owners may store, and what is deleted automatically"),
        (name = "webhooks", description = "Messages to other servers about packages"),
        (name = "audit", description = "Who did what"),
        (name = "admin", description = "Accounts, for administrators of the server"),
        (name = "packages", description = "Packages, their versions and files")
    )
)]
struct Head;

/// The document, made when it is first needed. It comes with each request, from `routes.rs`, which has the routes.
pub(crate) type Description = Extension<&'static LazyLock<Value>>;

static TEXT: OnceLock<Bytes> = OnceLock::new();

/// Show this description
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "server",
    operation_id = "getDescription",
    security(()),
    responses((status = 200, description = "An OpenAPI document", body = Object))
)]
pub(crate) async fn show(Extension(document): Description) -> Response {
    let text = TEXT.get_or_init(|| Bytes::from(document.to_string()));
    let content_type = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, content_type)], text.clone()).into_response()
}

/// The whole document, with what `routes` say of themselves.
pub(crate) fn of(routes: openapi::OpenApi) -> Value {
    let mut head = Head::openapi();
    head.merge(routes);
    let mut document = serde_json::to_value(head).unwrap_or_default();
    let ways = json!({
        "basic": {
            "type": "http", "scheme": "basic",
            "description": "User name and password; or any user name, with a token as the password. An account with a \
                            second factor needs a token, or the code in the header `X-Gitea-OTP` or `X-Forgejo-OTP`."
        },
        "bearer": { "type": "http", "scheme": "bearer", "description": "`Authorization: Bearer TOKEN`" },
        "token": {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "`Authorization: token TOKEN`, the word `token` included"
        }
    });
    put(&mut document, "", "servers", json!([{ "url": "/" }]));
    put(&mut document, "", "security", with_or_without());
    put(&mut document, "/components", "securitySchemes", ways);
    forges::describe(&mut document);
    for hook in ["NewHook", "HookChange"] {
        let events = format!("/components/schemas/{hook}/properties/events");
        put(&mut document, &events, "maxItems", json!(EVENTS.len()));
    }
    let paths = document
        .pointer_mut("/paths")
        .and_then(Value::as_object_mut);
    for path in paths.into_iter().flat_map(Map::values_mut) {
        for (method, operation) in path.as_object_mut().into_iter().flatten() {
            forges::loosen(operation);
            complete(method != "get", operation);
        }
    }
    document
}

/// The ways to send credentials, and the way without: for operations that answer anonymous callers too.
fn with_or_without() -> Value {
    json!([{}, { "basic": [] }, { "bearer": [] }, { "token": [] }])
}

/// Adds to an operation what it shares with others. One that does not say which credentials it takes needs some.
fn complete(changes: bool, operation: &mut Value) {
    match operation.get("security") {
        None => {
            let ways = json!([{ "basic": [] }, { "bearer": [] }, { "token": [] }]);
            put(operation, "", "security", ways);
        }
        Some(ways) if *ways == with_or_without() => remove(operation, "security"),
        Some(_) => {}
    }
    for (status, description) in refusals(changes, operation) {
        let schema = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        let content = Map::from_iter([(MEDIA_TYPE.to_owned(), schema)]);
        let refusal = json!({ "description": description, "content": content });
        if operation.pointer(&format!("/responses/{status}")).is_none() {
            put(operation, "/responses", status, refusal);
        }
    }
    let mut headers = Map::new();
    if has_parameter(operation, "page") {
        let total = json!({
            "description": "How many entries there are on all pages",
            "schema": { "type": "integer", "minimum": 0 }
        });
        headers.insert("X-Total-Count".to_owned(), total);
        let pages = "Where the first, previous, next and last page are, as far as there are such (RFC 8288)";
        headers.insert("Link".to_owned(), text_header(pages));
    } else if has_parameter(operation, "before") && is_array(operation) {
        let next = "Where the next page is, if there may be one (RFC 8288)";
        headers.insert("Link".to_owned(), text_header(next));
    }
    if !headers.is_empty() {
        put(operation, "/responses/200", "headers", headers.into());
    }
}

fn text_header(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}

/// Whether what an operation gives is a list.
fn is_array(operation: &Value) -> bool {
    let kind = operation.pointer("/responses/200/content/application~1json/schema/type");
    kind.is_some_and(|kind| kind == "array")
}

/// Whether an operation has a parameter of that name in its query.
fn has_parameter(operation: &Value, name: &str) -> bool {
    query_parameters(operation).any(|found| found == name)
}

/// The statuses of the refusals that an operation may be answered with, and when.
fn refusals(changes: bool, operation: &Value) -> Vec<(&'static str, &'static str)> {
    let has_body = operation.get("requestBody").is_some();
    let in_path = has_parameters(operation, "path");
    let open = operation
        .get("security")
        .is_some_and(|ways| *ways == json!([{}]));
    let mut refusals = vec![
        ("400", "The request cannot be read"),
        ("500", "The server failed; its log says more"),
    ];
    if !open {
        refusals.extend([
            (
                "401",
                "Credentials are needed, or those given are wrong or lack a scope",
            ),
            ("403", "The caller may not do this"),
            (
                "429",
                "Too many wrong credentials; `Retry-After` says when to go on",
            ),
            (
                "503",
                "The database is busy or can't be reached; try again in a few seconds",
            ),
        ]);
    }
    if changes {
        refusals.push(("409", "It conflicts with something that exists"));
        refusals.push(("507", "The disk of the server is full"));
    }
    if in_path {
        refusals.push(("404", "What the path names is not there"));
    }
    if has_body {
        refusals.extend([
            ("408", "The body came too slowly"),
            ("413", "The body is too large"),
            ("415", "The body is no JSON"),
            ("422", "The body does not say what is needed"),
        ]);
    }
    refusals
}

/// The names of an operation's parameters in a query.
pub(super) fn query_parameters(operation: &Value) -> impl Iterator<Item = &str> {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let parameters = parameters.into_iter().flatten();
    let of_query = |parameter: &&Value| parameter.get("in").is_some_and(|found| found == "query");
    parameters
        .filter(of_query)
        .filter_map(|parameter| parameter.get("name")?.as_str())
}

/// Whether an operation has parameters there, `path` or `query`.
fn has_parameters(operation: &Value, place: &str) -> bool {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let mut parameters = parameters.into_iter().flatten();
    parameters.any(|parameter| parameter.get("in").is_some_and(|found| found == place))
}

/// Puts a field into the object at `pointer` (RFC 6901).
fn put(document: &mut Value, pointer: &str, field: &str, value: Value) {
    let object = document.pointer_mut(pointer).and_then(Value::as_object_mut);
    if let Some(object) = object {
        object.insert(field.to_owned(), value);
    }
}

fn remove(object: &mut Value, field: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(field);
    }
}
