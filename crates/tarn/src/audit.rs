//! `tarn audit`: who did what.

use tarn_base::{clock::Timestamp, names::OwnerName};
use tarn_core::{
    Administration,
    access::{AccountError, audit::AuditLine},
};
use tarn_store::metadata::{AuditEntry, AuditFilter, AuditResult, Named};
use time::{
    Date, OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description,
};

use crate::{
    failure::Failure,
    output::{self, moment},
};

/// `tarn audit …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List the newest entries
    List {
        #[command(flatten)]
        wanted: Wanted,
        /// The most entries that are listed, at most 1000
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        limit: u32,
        /// Only entries before the one with this number, to continue where a list ended
        #[arg(long, value_name = "ID")]
        before: Option<i64>,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Print all entries, newest first, as JSON, one a line
    Export {
        #[command(flatten)]
        wanted: Wanted,
        /// Accepted for consistency: an export is always JSON
        #[arg(long)]
        json: bool,
    },
}

/// Which entries.
#[derive(Debug, clap::Args)]
pub(crate) struct Wanted {
    /// Only what was done to this owner
    #[arg(long, value_name = "OWNER")]
    owner: Option<OwnerName>,
    /// Only what this account did
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<OwnerName>,
    /// Only actions that begin like this, such as package. or token.revoke
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what came from this address
    #[arg(long, value_name = "ADDRESS")]
    address: Option<std::net::IpAddr>,
    /// Only from this moment on: 2026-11-22 or 2026-11-22T21:00:00Z, UTC
    #[arg(long, value_name = "DATE", value_parser = date)]
    since: Option<Timestamp>,
    /// Only before this moment
    #[arg(long, value_name = "DATE", value_parser = date)]
    until: Option<Timestamp>,
    /// Only what was refused
    #[arg(long)]
    refused: bool,
}

fn date(text: &str) -> Result<Timestamp, String> {
    let day = format_description!("[year]-[month]-[day]");
    let moment = match Date::parse(text, day) {
        Ok(date) => date.midnight().assume_utc(),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).map_err(|_| {
            "this is not a date; write 2026-11-22 or 2026-11-22T21:00:00Z".to_owned()
        })?,
    };
    Ok(Timestamp::from_seconds(moment.unix_timestamp()))
}

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    match action {
        Action::List {
            wanted,
            limit,
            before,
            json,
        } => {
            let filter = wanted.filter(registry).await?;
            let entries = registry.audit().page(&filter, before, limit).await?;
            if json {
                let lines: Vec<AuditLine<'_>> = entries.iter().map(AuditLine::from).collect();
                return output::print_json(&lines);
            }
            print(&entries)
        }
        Action::Export { wanted, json: _ } => {
            let filter = wanted.filter(registry).await?;
            export(registry, filter).await
        }
    }
}

async fn export(registry: &Administration, filter: AuditFilter) -> Result<(), Failure> {
    let mut export = registry.audit().export(filter, None);
    loop {
        let page = export.next_page().await?;
        if page.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for entry in &page {
            let line = serde_json::to_string(&AuditLine::from(entry))
                .map_err(|error| Failure::new("cannot write an entry as JSON").because(&error))?;
            text.push_str(&line);
            text.push('\n');
        }
        output::print(&text)?;
    }
}

fn print(entries: &[AuditEntry]) -> Result<(), Failure> {
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            let who = match (&entry.account, &entry.token) {
                (Some(account), Some(token)) => format!("{account} ({token})"),
                (Some(account), None) => account.clone(),
                (None, _) => "-".to_owned(),
            };
            let from = entry.address.clone();
            let of = entry.owner.clone().unwrap_or_default();
            let what = match (of.as_str(), entry.target.as_str()) {
                ("", target) => target.to_owned(),
                (of, "") => of.to_owned(),
                (of, target)
                    if entry.result == AuditResult::Refused && of.eq_ignore_ascii_case(target) =>
                {
                    of.to_owned()
                }
                (of, target) => format!("{of} {target}"),
            };
            [
                entry.id.to_string(),
                moment(entry.at),
                who,
                from.unwrap_or_else(|| entry.through.to_string()),
                entry.action.clone(),
                what,
                entry.result.to_string(),
                entry.detail.clone().unwrap_or_default(),
            ]
        })
        .collect();
    output::print_table(
        "such entry",
        [
            "ID", "WHEN", "WHO", "FROM", "ACTION", "ON WHAT", "RESULT", "DETAIL",
        ],
        &rows,
    )
}

impl Wanted {
    async fn filter(self, registry: &Administration) -> Result<AuditFilter, Failure> {
        let of_owner = |owner| AuditFilter {
            owner,
            ..AuditFilter::default()
        };
        let by_account = |account| AuditFilter {
            account,
            ..AuditFilter::default()
        };
        let owner = named(registry, self.owner, of_owner).await?;
        let account = named(registry, self.account, by_account).await?;
        Ok(AuditFilter {
            owner,
            account,
            action: self.action,
            result: self.refused.then_some(AuditResult::Refused),
            address: self.address.map(|address| address.to_string()),
            since: self.since,
            until: self.until,
        })
    }
}

/// The owner that a name stands for. A name that no owner and no entry of the log has is refused as mistyped.
async fn named(
    registry: &Administration,
    name: Option<OwnerName>,
    only: impl FnOnce(Option<Named>) -> AuditFilter,
) -> Result<Option<Named>, Failure> {
    let Some(name) = name else {
        return Ok(None);
    };
    let named = registry.audit().named(&name).await?;
    if matches!(named, Named::Name(_)) {
        let filter = only(Some(named.clone()));
        if registry.audit().page(&filter, None, 1).await?.is_empty() {
            return Err(AccountError::NoOwner(name).into());
        }
    }
    Ok(Some(named))
}
