//! The rules by which package files go by themselves.

use super::{
    Act, ExpiryRuleId, Metadata, MetadataError, OwnerId,
    audit::Done,
    engine::sql,
    rows::{row, select},
};
use tarn_base::clock::Timestamp;

/// A rule to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewExpiryRule<'a> {
    /// Whose packages it is about.
    pub owner: OwnerId,
    /// Which of their repositories: the text of a pattern `branch/repository`.
    pub pattern: &'a str,
    /// Files older than so many days go.
    pub days: u32,
    /// Of each name and architecture in a repository the newest so many versions stay.
    pub keep: u32,
}

row! {
    /// A rule of an owner.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ExpiryRule as rule_columns {
        /// Which one.
        pub id: ExpiryRuleId = expiry_rules.id,
        /// Whose packages it is about.
        pub owner: OwnerId = expiry_rules.owner_id,
        /// Which of their repositories: the text of a pattern `branch/repository`.
        pub pattern: String = expiry_rules.pattern,
        /// Files older than so many days go.
        pub days: u32 = expiry_rules.days,
        /// Of each name and architecture in a repository the newest so many versions stay.
        pub keep: u32 = expiry_rules.keep,
        /// When it was made.
        pub created_at: Timestamp = expiry_rules.created_at,
    }
}

impl Metadata {
    /// Makes a rule, or gives the owner's rule for that pattern other numbers. `None`, and nothing was changed, when it would be
    /// a new one and the owner has `at_most` already.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when the database fails.
    pub async fn set_expiry_rule(
        &self,
        new: NewExpiryRule<'_>,
        at_most: usize,
        act: &Act<'_>,
    ) -> Result<Option<ExpiryRule>, MetadataError> {
        let mut transaction = self.engine.write().await?;
        transaction.lock_owner(new.owner).await?;
        let patterns = sql!(
            "SELECT pattern FROM expiry_rules WHERE owner_id = $1",
            new.owner
        );
        let patterns: Vec<String> = transaction.rows(patterns).await?;
        if patterns.len() >= at_most && patterns.iter().all(|pattern| pattern != new.pattern) {
            return Ok(None);
        }
        let rule = sql!(
            concat!(
                "INSERT INTO expiry_rules (owner_id, pattern, days, keep, created_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (owner_id, pattern) DO UPDATE SET days = excluded.days, keep = excluded.keep RETURNING ",
                rule_columns!()
            ),
            new.owner,
            new.pattern,
            new.days,
            new.keep,
            act.at
        );
        let rule: ExpiryRule = transaction.one("rule", rule).await?;
        let terms = rule.terms();
        let done = Done::of(new.owner, "expiry.add", new.pattern).with(Some(&terms));
        transaction.note_and_commit(act, done).await?;
        Ok(Some(rule))
    }

    /// Takes an owner's rule for a pattern away. `false` when there was none.
    pub async fn remove_expiry_rule(
        &self,
        owner: OwnerId,
        pattern: &str,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let gone: Option<ExpiryRule> = transaction
            .row(sql!(
                concat!(
                    "DELETE FROM expiry_rules WHERE owner_id = $1 AND pattern = $2 RETURNING ",
                    rule_columns!()
                ),
                owner,
                pattern
            ))
            .await?;
        let Some(gone) = gone else {
            return Ok(false);
        };
        let terms = gone.terms();
        let done = Done::of(owner, "expiry.delete", pattern).with(Some(&terms));
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }

    /// The rules of an owner, or of all, in the order in which they were made.
    pub async fn expiry_rules(
        &self,
        owner: Option<OwnerId>,
    ) -> Result<Vec<ExpiryRule>, MetadataError> {
        self.engine
            .rows(sql!(
                select!(
                    rule_columns,
                    "FROM expiry_rules WHERE $1 IS NULL OR owner_id = $1 ORDER BY id"
                ),
                owner
            ))
            .await
    }
}

impl ExpiryRule {
    /// What it says, for people.
    fn terms(&self) -> String {
        let days = match self.days {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        };
        let kept = match self.keep {
            0 => "no version is kept".to_owned(),
            1 => "the newest version is kept".to_owned(),
            keep => format!("the newest {keep} versions are kept"),
        };
        format!("older than {days}, {kept}")
    }
}
