//! The rules by which package files go by themselves.

use super::{
    Act, ExpiryRuleId, Metadata, MetadataError, OwnerId,
    audit::Done,
    engine::{Row, sql},
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

/// A rule of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiryRule {
    /// Which one.
    pub id: ExpiryRuleId,
    /// Whose packages it is about.
    pub owner: OwnerId,
    /// Which of their repositories: the text of a pattern `branch/repository`.
    pub pattern: String,
    /// Files older than so many days go.
    pub days: u32,
    /// Of each name and architecture in a repository the newest so many versions stay.
    pub keep: u32,
    /// When it was made.
    pub created_at: Timestamp,
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
        let patterns = transaction
            .rows(sql!(
                "SELECT pattern FROM expiry_rules WHERE owner_id = $1",
                new.owner
            ))
            .await?
            .iter()
            .map(|row| row.value::<String>("pattern"))
            .collect::<Result<Vec<_>, _>>()?;
        if patterns.len() >= at_most && patterns.iter().all(|pattern| pattern != new.pattern) {
            return Ok(None);
        }
        let row = transaction
            .row(sql!(
                "INSERT INTO expiry_rules (owner_id, pattern, days, keep, created_at) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (owner_id, pattern) DO UPDATE SET days = excluded.days, keep = excluded.keep \
                 RETURNING id, owner_id, pattern, days, keep, created_at",
                new.owner,
                new.pattern,
                i64::from(new.days),
                i64::from(new.keep),
                act.at
            ))
            .await?
            .ok_or(MetadataError::Missing("rule"))?;
        let rule = ExpiryRule::from_row(&row)?;
        let done = Done {
            action: "expiry.add",
            owner: Some(new.owner),
            target: new.pattern,
            detail: Some(&rule.terms()),
        };
        transaction.note(act, done).await?;
        transaction.commit().await?;
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
        let gone = transaction
            .row(sql!(
                "DELETE FROM expiry_rules WHERE owner_id = $1 AND pattern = $2 \
                 RETURNING id, owner_id, pattern, days, keep, created_at",
                owner,
                pattern
            ))
            .await?;
        let Some(gone) = gone else {
            return Ok(false);
        };
        let done = Done {
            action: "expiry.delete",
            owner: Some(owner),
            target: pattern,
            detail: Some(&ExpiryRule::from_row(&gone)?.terms()),
        };
        transaction.note(act, done).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The rules of an owner, or of all, in the order in which they were made.
    pub async fn expiry_rules(
        &self,
        owner: Option<OwnerId>,
    ) -> Result<Vec<ExpiryRule>, MetadataError> {
        self.engine
            .rows(sql!(
                "SELECT id, owner_id, pattern, days, keep, created_at FROM expiry_rules \
                 WHERE $1 IS NULL OR owner_id = $1 ORDER BY id",
                owner
            ))
            .await?
            .iter()
            .map(ExpiryRule::from_row)
            .collect()
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

    fn from_row(row: &Row) -> Result<Self, MetadataError> {
        Ok(Self {
            id: ExpiryRuleId::from_row(row.value("id")?),
            owner: OwnerId::from_row(row.value("owner_id")?),
            pattern: row.value("pattern")?,
            days: row.value("days")?,
            keep: row.value("keep")?,
            created_at: row.time("created_at")?,
        })
    }
}
