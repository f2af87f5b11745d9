//! The audit log: `/api/v1/audit` for administrators of the server, and an owner's part of it for its admins.

use axum::{
    Json,
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::{IntoParams, ToSchema};

use super::{
    callers::{Of, Site},
    extract::Query,
    paging::{ListUrl, Number},
    paths::OwnerPath,
    words::Ended,
};
use crate::error::ApiError;
use tarn_base::{clock::Timestamp, names::OwnerName};
use tarn_core::{
    Registry,
    access::audit::{AuditLine, Export},
};
use tarn_store::metadata::{AuditEntry, AuditFilter, MetadataError, Named, OwnerId};

/// An entry. Names are those of that time.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "the form of the document; what is written is the line of an export"
)]
pub(crate) struct Entry {
    /// Its place: later ones have greater numbers.
    #[schema(example = 1024)]
    id: i64,
    /// When, with fractions of a second.
    #[schema(format = DateTime, example = "2026-11-22T21:00:00.5Z")]
    at: String,
    /// Who. Null: without credentials, or the server itself.
    account: Option<String>,
    /// By the token of that name.
    token: Option<String>,
    /// From which address.
    address: Option<String>,
    /// Through which entry point.
    #[schema(pattern = "^(http|command-line|server)$", example = "http")]
    through: String,
    /// What: a noun and a verb.
    #[schema(example = "package.publish")]
    action: String,
    /// To whose.
    owner: Option<String>,
    /// To what of theirs.
    #[schema(example = "edge/main/x86_64/hello-1.0-r0.apk")]
    target: String,
    /// Whether it was done.
    #[schema(pattern = "^(done|refused)$", example = "done")]
    result: String,
    /// What changed into what, or why not.
    detail: Option<String>,
}

/// The longest beginning of an action that is asked for, in characters.
const MAX_ACTION: usize = 64;

/// The longest text of an address, in characters (RFC 4291, section 2.2, with an IPv4 address at its end).
const MAX_ADDRESS: usize = 45;

/// Which entries: those that fit all that is said.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// Who did it: the name of a user or an organisation.
    #[param(required = false, value_type = String, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$", example = "alice")]
    account: Option<String>,
    /// To whose it was done. In the log of one owner it is that one.
    #[param(required = false, value_type = String, min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$", example = "acme")]
    owner: Option<String>,
    /// What the action begins with.
    #[param(required = false, value_type = String, max_length = 64, example = "package.")]
    action: Option<String>,
    /// Whether it was done.
    #[param(required = false, value_type = Ended, inline)]
    result: Option<Ended>,
    /// From which address.
    #[param(required = false, value_type = String, max_length = 45, example = "192.0.2.1")]
    address: Option<String>,
    /// The first moment.
    #[param(required = false, value_type = String, format = DateTime, example = "2026-11-22T21:00:00Z")]
    since: Option<String>,
    /// The moment after the last.
    #[param(required = false, value_type = String, format = DateTime, example = "2026-11-23T21:00:00Z")]
    until: Option<String>,
    /// Only entries before the one of that number: where the page before, or an export that was cut off, ended.
    #[param(required = false, value_type = u64, minimum = 0, example = 1024)]
    before: Option<String>,
    /// How many entries a page has at most; 0 or none is the usual number, more than 100 counts as 100. An export has all.
    #[param(required = false, value_type = u64, minimum = 0, example = 30)]
    limit: Option<Number>,
}

impl AuditQuery {
    /// As the log takes it, for the log of that owner if there is one.
    async fn filter(
        &self,
        registry: &Registry,
        of: Option<OwnerId>,
    ) -> Result<AuditFilter, ApiError> {
        let owner = named(registry, self.owner.as_deref()).await?;
        Ok(AuditFilter {
            owner: of.map(Named::Id).or(owner),
            account: named(registry, self.account.as_deref()).await?,
            action: at_most(MAX_ACTION, "action", self.action.as_deref())?,
            result: self.result.map(|Ended(result)| result),
            address: at_most(MAX_ADDRESS, "address", self.address.as_deref())?,
            since: self.since.as_deref().map(moment).transpose()?,
            until: self.until.as_deref().map(moment).transpose()?,
        })
    }

    fn before(&self) -> Result<Option<i64>, ApiError> {
        let before = self.before.as_deref().map(str::parse).transpose();
        match before {
            Ok(number) if number.is_none_or(|number| number >= 0_i64) => Ok(number),
            _ => Err(ApiError::BadRequest(
                "`before` is the number of an entry; take it from the header Link".to_owned(),
            )),
        }
    }
}

/// Text that is compared with what the log has, where nothing there is longer than `most` characters.
fn at_most(most: usize, name: &str, text: Option<&str>) -> Result<Option<String>, ApiError> {
    if text.is_some_and(|text| text.chars().count() > most) {
        let text = format!("`{name}` has at most {most} characters; write less");
        return Err(ApiError::BadRequest(text));
    }
    Ok(text.map(str::to_owned))
}

