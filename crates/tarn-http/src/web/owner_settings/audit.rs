//! `/-/owners/{owner}/audit`: who did what with what an owner has. The log of the server (`admin/`) is the same page.

use std::{fmt::Write as _, ops::DerefMut};

use askama::Template;
use axum::{
    extract::Query,
    http::{HeaderValue, header},
    response::Response,
};
use serde::Deserialize;
use time::{Date, format_description::FormatItem, macros::format_description};
use url::form_urlencoded;

use super::super::{
    manage::{Managed, Shell},
    page::{Frame, Visit},
    shown::{self, Room, escaped_length},
};
use crate::{api::audit, error::ApiError};
use tarn_base::clock::Timestamp;
use tarn_core::Registry;
use tarn_store::metadata::{AuditEntry, AuditFilter, AuditResult, Named, OwnerId};

/// How many entries a page has.
const PAGE: u32 = 50;

/// The bytes they may take; longer texts mean fewer entries. The markup of one takes [`ENTRY`].
const LISTED: usize = 42 << 10;
const ENTRY: usize = 420;

const DAY: &[FormatItem<'_>] = format_description!("[year]-[month]-[day]");

/// What a viewer looks for. Empty: everything.
#[derive(Debug, Clone, Default, Deserialize)]
pub(in super::super) struct AuditQuery {
    #[serde(default)]
    account: String,
    #[serde(default)]
    owner: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    result: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    before: Option<i64>,
}

impl AuditQuery {
    /// As the log takes it, for the log of that owner if there is one.
    ///
    /// # Errors
    ///
    /// When a field can't be read.
    async fn filter(
        &self,
        registry: &Registry,
        of: Option<OwnerId>,
    ) -> Result<AuditFilter, ApiError> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let owner = audit::named(registry, some(&self.owner).as_deref()).await?;
        Ok(AuditFilter {
            owner: of.map(Named::Id).or(owner),
            account: audit::named(registry, some(&self.account).as_deref()).await?,
            action: some(&self.action),
            result: match self.result.as_str() {
                "done" => Some(AuditResult::Done),
                "refused" => Some(AuditResult::Refused),
                _ => None,
            },
            address: some(&self.address),
            since: day(&self.since)?,
            until: day(&self.until)?.map(|day| day.after(std::time::Duration::from_secs(86_400))),
        })
    }

    /// The same as a query, without the page.
    fn text(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("account", &self.account),
            ("owner", &self.owner),
            ("action", &self.action),
            ("result", &self.result),
            ("address", &self.address),
            ("since", &self.since),
            ("until", &self.until),
        ] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

/// The beginning of a day, in UTC.
fn day(text: &str) -> Result<Option<Timestamp>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| ApiError::Unprocessable("a day is written like 2026-11-22".to_owned());
    let day = Date::parse(text, DAY).map_err(wrong)?;
    let seconds = day.midnight().assume_utc().unix_timestamp();
    Ok(Some(Timestamp::from_seconds(seconds)))
}

/// A page of the log.
#[derive(Template)]
#[template(path = "owner/audit.html")]
struct Log<'a> {
    frame: &'a Frame,
    shell: Shell,
    path: &'a str,
    query: &'a AuditQuery,
    entries: Vec<AuditEntry>,
    /// Whether there may be older ones.
    has_older: bool,
    of_server: bool,
}

impl Log<'_> {
    fn older(&self) -> Option<String> {
        let last = self.entries.last()?;
        let mut query = self.query.text();
        let separator = if query.is_empty() { "" } else { "&" };
        let _ = write!(query, "{separator}before={}", last.id);
        self.has_older.then_some(query)
    }

    fn export(&self) -> String {
        self.query.text()
    }
}

/// Bytes that an entry takes on a page, roughly.
fn size(entry: &AuditEntry) -> usize {
    let texts = [&entry.account, &entry.token, &entry.owner, &entry.detail];
    let texts = texts.into_iter().flatten().chain([&entry.target]);
    ENTRY + texts.map(|text| escaped_length(text)).sum::<usize>()
}

pub(super) async fn show(
    of: Managed,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    let (owner, path) = (of.owner.id, of.path("/audit"));
    let shell = |of: &Managed| of.shell("/audit", "Audit log");
    log(of, Some(owner), &query, &path, shell).await
}

/// The entries that fit, newest first, in what stands around the page at `path`: of one owner, or of the server.
pub(in super::super) async fn log<R: DerefMut<Target = Visit>>(
    mut request: R,
    owner: Option<OwnerId>,
    query: &AuditQuery,
    path: &str,
    shell: impl FnOnce(&R) -> Shell,
) -> Result<Response, ApiError> {
    let entries = match query.filter(&request.registry, owner).await {
        Ok(filter) => {
            let audit = request.registry.audit();
            audit.page(&filter, query.before, PAGE).await?
        }
        Err(error) => {
            request.refuse(error)?;
            Vec::new()
        }
    };
    let is_full = entries.len() >= PAGE as usize;
    let entries = Room::of(LISTED).fill(entries, size);
    let page = Log {
        frame: &request.frame,
        shell: shell(&request),
        path,
        query,
        has_older: is_full || entries.more > 0,
        entries: entries.shown,
        of_server: owner.is_none(),
    };
    request.answer(&page)
}

pub(super) async fn export(
    of: Managed,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    exported(&of.registry, Some(of.owner.id), &query).await
}

/// 200 with the entries that fit, one a line, as a file.
pub(in super::super) async fn exported(
    registry: &Registry,
    owner: Option<OwnerId>,
    query: &AuditQuery,
) -> Result<Response, ApiError> {
    let filter = query.filter(registry, owner).await?;
    let mut response = audit::exported(registry.audit().export(filter, None));
    let disposition = HeaderValue::from_static("attachment; filename=\"audit.ndjson\"");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    Ok(response)
}
