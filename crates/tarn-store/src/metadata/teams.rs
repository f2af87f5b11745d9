//! Teams of organisations, and what they grant: who may read and write what is asked here.

use std::sync::Arc;

use super::{
    Act, Metadata, MetadataError, Owner, OwnerId, Page, Role, TeamId, Window,
    audit::Done,
    engine::{Transaction, sql},
    owners::owner_columns,
    rows::{row, select},
};
use tarn_base::names::TeamName;

row! {
    /// A team of an organisation.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Team as team_columns {
        /// Which one.
        pub id: TeamId = teams.id,
        /// Whose.
        pub organisation: OwnerId = teams.organisation_id,
        /// As its maker wrote it; compare without regard to case.
        pub name: String = teams.name,
        /// What its members may do.
        pub role: Role = teams.role,
        /// Where a role of write writes, as `access/` writes it; empty: everywhere.
        pub limits: String = teams.limits,
        /// Whether it came with the organisation and stays with it.
        pub built_in: bool = teams.built_in,
    }
}

row! {
    /// What one team of a user grants.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TeamGrantRow as grant_columns {
        /// What its members may do.
        pub role: Role = teams.role,
        /// Where a role of write writes, as `access/` writes it; empty: everywhere.
        pub limits: String = teams.limits,
    }
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
                    select!(
                        grant_columns,
                        "FROM teams \
                         JOIN team_members ON team_members.team_id = teams.id \
                         WHERE teams.organisation_id = $1 AND team_members.user_id = $2 ORDER BY teams.id"
                    ),
                    *organisation, *user
                ))
                .await
                .map(Arc::from)
        };
        self.memory.team_grants.get((organisation, user), ask).await
    }

    /// The teams of an organisation, each with how many members it has: the built-in ones first, then by name.
    pub async fn teams(
        &self,
        organisation: OwnerId,
        window: Window,
    ) -> Result<Page<(Team, u64)>, MetadataError> {
        let count = sql!(
            "SELECT COUNT(*) AS count FROM teams WHERE organisation_id = $1",
            organisation
        );
        let rows = sql!(
            select!(
                team_columns,
                ", (SELECT COUNT(*) FROM team_members WHERE team_members.team_id = teams.id) AS members \
                     FROM teams WHERE teams.organisation_id = $1 \
                     ORDER BY CASE WHEN teams.built_in THEN teams.id END NULLS LAST, teams.name_lower LIMIT $2 OFFSET $3"
            ),
            organisation,
            window.limit,
            window.offset
        );
        self.page(count, rows).await
    }

    /// The team of an organisation with that name, without regard to case.
    pub async fn team(
        &self,
        organisation: OwnerId,
        name: &TeamName,
    ) -> Result<Option<Team>, MetadataError> {
        self.engine
            .row(sql!(
                select!(
                    team_columns,
                    "FROM teams WHERE teams.organisation_id = $1 AND teams.name_lower = $2"
                ),
                organisation,
                name.lower()
            ))
            .await
    }

    /// The team of that number, with its organisation.
    pub async fn team_by_number(
        &self,
        number: i64,
    ) -> Result<Option<(Owner, Team)>, MetadataError> {
        self.engine
            .row(sql!(
                select!(
                    owner_columns,
                    ", ",
                    team_columns!(),
                    " FROM teams JOIN owners ON owners.id = teams.organisation_id WHERE teams.id = $1"
                ),
                number
            ))
            .await
    }

    /// The teams in which a user is, with their organisations, by name.
    pub async fn teams_of_user(
        &self,
        user: OwnerId,
        window: Window,
    ) -> Result<Page<(Owner, Team)>, MetadataError> {
        let count = sql!(
            "SELECT COUNT(*) AS count FROM team_members WHERE user_id = $1",
            user
        );
        let rows = sql!(
            select!(
                owner_columns,
                ", ",
                team_columns!(),
                " FROM team_members JOIN teams ON teams.id = team_members.team_id \
                     JOIN owners ON owners.id = teams.organisation_id WHERE team_members.user_id = $1 \
                     ORDER BY owners.name_lower, teams.name_lower LIMIT $2 OFFSET $3"
            ),
            user,
            window.limit,
            window.offset
        );
        self.page(count, rows).await
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
        let teams = sql!(
            "SELECT COUNT(*) AS count FROM teams WHERE organisation_id = $1",
            organisation
        );
        if transaction.count(teams).await? >= at_most {
            return Err(TeamError::TooMany);
        }
        let team: Team = transaction
            .row(sql!(
                concat!("INSERT INTO teams (organisation_id, name, name_lower, role, limits, built_in, created_at) \
                 VALUES ($1, $2, $3, $4, $5, FALSE, $6) ON CONFLICT (organisation_id, name_lower) DO NOTHING RETURNING ", team_columns!()),
                organisation,
                name.as_str(),
                name.lower(),
                role,
                limits,
                act.at
            ))
            .await?
            .ok_or(TeamError::NameTaken)?;
        let detail = written(role, limits);
        let done = Done::of(organisation, "team.add", name.as_str()).with(Some(&detail));
        transaction.note_and_commit(act, done).await?;
        Ok(team)
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
        let before = sql!("SELECT limits FROM teams WHERE id = $1", team.id);
        if transaction.one::<String>("team", before).await? == limits {
            return Ok(false);
        }
        let statement = sql!(
            "UPDATE teams SET limits = $2 WHERE id = $1",
            team.id,
            limits
        );
        transaction.run_one("team", statement).await?;
        let detail = written(team.role, limits);
        let done = Done::of(team.organisation, "team.change", &team.name).with(Some(&detail));
        transaction.note_and_commit(act, done).await?;
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
        let done = Done::of(team.organisation, "team.delete", &team.name);
        transaction.note_and_commit(act, done).await?;
        Ok(())
    }
}

/// Who could look after an organisation. What is later in this list is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Admins {
    /// No user is in a team of the role admin.
    None,
    /// Only those are whose accounts are disabled.
    Disabled,
    /// One is whose account is not.
    Enabled,
}

/// Who could look after an organisation now.
pub(super) async fn admins_of(
    transaction: &mut Transaction,
    organisation: OwnerId,
) -> Result<Admins, MetadataError> {
    let enabled_first = transaction
        .row(sql!(
            "SELECT users.disabled AS disabled FROM teams JOIN team_members ON team_members.team_id = teams.id \
             JOIN users ON users.owner_id = team_members.user_id \
             WHERE teams.organisation_id = $1 AND teams.role = 'admin' ORDER BY users.disabled LIMIT 1",
            organisation
        ))
        .await?;
    Ok(match enabled_first {
        None => Admins::None,
        Some(true) => Admins::Disabled,
        Some(false) => Admins::Enabled,
    })
}

/// Holds a change to what the organisation had before it: its last admin can't be taken away, nor the last one whose account is
/// not disabled. What takes no admin away is fine, whichever accounts are disabled.
///
/// # Errors
///
/// [`TeamError::LastAdmin`] when the change has to be given up.
pub(super) async fn an_admin_remains(
    transaction: &mut Transaction,
    organisation: OwnerId,
    before: Admins,
) -> Result<(), TeamError> {
    if admins_of(transaction, organisation).await? < before {
        return Err(TeamError::LastAdmin);
    }
    Ok(())
}

/// What a team grants, for people.
fn written(role: Role, limits: &str) -> String {
    match limits {
        "" => role.to_string(),
        limits => format!("{role} on {limits}"),
    }
}
