//! Who is in the teams of an organisation.

use super::{
    Act, Metadata, MetadataError, OwnerId, OwnerKind, Page, Role, Team, TeamError, User, Window,
    audit::Done,
    engine::{Transaction, sql},
    rows::select,
    teams::{admins_of, an_admin_remains},
    users::user_columns,
};
use tarn_base::names::OwnerName;

/// A user who is in a team of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: User,
    /// The greatest role that a team gives them.
    pub role: Role,
    /// The names of their teams, sorted.
    pub teams: Vec<String>,
}

impl Metadata {
    /// Puts a user into the built-in team of a role and out of the other two, or (`None`) out of every team of the
    /// organisation. `false` when it was so already; nothing was changed then.
    ///
    /// # Errors
    ///
    /// When no admin would be left, there is no such organisation or user ([`MetadataError::Missing`]), or the database
    /// fails.
    pub async fn set_member(
        &self,
        organisation: OwnerId,
        user: OwnerId,
        role: Option<Role>,
        act: &Act<'_>,
    ) -> Result<bool, TeamError> {
        let mut transaction = self.engine.write().await?;
        transaction.lock_organisation(organisation).await?;
        transaction.must_have_user(user).await?;
        let admins = admins_of(&mut transaction, organisation).await?;
        let before: Vec<Role> = transaction
            .rows(sql!(
                "DELETE FROM team_members WHERE user_id = $2 AND team_id IN \
                 (SELECT id FROM teams WHERE organisation_id = $1 AND (built_in = TRUE OR CAST($3 AS TEXT) IS NULL)) RETURNING \
                 (SELECT teams.role FROM teams WHERE teams.id = team_members.team_id) AS role",
                organisation,
                user,
                role
            ))
            .await?;
        let unchanged = match role {
            None => before.is_empty(),
            Some(role) => before == [role],
        };
        if unchanged {
            return Ok(false);
        }
        if let Some(role) = role {
            let statement = sql!(
                "INSERT INTO team_members (team_id, user_id, added_at) SELECT id, $2, $4 FROM teams \
                         WHERE organisation_id = $1 AND built_in = TRUE AND role = $3",
                organisation,
                user,
                role,
                act.at
            );
            transaction.run_one("team", statement).await?;
        }
        an_admin_remains(&mut transaction, organisation, admins).await?;
        let name = transaction.lock_owner(user).await?.name;
        let action = match role {
            Some(_) => "org.member.change",
            None => "org.member.remove",
        };
        let done = Done::of(organisation, action, &name).with(role.map(Role::as_str));
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }

