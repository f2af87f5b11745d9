//! `/api/v1/user/second-factor`: the code that is asked for beside a password. No token comes near it.

use axum::{Json, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    callers::{Own, OwnByPassword},
    extract::Body,
    moment::Moment,
};
use crate::error::ApiError;
use tarn_base::secret::Secret;
use tarn_core::access::{Code, FactorError, FactorState, Proof};

/// What a code generator calls this server.
pub(crate) const ISSUER: &str = "Tarn";

/// How the caller's second factor stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct SecondFactor {
    /// `off`; `begun`, and the password is still enough; `on`.
    #[schema(pattern = "^(off|begun|on)$", example = "on")]
    state: &'static str,
    /// Since when it is on.
    since: Option<Moment>,
    /// How many recovery codes are not used up.
    recovery_codes_left: Option<u64>,
}

/// What a code generator is fed with.
#[derive(Serialize, ToSchema)]
pub(crate) struct Begun {
    /// The address for the generator, with the secret in it: here and never again.
    #[schema(example = "otpauth://totp/Tarn:alice?secret=…&issuer=Tarn")]
    otpauth_uri: String,
}

/// A code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeOrder {
    /// The six digits that the generator shows, or a recovery code where one is taken.
    #[schema(min_length = 6, max_length = 32, format = Password, example = "123456")]
    code: String,
}

impl CodeOrder {
    fn parse(&self) -> Result<Code, ApiError> {
        Code::parse(self.code.as_bytes()).map_err(|error| ApiError::invalid_field(&error))
    }
}

/// Codes for the day on which the generator is lost.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryCodes {
    /// Each is taken once; they are here and never again.
    recovery_codes: Vec<String>,
}

impl From<Vec<Secret>> for RecoveryCodes {
    fn from(codes: Vec<Secret>) -> Self {
        let codes = codes.iter().map(|code| code.expose().to_owned());
        Self {
            recovery_codes: codes.collect(),
        }
    }
}

/// What was done with a code, or why not; a code that is refused is written down.
fn noted<T>(own: &OwnByPassword, done: Result<T, FactorError>) -> Result<T, ApiError> {
    Ok(done.inspect_err(|error| {
        if error.is_refusal() {
            own.note(error);
        }
    })?)
}

/// Show how the caller's second factor stands
#[utoipa::path(
    get, path = "/api/v1/user/second-factor", tag = "user", operation_id = "getSecondFactor",
    responses((status = 200, description = "How it stands", body = SecondFactor))
)]
pub(crate) async fn show(own: Own) -> Result<Json<SecondFactor>, ApiError> {
    let factors = own.registry.second_factors();
    let (state, since, left) = match factors.state(&own.name).await? {
        FactorState::Off => ("off", None, None),
        FactorState::Begun => ("begun", None, None),
        FactorState::On {
            since,
            recovery_codes_left,
        } => ("on", Some(since), Some(recovery_codes_left)),
    };
    Ok(Json(SecondFactor {
        state,
        since: since.map(Moment::from),
        recovery_codes_left: left,
    }))
}

/// Begin a second factor
///
/// The password is enough until a code confirms it. What was begun before is forgotten. Not by a token.
#[utoipa::path(
    post, path = "/api/v1/user/second-factor", tag = "user", operation_id = "beginSecondFactor",
    security(("basic" = [])),
    responses((status = 201, description = "What the code generator needs, shown once", body = Begun))
)]
pub(crate) async fn begin(own: OwnByPassword) -> Result<(StatusCode, Json<Begun>), ApiError> {
    let factors = own.registry.second_factors();
    let uri = factors.begin(&own.name, ISSUER, &own.by).await?;
    let begun = Begun {
        otpauth_uri: uri.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, Json(begun)))
}

/// Enable the second factor that was begun
///
/// From then on the password is not enough to sign in. Not by a token.
#[utoipa::path(
    put, path = "/api/v1/user/second-factor", tag = "user", operation_id = "confirmSecondFactor",
    security(("basic" = [])),
    request_body = CodeOrder,
    responses((status = 200, description = "The recovery codes, shown once", body = RecoveryCodes))
)]
pub(crate) async fn confirm(
    own: OwnByPassword,
    Body(order): Body<CodeOrder>,
) -> Result<Json<RecoveryCodes>, ApiError> {
    let factors = own.registry.second_factors();
    let codes = factors.confirm(&own.name, &order.parse()?, &own.by).await;
    Ok(Json(noted(&own, codes)?.into()))
}

/// Disable the second factor
///
/// With a code of its own, beside the one that signs in. Not by a token.
#[utoipa::path(
    delete, path = "/api/v1/user/second-factor", tag = "user", operation_id = "disableSecondFactor",
    security(("basic" = [])),
    request_body = CodeOrder,
    responses((status = 204, description = "The password is enough"))
)]
pub(crate) async fn disable(
    own: OwnByPassword,
    Body(order): Body<CodeOrder>,
) -> Result<StatusCode, ApiError> {
    let code = order.parse()?;
    let factors = own.registry.second_factors();
    let done = factors
        .disable(&own.name, Proof::Code(&code), &own.by)
        .await;
    noted(&own, done)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Renew the recovery codes
///
/// The old ones are taken no more. With a code of its own, beside the one that signs in. Not by a token.
#[utoipa::path(
    post, path = "/api/v1/user/second-factor/recovery-codes", tag = "user", operation_id = "renewRecoveryCodes",
    security(("basic" = [])),
    request_body = CodeOrder,
    responses((status = 201, description = "The recovery codes, shown once", body = RecoveryCodes))
)]
pub(crate) async fn renew(
    own: OwnByPassword,
    Body(order): Body<CodeOrder>,
) -> Result<(StatusCode, Json<RecoveryCodes>), ApiError> {
    let code = order.parse()?;
    let factors = own.registry.second_factors();
    let codes = factors
        .renew_recovery_codes(&own.name, Proof::Code(&code), &own.by)
        .await;
    let codes = noted(&own, codes)?;
    Ok((StatusCode::CREATED, Json(codes.into())))
}