fn moment(text: &str) -> Result<Timestamp, ApiError> {
    let wrong = |_| {
        ApiError::BadRequest(
            "`since` and `until` are dates; write them like 2026-11-22T21:00:00Z, a `+` as %2B"
                .to_owned(),
        )
    };
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(wrong)?;
    let micros = moment.unix_timestamp_nanos().div_euclid(1_000);
    Ok(Timestamp::from_micros(
        i64::try_from(micros).unwrap_or(i64::MAX),
    ))
}

/// The account or owner of that name, as the log has it.
pub(crate) async fn named(
    registry: &Registry,
    name: Option<&str>,
) -> Result<Option<Named>, ApiError> {
    let Some(name) = name else {
        return Ok(None);
    };
    let audit = registry.audit();
    Ok(Some(audit.named(&OwnerName::parse(name)?).await?))
}

async fn page(
    registry: &Registry,
    of: Option<OwnerId>,
    query: &AuditQuery,
    url: ListUrl,
) -> Result<Response, ApiError> {
    let filter = query.filter(registry, of).await?;
    let pages = url.page(None, query.limit);
    let limit = pages.window().limit;
    let audit = registry.audit();
    let entries = audit.page(&filter, query.before()?, limit).await?;
    let lines: Vec<AuditLine<'_>> = entries.iter().map(AuditLine::from).collect();
    let mut response = Json(lines).into_response();
    let full = u32::try_from(entries.len()).is_ok_and(|count| count == limit);
    if let Some(last) = entries.last().filter(|_| full) {
        response.headers_mut().extend(pages.before(last.id));
    }
    Ok(response)
}

async fn all(
    registry: &Registry,
    of: Option<OwnerId>,
    query: &AuditQuery,
) -> Result<Response, ApiError> {
    let before = query.before()?;
    let filter = query.filter(registry, of).await?;
    Ok(exported(registry.audit().export(filter, before)))
}

/// All of it, a page at a time. A database that fails on the way ends the answer in the middle, which a client notices.
pub(crate) fn exported(export: Export) -> Response {
    let pages = stream::try_unfold(export, async |mut export| {
        let page = export.next_page().await?;
        if page.is_empty() {
            return Ok::<_, MetadataError>(None);
        }
        Ok(Some((lines(&page), export)))
    });
    let content_type = HeaderValue::from_static("application/x-ndjson");
    let body = Body::from_stream(pages);
    ([(header::CONTENT_TYPE, content_type)], body).into_response()
}

fn lines(entries: &[AuditEntry]) -> Bytes {
    let mut bytes = Vec::new();
    for entry in entries {
        // A structure of texts and numbers always has a JSON form.
        if serde_json::to_writer(&mut bytes, &AuditLine::from(entry)).is_ok() {
            bytes.push(b'\n');
        }
    }
    bytes.into()
}

/// List the audit log
///
/// Newest first. For administrators of the server. The header `Link` says where the next page is.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "listAuditLog",
    params(AuditQuery),
    responses((status = 200, description = "Entries", body = Vec<Entry>))
)]
pub(crate) async fn list(
    site: Site,
    Query(query): Query<AuditQuery>,
    url: ListUrl,
) -> Result<Response, ApiError> {
    page(&site.registry, None, &query, url).await
}

/// Export the audit log
///
/// All entries that fit, newest first, one JSON object a line. For administrators of the server.
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "audit", operation_id = "exportAuditLog",
    params(AuditQuery),
    responses((status = 200, description = "Entries, one a line", body = String, content_type = "application/x-ndjson"))
)]
pub(crate) async fn export(
    site: Site,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    all(&site.registry, None, &query).await
}

/// Read what the audit log has of an owner
///
/// Newest first. What was done to the owner, by whomever.
#[utoipa::path(
    get, path = "/api/v1/owners/{owner}/audit", tag = "audit", operation_id = "listAuditLogOfOwner",
    params(OwnerPath, AuditQuery),
    responses((status = 200, description = "Entries", body = Vec<Entry>))
)]
pub(crate) async fn list_of_owner(
    of: Of<OwnerPath>,
    Query(query): Query<AuditQuery>,
    url: ListUrl,
) -> Result<Response, ApiError> {
    page(&of.registry, Some(of.owner.id), &query, url).await
}

/// Export what the audit log has of an owner
///
/// All entries that fit, newest first, one JSON object a line.
#[utoipa::path(
    get, path = "/api/v1/owners/{owner}/audit/export", tag = "audit", operation_id = "exportAuditLogOfOwner",
    params(OwnerPath, AuditQuery),
    responses((status = 200, description = "Entries, one a line", body = String, content_type = "application/x-ndjson"))
)]
pub(crate) async fn export_of_owner(
    of: Of<OwnerPath>,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    all(&of.registry, Some(of.owner.id), &query).await
}
