//! Refusals of the API: problem documents (RFC 9457), made of the same lines as the plain ones of the package routes.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{code::Code, error::Refusal};

/// The media type of a problem document.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was not done (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The name of the status.
    #[schema(example = "Not Found")]
    title: &'static str,
    /// The status, as in the first line of the answer.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    status: u16,
    /// Why, for programs; the same as the header `X-Tarn-Error`.
    #[schema(example = "no_such_owner")]
    code: &'static str,
    /// What is wrong and what to do, for people.
    #[schema(example = "no such owner; check its name in the path")]
    detail: String,
    /// The same as `detail`, under the name that Forgejo and Gitea give it.
    #[schema(example = "no such owner; check its name in the path")]
    message: String,
    /// The request, for the operator's log; the same as the header `X-Request-Id`.
    #[schema(example = "18a0c5d3f1e2b-2f")]
    request_id: String,
}

/// Gives a refusal the form of a problem document. An answer that is none stays as it is.
pub(crate) fn render(response: &mut Response, request_id: &str) {
    let status = response.status();
    let Some(Refusal { code, text, .. }) = response.extensions_mut().remove::<Refusal>() else {
        return;
    };
    let text = if code == Code::InternalError {
        "internal error; ask the operator about this request".to_owned()
    } else {
        text
    };
    let problem = Problem {
        kind: "about:blank",
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        code: code.word(),
        detail: text.clone(),
        message: text,
        request_id: request_id.to_owned(),
    };
    // A structure of texts and one number always has a JSON form.
    let bytes = serde_json::to_vec(&problem).unwrap_or_default();
    let length = HeaderValue::from(bytes.len());
    *response.body_mut() = Body::from(bytes);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CONTENT_LENGTH, length);
}
