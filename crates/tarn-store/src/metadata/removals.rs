//! Removing an owner, with all that goes with it.
//!
//! A short transaction deletes the owner's row, and by its references tokens, memberships, teams, former names, signing keys
//! and webhooks. With it the owner is gone for every client, and the name is free: a new owner of that name has another
//! identifier, and nothing of the old one's. What may be very many rows has no reference to the owner, so it does not go with
//! that row: repositories, package files, the catalog, messages to webhooks. Nothing finds them by then, since a caller that asks for
//! them asks for their owner first. The transaction notes in `removals` what is left, and a job deletes it in batches
//! ([`Metadata::clear_removed`]). A crash leaves the note, and the job goes on at the next start.
//!
//! Blobs that no package needs then are freed by the next sweep, without waiting: who is removed cannot be restored. The audit
//! log stays: it has names beside the numbers. So do the identifiers of uploaders, which are never given out again.

use apk::digest::Sha256Digest;

use super::{
    Act, Metadata, MetadataError, OwnerId, OwnerKind, RepositoryId,
    audit::Done,
    batches::{Batch, STEP},
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
    /// The registry would have no administrator.
    #[error("there is no other site administrator")]
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
        let used = transaction
            .row(sql!(
                "SELECT packages FROM owner_usage WHERE owner_id = $1",
                owner
            ))
            .await?;
        let packages = used.unwrap_or(0);
        if packages > 0 && !with_packages {
            return Err(RemoveOwnerError::HasPackages(packages));
        }
        let detail = (packages > 0).then(|| format!("with {packages} packages"));
        let action = match removed.kind {
            OwnerKind::User => "user.delete",
            OwnerKind::Organisation => "org.delete",
        };
        let done = Done::of(owner, action, &removed.name).with(detail.as_deref());
        transaction.note(act, done).await?;
        transaction
            .run(sql!(
                "INSERT INTO removals (kind, id) SELECT 'owner', id FROM owners WHERE id = $1 \
                 UNION ALL SELECT 'webhook', id FROM webhooks WHERE owner_id = $1",
                owner
            ))
            .await?;
        transaction
            .run_one("owner", sql!("DELETE FROM owners WHERE id = $1", owner))
            .await?;
        transaction.commit().await?;
        Ok(packages)
    }

    /// Deletes a batch of rows that belong to an owner or a webhook that is gone. Gives how many; 0 when none is left.
    ///
    /// # Errors
    ///
    /// When the database fails. Then nothing of this batch was deleted.
    pub async fn clear_removed(&self) -> Result<u64, MetadataError> {
        let nothing = sql!("SELECT 1 AS one FROM removals LIMIT 1");
        if !self.engine.any(nothing).await? {
            return Ok(0);
        }
        self.on_a_thread(async |metadata: Self| {
            let mut transaction = metadata.engine.write_here().await?;
            let mut batch = Batch::begin();
            while batch.has_room() {
                let next = sql!("SELECT kind, id FROM removals ORDER BY kind, id LIMIT 1");
                let next: Option<(String, i64)> = transaction.row(next).await?;
                let Some((kind, id)) = next else {
                    break;
                };
                let cleared = match kind.as_str() {
                    "owner" => {
                        clear_owner(&mut transaction, OwnerId::from_row(id), &mut batch).await?
                    }
                    _ => clear(&mut transaction, MESSAGES, id, &mut batch).await?,
                };
                if cleared {
                    let statement =
                        sql!("DELETE FROM removals WHERE kind = $1 AND id = $2", kind, id);
                    transaction.run_one("removal", statement).await?;
                    batch.add(1);
                }
            }
            transaction.commit().await?;
            Ok(batch.rows())
        })
        .await
    }
}

/// Deletes what an owner who is gone has left, as far as the batch has room. Whether that is all of it.
async fn clear_owner(
    transaction: &mut Transaction,
    owner: OwnerId,
    batch: &mut Batch,
) -> Result<bool, MetadataError> {
    while batch.has_room() {
        let next = sql!(
            "SELECT id FROM repositories WHERE owner_id = $1 LIMIT 1",
            owner
        );
        let Some(repository) = transaction.row::<RepositoryId>(next).await? else {
            break;
        };
        let gone: Vec<Sha256Digest> = transaction
            .rows(sql!(
                "DELETE FROM package_files WHERE id IN (SELECT id FROM package_files WHERE repository_id = $1 \
                 ORDER BY sequence LIMIT $2) RETURNING sha256",
                repository,
                STEP
            ))
            .await?;
        batch.add(gone.len() as u64);
        unneeded_without(transaction, &gone).await?;
        if gone.len() < STEP as usize {
            // Its heads go by their reference: one for each architecture.
            let statement = sql!("DELETE FROM repositories WHERE id = $1", repository);
            transaction.run_one("repository", statement).await?;
            batch.add(1);
        }
    }
    let versions = "DELETE FROM package_versions WHERE id IN \
                    (SELECT id FROM package_versions WHERE owner_id = $1 LIMIT $2)";
    clear(transaction, versions, owner.number(), batch).await
}

/// Deletes messages to a webhook that is gone, for [`clear`].
const MESSAGES: &str = "DELETE FROM webhook_deliveries WHERE id IN \
                        (SELECT id FROM webhook_deliveries WHERE webhook_id = $1 LIMIT $2)";

/// Runs a statement that deletes at most so many (`$2`) rows of `$1`, as far as the batch has room. Whether those are all.
async fn clear(
    transaction: &mut Transaction,
    text: &'static str,
    of: i64,
    batch: &mut Batch,
) -> Result<bool, MetadataError> {
    while batch.has_room() {
        let gone = transaction.run(sql!(text, of, STEP)).await?;
        batch.add(gone);
        if gone < u64::from(STEP) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Marks the blobs of package files whose rows were just deleted as unneeded, where no other package file has them. In two
/// statements: the first locks the row, and the second sees what a transaction that had the lock before has committed.
pub(super) async fn unneeded_without(
    transaction: &mut Transaction,
    gone: &[Sha256Digest],
) -> Result<(), MetadataError> {
    for sha256 in gone {
        transaction
            .run(sql!(
                "UPDATE blobs SET state = 'unneeded' WHERE sha256 = $1 AND state = 'live'",
                sha256.as_bytes()
            ))
            .await?;
        transaction
            .run(sql!(
                "UPDATE blobs SET state = 'live' WHERE sha256 = $1 AND state = 'unneeded' AND EXISTS \
                 (SELECT 1 FROM package_files WHERE package_files.sha256 = blobs.sha256)",
                sha256.as_bytes()
            ))
            .await?;
    }
    Ok(())
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
        .await
}
