//! Teams of organisations, and what they grant: who may read and write what is asked here.

use std::sync::Arc;

use super::{
    Act, Metadata, MetadataError, Owner, OwnerId, Page, Role, TeamId, Window,
    audit::Done,
    engine::{Row, sql},
    members::{admins_of, an_admin_remains},
    owners::owner_columns,
};
use tarn_base::names::TeamName;

/// The teams that every organisation has, with the role of each.
pub const BUILT_IN_TEAMS: [(&str, Role); 3] = [
    ("readers", Role::Read),
    ("writers", Role::Write),
    ("admins", Role::Admin),
];

/// A team of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Which one.
    pub id: TeamId,
    /// Whose.
    pub organisation: OwnerId,
    /// As its maker wrote it; compare without regard to case.
    pub name: String,
    /// What its members may do.
    pub role: Role,
    /// Where a role of write writes, as `access/` writes it; empty: everywhere.
    pub limits: String,
    /// Whether it came with the organisation and stays with it.
    pub built_in: bool,
}

/// What one team of a user grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamGrantRow {
    /// What its members may do.
    pub role: Role,
    /// Where a role of write writes, as `access/` writes it; empty: everywhere.
    pub limits: String,
}

/// Why a team was not made or changed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// The organisation has a team of that name.
    #[error("the organisation has a team of this name")]
    NameTaken,
    /// The organisation has as many as one may have.
    #[error("the organisation has as many teams as one may have")]
    TooMany,
    /// It came with the organisation and stays as it is.
    #[error("the team is built in")]
    BuiltIn,
    /// The organisation would have no admin.
    #[error("the organisation has no other admin")]
    LastAdmin,
    /// The database failed, or something is not there ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The columns of [`Team`], as a piece of a SELECT.
macro_rules! team_columns {
    () => {
        "teams.id AS team_id, teams.organisation_id AS organisation_id, teams.name AS team, teams.role AS role, \
         teams.limits AS limits, teams.built_in AS built_in"
    };
}

impl Team {
    pub(super) fn from_row(row: &Row) -> Result<Self, MetadataError> {
        Ok(Self {
            id: TeamId::from_row(row.value("team_id")?),
            organisation: OwnerId::from_row(row.value("organisation_id")?),
            name: row.value("team")?,
            role: row.word("role", "role")?,
            limits: row.value("limits")?,
            built_in: row.value("built_in")?,
        })
    }
}

impl Metadata {
    /// What the teams of an organisation grant a user; nothing when the user is in none of them.
    pub async fn team_grants(
        &self,
        organisation: OwnerId,
        user: OwnerId,
    ) -> Result<Arc<[TeamGrantRow]>, MetadataError> {
        let ask = async |(organisation, user): &(OwnerId, OwnerId)| {
            self.engine
                .look_up_all(sql!(
                    "SELECT teams.role AS role, teams.limits AS limits FROM teams \
                     JOIN team_members ON team_members.team_id = teams.id \
                     WHERE teams.organisation_id = $1 AND team_members.user_id = $2 ORDER BY teams.id",
                    *organisation,
                    *user
                ))
                .await?
                .iter()
                .map(|row| {
                    Ok(TeamGrantRow {
                        role: row.word("role", "role")?,
                        limits: row.value("limits")?,
                    })
                })
                .collect()
        };
        self.memory
            .team_grants
            .get(&self.memory.watch, (organisation, user), ask)
            .await
    }

    /// The teams of an organisation, each with how many members it has: the built-in ones first, then by name.
    pub async fn teams(
        &self,
        organisation: OwnerId,
        window: Window,
    ) -> Result<Page<(Team, u64)>, MetadataError> {
        let total = self
            .count(sql!(
                "SELECT COUNT(*) AS count FROM teams WHERE organisation_id = $1",
                organisation
            ))
            .await?;
        let rows = self
            .engine
            .list(sql!(
                concat!(
                    "SELECT ",
                    team_columns!(),
                    ", (SELECT COUNT(*) FROM team_members WHERE team_members.team_id = teams.id) AS members \
                     FROM teams WHERE teams.organisation_id = $1 \
                     ORDER BY CASE WHEN teams.built_in THEN teams.id END NULLS LAST, teams.name_lower LIMIT $2 OFFSET $3"
                ),
                organisation,
                i64::from(window.limit),
                i64::from(window.offset)
            ))
            .await?;
        let teams = rows
            .iter()
            .map(|row| Ok((Team::from_row(row)?, row.size("members")?)));
        Ok(Page {
            entries: teams.collect::<Result<_, MetadataError>>()?,
            total,
        })
    }

    /// The team of an organisation with that name, without regard to case.
    pub async fn team(
        &self,
        organisation: OwnerId,
        name: &TeamName,
    ) -> Result<Option<Team>, MetadataError> {
        self.engine
            .row(sql!(
                concat!(
                    "SELECT ",
                    team_columns!(),
                    " FROM teams WHERE teams.organisation_id = $1 AND teams.name_lower = $2"
                ),
                organisation,
                name.lower()
            ))
            .await?
            .map(|row| Team::from_row(&row))
            .transpose()
    }

    /// The team of that number, with its organisation.
    pub async fn team_by_number(
        &self,
        number: i64,
    ) -> Result<Option<(Owner, Team)>, MetadataError> {
        self.engine
            .row(sql!(
                concat!(
                    "SELECT ",
                    team_columns!(),
                    ", ",
                    owner_columns!(),
                    " FROM teams JOIN owners ON owners.id = teams.organisation_id WHERE teams.id = $1"
                ),
                number
            ))
            .await?
            .map(|row| Ok((Owner::from_row(&row)?, Team::from_row(&row)?)))
            .transpose()
    }

