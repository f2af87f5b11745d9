//! Removing an owner, with all that goes with it.
//!
//! Tokens, memberships, teams, former names, signing keys, repositories and packages go by their references. Blobs that no
//! package needs then are found by the next sweep, which asks for the packages and not for the owners. The audit log
//! stays: it has names beside the numbers.

use super::{
    Act, Metadata, MetadataError, OwnerId, OwnerKind,
    audit::Done,
    engine::{Transaction, sql},
    users::is_last_site_admin,
};

/// Why an owner was not removed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveOwnerError {
    /// There are packages, and they were not to go with it.
    #[error("the owner has {0} packages")]
    HasPackages(u64),
    /// The user is the only admin of an organisation.
    #[error("the user is the last admin of {0}")]
    LastAdminOf(String),
    /// Nobody else could administer the registry.
    #[error("nobody else is a site administrator")]
    LastSiteAdmin,
    /// The database failed, or there is no such owner ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl Metadata {
    /// Removes a user or an organisation. Gives how many packages went with it.
    ///
    /// # Errors
    ///
    /// When packages are there and `with_packages` is not set; when a user is the last admin of an organisation or the
    /// last site administrator; when there is no such owner, or the database fails.
    pub async fn remove_owner(
        &self,
        owner: OwnerId,
        with_packages: bool,
        act: &Act<'_>,
    ) -> Result<u64, RemoveOwnerError> {
        let mut transaction = self.engine.write().await?;
        let removed = transaction.lock_owner(owner).await?;
        if removed.kind == OwnerKind::User {
            if is_last_site_admin(&mut transaction, owner).await? {
                return Err(RemoveOwnerError::LastSiteAdmin);
            }
            if let Some(organisation) = only_admin_of(&mut transaction, owner).await? {
                return Err(RemoveOwnerError::LastAdminOf(organisation));
            }
        }
        let packages = transaction
            .row(sql!(
                "SELECT COUNT(*) AS count FROM package_files \
                 JOIN repositories ON repositories.id = package_files.repository_id \
                 WHERE repositories.owner_id = $1 AND package_files.removed_at IS NULL",
                owner
            ))
            .await?
            .ok_or(MetadataError::Missing("count"))?
            .size("count")?;
        if packages > 0 && !with_packages {
            return Err(RemoveOwnerError::HasPackages(packages));
        }
        let detail = (packages > 0).then(|| format!("with {packages} packages"));
        let done = Done {
            action: match removed.kind {
                OwnerKind::User => "user.delete",
                OwnerKind::Organisation => "org.delete",
            },
            owner: Some(owner),
            target: &removed.name,
            detail: detail.as_deref(),
        };
        transaction.note(act, done).await?;
        transaction
            .run_one("owner", sql!("DELETE FROM owners WHERE id = $1", owner))
            .await?;
        transaction.commit().await?;
        Ok(packages)
    }
}

/// The first organisation, by name, that would lose its last admin with that user, or the last one whose account is not
/// disabled.
async fn only_admin_of(
    transaction: &mut Transaction,
    user: OwnerId,
) -> Result<Option<String>, MetadataError> {
    // Of two admins that go at once, the second waits here.
    transaction
        .run(sql!(
            "UPDATE owners SET created_at = created_at WHERE id IN (SELECT teams.organisation_id FROM teams \
             JOIN team_members ON team_members.team_id = teams.id WHERE team_members.user_id = $1)",
            user
        ))
        .await?;
    transaction
        .row(sql!(
            "SELECT owners.name AS name FROM owners WHERE owners.kind = 'organisation' \
             AND EXISTS (SELECT 1 FROM teams JOIN team_members ON team_members.team_id = teams.id \
             WHERE teams.organisation_id = owners.id AND teams.role = 'admin' AND team_members.user_id = $1) \
             AND NOT EXISTS (SELECT 1 FROM teams JOIN team_members ON team_members.team_id = teams.id \
             JOIN users ON users.owner_id = team_members.user_id \
             WHERE teams.organisation_id = owners.id AND teams.role = 'admin' AND team_members.user_id <> $1 \
             AND users.disabled <= (SELECT goes.disabled FROM users goes WHERE goes.owner_id = $1)) \
             ORDER BY owners.name_lower LIMIT 1",
            user
        ))
        .await?
        .map(|row| row.value("name"))
        .transpose()
}
