//! The one error type of the edge: what is answered when a request is not done.
//!
//! Everything public is decided here: the code of each refusal, whose table (`code.rs`) has its status, and its text, which is that
//! of the service that refused. A fault of the server says nothing but a request id; the log says the rest.

use std::{error::Error, sync::Arc, time::Duration};

use apk::arch::ArchError;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::code::{Code, ERROR_CODE};
use crate::transport::trace::Fault;
use tarn_base::{hint::Hint, names::NameError};
use tarn_core::{
    access::{
        AccessError, AccountError, AuthError, CredentialsError, Denied, FactorError, TokenRefusal,
    },
    contents::ContentsError,
    index::IndexError,
    keys::KeyError,
    publish::{BodyError, PublishError, RestoreError, expiry::ExpiryError},
    webhooks::WebhookError,
};
use tarn_store::{
    blobs::BlobError,
    metadata::{MetadataError, RecordError},
};

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum ApiError {
    /// With a code and a text of its own.
    Refused(Code, String),
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
}

impl ApiError {
    /// A refusal with the texts of `error`.
    pub(super) fn of(code: Code, error: &impl Hint) -> Self {
        Self::Refused(code, error.line())
    }

    /// 422 for what `error` says of a field in a body.
    pub(super) fn invalid_field(error: &impl Hint) -> Self {
        Self::of(Code::InvalidField, error)
    }

    /// The code, which has the status.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Refused(code, _) => *code,
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
            Self::Busy(_) | Self::Refused(Code::TooManyUploads, _) => {
                Some((header::RETRY_AFTER, "5".to_owned()))
            }
            _ => None,
        };
        let (text, fault) = self.text();
        let mut response = (status, format!("{text}\n")).into_response();
        response
            .headers_mut()
            .insert(ERROR_CODE.clone(), code.header());
        response.extensions_mut().insert(Refusal { code, text });
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
        Self::of(Code::InvalidName, &error)
    }
}

impl From<ArchError> for ApiError {
    fn from(error: ArchError) -> Self {
        Self::Refused(Code::InvalidName, error.to_string())
    }
}

impl From<CredentialsError> for ApiError {
    fn from(error: CredentialsError) -> Self {
        Self::of(Code::CredentialsInvalid, &error)
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let code = match error {
            AuthError::TooManyAttempts { retry_after } => {
                let text = error.line();
                return Self::TooManyAttempts { text, retry_after };
            }
            AuthError::Metadata(error) => return error.into(),
            AuthError::Stored { .. }
            | AuthError::Session(_)
            | AuthError::SecondFactor(_)
            | AuthError::Password(_) => {
                return Self::Internal(Box::new(error));
            }
            AuthError::WrongCredentials | AuthError::BeginAgain => Code::CredentialsWrong,
            AuthError::Malformed(_) => Code::CredentialsInvalid,
            AuthError::CodeNeeded => Code::SecondFactorNeeded,
            AuthError::WrongCode => Code::SecondFactorWrong,
            AuthError::Disabled => Code::AccountDisabled,
            AuthError::Token { why, .. } => match why {
                TokenRefusal::Expired => Code::TokenExpired,
                TokenRefusal::OutsideNetworks => Code::TokenNetwork,
                TokenRefusal::Disabled => Code::AccountDisabled,
            },
        };
        Self::of(code, &error)
    }
}

