//! `/-/owners/{owner}/audit`: who did what with what an owner has. The log of the server (`admin/`) is the same page.

use std::fmt::Write as _;

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
    form::Problem,
    manage::{Managed, Shell},
    page::Frame,
    shown::{self, Room, escaped_length},
};
use crate::{api::audit, error::ApiError};
use tarn_base::{clock::Timestamp, names::OwnerName};
use tarn_core::{Registry, access::audit::Export};
use tarn_store::metadata::{AuditEntry, AuditFilter, AuditResult, Named};

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
    /// As the log takes it.
    ///
    /// # Errors
    ///
    /// When a field can't be read.
    pub(in super::super) async fn filter(
        &self,
        registry: &Registry,
    ) -> Result<AuditFilter, ApiError> {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(AuditFilter {
            owner: named(registry, &self.owner).await?,
            account: named(registry, &self.account).await?,
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

async fn named(registry: &Registry, name: &str) -> Result<Option<Named>, ApiError> {
    if name.trim().is_empty() {
        return Ok(None);
    }
    let audit = registry.audit();
    Ok(Some(audit.named(&OwnerName::parse(name.trim())?).await?))
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
pub(in super::super) struct Log<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    path: &'a str,
    query: &'a AuditQuery,
    entries: Vec<AuditEntry>,
    /// Whether there may be older ones.
    has_older: bool,
    of_server: bool,
}

impl<'a> Log<'a> {
    /// The entries that `filter` lets through, newest first.
    pub(in super::super) async fn new(
        registry: &Registry,
        (frame, shell, path): (&'a Frame, &'a Shell, &'a str),
        query: &'a AuditQuery,
        filter: Option<&AuditFilter>,
        of_server: bool,
    ) -> Result<Self, ApiError> {
        let audit = registry.audit();
        let entries = match filter {
            Some(filter) => audit.page(filter, query.before, PAGE).await?,
            None => Vec::new(),
        };
        let is_full = entries.len() >= PAGE as usize;
        let entries = Room::of(LISTED).fill(entries, size);
        Ok(Self {
            frame,
            shell,
            path,
            query,
            has_older: is_full || entries.more > 0,
            entries: entries.shown,
            of_server,
        })
    }

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

/// The filter, or why it can't be read.
pub(in super::super) async fn read(
    registry: &Registry,
    query: &AuditQuery,
) -> Result<(Option<AuditFilter>, Option<Problem>), ApiError> {
    match query.filter(registry).await {
        Ok(filter) => Ok((Some(filter), None)),
        Err(error) => Ok((None, Some(Problem::try_from(error)?))),
    }
}

pub(super) async fn show(
    of: Managed,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    let (mut filter, problem) = read(&of.registry, &query).await?;
    if let Some(filter) = &mut filter {
        filter.owner = Some(Named::Id(of.owner.id));
    }
    let shell = of.shell("/audit", "Audit log", problem);
    let path = of.path("/audit");
    let around = (of.frame(), &shell, path.as_str());
    let page = Log::new(&of.registry, around, &query, filter.as_ref(), false).await?;
    of.show(&page, &shell)
}

pub(super) async fn export(
    of: Managed,
    Query(query): Query<AuditQuery>,
) -> Result<Response, ApiError> {
    let mut filter = query.filter(&of.registry).await?;
    filter.owner = Some(Named::Id(of.owner.id));
    let audit = of.registry.audit();
    Ok(exported(audit.export(filter, None)))
}

/// 200 with entries, one a line, as a file.
pub(in super::super) fn exported(export: Export) -> Response {
    let mut response = audit::exported(export);
    let disposition = HeaderValue::from_static("attachment; filename=\"audit.ndjson\"");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    response
}
