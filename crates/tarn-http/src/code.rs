//! The machine-readable codes of refusals: for each the status it comes with, and when it is sent.
//!
//! A problem document has the code as `code`, every refusal in the header `X-Tarn-Error`. Clients compare them, so a code is
//! never renamed and never gets another meaning. `docs/reference/errors.md` is made from this table.

use axum::http::{HeaderName, HeaderValue, StatusCode};

/// The header of every refusal that has its code.
pub(super) static ERROR_CODE: HeaderName = HeaderName::from_static("x-tarn-error");

macro_rules! codes {
    ($($code:ident $status:ident $word:literal $when:literal)*) => {
        /// Why a request is refused, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Code {
            $(#[doc = $when] $code,)*
        }

        impl Code {
            /// All, in the order of their statuses.
            pub(super) const ALL: &[Self] = &[$(Self::$code,)*];

            /// The status that it comes with.
            pub(super) const fn status(self) -> StatusCode {
                match self {
                    $(Self::$code => StatusCode::$status,)*
                }
            }

            /// As clients see it.
            pub(super) const fn word(self) -> &'static str {
                match self {
                    $(Self::$code => $word,)*
                }
            }

            /// When it is sent.
            const fn when(self) -> &'static str {
                match self {
                    $(Self::$code => $when,)*
                }
            }
        }
    };
}