    /// Puts a user into a team. `false` when they were in it already; nothing was changed then.
    ///
    /// # Errors
    ///
    /// When there is no such team or user ([`MetadataError::Missing`]), or the database fails.
    pub async fn add_team_member(
        &self,
        team: &Team,
        user: OwnerId,
        act: &Act<'_>,
    ) -> Result<bool, TeamError> {
        let mut transaction = self.engine.write().await?;
        transaction.lock_organisation(team.organisation).await?;
        transaction.must_have_user(user).await?;
        let added = transaction
            .run(sql!(
                "INSERT INTO team_members (team_id, user_id, added_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (team_id, user_id) DO NOTHING",
                team.id,
                user,
                act.at
            ))
            .await
            .map_err(|error| error.or_missing("team"))?;
        if added == 0 {
            return Ok(false);
        }
        note_member(&mut transaction, act, "team.member.add", team, user).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Takes a user out of a team. `false` when they were not in it; nothing was changed then.
    ///
    /// # Errors
    ///
    /// When no admin would be left in the organisation, or the database fails.
    pub async fn remove_team_member(
        &self,
        team: &Team,
        user: OwnerId,
        act: &Act<'_>,
    ) -> Result<bool, TeamError> {
        let mut transaction = self.engine.write().await?;
        transaction.lock_organisation(team.organisation).await?;
        let admins = admins_of(&mut transaction, team.organisation).await?;
        let removed = transaction
            .run(sql!(
                "DELETE FROM team_members WHERE team_id = $1 AND user_id = $2",
                team.id,
                user
            ))
            .await?;
        if removed == 0 {
            return Ok(false);
        }
        an_admin_remains(&mut transaction, team.organisation, admins).await?;
        note_member(&mut transaction, act, "team.member.remove", team, user).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The members of an organisation, by name.
    pub async fn members(
        &self,
        organisation: OwnerId,
        window: Window,
    ) -> Result<Page<Member>, MetadataError> {
        let total = self
            .count(sql!(
                "SELECT COUNT(DISTINCT team_members.user_id) AS count FROM teams \
                 JOIN team_members ON team_members.team_id = teams.id WHERE teams.organisation_id = $1",
                organisation
            ))
            .await?;
        let rows: Vec<(User, Role, String)> = self
            .engine
            .list(sql!(
                select!(
                    user_columns,
                    ", teams.role AS role, teams.name AS team FROM (SELECT DISTINCT owners.id AS id, owners.name_lower AS name_lower \
                     FROM teams JOIN team_members ON team_members.team_id = teams.id \
                     JOIN owners ON owners.id = team_members.user_id WHERE teams.organisation_id = $1 \
                     ORDER BY owners.name_lower LIMIT $2 OFFSET $3) AS page \
                     JOIN owners ON owners.id = page.id JOIN users ON users.owner_id = page.id \
                     JOIN team_members ON team_members.user_id = page.id \
                     JOIN teams ON teams.id = team_members.team_id AND teams.organisation_id = $1 \
                     ORDER BY owners.name_lower, teams.name_lower"
                ),
                organisation,
                window.limit,
                window.offset
            ))
            .await?;
        let mut members: Vec<Member> = Vec::new();
        for (user, role, team) in rows {
            match members.last_mut() {
                Some(member) if member.user.id == user.id => {
                    member.role = member.role.max(role);
                    member.teams.push(team);
                }
                _ => members.push(Member {
                    user,
                    role,
                    teams: vec![team],
                }),
            }
        }
        Ok(Page {
            entries: members,
            total,
        })
    }

    /// The members of a team, by name.
    pub async fn team_members(
        &self,
        team: &Team,
        window: Window,
    ) -> Result<Page<User>, MetadataError> {
        let count = sql!(
            "SELECT COUNT(*) AS count FROM team_members WHERE team_id = $1",
            team.id
        );
        let rows = sql!(
            select!(
                user_columns,
                "FROM team_members JOIN users ON users.owner_id = team_members.user_id \
                     JOIN owners ON owners.id = users.owner_id WHERE team_members.team_id = $1 \
                     ORDER BY owners.name_lower LIMIT $2 OFFSET $3"
            ),
            team.id,
            window.limit,
            window.offset
        );
        self.page(count, rows).await
    }

    /// The member of a team with that name, without regard to case.
    pub async fn team_member(
        &self,
        team: &Team,
        name: &OwnerName,
    ) -> Result<Option<User>, MetadataError> {
        self.engine
            .row(sql!(
                select!(
                    user_columns,
                    "FROM owners JOIN users ON users.owner_id = owners.id \
                     JOIN team_members ON team_members.user_id = owners.id \
                     WHERE owners.name_lower = $2 AND team_members.team_id = $1"
                ),
                team.id,
                name.lower()
            ))
            .await
    }
}

impl Transaction {
    /// Makes others that change the same organisation wait.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is none.
    pub(super) async fn lock_organisation(&mut self, id: OwnerId) -> Result<(), MetadataError> {
        match self.lock_owner(id).await {
            Ok(owner) if owner.kind == OwnerKind::Organisation => Ok(()),
            Ok(_) | Err(MetadataError::Missing(_)) => Err(MetadataError::Missing("organisation")),
            Err(error) => Err(error),
        }
    }
}

async fn note_member(
    transaction: &mut Transaction,
    act: &Act<'_>,
    action: &'static str,
    team: &Team,
    user: OwnerId,
) -> Result<(), MetadataError> {
    let name = transaction.lock_owner(user).await?.name;
    let done = Done::of(team.organisation, action, &team.name).with(Some(&name));
    transaction.note(act, done).await
}
