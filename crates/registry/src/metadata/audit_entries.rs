//! Reading the audit log, and the one way in which it gets shorter.

use super::{
    Act, AuditResult, Metadata, MetadataError, OwnerId, Through,
    audit::Done,
    engine::{Row, sql},
};
use crate::clock::Timestamp;

/// One entry. Names are those of that time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place: later ones have greater numbers.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who. `None`: nobody signed in, or nobody had to.
    pub account: Option<String>,
    /// Their identifier.
    pub account_id: Option<i64>,
    /// The label of the token that was used.
    pub token: Option<String>,
    /// Its identifier.
    pub token_id: Option<i64>,
    /// Where the request came from.
    pub address: Option<String>,
    /// By which door.
    pub through: Through,
    /// What: a noun and a verb.
    pub action: String,
    /// To whose.
    pub owner: Option<String>,
    /// Their identifier.
    pub owner_id: Option<i64>,
    /// To what of theirs.
    pub target: String,
    /// Whether it was done.
    pub result: AuditResult,
    /// What changed into what, or why not.
    pub detail: Option<String>,
}

/// Somebody in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// By what stays the same, under every name they had.
    Id(OwnerId),
    /// By the name they had at that time, without regard to case: for those who are gone.
    Name(String),
}

/// Which entries are wanted: those that fit all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// To whose it was done.
    pub owner: Option<Named>,
    /// Who did it.
    pub account: Option<Named>,
    /// What the action begins with: `package.`, `token.revoke`.
    pub action: Option<String>,
    /// Whether it was done.
    pub result: Option<AuditResult>,
    /// From which address, as the log writes it.
    pub address: Option<String>,
    /// The first moment.
    pub since: Option<Timestamp>,
    /// The moment after the last.
    pub until: Option<Timestamp>,
}

/// The question for a page of entries; `$narrow` uses an index for the commonest filters.
macro_rules! page {
    ($narrow:literal) => {
        concat!(
            "SELECT id, at, account_id, account, token_id, token, address, through, action, owner_id, owner, target, \
             result, detail FROM audit_log WHERE ",
            $narrow,
            " id < $1 AND ($2 IS NULL OR owner_id = $2) AND ($3 IS NULL OR LOWER(owner) = LOWER($3)) \
             AND ($4 IS NULL OR account_id = $4) AND ($5 IS NULL OR LOWER(account) = LOWER($5)) \
             AND ($6 IS NULL OR SUBSTR(action, 1, LENGTH($6)) = $6) AND ($7 IS NULL OR result = $7) \
             AND ($8 IS NULL OR address = $8) AND ($9 IS NULL OR at >= $9) AND ($10 IS NULL OR at < $10) \
             ORDER BY id DESC LIMIT $11"
        )
    };
}

impl Named {
    fn parts(named: Option<&Self>) -> (Option<OwnerId>, Option<&str>) {
        match named {
            None => (None, None),
            Some(Self::Id(id)) => (Some(*id), None),
            Some(Self::Name(name)) => (None, Some(name)),
        }
    }
}

impl Metadata {
    /// The newest entries that fit, newest first, at most `most`; those before the entry `before` where one is given.
    /// The last entry of a page is where the next one goes on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn audit_entries(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, MetadataError> {
        let (owner, owner_name) = Named::parts(filter.owner.as_ref());
        let (account, account_name) = Named::parts(filter.account.as_ref());
        // A parameter that may be NULL hides from SQLite that an index would serve.
        let before = before.unwrap_or(i64::MAX);
        let text = match (owner, account) {
            (Some(_), _) => page!("owner_id = $2 AND"),
            (None, Some(_)) => page!("account_id = $4 AND"),
            (None, None) => page!(""),
        };
        let statement = sql!(
            text,
            before,
            owner,
            owner_name,
            account,
            account_name,
            filter.action.as_deref(),
            filter.result.map(AuditResult::as_str),
            filter.address.as_deref(),
            filter.since,
            filter.until,
            i64::from(most)
        );
        self.engine
            .list(statement)
            .await?
            .iter()
            .map(AuditEntry::from_row)
            .collect()
    }

    /// Removes the oldest entries from before `end`, at most `most`, and writes down that it did. Gives how many went.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn prune_audit_log(
        &self,
        end: Timestamp,
        most: u32,
        act: &Act<'_>,
    ) -> Result<u64, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let gone = transaction
            .run(sql!(
                "DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at < $1 ORDER BY at LIMIT $2)",
                end,
                i64::from(most)
            ))
            .await?;
        if gone == 0 {
            return Ok(0);
        }
        let done = Done {
            action: "audit.delete",
            owner: None,
            target: "",
            detail: Some(&format!("the oldest {gone} entries")),
        };
        transaction.note(act, done).await?;
        transaction.commit().await?;
        Ok(gone)
    }
}

impl AuditEntry {
    fn from_row(row: &Row) -> Result<Self, MetadataError> {
        Ok(Self {
            id: row.value("id")?,
            at: row.time("at")?,
            account: row.value("account")?,
            account_id: row.value("account_id")?,
            token: row.value("token")?,
            token_id: row.value("token_id")?,
            address: row.value("address")?,
            through: row.word("door", "through")?,
            action: row.value("action")?,
            owner: row.value("owner")?,
            owner_id: row.value("owner_id")?,
            target: row.value("target")?,
            result: row.word("result", "result")?,
            detail: row.value("detail")?,
        })
    }
}
