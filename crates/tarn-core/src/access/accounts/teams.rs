//! Teams: what their members may do, and where.

use super::{AccountError, Accounts, MAX_TEAMS};
use crate::access::patterns::TeamLimits;
use tarn_base::names::{OwnerName, TeamName};
use tarn_store::metadata::{Actor, MetadataError, Page, Role, Team, TeamError, User, Window};

impl Accounts {
    /// Adds a team without members. Limits say where a team of role write writes; the other roles have none.
    ///
    /// # Errors
    ///
    /// When there is no such organisation, the name is taken, or the role has no limits.
    pub async fn add_team(
        &self,
        organisation: &OwnerName,
        team: &TeamName,
        role: Role,
        limits: &TeamLimits,
        by: &Actor,
    ) -> Result<Team, AccountError> {
        refuse_limits(role, limits)?;
        let found = self.find_organisation(organisation).await?;
        let (limits, act) = (limits.to_string(), self.act(by));
        self.metadata
            .add_team(found.id, team, role, &limits, MAX_TEAMS, &act)
            .await
            .map_err(|error| account_error(error, organisation, team))
    }

    /// Changes where a team writes. Whether anything changed.
    ///
    /// # Errors
    ///
    /// When there is no such team, it is built in, or its role has no limits.
    pub async fn set_team_limits(
        &self,
        organisation: &OwnerName,
        team: &TeamName,
        limits: &TeamLimits,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let found = self.find_team(organisation, team).await?;
        refuse_limits(found.role, limits)?;
        self.metadata
            .set_team_limits(&found, &limits.to_string(), &self.act(by))
            .await
            .map_err(|error| account_error(error, organisation, team))
    }

    /// Removes a team.
    ///
    /// # Errors
    ///
    /// When there is no such team, it is built in, or the organisation would have no admin left.
    pub async fn remove_team(
        &self,
        organisation: &OwnerName,
        team: &TeamName,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let found = self.find_team(organisation, team).await?;
        self.metadata
            .remove_team(&found, &self.act(by))
            .await
            .map_err(|error| account_error(error, organisation, team))
    }

    /// Puts a user into a team. Whether anything changed.
    ///
    /// # Errors
    ///
    /// When there is no such team or user.
    pub async fn add_team_member(
        &self,
        organisation: &OwnerName,
        team: &TeamName,
        user: &OwnerName,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let found = self.find_team(organisation, team).await?;
        let user = self.find_user(user).await?;
        self.metadata
            .add_team_member(&found, user.id, &self.act(by))
            .await
            .map_err(|error| account_error(error, organisation, team))
    }

    /// Takes a user out of a team. Whether anything changed.
    ///
    /// # Errors
    ///
    /// When there is no such team or user, or the organisation would have no admin left.
    pub async fn remove_team_member(
        &self,
        organisation: &OwnerName,
        team: &TeamName,
        user: &OwnerName,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let found = self.find_team(organisation, team).await?;
        let member = self.find_user(user).await?;
        self.metadata
            .remove_team_member(&found, member.id, &self.act(by))
            .await
            .map_err(|error| account_error(error, organisation, team))
    }

    /// The teams of an organisation, each with how many members it has: the built-in ones first, then by name.
    ///
    /// # Errors
    ///
    /// When there is no such organisation.
    pub async fn teams(
        &self,
        organisation: &OwnerName,
        window: Window,
    ) -> Result<Page<(Team, u64)>, AccountError> {
        let organisation = self.find_organisation(organisation).await?;
        Ok(self.metadata.teams(organisation.id, window).await?)
    }

    /// One team.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub async fn find_team(
        &self,
        organisation: &OwnerName,
        team: &TeamName,
    ) -> Result<Team, AccountError> {
        let found = self.find_organisation(organisation).await?;
        self.metadata
            .team(found.id, team)
            .await?
            .ok_or_else(|| no_team(organisation, team))
    }

    /// The members of a team.
    ///
    /// # Errors
    ///
    /// When there is no such team.
    pub async fn team_members(
        &self,
        organisation: &OwnerName,
        team: &TeamName,
        window: Window,
    ) -> Result<Page<User>, AccountError> {
        let team = self.find_team(organisation, team).await?;
        Ok(self.metadata.team_members(&team, window).await?)
    }
}

fn refuse_limits(role: Role, limits: &TeamLimits) -> Result<(), AccountError> {
    if role == Role::Write || limits.is_unlimited() {
        Ok(())
    } else {
        Err(AccountError::LimitsForRole(role))
    }
}

fn no_team(organisation: &OwnerName, team: &TeamName) -> AccountError {
    AccountError::NoTeam {
        organisation: organisation.clone(),
        team: team.clone(),
    }
}

fn account_error(error: TeamError, organisation: &OwnerName, team: &TeamName) -> AccountError {
    match error {
        TeamError::NameTaken => AccountError::TeamTaken {
            organisation: organisation.clone(),
            team: team.clone(),
        },
        TeamError::TooMany => AccountError::TooManyTeams(organisation.clone()),
        TeamError::BuiltIn => AccountError::BuiltInTeam(team.clone()),
        TeamError::LastAdmin => AccountError::NoAdminLeft(organisation.clone()),
        TeamError::Metadata(MetadataError::Missing("team")) => no_team(organisation, team),
        TeamError::Metadata(error) => error.into(),
    }
}
