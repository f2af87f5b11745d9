//! The one error type of the edge: what is answered when a request is not done.
//!
//! Everything public is decided here: the code of each refusal, whose table (`code.rs`) has its status, and its text, which is that
//! of the service that refused (`error/conversions.rs`). A fault of the server says nothing but a request id; the log says the rest.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

mod conversions;

use super::code::{Code, ERROR_CODE};
use tarn_base::hint::Hint;

/// A fault of the server, on its way to the log with the answer.
#[derive(Debug, Clone)]
pub(super) struct Fault(pub(super) Arc<dyn Error + Send + Sync>);

impl Fault {
    fn of(source: Box<dyn Error + Send + Sync>) -> Self {
        Self(source.into())
    }
}

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum ApiError {
    /// With a code and a text of its own.
    Refused(Code, String),
    /// The same, with a text that doesn't say what to do.
    Bare(Code, String),
    BadRequest(String),
    UnknownOwner,
    Moved {
        path: String,
    },
    Renamed {
        name: String,
    },
    NoSuchRoute(String),
    WrongMethod(String),
    NoSuchIndex,
    NoSuchFile,
    NoSuchKey {
        newest: String,
    },
    PreconditionFailed,
    TooLarge(String),
    UnsupportedMediaType(String),
    Unprocessable(String),
    TooSlow(String),
    RangeNotSatisfiable {
        size: u64,
    },
    TooManyAttempts {
        text: String,
        retry_after: Duration,
    },
    Busy(String),
    DiskFull(Box<dyn Error + Send + Sync>),
    Damaged(Box<dyn Error + Send + Sync>),
    Internal(Box<dyn Error + Send + Sync>),
}

/// The line of a refusal and its code, beside the answer that was made of it: a problem document is made of the same.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) text: String,
    /// Whether the text doesn't say what to do: a page then says what helps with its status.
    pub(super) lacks_hint: bool,
}

impl ApiError {
    /// A refusal with the texts of `error`.
    pub(super) fn of(code: Code, error: &impl Hint) -> Self {
        Self::with_hint(code, error, error.hint())
    }

    /// A refusal with the text of `error` and that hint in place of its own.
    fn with_hint(code: Code, error: &impl Hint, hint: Option<String>) -> Self {
        if hint.is_none() {
            return Self::Bare(code, error.to_string());
        }
        Self::Refused(code, error.line_with(hint))
    }

    /// 422 for what `error` says of a field in a body.
    pub(super) fn invalid_field(error: &impl Hint) -> Self {
        Self::of(Code::InvalidField, error)
    }

