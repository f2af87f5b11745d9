//! The one error type of the edge: what is answered when a request is not done.
//!
//! Everything public is decided here: the status of each refusal, and that its text is the one of the station that
//! refused. A fault of the server says nothing but a request id; the log says the rest.

use std::{error::Error, sync::Arc, time::Duration};

use apk::arch::ArchError;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::trace::Fault;
use crate::{
    access::{AccessError, AccountError, AuthError, CredentialsError, Denied, FactorError},
    blobs::BlobError,
    index::IndexError,
    keys::KeyError,
    metadata::{MetadataError, RecordError},
    names::NameError,
    publish::{BodyError, PublishError, RestoreError, expiry::ExpiryError},
    webhooks::WebhookError,
};

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum ApiError {
    BadRequest(String),
    Unauthorized(String),
    Forbidden(String),
    UnknownOwner,
    Moved { path: String },
    Renamed { name: String },
    NoSuchRoute(String),
    NotFound(String),
    WrongMethod(String),
    NoSuchIndex,
    NoSuchFile,
    NoSuchKey { newest: String },
    Conflict(String),
    PreconditionFailed,
    TooLarge(String),
    UnsupportedMediaType(String),
    Unprocessable(String),
    TooSlow(String),
    RangeNotSatisfiable { size: u64 },
    TooManyAttempts { text: String, retry_after: Duration },
    Busy(String),
    DiskFull(Box<dyn Error + Send + Sync>),
    Damaged(Box<dyn Error + Send + Sync>),
    Internal(Box<dyn Error + Send + Sync>),
}

/// What `error` says is wrong, and what to do about it by this door. Its own text ends in what to type on the command line.
fn advised(error: &impl Error, advice: &str) -> String {
    let text = error.to_string();
    let wrong = text.rsplit_once("; ").map_or(&*text, |(wrong, _)| wrong);
    format!("{wrong}; {advice}")
}

