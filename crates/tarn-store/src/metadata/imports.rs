//! What comes from another registry with a past: accounts with a hash that another program made, and the dates, creators and
//! counts of package files.

use apk::{name::PackageName, version::Version};

use super::{
    Act, AddOwnerError, Metadata, MetadataError, NewUser, OwnerId, OwnerKind, PackageFileId,
    audit::Done, engine::sql, owners::insert_owner,
};
use tarn_base::clock::Timestamp;

/// Seals the secret of a second factor for the account with that identifier, which is known only inside the transaction.
/// `None`: it can't.
pub type SealFactor<'a> = dyn Fn(OwnerId) -> Option<Vec<u8>> + Send + Sync + 'a;

/// An account to be imported.
#[derive(Clone, Copy)]
pub struct ImportedUser<'a> {
    /// As for an account that is added. The hash may be of any form that `access/` verifies.
    pub user: NewUser<'a>,
    /// Whether the account is disabled.
    pub disabled: bool,
    /// The second factor, in force from the start.
    pub second_factor: Option<&'a SealFactor<'a>>,
}

/// What is known of a package file from before it came here.
#[derive(Debug, Clone)]
pub struct FileHistory {
    /// Which file.
    pub file: PackageFileId,
    /// Whose repository.
    pub owner: OwnerId,
    /// The package's name.
    pub name: PackageName,
    /// The package's version.
    pub version: Version,
    /// When it was published there.
    pub created_at: Timestamp,
    /// Who published it, where that account is known here.
    pub creator: Option<OwnerId>,
    /// How often it was downloaded there; those from here are added.
    pub downloads: u64,
}

impl Metadata {
    /// Makes an account with all it signs in with, in one transaction.
    ///
    /// # Errors
    ///
    /// When the name is taken, or the database fails.
    pub async fn import_user(
        &self,
        new: ImportedUser<'_>,
        act: &Act<'_>,
    ) -> Result<OwnerId, AddOwnerError> {
        let NewUser {
            name,
            password_hash,
            admin,
            visibility,
        } = new.user;
        let mut transaction = self.engine.write().await?;
        let id = insert_owner(&mut transaction, OwnerKind::User, name, visibility, act.at).await?;
        transaction
            .run_one(
                "user",
                sql!(
                    "INSERT INTO users (owner_id, password_hash, credential_version, admin, disabled) \
                     VALUES ($1, $2, 1, $3, $4)",
                    id,
                    password_hash,
                    admin,
                    new.disabled
                ),
            )
            .await?;
        if let Some(seal) = new.second_factor {
            let sealed = seal(id).ok_or(MetadataError::Missing("seal of a second factor"))?;
            transaction
                .run_one(
                    "second factor",
                    sql!(
                        "INSERT INTO second_factors (user_id, sealed, created_at, confirmed_at) VALUES ($1, $2, $3, $3)",
                        id,
                        sealed.as_slice(),
                        act.at
                    ),
                )
                .await?;
        }
        let mut detail = format!("{visibility}, imported from a forge");
        for (is_so, what) in [
            (admin, "a site administrator"),
            (new.disabled, "disabled"),
            (new.second_factor.is_some(), "with a second factor"),
        ] {
            if is_so {
                detail.push_str(", ");
                detail.push_str(what);
            }
        }
        let done = Done {
            action: "user.add",
            owner: Some(id),
            target: name.as_str(),
            detail: Some(&detail),
        };
        transaction.note(act, done).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Gives package files the dates, creators and counts that they had elsewhere, all in one transaction. Nothing happens to a
    /// file that is gone.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn set_file_history(&self, files: &[FileHistory]) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        for file in files {
            let downloads = i64::try_from(file.downloads).unwrap_or(i64::MAX);
            transaction
                .run(sql!(
                    "UPDATE package_files SET created_at = $2, uploader_id = $3, downloads = downloads + $4 WHERE id = $1",
                    file.file,
                    file.created_at,
                    file.creator,
                    downloads
                ))
                .await?;
            // A version is as old as the first of its files.
            transaction
                .run(sql!(
                    "UPDATE package_versions SET created_at = $4, creator_id = $5 \
                     WHERE owner_id = $1 AND name = $2 AND version = $3 AND created_at > $4",
                    file.owner,
                    file.name.as_str(),
                    file.version.as_str(),
                    file.created_at,
                    file.creator
                ))
                .await?;
        }
        transaction.commit().await
    }
}
