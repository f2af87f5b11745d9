//! Reading the audit log, and the one way in which it gets shorter.

use super::{
    Act, AuditResult, Metadata, MetadataError, OwnerId, Through, audit::Done, engine::sql,
    rows::row,
};
use tarn_base::clock::Timestamp;

row! {
    /// One entry. Names are those of that time.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AuditEntry as entry_columns {
        /// Its place: later ones have greater numbers.
        pub id: i64 = audit_log.id,
        /// When.
        pub at: Timestamp = audit_log.at,
        /// Who. `None`: without credentials, or the server itself.
        pub account: Option<String> = audit_log.account,
        /// Their identifier.
        pub account_id: Option<i64> = audit_log.account_id,
        /// The label of the token that was used.
        pub token: Option<String> = audit_log.token,
        /// Its identifier.
        pub token_id: Option<i64> = audit_log.token_id,
        /// Where the request came from.
        pub address: Option<String> = audit_log.address,
        /// Through which entry point.
        pub through: Through = audit_log.through,
        /// What: a noun and a verb.
        pub action: String = audit_log.action,
        /// To whose.
        pub owner: Option<String> = audit_log.owner,
        /// Their identifier.
        pub owner_id: Option<i64> = audit_log.owner_id,
        /// To what of theirs.
        pub target: String = audit_log.target,
        /// Whether it was done.
        pub result: AuditResult = audit_log.result,
        /// What changed into what, or why not.
        pub detail: Option<String> = audit_log.detail,
    }
}

/// An account in the log.
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

/// The question for a page of entries. `$narrow` names what an index finds; `$id` is `id`, or `+id` where SQLite should not
/// walk through the entries in their order instead.
macro_rules! page {
    ($narrow:literal, $id:literal) => {
        concat!(
            "SELECT ",
            entry_columns!(),
            " FROM audit_log WHERE ",
            $narrow,
            $id,
            " < $1 AND ",
            $id,
            " >= $12 AND ($2 IS NULL OR owner_id = $2) AND ($3 IS NULL OR LOWER(owner) = LOWER($3)) \
             AND ($4 IS NULL OR account_id = $4) AND ($5 IS NULL OR LOWER(account) = LOWER($5)) \
             AND ($6 IS NULL OR SUBSTR(action, 1, LENGTH($6)) = $6) AND ($7 IS NULL OR result = $7) \
             AND ($8 IS NULL OR address = $8) AND ($9 IS NULL OR at >= $9) AND ($10 IS NULL OR at < $10) \
             ORDER BY ",
            $id,
            " DESC LIMIT $11"
        )
    };
}

/// What most entries tell of. The index of actions has the others only.
const COMMONEST: &str = "package.publish";

