//! What an owner has and may have, which versions its packages may have, and the rules by which they go by themselves.

use axum::{Json, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    administer::{no_content_or, word},
    callers::{Of, Site},
    extract::{Body, Path},
    forges::refuse_if,
    moment::Moment,
    paging::{ListQuery, Pages},
    paths::{Named as _, OwnerPath, RulePath, not_listed},
    words::VersionWord,
};
use crate::{code::Code, error::ApiError};
use tarn_core::{
    Registry,
    access::{Action, PlacePattern},
    publish::Allowance,
};
use tarn_store::metadata::{ExpiryRule, OwnQuota, Owner, VersionRule};

/// What an owner has and may have.
#[derive(Serialize, ToSchema)]
pub(crate) struct Quota {
    /// Bytes of its package files.
    #[schema(example = 1_048_576)]
    used_bytes: u64,
    /// How many package files.
    #[schema(example = 12)]
    used_packages: u64,
    /// Bytes that deleted packages keep on the disk until they are freed. They do not count for the limits.
    #[schema(example = 4_096)]
    deleted_bytes: u64,
    /// The most bytes; null: no limit.
    limit_bytes: Option<u64>,
    /// The most package files; null: no limit.
    limit_packages: Option<u64>,
    /// The most bytes of one upload.
    limit_upload: u64,
    /// Those of the limits that are the owner's own; the others are the server's.
    own: OwnLimits,
}

/// The limits of an owner's own. What is left out, or null, is the server's.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnLimits {
    /// Whether there is no limit on bytes and packages, whatever the server's.
    #[serde(default)]
    unlimited: bool,
    /// Bytes of all package files together.
    #[schema(maximum = 9_223_372_036_854_775_807_u64)]
    bytes: Option<u64>,
    /// How many package files.
    #[schema(maximum = 9_223_372_036_854_775_807_u64)]
    packages: Option<u64>,
    /// Bytes of one upload.
    #[schema(minimum = 1, maximum = 9_223_372_036_854_775_807_u64)]
    upload: Option<u64>,
}

impl OwnLimits {
    fn quota(&self) -> Result<OwnQuota, ApiError> {
        let numbers = [self.bytes, self.packages, self.upload];
        let is_too_large = |number| i64::try_from(number).is_err();
        refuse_if(
            numbers.into_iter().flatten().any(is_too_large),
            format!("a limit is at most {}; leave it out for none", i64::MAX),
        )?;
        refuse_if(
            self.upload == Some(0),
            "`upload` is at least 1 byte; leave it out for the server's limit",
        )?;
        refuse_if(
            self.unlimited && (self.bytes.is_some() || self.packages.is_some()),
            "`unlimited` and a number of bytes or packages contradict each other; give one of them",
        )?;
        Ok(OwnQuota {
            unlimited: self.unlimited,
            bytes: self.bytes,
            packages: self.packages,
            upload: self.upload,
        })
    }
}

impl From<Allowance> for Quota {
    fn from(allowance: Allowance) -> Self {
        let Allowance {
            used,
            waiting,
            limit,
            upload,
            own,
        } = allowance;
        Self {
            used_bytes: used.bytes,
            used_packages: used.packages,
            deleted_bytes: waiting.bytes,
            limit_bytes: limit.bytes,
            limit_packages: limit.packages,
            limit_upload: upload,
            own: OwnLimits {
                unlimited: own.unlimited,
                bytes: own.bytes,
                packages: own.packages,
                upload: own.upload,
            },
        }
    }
}

async fn owner_called(registry: &Registry, path: &OwnerPath) -> Result<Owner, ApiError> {
    let name = path.parse(|| ApiError::UnknownOwner)?;
    Ok(registry.accounts().find_owner(&name).await?)
}

/// Show an owner's quota and what it has used
#[utoipa::path(
    get, path = "/api/v1/owners/{owner}/quota", tag = "quotas", operation_id = "getQuota",
    params(OwnerPath),
    responses((status = 200, description = "What it has and may have", body = Quota))
)]
pub(crate) async fn show(of: Of<OwnerPath>) -> Result<Json<Quota>, ApiError> {
    let quotas = of.registry.quotas();
    Ok(Json(quotas.allowance(of.owner.id).await?.into()))
}

