//! What is answered when a service refuses: the code, and the text, which is the service's own. Exhaustive on purpose: a new reason
//! has to be given a code here.

use std::sync::Arc;

use apk::arch::ArchError;

use super::{ApiError, Code};
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
        Self::with_hint(code, &error, hint_here(&error))
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
                "the database is busy; nothing was changed, try again in a few seconds".to_owned(),
            ),
            MetadataError::Unreachable(_) => Self::Refused(
                Code::DatabaseUnreachable,
                "the server can't reach its database; try again in a few seconds, and ask the operator if that doesn't help"
                    .to_owned(),
            ),
            MetadataError::Full(_) => Self::DiskFull(Box::new(error)),
            MetadataError::Missing(_)
            | MetadataError::Corrupt { .. }
            | MetadataError::Newer { .. }
            | MetadataError::Unreleased { .. }
            | MetadataError::Migrate { .. }
            | MetadataError::Open { .. }
            | MetadataError::Failed(_)
            | MetadataError::Duplicate(_)
            | MetadataError::Dangling(_) => Self::Internal(Box::new(error)),
        }
    }
}

impl From<BlobError> for ApiError {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full { .. } => Self::DiskFull(Box::new(error)),
            BlobError::Damaged { .. } => Self::Damaged(Box::new(error)),
            BlobError::InUse { .. }
            | BlobError::Network { .. }
            | BlobError::Foreign { .. }
            | BlobError::Io { .. }
            | BlobError::Task(_) => Self::Internal(Box::new(error)),
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
            ContentsError::Blob(_) | ContentsError::Read(_) | ContentsError::Worker(_) => {
                Self::Internal(Box::new(error))
            }
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
        Self::with_hint(code, &error, hint)
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
            // Nothing is imported through the API.
            KeyError::NotAKey(_)
            | KeyError::Size { .. }
            | KeyError::NameTaken { .. }
            | KeyError::Name(_)
            | KeyError::Generate(_)
            | KeyError::Write(_)
            | KeyError::Sealed { .. }
            | KeyError::Stored { .. }
            | KeyError::Stopping => return Self::Internal(Box::new(error)),
        };
        Self::with_hint(code, &error, Some(hint.to_owned()))
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> Self {
        match error {
            // Not the index's fault: a full disk or a busy database, met while the owner's first key is stored.
            IndexError::Metadata(error) => error.into(),
            IndexError::Keys(error) => error.into(),
            IndexError::Full(full) => Self::Refused(Code::IndexFull, full.to_string()),
            IndexError::Refused { .. } | IndexError::Json | IndexError::Worker(_) => {
                Self::Internal(Box::new(error))
            }
        }
    }
}

impl From<RestoreError> for ApiError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::NotKept => Self::of(Code::NoSuchFile, &error),
            RestoreError::BytesGone => Self::of(Code::BytesGone, &error),
            RestoreError::Taken { .. } | RestoreError::Unneeded => {
                Self::of(Code::PackageExists, &error)
            }
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
            PublishError::TooLarge { .. } | PublishError::OverLimit(_) => Code::UploadTooLarge,
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
        match error {
            PublishError::TooLarge { .. } | PublishError::Record(RecordError::AlreadyExists) => {
                Self::Bare(code, error.to_string())
            }
            _ => Self::Refused(code, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