impl AuditFilter {
    /// The question for a page: a parameter that may be NULL hides from SQLite that an index would serve, so there is one for
    /// each index.
    fn question(&self) -> &'static str {
        match self {
            Self {
                owner: Some(Named::Id(_)),
                ..
            } => page!("owner_id = $2 AND ", "id"),
            Self {
                account: Some(Named::Id(_)),
                ..
            } => page!("account_id = $4 AND ", "id"),
            Self {
                owner: Some(Named::Name(_)),
                ..
            } => page!("LOWER(owner) = LOWER($3) AND ", "id"),
            Self {
                account: Some(Named::Name(_)),
                ..
            } => page!("LOWER(account) = LOWER($5) AND ", "id"),
            Self {
                address: Some(_), ..
            } => page!("address = $8 AND ", "id"),
            Self {
                result: Some(AuditResult::Refused),
                ..
            } => page!("result = 'refused' AND ", "id"),
            Self {
                action: Some(action),
                ..
            } if !COMMONEST.starts_with(action.as_str()) => page!(
                "action >= $6 AND action < $13 AND action <> 'package.publish' AND ",
                "+id"
            ),
            _ => page!("", "id"),
        }
    }
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
    pub async fn audit_entries(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, MetadataError> {
        let (owner, owner_name) = Named::parts(filter.owner.as_ref());
        let (account, account_name) = Named::parts(filter.account.as_ref());
        let Some((from, before)) = self.audit_span(filter, before).await? else {
            return Ok(Vec::new());
        };
        let statement = sql!(
            filter.question(),
            before,
            owner,
            owner_name,
            account,
            account_name,
            filter.action.as_deref(),
            filter.result,
            filter.address.as_deref(),
            filter.since,
            filter.until,
            most,
            from,
            format!("{}{}", filter.action.as_deref().unwrap_or(""), char::MAX)
        );
        self.engine.list(statement).await
    }

    /// The first entry that may fit, and the one after the last. None where no entry is from that time.
    ///
    /// Times are in the order of the entries but for a clock that was set back. Only a first page asks for them, so that an
    /// export of many pages doesn't read the index of times with each.
    async fn audit_span(
        &self,
        filter: &AuditFilter,
        before: Option<i64>,
    ) -> Result<Option<(i64, i64)>, MetadataError> {
        if let Some(before) = before {
            return Ok(Some((0, before)));
        }
        let id = async |statement| {
            let ids: Vec<Option<i64>> = self.engine.list(statement).await?;
            Ok::<_, MetadataError>(ids.into_iter().next().flatten())
        };
        let first = |since| sql!("SELECT MIN(id) AS id FROM audit_log WHERE at >= $1", since);
        let last = |until| sql!("SELECT MAX(id) AS id FROM audit_log WHERE at < $1", until);
        let from = match filter.since {
            None => Some(0),
            Some(since) => id(first(since)).await?,
        };
        let to = match filter.until {
            None => Some(i64::MAX - 1),
            Some(until) => id(last(until)).await?,
        };
        Ok(from.zip(to).map(|(from, to)| (from, to + 1)))
    }

    /// Removes the oldest entries from before `end`, at most `most`, and writes down that it did. Gives how many went.
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
                most
            ))
            .await?;
        if gone == 0 {
            return Ok(0);
        }
        let done = Done {
            action: "audit.delete",
            detail: Some(&format!("the oldest {gone} entries")),
            ..Done::default()
        };
        transaction.note_and_commit(act, done).await?;
        Ok(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::engine::tests::plan;

    #[tokio::test]
    async fn every_filter_is_answered_by_an_index() {
        let by = |set: &dyn Fn(&mut AuditFilter)| {
            let mut filter = AuditFilter::default();
            set(&mut filter);
            filter
        };
        let (id, name) = (Named::Id(OwnerId::from_row(1)), Named::Name("gone".into()));
        for (filter, index) in [
            (by(&|_| {}), "INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
            (
                by(&|all| all.owner = Some(id.clone())),
                "audit_log_owner (owner_id=? AND id>? AND id<?)",
            ),
            (
                by(&|all| all.account = Some(id.clone())),
                "audit_log_account (account_id=? AND id>? AND id<?)",
            ),
            (
                by(&|all| all.owner = Some(name.clone())),
                "audit_log_owner_name (<expr>=? AND id>? AND id<?)",
            ),
            (
                by(&|all| all.account = Some(name.clone())),
                "audit_log_account_name (<expr>=? AND id>? AND id<?)",
            ),
            (
                by(&|all| all.address = Some("192.0.2.1".into())),
                "audit_log_address (address=? AND id>? AND id<?)",
            ),
            (
                by(&|all| all.result = Some(AuditResult::Refused)),
                "audit_log_refused (id>? AND id<?)",
            ),
            (
                by(&|all| all.action = Some("token.".into())),
                "audit_log_action (action>? AND action<?)",
            ),
        ] {
            let question = format!("EXPLAIN QUERY PLAN {}", filter.question());
            let statement = sql!(
                question.leak(),
                1_i64,
                1_i64,
                "",
                1_i64,
                "",
                "",
                "",
                "",
                1_i64,
                1_i64,
                1_i64,
                1_i64,
                ""
            );
            let steps = plan(statement).await;
            let [search, ..] = steps.as_slice() else {
                unreachable!("{filter:?}")
            };
            assert!(search.ends_with(index), "{filter:?}: {steps:?}");
            let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
            assert_eq!(sorts, filter.action.is_some(), "{filter:?}: {steps:?}");
        }
    }
}