/// The line of a refusal, beside the answer that was made of it: a problem document is made of the same.
#[derive(Debug, Clone)]
pub(super) struct Refusal(pub(super) String);

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            // 307 and 308 are errors to apk (apk-tools `libfetch/http.c`, `HTTP_REDIRECT`).
            Self::Moved { .. } => StatusCode::MOVED_PERMANENTLY,
            Self::UnknownOwner
            | Self::Renamed { .. }
            | Self::NoSuchRoute(_)
            | Self::NotFound(_)
            | Self::NoSuchIndex
            | Self::NoSuchFile
            | Self::NoSuchKey { .. } => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::RangeNotSatisfiable { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::DiskFull(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Damaged(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The line for the client. A fault's text is completed with the request id on its way out.
    fn text(self) -> (String, Option<Fault>) {
        let text = match self {
            Self::BadRequest(text)
            | Self::Unauthorized(text)
            | Self::Forbidden(text)
            | Self::NotFound(text)
            | Self::WrongMethod(text)
            | Self::Conflict(text)
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
                "no such index: no package is there for this branch, repository and architecture; upload one first"
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
                return ("the disk of the server is full; nothing was stored".to_owned(), Some(Fault(source)));
            }
            Self::Damaged(source) => {
                let text = "the server's copy of this file is missing or damaged; upload the same package again, which replaces it";
                return (text.to_owned(), Some(Fault(source)));
            }
            Self::Internal(source) => return (String::new(), Some(Fault(source))),
        };
        (text, None)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let header = match &self {
            Self::Unauthorized(_) => Some((
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
            Self::Busy(_) => Some((header::RETRY_AFTER, "5".to_owned())),
            _ => None,
        };
        let (text, fault) = self.text();
        let mut response = (status, format!("{text}\n")).into_response();
        response.extensions_mut().insert(Refusal(text));
        if let Some((name, value)) =
            // From bytes: a path may hold more than ASCII.
            header.and_then(|(name, value)| {
                Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
            })
        {
            response.headers_mut().insert(name, value);
        }
        if let Some(fault) = fault {
            response.extensions_mut().insert(fault.shared());
        }
        response
    }
}

impl From<NameError> for ApiError {
    fn from(error: NameError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<ArchError> for ApiError {
    fn from(error: ArchError) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl From<CredentialsError> for ApiError {
    fn from(error: CredentialsError) -> Self {
        Self::Unauthorized(error.to_string())
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let text = error.to_string();
        match error {
            AuthError::TooManyAttempts { retry_after } => {
                Self::TooManyAttempts { text, retry_after }
            }
            AuthError::Metadata(error) => error.into(),
            AuthError::Stored { .. } | AuthError::SecondFactor(_) | AuthError::Password(_) => {
                Self::Internal(Box::new(error))
            }
            _ => Self::Unauthorized(text),
        }
    }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let text = match &error {
            AccountError::NoUser(_) | AccountError::NoOrganisation(_) => {
                advised(&error, "check the name")
            }
            AccountError::NoTeam { .. } => {
                advised(&error, "the list of its teams names those there are")
            }
            AccountError::HasPackages { .. } => advised(
                &error,
                "delete them first, or let them go too with `?purge=true`",
            ),
            AccountError::TooManyFormerNames(_) => {
                advised(&error, "have an administrator of this server release one")
            }
            _ => error.to_string(),
        };
        match error {
            AccountError::NameTaken(_)
            | AccountError::LabelTaken { .. }
            | AccountError::TooManyTokens(_)
            | AccountError::TeamTaken { .. }
            | AccountError::TooManyTeams(_)
            | AccountError::HasPackages { .. }
            | AccountError::TooManyFormerNames(_)
            | AccountError::LastSiteAdmin(_)
            | AccountError::NoAdminLeft(_)
            | AccountError::BuiltInTeam(_)
            | AccountError::LastAdmin { .. } => Self::Conflict(text),
            AccountError::NoUser(_)
            | AccountError::NoOrganisation(_)
            | AccountError::NoOwner(_)
            | AccountError::Renamed(..)
            | AccountError::NoTeam { .. } => Self::NotFound(text),
            AccountError::WiderThanMaker(_) => Self::Forbidden(text),
            AccountError::Reserved(_)
            | AccountError::LimitsForRole(_)
            | AccountError::AdminWithLimits
            | AccountError::AdminOfOrganisation
            | AccountError::WeakPassword(_)
            | AccountError::BadLabel
            | AccountError::NoLifetime => Self::Unprocessable(text),
            AccountError::Metadata(error) => error.into(),
            AccountError::Password(_) | AccountError::Random(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let text = denied.to_string();
        match denied {
            Denied::NeedsCredentials | Denied::TokenLacksScope { .. } => Self::Unauthorized(text),
            Denied::PublicOnlyToken
            | Denied::TokenOutsideLimits
            | Denied::NoAccess
            | Denied::ReadOnly
            | Denied::OutsideTeamLimits
            | Denied::NotAdmin
            | Denied::NotSiteAdmin => Self::Forbidden(text),
        }
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Auth(error) => error.into(),
            AccessError::Denied(denied) => denied.into(),
        }
    }
}

impl From<MetadataError> for ApiError {
    fn from(error: MetadataError) -> Self {
        Arc::new(error).into()
    }
}

impl From<Arc<MetadataError>> for ApiError {
    fn from(error: Arc<MetadataError>) -> Self {
        match &*error {
            MetadataError::Busy(_) => Self::Busy(
                "the database is busy; nothing was stored, try again in a few seconds".to_owned(),
            ),
            MetadataError::Full(_) => Self::DiskFull(Box::new(error)),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full { .. } => Self::DiskFull(Box::new(error)),
            BlobError::Damaged { .. } => Self::Damaged(Box::new(error)),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<FactorError> for ApiError {
    fn from(error: FactorError) -> Self {
        let text = error.to_string();
        match error {
            FactorError::NoUser(_) => Self::NotFound(text),
            FactorError::AlreadyOn(_) | FactorError::Off(_) | FactorError::NotBegun(_) => {
                Self::Conflict(text)
            }
            FactorError::WrongCode => Self::Forbidden(text),
            FactorError::TooManyCodes { retry_after } => {
                Self::TooManyAttempts { text, retry_after }
            }
            FactorError::Metadata(error) => error.into(),
            FactorError::Sealed(..) | FactorError::Random(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<ExpiryError> for ApiError {
    fn from(error: ExpiryError) -> Self {
        let text = error.to_string();
        match error {
            ExpiryError::Days | ExpiryError::Kept => Self::Unprocessable(text),
            ExpiryError::Stored(_) => Self::Internal(Box::new(error)),
            ExpiryError::TooMany => Self::Conflict(text),
            ExpiryError::Metadata(error) => error.into(),
        }
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        let text = match &error {
            WebhookError::NoWebhook { .. } | WebhookError::NoDelivery { .. } => {
                advised(&error, "the list names those there are")
            }
            _ => error.to_string(),
        };
        match error {
            WebhookError::Target(_) | WebhookError::BadSecret => Self::Unprocessable(text),
            WebhookError::NoWebhook { .. } | WebhookError::NoDelivery { .. } => {
                Self::NotFound(text)
            }
            WebhookError::TooMany(_)
            | WebhookError::DeliveryPending(_)
            | WebhookError::TestPending(_)
            | WebhookError::Disabled(_) => Self::Conflict(text),
            WebhookError::Metadata(error) => error.into(),
            WebhookError::Random(_) | WebhookError::Seal(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        let text = match &error {
            KeyError::Rotating { .. } => advised(
                &error,
                "retire the older one once every client has the newest, then begin the next rotation",
            ),
            KeyError::TooManyActive => advised(&error, "retire one of them"),
            KeyError::NoSuchKey { .. } => advised(&error, "the list names those there are"),
            KeyError::OnlyActive { .. } => advised(
                &error,
                "begin a rotation, and retire this one when every client has the other",
            ),
            _ => error.to_string(),
        };
        match error {
            KeyError::Metadata(error) => error.into(),
            KeyError::Rotating { .. } | KeyError::TooManyActive | KeyError::OnlyActive { .. } => {
                Self::Conflict(text)
            }
            KeyError::NoSuchKey { .. } => Self::NotFound(text),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> Self {
        match error {
            // A full disk or a busy database is no fault of the index; an owner's first key is written for it.
            IndexError::Metadata(error) => error.into(),
            IndexError::Keys(error) => error.into(),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<RestoreError> for ApiError {
    fn from(error: RestoreError) -> Self {
        let text = error.to_string();
        match error {
            RestoreError::NotKept => Self::NotFound(text),
            RestoreError::BytesGone | RestoreError::Taken { .. } => Self::Conflict(text),
            RestoreError::Record(error) => PublishError::Record(error).into(),
            RestoreError::Blob(error) => error.into(),
        }
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let text = error.to_string();
        match error {
            PublishError::Body(BodyError::TooSlow) => Self::TooSlow(text),
            PublishError::Body(_)
            | PublishError::Package(_)
            | PublishError::Rule(_)
            | PublishError::FileName { .. } => Self::BadRequest(text),
            PublishError::TooLarge { .. }
            | PublishError::OverQuota(_)
            | PublishError::Record(RecordError::OverQuota(_)) => Self::TooLarge(text),
            PublishError::Record(RecordError::Metadata(error)) => error.into(),
            PublishError::Record(RecordError::OwnerGone) => Self::NotFound(text),
            PublishError::Record(RecordError::UploaderGone) => Self::Unauthorized(text),
            PublishError::Record(_) | PublishError::Exists { .. } => Self::Conflict(text),
            PublishError::Blob(error) => error.into(),
            PublishError::Metadata(error) => error.into(),
            PublishError::Worker(_) | PublishError::Gone => Self::Internal(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_space_for_the_first_key_of_an_owner_is_507_for_whoever_asks_for_an_index() {
        let full = || MetadataError::Full("no space".into());
        for error in [IndexError::from(full()), IndexError::Keys(full().into())] {
            let status = ApiError::from(error).status();
            assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
        }
    }

    #[test]
    fn a_busy_database_is_for_trying_again_whatever_needed_it() {
        let busy = || MetadataError::Busy("the disk is slow".into());
        for error in [
            ApiError::from(busy()),
            IndexError::from(busy()).into(),
            IndexError::Keys(busy().into()).into(),
            PublishError::from(busy()).into(),
            PublishError::Record(busy().into()).into(),
            KeyError::from(busy()).into(),
            AuthError::from(busy()).into(),
            ExpiryError::from(busy()).into(),
            WebhookError::from(busy()).into(),
            FactorError::from(busy()).into(),
            AccountError::from(busy()).into(),
        ] {
            let response = error.into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "5");
        }
    }
}
