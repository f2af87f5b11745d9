//! What is answered where no route is: 404 for a path, 405 for a method.

use axum::{
    http::{Method, Uri},
    response::{IntoResponse as _, Response},
};

use super::{areas, code::Code, error::ApiError};

/// 404.
pub(super) async fn no_such_route(uri: Uri) -> ApiError {
    let path = uri.path();
    if areas::is_of_api(path) {
        let text = format!(
            "nothing is at {path}; {}/openapi.json describes what there is",
            areas::API
        );
        return ApiError::Refused(Code::NoSuchPath, text);
    }
    ApiError::NoSuchRoute(path.to_owned())
}

/// 405.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path = uri.path();
    let text = if areas::is_of_api(path) {
        format!(
            "{method} is not for this path; the header Allow names what is, {}/openapi.json describes it",
            areas::API
        )
    } else {
        match (method.as_str(), behind_owner(path)) {
            // A key is there, and jwks.json.
            ("PUT" | "POST", Some(1)) if !path.ends_with("/key") && !path.ends_with(".json") => {
                format!("the repository is missing in this path; PUT publishes to {PLACE}")
            }
            ("PUT" | "POST", Some(4..)) => format!(
                "this path is too long: PUT publishes to {PLACE}, and no name can have a `/`"
            ),
            ("POST", Some(_)) => format!("POST is not for this path; publish with PUT to {PLACE}"),
            (_, Some(_)) => format!(
                "{method} is not for this path; PUT publishes to /{{branch}}/{{repository}}, DELETE removes a file"
            ),
            (_, None) => format!("{method} is not for this path; the header Allow names what is"),
        }
    };
    ApiError::WrongMethod(text).into_response()
}

/// Where packages are published.
const PLACE: &str = "/api/packages/{owner}/alpine/{branch}/{repository}";

/// How many segments of a path stand behind the owner of packages; `None` for other paths.
fn behind_owner(path: &str) -> Option<usize> {
    let (_, rest) = path
        .strip_prefix("/api/packages/")?
        .split_once("/alpine/")?;
    Some(
        rest.split('/')
            .filter(|segment| !segment.is_empty())
            .count(),
    )
}
