//! `/-/admin`: whether database and storage answer; and the settings.

use std::time::Instant;

use askama::Template;
use axum::response::Response;

use super::super::{
    manage::{Shell, Site},
    page::Frame,
    shown,
};
use crate::error::ApiError;
use tarn_store::metadata::Database;

#[derive(Template)]
#[template(path = "admin/health.html")]
struct HealthPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    checks: Vec<Check>,
    counts: Vec<(&'static str, u64)>,
}

/// Something that has to answer.
struct Check {
    what: &'static str,
    is_well: bool,
    says: String,
}

impl Check {
    fn of(what: &'static str, began: Instant, answer: Result<String, String>) -> Self {
        let took = began.elapsed().as_micros();
        match answer {
            Ok(says) => Self {
                what,
                is_well: true,
                says: format!(
                    "{says} Answered in {}.{} ms.",
                    took / 1_000,
                    took % 1_000 / 100
                ),
            },
            Err(says) => Self {
                what,
                is_well: false,
                says,
            },
        }
    }
}

#[derive(Template)]
#[template(path = "admin/settings.html")]
struct SettingsPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    settings: Vec<(&'static str, String)>,
}

pub(super) async fn show(site: Site) -> Result<Response, ApiError> {
    let registry = &site.registry;
    let began = Instant::now();
    let users = registry.metadata().user_count().await;
    let database = users
        .map(|users| format!("{users} accounts."))
        .map_err(|error| error.to_string());
    let mut checks = vec![Check::of("Database", began, database)];
    let began = Instant::now();
    let storage = registry.blobs().store().any().await;
    let storage = storage
        .map(|any| {
            if any {
                "It has packages."
            } else {
                "It is empty."
            }
            .to_owned()
        })
        .map_err(|error| error.to_string());
    checks.push(Check::of("Storage", began, storage));
    let began = Instant::now();
    let next = registry.metadata().next_delivery_at().await;
    let now = registry.clock().now();
    let mail = next
        .map(|next| match next {
            None => "No message waits.".to_owned(),
            Some(at) if at > now => "Messages wait for their next attempt.".to_owned(),
            Some(_) => "A message is due now.".to_owned(),
        })
        .map_err(|error| error.to_string());
    checks.push(Check::of("Messages to webhooks", began, mail));
    let shell = site.shell("", "Health", None);
    let page = HealthPage {
        frame: site.frame(),
        shell: &shell,
        checks,
        counts: vec![(
            "Log lines that could not be written",
            registry.settings().lost_log_lines.value(),
        )],
    };
    site.show(&page, &shell)
}

/// What holds now, without the secrets: the sealing key, and the password in the address of a database.
pub(super) async fn settings(site: Site) -> Result<Response, ApiError> {
    let settings = site.registry.settings();
    let days = |duration: std::time::Duration| format!("{} days", duration.as_secs() / 86_400);
    let seconds = |duration: std::time::Duration| format!("{} seconds", duration.as_secs());
    let limit = |limit: Option<u64>| limit.map_or("none".to_owned(), |limit| limit.to_string());
    let bytes = |bytes: u64| shown::Bytes(bytes).to_string();
    let rows = vec![
        ("Data folder", settings.data_dir.display().to_string()),
        ("Database", database(&settings.database)),
        (
            "Sealing key",
            if settings.sealing_key.is_some() {
                "from a setting"
            } else {
                "in the data folder"
            }
            .to_owned(),
        ),
        (
            "Base URL",
            settings
                .base_url
                .clone()
                .unwrap_or_else(|| "as requests name it".to_owned()),
        ),
        ("Largest upload", bytes(settings.max_upload)),
        (
            "Uploads at once, of one account",
            settings.max_uploads.to_string(),
        ),
        (
            "Quota in bytes, of an owner without one",
            limit(settings.quota.bytes),
        ),
        (
            "Quota in packages, of an owner without one",
            limit(settings.quota.packages),
        ),
        ("Versions", settings.versions.as_str().to_owned()),
        ("Deleted packages are kept for", days(settings.keep_deleted)),
        ("Expiry runs every", seconds(settings.expiry_interval)),
        (
            "Audit log is kept for",
            settings.audit_retention.map_or("ever".to_owned(), days),
        ),
        ("Largest index", bytes(settings.max_index)),
        ("Memory for indexes", bytes(settings.index_cache)),
        (
            "Connections at once",
            settings.connections.max_open.to_string(),
        ),
        (
            "Connections at once, of one source",
            settings.connections.share().to_string(),
        ),
        (
            "Trusted proxies",
            settings
                .proxies
                .trusted
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        (
            "Metrics",
            if settings.metrics {
                "shown at /metrics"
            } else {
                "off"
            }
            .to_owned(),
        ),
        ("A session ends after", days(settings.access.sessions.idle)),
    ];
    let shell = site.shell("/settings", "Settings", None);
    let page = SettingsPage {
        frame: site.frame(),
        shell: &shell,
        settings: rows,
    };
    site.show(&page, &shell)
}

/// Where the database is.
fn database(database: &Database) -> String {
    match database {
        Database::Sqlite(path) => format!("SQLite, {}", path.display()),
        Database::Postgres(address) => format!("PostgreSQL, {address}"),
    }
}