/// Where the hint of an error is a command, what to do here in its place.
fn hint_here(error: &AccountError) -> Option<String> {
    let here = match error {
        AccountError::NoUser(_) | AccountError::NoOrganisation(_) => "check the name",
        AccountError::NoTeam { .. } => "the list of its teams names those there are",
        AccountError::HasPackages { .. } => {
            "delete them first, or let them go too with `?purge=true`"
        }
        AccountError::TooManyFormerNames(_) => "have an administrator of this server release one",
        _ => return error.hint(),
    };
    Some(here.to_owned())
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let code = match &error {
            AccountError::NameTaken(_)
            | AccountError::LabelTaken { .. }
            | AccountError::TeamTaken { .. } => Code::NameTaken,
            AccountError::TooManyTokens(_)
            | AccountError::TooManyTeams(_)
            | AccountError::TooManyFormerNames(_) => Code::LimitReached,
            AccountError::HasPackages { .. } => Code::OwnerNotEmpty,
            AccountError::LastSiteAdmin(_)
            | AccountError::NoAdminLeft(_)
            | AccountError::LastAdmin { .. } => Code::LastAdmin,
            AccountError::BuiltInTeam(_) => Code::BuiltInTeam,
            AccountError::NoUser(_)
            | AccountError::NoOrganisation(_)
            | AccountError::NoOwner(_) => Code::NoSuchOwner,
            AccountError::Renamed(..) => Code::OwnerRenamed,
            AccountError::NoTeam { .. } => Code::NoSuchTeam,
            AccountError::WiderThanMaker(_) => Code::TokenTooWide,
            AccountError::Reserved(_) => Code::NameReserved,
            AccountError::WeakPassword(_) => Code::WeakPassword,
            AccountError::LimitsForRole(_)
            | AccountError::AdminWithLimits
            | AccountError::AdminOfOrganisation
            | AccountError::BadLabel
            | AccountError::NoLifetime => Code::InvalidField,
            AccountError::Metadata(_) | AccountError::Password(_) | AccountError::Random(_) => {
                return match error {
                    AccountError::Metadata(error) => error.into(),
                    error => Self::Internal(Box::new(error)),
                };
            }
        };
        Self::Refused(code, error.line_with(hint_here(&error)))
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let code = match denied {
            Denied::NeedsCredentials => Code::CredentialsNeeded,
            Denied::TokenLacksScope { .. } => Code::TokenScopeMissing,
            Denied::PublicOnlyToken => Code::TokenPublicOnly,
            Denied::TokenOutsideLimits => Code::TokenLimits,
            Denied::NoAccess => Code::AccessDenied,
            Denied::ReadOnly => Code::ReadOnly,
            Denied::OutsideTeamLimits => Code::TeamLimits,
            Denied::NotAdmin => Code::OwnerAdminNeeded,
            Denied::NotSiteAdmin => Code::ServerAdminNeeded,
        };
        Self::of(code, &denied)
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

impl From<Arc<ContentsError>> for ApiError {
    fn from(error: Arc<ContentsError>) -> Self {
        match &*error {
            ContentsError::Blob(BlobError::Damaged { .. })
            | ContentsError::Missing(_)
            | ContentsError::Damaged(_)
            | ContentsError::DamagedV3(_) => Self::Damaged(Box::new(error)),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<FactorError> for ApiError {
    fn from(error: FactorError) -> Self {
        let code = match error {
            FactorError::NoUser(_) => Code::NoSuchOwner,
            FactorError::AlreadyOn(_) | FactorError::Off(_) | FactorError::NotBegun(_) => {
                Code::SecondFactorState
            }
            FactorError::WrongCode => Code::FactorCodeWrong,
            FactorError::TooManyCodes { retry_after } => {
                let text = error.line();
                return Self::TooManyAttempts { text, retry_after };
            }
            FactorError::Metadata(error) => return error.into(),
            FactorError::Sealed(..) | FactorError::Random(_) => {
                return Self::Internal(Box::new(error));
            }
        };
        Self::of(code, &error)
    }
}

impl From<ExpiryError> for ApiError {
    fn from(error: ExpiryError) -> Self {
        let code = match error {
            ExpiryError::Days | ExpiryError::Kept => Code::InvalidField,
            ExpiryError::TooMany => Code::LimitReached,
            ExpiryError::Stored(_) => return Self::Internal(Box::new(error)),
            ExpiryError::Metadata(error) => return error.into(),
        };
        Self::of(code, &error)
    }
}

impl From<WebhookError> for ApiError {
    fn from(error: WebhookError) -> Self {
        let listed = || Some("the list names those there are".to_owned());
        let (code, hint) = match error {
            WebhookError::Target(_) | WebhookError::BadSecret => (Code::InvalidField, error.hint()),
            WebhookError::NoWebhook { .. } => (Code::NoSuchWebhook, listed()),
            WebhookError::NoDelivery { .. } => (Code::NoSuchDelivery, listed()),
            WebhookError::TooMany(_) => (Code::LimitReached, error.hint()),
            WebhookError::DeliveryPending(_)
            | WebhookError::TestPending(_)
            | WebhookError::Disabled(_) => (Code::WebhookState, error.hint()),
            WebhookError::Metadata(error) => return error.into(),
            WebhookError::Random(_) | WebhookError::Seal(_) => {
                return Self::Internal(Box::new(error));
            }
        };
        Self::Refused(code, error.line_with(hint))
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        let (code, hint) = match error {
            KeyError::Rotating { .. } => (
                Code::KeyState,
                "retire the older one once every client has the newest, then begin the next rotation",
            ),
            KeyError::TooManyActive => (Code::LimitReached, "retire one of them"),
            KeyError::NoSuchKey { .. } => (Code::NoSuchKey, "the list names those there are"),
            KeyError::OnlyRsa { .. } => (Code::KeyState, "begin a rotation of RSA keys first"),
            KeyError::Metadata(error) => return error.into(),
            _ => return Self::Internal(Box::new(error)),
        };
        Self::Refused(code, error.line_with(Some(hint.to_owned())))
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> Self {
        match error {
            // A full disk or a busy database is no fault of the index; an owner's first key is written for it.
            IndexError::Metadata(error) => error.into(),
            IndexError::Keys(error) => error.into(),
            IndexError::Full(full) => Self::Refused(Code::IndexFull, full.to_string()),
            _ => Self::Internal(Box::new(error)),
        }
    }
}

impl From<RestoreError> for ApiError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::NotKept => Self::of(Code::NoSuchFile, &error),
            RestoreError::BytesGone => Self::of(Code::BytesGone, &error),
            RestoreError::Taken { .. } => Self::of(Code::PackageExists, &error),
            RestoreError::Record(error) => PublishError::Record(error).into(),
            RestoreError::Blob(error) => error.into(),
        }
    }
}

impl From<PublishError> for ApiError {
    fn from(error: PublishError) -> Self {
        let code = match error {
            PublishError::Body(BodyError::TooSlow) => Code::TooSlow,
            PublishError::Body(_) => Code::IncompleteUpload,
            PublishError::Package(_) => Code::InvalidPackage,
            PublishError::FileName { .. } => Code::InvalidRequest,
            PublishError::TooLarge { .. } | PublishError::Database(_) => Code::UploadTooLarge,
            PublishError::Memory(taken) => return Self::Busy(taken.to_string()),
            PublishError::TooManyAtOnce { .. } => Code::TooManyUploads,
            PublishError::OverQuota(_) => Code::QuotaExceeded,
            PublishError::Record(RecordError::OverQuota(_)) => Code::QuotaExceeded,
            PublishError::Record(RecordError::IndexFull { .. }) => Code::IndexFull,
            PublishError::Record(RecordError::OwnerGone) => Code::NoSuchOwner,
            PublishError::Record(RecordError::UploaderGone) => Code::AccountDisabled,
            PublishError::Exists { .. } | PublishError::Record(RecordError::AlreadyExists) => {
                Code::PackageExists
            }
            PublishError::Record(RecordError::NoarchClash { .. }) => Code::NoarchConflict,
            PublishError::Record(RecordError::Metadata(error)) => return error.into(),
            PublishError::Record(RecordError::PlaceGone) => return Self::Internal(Box::new(error)),
            PublishError::Blob(error) => return error.into(),
            PublishError::Metadata(error) => return error.into(),
            PublishError::Worker(_) | PublishError::Gone => {
                return Self::Internal(Box::new(error));
            }
        };
        Self::Refused(code, error.to_string())
    }
}

#[cfg(test)]
mod tests;
