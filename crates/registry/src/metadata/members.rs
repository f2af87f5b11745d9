//! Who is in an organisation, and what they may do there.

use super::{Metadata, MetadataError, OwnerId, Role, User, engine::sql, owners::user_columns};

impl Metadata {
    /// Makes a user a member of an organisation with that role, changes the role, or (`None`) ends the membership.
    /// Gives whether anything was there to change: `false` when somebody who is no member was to leave.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such organisation or user; when the database fails.
    pub async fn set_member(
        &self,
        organisation: OwnerId,
        user: OwnerId,
        role: Option<Role>,
    ) -> Result<bool, MetadataError> {
        let Some(role) = role else {
            let gone = self
                .engine
                .run(sql!(
                    "DELETE FROM memberships WHERE organisation_id = $1 AND user_id = $2",
                    organisation,
                    user
                ))
                .await?;
            return Ok(gone == 1);
        };
        let joined = self
            .change_one(
                "organisation",
                sql!(
                    "INSERT INTO memberships (organisation_id, user_id, role) \
                     SELECT id, $2, $3 FROM owners WHERE id = $1 AND kind = 'organisation' \
                     ON CONFLICT (organisation_id, user_id) DO UPDATE SET role = excluded.role",
                    organisation,
                    user,
                    role.as_str()
                ),
            )
            .await;
        match joined {
            Ok(()) => Ok(true),
            Err(error) if error.is_dangling_reference() => Err(MetadataError::Missing("user")),
            Err(error) => Err(error),
        }
    }

    /// What a user may do in an organisation. `None` when the user is no member.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn role(
        &self,
        organisation: OwnerId,
        user: OwnerId,
    ) -> Result<Option<Role>, MetadataError> {
        let ask = async |(organisation, user): &(OwnerId, OwnerId)| {
            self.engine
                .row(sql!(
                    "SELECT role FROM memberships WHERE organisation_id = $1 AND user_id = $2",
                    *organisation,
                    *user
                ))
                .await?
                .map(|row| row.word("role", "role"))
                .transpose()
        };
        self.memory
            .roles
            .get(&self.memory.watch, (organisation, user), ask)
            .await
    }

    /// The members of an organisation, by name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn members(&self, organisation: OwnerId) -> Result<Vec<(User, Role)>, MetadataError> {
        self.engine
            .rows(sql!(
                concat!(
                    "SELECT ",
                    user_columns!(),
                    ", memberships.role AS role FROM memberships JOIN users ON users.owner_id = memberships.user_id \
                     JOIN owners ON owners.id = users.owner_id WHERE memberships.organisation_id = $1 \
                     ORDER BY owners.name_lower"
                ),
                organisation
            ))
            .await?
            .iter()
            .map(|row| Ok((User::from_row(row)?, row.word("role", "role")?)))
            .collect()
    }
}