    /// The teams in which a user is, with their organisations, by name.
    pub async fn teams_of_user(
        &self,
        user: OwnerId,
        window: Window,
    ) -> Result<Page<(Owner, Team)>, MetadataError> {
        let total = self
            .count(sql!(
                "SELECT COUNT(*) AS count FROM team_members WHERE user_id = $1",
                user
            ))
            .await?;
        let rows = self
            .engine
            .list(sql!(
                concat!(
                    "SELECT ",
                    owner_columns!(),
                    ", ",
                    team_columns!(),
                    " FROM team_members JOIN teams ON teams.id = team_members.team_id \
                     JOIN owners ON owners.id = teams.organisation_id WHERE team_members.user_id = $1 \
                     ORDER BY owners.name_lower, teams.name_lower LIMIT $2 OFFSET $3"
                ),
                user,
                i64::from(window.limit),
                i64::from(window.offset)
            ))
            .await?;
        let teams = rows
            .iter()
            .map(|row| Ok((Owner::from_row(row)?, Team::from_row(row)?)));
        Ok(Page {
            entries: teams.collect::<Result<_, MetadataError>>()?,
            total,
        })
    }

    /// Makes a team, where there are fewer than `at_most`. `limits` is for the role of write only: the table refuses it elsewhere.
    ///
    /// # Errors
    ///
    /// When the organisation has a team of that name, or too many, there is no such organisation, or the database fails.
    pub async fn add_team(
        &self,
        organisation: OwnerId,
        name: &TeamName,
        role: Role,
        limits: &str,
        at_most: u64,
        act: &Act<'_>,
    ) -> Result<Team, TeamError> {
        let mut transaction = self.engine.write().await?;
        transaction.lock_organisation(organisation).await?;
        let count = transaction
            .row(sql!(
                "SELECT COUNT(*) AS count FROM teams WHERE organisation_id = $1",
                organisation
            ))
            .await?
            .ok_or(MetadataError::Missing("count of teams"))?;
        if count.size("count")? >= at_most {
            return Err(TeamError::TooMany);
        }
        let row = transaction
            .row(sql!(
                "INSERT INTO teams (organisation_id, name, name_lower, role, limits, built_in, created_at) \
                 VALUES ($1, $2, $3, $4, $5, FALSE, $6) ON CONFLICT (organisation_id, name_lower) DO NOTHING RETURNING id",
                organisation,
                name.as_str(),
                name.lower(),
                role.as_str(),
                limits,
                act.at
            ))
            .await?
            .ok_or(TeamError::NameTaken)?;
        let detail = written(role, limits);
        let done = Done {
            action: "team.add",
            owner: Some(organisation),
            target: name.as_str(),
            detail: Some(&detail),
        };
        transaction.note(act, done).await?;
        let id = TeamId::from_row(row.value("id")?);
        transaction.commit().await?;
        Ok(Team {
            id,
            organisation,
            name: name.as_str().to_owned(),
            role,
            limits: limits.to_owned(),
            built_in: false,
        })
    }

    /// Changes where a team with the role of write writes. `false` when it was so already; nothing was changed then.
    ///
    /// # Errors
    ///
    /// When the team is built in, is not there any more, or the database fails.
    pub async fn set_team_limits(
        &self,
        team: &Team,
        limits: &str,
        act: &Act<'_>,
    ) -> Result<bool, TeamError> {
        if team.built_in {
            return Err(TeamError::BuiltIn);
        }
        let mut transaction = self.engine.write().await?;
        transaction.lock_organisation(team.organisation).await?;
        let before: String = transaction
            .row(sql!("SELECT limits FROM teams WHERE id = $1", team.id))
            .await?
            .ok_or(MetadataError::Missing("team"))?
            .value("limits")?;
        if before == limits {
            return Ok(false);
        }
        transaction
            .run_one(
                "team",
                sql!(
                    "UPDATE teams SET limits = $2 WHERE id = $1",
                    team.id,
                    limits
                ),
            )
            .await?;
        let detail = written(team.role, limits);
        let done = Done {
            action: "team.change",
            owner: Some(team.organisation),
            target: &team.name,
            detail: Some(&detail),
        };
        transaction.note(act, done).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Removes a team; its members lose what it granted.
    ///
    /// # Errors
    ///
    /// When the team is built in, no admin would be left, it is not there any more, or the database fails.
    pub async fn remove_team(&self, team: &Team, act: &Act<'_>) -> Result<(), TeamError> {
        if team.built_in {
            return Err(TeamError::BuiltIn);
        }
        let mut transaction = self.engine.write().await?;
        transaction.lock_organisation(team.organisation).await?;
        let admins = admins_of(&mut transaction, team.organisation).await?;
        transaction
            .run_one("team", sql!("DELETE FROM teams WHERE id = $1", team.id))
            .await?;
        an_admin_remains(&mut transaction, team.organisation, admins).await?;
        let done = Done {
            action: "team.delete",
            owner: Some(team.organisation),
            target: &team.name,
            detail: None,
        };
        transaction.note(act, done).await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// What a team grants, for people.
fn written(role: Role, limits: &str) -> String {
    match limits {
        "" => role.to_string(),
        limits => format!("{role} on {limits}"),
    }
}
