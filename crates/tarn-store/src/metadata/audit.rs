//! Who did what: one row for every change, written in the transaction that makes the change, so that neither is ever
//! there without the other.

use std::net::IpAddr;

use super::{
    Metadata, MetadataError, OwnerId, Through, TokenId,
    engine::{Transaction, sql},
    given::{Given, given},
};
use tarn_base::clock::Timestamp;

/// Who does something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account that acts, with its name at that time. `None`: without credentials, or the server itself.
    pub account: Option<(OwnerId, String)>,
    /// The token that was used, with its label at that time.
    pub token: Option<(TokenId, String)>,
    /// Where the request came from. `None`: from this machine, by the command line.
    pub address: Option<IpAddr>,
    /// Through which entry point.
    pub through: Through,
}

impl Actor {
    /// A user of the command line on the server's machine.
    pub const COMMAND_LINE: Self = Self::without_account(Through::CommandLine);
    /// The server by itself: expiry, retention.
    pub const SERVER: Self = Self::without_account(Through::Server);

    /// The account that acts: a user, or an organisation by a token of its own.
    pub fn account_id(&self) -> Option<OwnerId> {
        self.account.as_ref().map(|(id, _)| *id)
    }

    /// What this actor does at that moment.
    pub const fn at(&self, at: Timestamp) -> Act<'_> {
        Act { by: self, at }
    }

    const fn without_account(through: Through) -> Self {
        Self {
            account: None,
            token: None,
            address: None,
            through,
        }
    }
}

/// A change: who makes it, and when. Every function of this module that changes what people see takes one.
#[derive(Debug, Clone, Copy)]
pub struct Act<'a> {
    /// Who.
    pub by: &'a Actor,
    /// When.
    pub at: Timestamp,
}

/// What is written down of a change beside its [`Act`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Done<'a> {
    /// What was done: a noun and a verb, `package.publish`.
    pub(super) action: &'static str,
    /// Whose it was done to. Their name is looked up: an owner that goes is noted while still there.
    pub(super) owner: Option<OwnerId>,
    /// What of theirs: a path, a label, a name.
    pub(super) target: &'a str,
    /// For people: what changed into what.
    pub(super) detail: Option<&'a str>,
}

impl<'a> Done<'a> {
    /// What was done to something of an owner's.
    pub(super) const fn of(owner: OwnerId, action: &'static str, target: &'a str) -> Self {
        Self {
            action,
            owner: Some(owner),
            target,
            detail: None,
        }
    }

    /// The same, with what changed.
    pub(super) const fn with(self, detail: Option<&'a str>) -> Self {
        Self { detail, ..self }
    }
}

impl Transaction {
    /// Writes down, within this transaction, what it does.
    pub(super) async fn note(
        &mut self,
        act: &Act<'_>,
        done: Done<'_>,
    ) -> Result<(), MetadataError> {
        self.given(notes(&[(*act, done)])).await.map(drop)
    }

    /// Adds the audit entry and commits.
    pub(super) async fn note_and_commit(
        mut self,
        act: &Act<'_>,
        done: Done<'_>,
    ) -> Result<(), MetadataError> {
        self.note(act, done).await?;
        self.commit().await
    }
}

/// Writes down what a transaction does, in the order in which it does it.
pub(super) fn notes(entries: &[(Act<'_>, Done<'_>)]) -> Given {
    given!(
        (0i64..).zip(entries),
        |(number, (act, done))| {
            number: number,
            at: act.at,
            account_id: act.by.account.as_ref().map(|(id, _)| *id),
            account: act.by.account.as_ref().map(|(_, name)| name.as_str()),
            token_id: act.by.token.as_ref().map(|(id, _)| *id),
            token: act.by.token.as_ref().map(|(_, label)| label.as_str()),
            address: act.by.address.map(|address| address.to_string()),
            through: act.by.through,
            action: done.action,
            owner_id: done.owner,
            target: done.target,
            detail: done.detail,
        },
        "INSERT INTO audit_log (at, account_id, account, token_id, token, address, through, action, owner_id, owner, \
         target, result, detail) SELECT at, account_id, account, token_id, token, address, through, action, owner_id, \
         (SELECT owners.name FROM owners WHERE owners.id = given.owner_id), target, 'done', detail FROM given ORDER BY number"
    )
    .each_changes("entry of the audit log")
}

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Who, as far as that is known.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// What: a noun and a verb, or `sign-in`.
    pub action: &'static str,
    /// The owner of the packages. `None`: none, or the owner named as the target.
    pub owner: Option<OwnerId>,
    /// With what of theirs. Of a sign-in: the name that a stranger gave, which is written down where an owner has it. People
    /// type passwords where the name belongs.
    pub target: String,
    /// Why not. Never a secret.
    pub why: String,
}

impl Metadata {
    /// Writes down what was refused, all of it in one transaction.
    ///
    /// # Errors
    ///
    /// When the database fails. Nothing was written then.
    pub async fn note_refused(&self, refused: &[Refused]) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        for refused in refused {
            let account = refused.by.account.as_ref();
            let token = refused.by.token.as_ref();
            let statement = sql!(
                "INSERT INTO audit_log (at, account_id, account, token_id, token, address, through, action, owner_id, owner, \
                 target, result, detail) SELECT $1, $2, $3, $4, $5, $6, $7, $8, meant.id, meant.name, \
                 CASE WHEN $8 = 'sign-in' AND meant.id IS NULL THEN '' ELSE $10 END, 'refused', $11 \
                 FROM (SELECT 1 AS one) AS entry LEFT JOIN owners AS meant \
                 ON meant.id = COALESCE($9, (SELECT id FROM owners WHERE name_lower = LOWER($10)))",
                refused.at,
                account.map(|(id, _)| *id),
                account.map(|(_, name)| name.as_str()),
                token.map(|(id, _)| *id),
                token.map(|(_, label)| label.as_str()),
                refused.by.address.map(|address| address.to_string()),
                refused.by.through,
                refused.action,
                refused.owner,
                refused.target.as_str(),
                refused.why.as_str()
            );
            transaction
                .run_one("entry of the audit log", statement)
                .await?;
        }
        transaction.commit().await
    }
}