/// Change an owner's quota
///
/// In the place of those it had. For administrators of the server.
#[utoipa::path(
    put, path = "/api/v1/owners/{owner}/quota", tag = "quotas", operation_id = "changeQuota",
    params(OwnerPath),
    request_body = OwnLimits,
    responses((status = 200, description = "What it has and may have", body = Quota))
)]
pub(crate) async fn set(
    site: Site,
    Path(path): Path<OwnerPath>,
    Body(limits): Body<OwnLimits>,
) -> Result<Json<Quota>, ApiError> {
    let owner = owner_called(&site.registry, &path).await?;
    let quotas = site.registry.quotas();
    quotas
        .set(owner.id, Some(limits.quota()?), &site.by)
        .await?;
    Ok(Json(quotas.allowance(owner.id).await?.into()))
}

/// Delete an owner's own quota
///
/// The server's hold again. For administrators of the server.
#[utoipa::path(
    delete, path = "/api/v1/owners/{owner}/quota", tag = "quotas", operation_id = "deleteQuota",
    params(OwnerPath),
    responses((status = 204, description = "The server's limits hold"))
)]
pub(crate) async fn reset(site: Site, Path(path): Path<OwnerPath>) -> Result<StatusCode, ApiError> {
    let owner = owner_called(&site.registry, &path).await?;
    let quotas = site.registry.quotas();
    quotas.set(owner.id, None, &site.by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which versions the packages of an owner may have.
#[derive(Serialize, ToSchema)]
pub(crate) struct Versions {
    /// What holds.
    #[schema(value_type = VersionWord)]
    versions: &'static str,
    /// What is the owner's own; null: the server's rule holds.
    #[schema(value_type = Option<VersionWord>)]
    own: Option<&'static str>,
}

/// Which versions the packages of an owner are to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewVersions {
    /// The rule.
    #[schema(value_type = VersionWord)]
    versions: String,
}

async fn versions_of(registry: &Registry, owner: &Owner) -> Result<Json<Versions>, ApiError> {
    let accounts = registry.accounts();
    let own = accounts.version_rule(owner.id).await?;
    Ok(Json(Versions {
        versions: own.unwrap_or(registry.settings().versions).as_str(),
        own: own.map(VersionRule::as_str),
    }))
}

async fn set_own_versions(of: &Of<OwnerPath>, rule: Option<VersionRule>) -> Result<(), ApiError> {
    of.may_also(Action::Publish).await?;
    let accounts = of.registry.accounts();
    accounts
        .set_version_rule(of.owner.kind, &of.name, rule, &of.by)
        .await?;
    Ok(())
}

/// Show which versions an owner's packages may have
#[utoipa::path(
    get, path = "/api/v1/owners/{owner}/versions", tag = "owners", operation_id = "getVersionRule",
    params(OwnerPath),
    responses((status = 200, description = "The rule", body = Versions))
)]
pub(crate) async fn versions(of: Of<OwnerPath>) -> Result<Json<Versions>, ApiError> {
    versions_of(&of.registry, &of.owner).await
}

/// Change which versions an owner's packages may have
///
/// Packages that are there stay. A token needs the scope `write:package` for it too.
#[utoipa::path(
    put, path = "/api/v1/owners/{owner}/versions", tag = "owners", operation_id = "setVersionRule",
    params(OwnerPath),
    request_body = NewVersions,
    responses((status = 200, description = "The rule", body = Versions))
)]
pub(crate) async fn set_versions(
    of: Of<OwnerPath>,
    Body(new): Body<NewVersions>,
) -> Result<Json<Versions>, ApiError> {
    set_own_versions(&of, Some(word(&new.versions)?)).await?;
    versions_of(&of.registry, &of.owner).await
}

