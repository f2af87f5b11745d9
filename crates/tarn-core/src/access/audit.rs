//! The audit log, for those who may read it.

use serde::Serialize;

use tarn_base::names::OwnerName;
use tarn_store::metadata::{AuditEntry, AuditFilter, Metadata, MetadataError, Named};

/// The most entries of one page.
pub const LONGEST_PAGE: u32 = 1_000;

/// The log.
#[derive(Debug, Clone)]
pub struct AuditLog {
    metadata: Metadata,
}

/// One entry as JSON: a line of an export.
#[derive(Debug, Serialize)]
pub struct AuditLine<'a> {
    /// Its place: later ones have greater numbers.
    pub id: i64,
    /// When: RFC 3339, UTC.
    pub at: String,
    /// Who.
    pub account: Option<&'a str>,
    /// By the token of that label.
    pub token: Option<&'a str>,
    /// From where.
    pub address: Option<&'a str>,
    /// Through which entry point: `http`, `command-line`, `server`.
    pub through: &'static str,
    /// What.
    pub action: &'a str,
    /// To whose.
    pub owner: Option<&'a str>,
    /// To what of theirs.
    pub target: &'a str,
    /// `done` or `refused`.
    pub result: &'static str,
    /// What changed into what, or why not.
    pub detail: Option<&'a str>,
}

/// An export: its pages one after the other, so that no more than one is in memory.
#[derive(Debug)]
pub struct Export {
    metadata: Metadata,
    filter: AuditFilter,
    before: Option<i64>,
    ended: bool,
}

impl AuditLog {
    /// The log in `metadata`.
    pub const fn new(metadata: Metadata) -> Self {
        Self { metadata }
    }

    /// Whom a filter means: an owner who is called so, or was and still leads there, under every name they had; or one who
    /// is gone, by the name that the log has.
    pub async fn named(&self, name: &OwnerName) -> Result<Named, MetadataError> {
        let found = match self.metadata.owner(name).await? {
            None => self.metadata.owner_formerly(name).await?,
            found => found,
        };
        Ok(match found {
            Some(owner) => Named::Id(owner.id),
            None => Named::Name(name.as_str().to_owned()),
        })
    }

    /// The newest entries that fit, newest first; those before the entry `before` where one is given. At most `most`, and
    /// never more than [`LONGEST_PAGE`].
    pub async fn page(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, MetadataError> {
        let most = most.min(LONGEST_PAGE);
        self.metadata.audit_entries(filter, before, most).await
    }

    /// All entries that fit, newest first; those before the entry `before` where one is given.
    pub fn export(&self, filter: AuditFilter, before: Option<i64>) -> Export {
        Export {
            metadata: self.metadata.clone(),
            filter,
            before,
            ended: false,
        }
    }
}

impl Export {
    /// The next page; an empty one at the end.
    pub async fn next_page(&mut self) -> Result<Vec<AuditEntry>, MetadataError> {
        if self.ended {
            return Ok(Vec::new());
        }
        let page = self
            .metadata
            .audit_entries(&self.filter, self.before, LONGEST_PAGE)
            .await?;
        self.before = page.last().map(|entry| entry.id);
        self.ended = self.before.is_none();
        Ok(page)
    }
}

impl<'a> From<&'a AuditEntry> for AuditLine<'a> {
    fn from(entry: &'a AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: entry.at.rfc3339_micros(),
            account: entry.account.as_deref(),
            token: entry.token.as_deref(),
            address: entry.address.as_deref(),
            through: entry.through.as_str(),
            action: &entry.action,
            owner: entry.owner.as_deref(),
            target: &entry.target,
            result: entry.result.as_str(),
            detail: entry.detail.as_deref(),
        }
    }
}