codes! {
    // 307 and 308 are errors to apk (apk-tools `libfetch/http.c`, `HTTP_REDIRECT`).
    OwnerMoved MOVED_PERMANENTLY "owner_moved" "the owner has another name now; `Location` has the new path"
    InvalidRequest BAD_REQUEST "invalid_request" "the path, the query, a header or the JSON can't be read"
    InvalidName BAD_REQUEST "invalid_name" "a branch, repository or architecture in the path is not a valid name"
    InvalidPackage BAD_REQUEST "invalid_package" "the body is not a package that apk can install"
    IncompleteUpload BAD_REQUEST "incomplete_upload" "the upload ended early, or its form can't be read"
    CredentialsNeeded UNAUTHORIZED "credentials_needed" "this needs credentials, and none were sent"
    CredentialsInvalid UNAUTHORIZED "credentials_invalid" "the credentials can't be read"
    CredentialsWrong UNAUTHORIZED "credentials_wrong" "the user name, password or token is wrong"
    AccountDisabled UNAUTHORIZED "account_disabled" "the account is disabled or was just deleted"
    SecondFactorNeeded UNAUTHORIZED "second_factor_needed" "the account has a second factor, and its code is missing"
    SecondFactorWrong UNAUTHORIZED "second_factor_wrong" "the code of the second factor is wrong or was used already"
    TokenExpired UNAUTHORIZED "token_expired" "the token has expired"
    TokenNetwork UNAUTHORIZED "token_network" "the token may not be used from this address"
    TokenScopeMissing UNAUTHORIZED "token_scope_missing" "the token lacks a scope"
    AccessDenied FORBIDDEN "access_denied" "the caller may not read this"
    ReadOnly FORBIDDEN "read_only" "the caller may read this and not change it"
    TeamLimits FORBIDDEN "team_limits" "the caller's teams may write elsewhere, not here"
    OwnerAdminNeeded FORBIDDEN "owner_admin_needed" "this needs an admin of the owner"
    ServerAdminNeeded FORBIDDEN "server_admin_needed" "this needs an administrator of the server"
    PasswordNeeded FORBIDDEN "password_needed" "no token may do this; sign in with the password"
    UserNeeded FORBIDDEN "user_needed" "this needs a user, and the token is an organisation's"
    TokenPublicOnly FORBIDDEN "token_public_only" "the token is for public owners only"
    TokenLimits FORBIDDEN "token_limits" "the token is limited to other places"
    TokenTooWide FORBIDDEN "token_too_wide" "the new token would be wider than the one it is made with"
    FactorCodeWrong FORBIDDEN "code_wrong" "the code that was to confirm this is wrong or was used already"
    CrossSiteRequest FORBIDDEN "cross_site_request" "a browser sent this for a page of another site"
    NoSuchPath NOT_FOUND "no_such_path" "nothing is at this path"
    NoSuchOwner NOT_FOUND "no_such_owner" "there is no such user or organisation"
    OwnerRenamed NOT_FOUND "owner_renamed" "the owner has another name now; the text names it"
    NoSuchMember NOT_FOUND "no_such_member" "the organisation or the team has no such member"
    NoSuchTeam NOT_FOUND "no_such_team" "there is no such team"
    NoSuchRepository NOT_FOUND "no_such_repository" "the owner has no such repository"
    NoSuchPackage NOT_FOUND "no_such_package" "the owner has no such package or version"
    NoSuchIndex NOT_FOUND "no_such_index" "there is no package for this branch, repository and architecture"
    NoSuchFile NOT_FOUND "no_such_file" "there is no such package file"
    NoSuchKey NOT_FOUND "no_such_key" "the owner has no such key"
    NoSuchToken NOT_FOUND "no_such_token" "the owner has no such token"
    NoSuchWebhook NOT_FOUND "no_such_webhook" "the owner has no such webhook"
    NoSuchDelivery NOT_FOUND "no_such_delivery" "the webhook has no such delivery"
    NoSuchRule NOT_FOUND "no_such_rule" "the owner has no such expiry rule"
    NoSuchName NOT_FOUND "no_such_name" "no owner had that name"
    MethodNotAllowed METHOD_NOT_ALLOWED "method_not_allowed" "the method is not for this path; `Allow` names those that are"
    TooSlow REQUEST_TIMEOUT "too_slow" "the body came too slowly"
    PackageExists CONFLICT "package_exists" "the file is there already"
    NoarchConflict CONFLICT "noarch_conflict" "a noarch file and one of an architecture exclude each other"
    NameTaken CONFLICT "name_taken" "an owner, team or token has that name already"
    BytesGone CONFLICT "bytes_gone" "the bytes of the deleted package are gone; upload it again"
    LimitReached CONFLICT "limit_reached" "there are as many as there may be"
    OwnerNotEmpty CONFLICT "owner_not_empty" "the owner has packages"
    LastAdmin CONFLICT "last_admin" "there would be no administrator left"
    BuiltInTeam CONFLICT "built_in_team" "the team is built in and stays as it is"
    KeyState CONFLICT "key_state" "the state of the owner's signing keys does not allow this"
    SecondFactorState CONFLICT "second_factor_state" "the state of the account's second factor does not allow this"
    WebhookState CONFLICT "webhook_state" "the webhook is disabled, or a message to it is pending"
    PreconditionFailed PRECONDITION_FAILED "precondition_failed" "the file is another than `If-Match` or `If-Unmodified-Since` asks for"
    UploadTooLarge PAYLOAD_TOO_LARGE "upload_too_large" "the package, or a part of it, is larger than it may be here"
    QuotaExceeded PAYLOAD_TOO_LARGE "quota_exceeded" "the quota of the owner does not hold the package"
    IndexFull PAYLOAD_TOO_LARGE "index_full" "the index of the repository is as large as it may be"
    BodyTooLarge PAYLOAD_TOO_LARGE "body_too_large" "the body is too large"
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "the body is not JSON"
    RangeNotSatisfiable RANGE_NOT_SATISFIABLE "range_not_satisfiable" "the range lies outside the file"
    InvalidField UNPROCESSABLE_ENTITY "invalid_field" "the body does not say what the route needs, or asks for what is not done here"
    NameReserved UNPROCESSABLE_ENTITY "name_reserved" "the server needs that name itself"
    WeakPassword UNPROCESSABLE_ENTITY "weak_password" "the new password breaks a rule"
    TooManyAttempts TOO_MANY_REQUESTS "too_many_attempts" "too many wrong credentials; wait as long as `Retry-After` says"
    TooManyUploads TOO_MANY_REQUESTS "too_many_uploads" "the account has as many uploads under way as it may have; wait until one is done"
    FileDamaged INTERNAL_SERVER_ERROR "file_damaged" "the server's copy of the file is missing or damaged; upload the same package again"
    InternalError INTERNAL_SERVER_ERROR "internal_error" "the server failed; its log says more, under the request id"
    Busy SERVICE_UNAVAILABLE "busy" "the server is busy; wait as long as `Retry-After` says"
    DatabaseUnreachable SERVICE_UNAVAILABLE "database_unreachable" "the server can't reach its database; its log says why"
    DiskFull INSUFFICIENT_STORAGE "disk_full" "the disk of the server is full; nothing was stored"
}

impl Code {
    /// As the value of the header.
    pub(super) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.word())
    }
}

/// Every refusal: its code, its status, and when it is sent.
pub fn refusals() -> impl Iterator<Item = (&'static str, u16, &'static str)> {
    let all = Code::ALL.iter();
    all.map(|code| (code.word(), code.status().as_u16(), code.when()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_codes_have_one_word_and_statuses_ascend() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
    }
}