/// Delete an owner's own rule about versions
///
/// The server's holds again. A token needs the scope `write:package` for it too.
#[utoipa::path(
    delete, path = "/api/v1/owners/{owner}/versions", tag = "owners", operation_id = "resetVersionRule",
    params(OwnerPath),
    responses((status = 204, description = "The server's rule holds"))
)]
pub(crate) async fn reset_versions(of: Of<OwnerPath>) -> Result<StatusCode, ApiError> {
    set_own_versions(&of, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A rule by which old packages go.
#[derive(Serialize, ToSchema)]
pub(crate) struct Rule {
    /// Which one. Never given out twice.
    #[schema(example = 2)]
    id: i64,
    /// Which repositories: `branch/repository`, where `*` stands for any run of characters.
    #[schema(example = "edge/testing")]
    pattern: String,
    /// Older files go.
    #[schema(minimum = 1, example = 30)]
    days: u32,
    /// But of each package so many of the newest versions stay.
    #[schema(example = 2)]
    keep: u32,
    /// When the rule was made.
    created_at: Moment,
}

impl From<ExpiryRule> for Rule {
    fn from(rule: ExpiryRule) -> Self {
        Self {
            id: rule.id.number(),
            pattern: rule.pattern,
            days: rule.days,
            keep: rule.keep,
            created_at: rule.created_at.into(),
        }
    }
}

/// A rule that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleOrder {
    /// Which repositories: `branch/repository`, where `*` stands for any run of characters. There is one rule for each pattern.
    #[schema(
        min_length = 3,
        max_length = 129,
        pattern = "^[A-Za-z0-9_+*-][A-Za-z0-9_.+*-]*/[A-Za-z0-9_+*-][A-Za-z0-9_.+*-]*$",
        example = "edge/testing"
    )]
    pattern: String,
    /// Files older than so many days go.
    #[schema(minimum = 1, maximum = 36_500, example = 30)]
    days: u32,
    /// But of each name and architecture in a repository so many of the newest versions stay.
    #[schema(minimum = 0, maximum = 1_000_000, example = 2)]
    keep: u32,
}

/// List the rules by which an owner's packages expire
#[utoipa::path(
    get, path = "/api/v1/owners/{owner}/expiry-rules", tag = "quotas", operation_id = "listExpiryRules",
    params(OwnerPath, ListQuery),
    responses((status = 200, description = "The rules", body = Vec<Rule>))
)]
pub(crate) async fn rules(of: Of<OwnerPath>, pages: Pages) -> Result<Response, ApiError> {
    let expiry = of.registry.expiry();
    let rules = expiry.rules(Some(of.owner.id)).await?;
    Ok(pages.answer_part_of(rules, Rule::from))
}

/// Add a rule, or change the one for that pattern
///
/// A token needs the scope `delete:package` for it too.
#[utoipa::path(
    post, path = "/api/v1/owners/{owner}/expiry-rules", tag = "quotas", operation_id = "addExpiryRule",
    params(OwnerPath),
    request_body = RuleOrder,
    responses((status = 201, description = "The rule", body = Rule))
)]
pub(crate) async fn set_rule(
    of: Of<OwnerPath>,
    Body(order): Body<RuleOrder>,
) -> Result<(StatusCode, Json<Rule>), ApiError> {
    of.may_also(Action::Delete).await?;
    let pattern: PlacePattern = word(&order.pattern)?;
    let expiry = of.registry.expiry();
    let rule = expiry
        .set(of.owner.id, &pattern, order.days, order.keep, &of.by)
        .await?;
    Ok((StatusCode::CREATED, Json(rule.into())))
}

/// Delete a rule
#[utoipa::path(
    delete, path = "/api/v1/owners/{owner}/expiry-rules/{id}", tag = "quotas", operation_id = "deleteExpiryRule",
    params(OwnerPath, RulePath),
    responses((status = 204, description = "The rule is gone"))
)]
pub(crate) async fn remove_rule(
    of: Of<OwnerPath>,
    Path(path): Path<RulePath>,
) -> Result<StatusCode, ApiError> {
    let missing = || not_listed(Code::NoSuchRule, "rule");
    let number = path.number().ok_or_else(missing)?;
    let expiry = of.registry.expiry();
    let rules = expiry.rules(Some(of.owner.id)).await?;
    let rule = rules.iter().find(|rule| rule.id.number() == number);
    let pattern: PlacePattern = word(&rule.ok_or_else(missing)?.pattern)?;
    let removed = expiry.remove(of.owner.id, &pattern, &of.by);
    no_content_or(removed.await?, missing)
}