    /// The code, which has the status.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Refused(code, _) | Self::Bare(code, _) => *code,
            Self::BadRequest(_) => Code::InvalidRequest,
            Self::Moved { .. } => Code::OwnerMoved,
            Self::UnknownOwner => Code::NoSuchOwner,
            Self::Renamed { .. } => Code::OwnerRenamed,
            Self::NoSuchRoute(_) => Code::NoSuchPath,
            Self::NoSuchIndex => Code::NoSuchIndex,
            Self::NoSuchFile => Code::NoSuchFile,
            Self::NoSuchKey { .. } => Code::NoSuchKey,
            Self::WrongMethod(_) => Code::MethodNotAllowed,
            Self::PreconditionFailed => Code::PreconditionFailed,
            Self::TooLarge(_) => Code::BodyTooLarge,
            Self::UnsupportedMediaType(_) => Code::UnsupportedMediaType,
            Self::Unprocessable(_) => Code::InvalidField,
            Self::TooSlow(_) => Code::TooSlow,
            Self::RangeNotSatisfiable { .. } => Code::RangeNotSatisfiable,
            Self::TooManyAttempts { .. } => Code::TooManyAttempts,
            Self::Busy(_) => Code::Busy,
            Self::DiskFull(_) => Code::DiskFull,
            Self::Damaged(_) => Code::FileDamaged,
            Self::Internal(_) => Code::InternalError,
        }
    }

    /// The line of a refusal; none for a fault, which says nothing.
    pub(super) fn line(self) -> Option<String> {
        let (text, fault) = self.text();
        fault.is_none().then_some(text)
    }

    /// The line for the client. A fault's text is completed with the request id on its way out.
    fn text(self) -> (String, Option<Fault>) {
        let text = match self {
            Self::Refused(_, text)
            | Self::Bare(_, text)
            | Self::BadRequest(text)
            | Self::WrongMethod(text)
            | Self::TooLarge(text)
            | Self::UnsupportedMediaType(text)
            | Self::Unprocessable(text)
            | Self::TooSlow(text)
            | Self::TooManyAttempts { text, .. }
            | Self::Busy(text) => text,
            Self::UnknownOwner => "no such owner; check its name in the path".to_owned(),
            Self::Moved { path } => format!("this owner has another name now; it is at {path}"),
            Self::Renamed { name } => {
                format!("this owner is called {name} now; use that name in its place")
            }
            Self::NoSuchRoute(path) => format!(
                "nothing is at {path}; packages are under /api/packages/{{owner}}/alpine/{{branch}}/{{repository}}"
            ),
            Self::NoSuchIndex => {
                "no such index: no package that it lists is there for this branch, repository and architecture; upload one first (packages of v3 are in `Packages.adb` alone)"
                    .to_owned()
            }
            Self::NoSuchFile => "no such package file; `apk update` and try again, it may have been replaced".to_owned(),
            Self::NoSuchKey { newest } => {
                format!("no key of that name signs the indexes of this owner; for the newest that does: {newest}")
            }
            Self::PreconditionFailed => {
                "the file is another than If-Match or If-Unmodified-Since asks for; look at it again".to_owned()
            }
            Self::RangeNotSatisfiable { size } => format!("the range lies outside the file, which has {size} bytes"),
            Self::DiskFull(source) => {
                return ("the disk of the server is full; nothing was stored".to_owned(), Some(Fault::of(source)));
            }
            Self::Damaged(source) => {
                let text = "the server's copy of this file is missing or damaged; upload the same package again, which replaces it";
                return (text.to_owned(), Some(Fault::of(source)));
            }
            Self::Internal(source) => return (String::new(), Some(Fault::of(source))),
        };
        (text, None)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let code = self.code();
        let status = code.status();
        let header = match &self {
            _ if status == StatusCode::UNAUTHORIZED => Some((
                header::WWW_AUTHENTICATE,
                r#"Basic realm="Tarn", charset="UTF-8""#.to_owned(),
            )),
            Self::Moved { path } => Some((header::LOCATION, path.clone())),
            Self::RangeNotSatisfiable { size } => {
                Some((header::CONTENT_RANGE, format!("bytes */{size}")))
            }
            Self::TooManyAttempts { retry_after, .. } => {
                Some((header::RETRY_AFTER, (retry_after.as_secs() + 1).to_string()))
            }
            Self::Busy(_) | Self::Refused(Code::TooManyUploads | Code::DatabaseUnreachable, _) => {
                Some((header::RETRY_AFTER, "5".to_owned()))
            }
            _ => None,
        };
        let lacks_hint = matches!(self, Self::Bare(..) | Self::TooLarge(_) | Self::Internal(_));
        let (text, fault) = self.text();
        let mut response = (status, format!("{text}\n")).into_response();
        response
            .headers_mut()
            .insert(ERROR_CODE.clone(), code.header());
        response.extensions_mut().insert(Refusal {
            code,
            text,
            lacks_hint,
        });
        if let Some((name, value)) =
            // From bytes: a path may hold more than ASCII.
            header.and_then(|(name, value)| {
                Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
            })
        {
            response.headers_mut().insert(name, value);
        }
        if let Some(fault) = fault {
            response.extensions_mut().insert(fault);
        }
        response
    }
}
