//! Names that owners had: they still point to the owner, and no other owner can take them.

use std::fmt::Write as _;

use super::{
    Act, Metadata, MetadataError, Owner, OwnerId, OwnerKind, TokenId,
    audit::Done,
    engine::{Transaction, sql},
    owners::owner_columns,
    rows::{row, select},
};
use tarn_base::{clock::Timestamp, names::OwnerName};

/// How many former names an owner may have: each keeps others from it.
pub const MAX_FORMER_NAMES: u64 = 8;

row! {
    /// A name that an owner had.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FormerName as former_columns {
        /// As it was written.
        pub name: String = former_names.name,
        /// When the owner got another one.
        pub since: Timestamp = former_names.since,
    }
}

/// Why an owner keeps its name. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// Another owner has that name, or had it.
    #[error("the name is taken")]
    NameTaken,
    /// Too many are kept from others already.
    #[error("the owner has {MAX_FORMER_NAMES} former names")]
    TooManyFormerNames,
    /// The database failed, or there is no such owner ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The limits of a token that take the place of some, for a name in lower case that an owner has no more.
pub type Relimit<'a> = &'a (dyn Fn(&str, &str) -> Option<String> + Sync);

/// Has tokens follow an owner that was called `old`. Gives how many did.
async fn rename_in_limits(
    transaction: &mut Transaction,
    old: &str,
    relimit: Relimit<'_>,
) -> Result<u64, MetadataError> {
    // More than are meant, where a name ends like this one or has a `_`; `relimit` decides.
    let tokens: Vec<(TokenId, String)> = transaction
        .rows(sql!(
            "SELECT id, limits FROM tokens WHERE limits LIKE $1 ORDER BY id",
            format!("%{old}/%")
        ))
        .await?;
    let mut renamed = 0;
    for (id, limits) in tokens {
        let Some(limits) = relimit(&limits, old) else {
            continue;
        };
        let statement = sql!("UPDATE tokens SET limits = $2 WHERE id = $1", id, limits);
        transaction.run_one("token", statement).await?;
        renamed += 1;
    }
    Ok(renamed)
}

impl Metadata {
    /// The owner that had that name, without regard to case.
    pub async fn owner_formerly(&self, name: &OwnerName) -> Result<Option<Owner>, MetadataError> {
        let ask = async |name: &String| {
            self.engine
                .look_up(sql!(
                    select!(
                        owner_columns,
                        "FROM former_names JOIN owners ON owners.id = former_names.owner_id \
                         WHERE former_names.name_lower = $1"
                    ),
                    name.as_str()
                ))
                .await
        };
        self.memory.former_owners.get(name.lower(), ask).await
    }

    /// The names that an owner had, oldest first.
    pub async fn former_names(&self, owner: OwnerId) -> Result<Vec<FormerName>, MetadataError> {
        self.engine
            .rows(sql!(
                select!(
                    former_columns,
                    "FROM former_names WHERE owner_id = $1 ORDER BY since, name_lower"
                ),
                owner
            ))
            .await
    }

    /// Gives an owner another name. The old one becomes a former name, unless they differ in case only. An owner may
    /// take a former name of its own back. `false` when it is called so already; nothing was changed then.
    ///
    /// Tokens that are limited to the old name are limited to the new one from then on. `relimit` gives the limits that take
    /// the place of some, as `access/` writes them, for the old name in lower case; `None` where they stay.
    ///
    /// # Errors
    ///
    /// When another owner has or had the name, too many former names would be kept, there is no such owner, or the
    /// database fails.
    pub async fn rename_owner(
        &self,
        owner: OwnerId,
        name: &OwnerName,
        relimit: Relimit<'_>,
        act: &Act<'_>,
    ) -> Result<bool, RenameError> {
        let mut transaction = self.engine.write().await?;
        let before = transaction.lock_owner(owner).await?;
        if before.name == name.as_str() {
            return Ok(false);
        }
        let renamed = transaction
            .run(sql!(
                "UPDATE owners SET name = $2, name_lower = $3 WHERE id = $1",
                owner,
                name.as_str(),
                name.lower()
            ))
            .await;
        match renamed {
            Ok(_) => {}
            Err(error) if error.is_duplicate() => return Err(RenameError::NameTaken),
            Err(error) => return Err(error.into()),
        }
        transaction
            .run(sql!(
                "DELETE FROM former_names WHERE name_lower = $1 AND owner_id = $2",
                name.lower(),
                owner
            ))
            .await?;
        if transaction.is_former_name(name).await? {
            return Err(RenameError::NameTaken);
        }
        let old = before.name.to_ascii_lowercase();
        if old != name.lower() {
            let statement = sql!(
                "INSERT INTO former_names (name_lower, name, owner_id, since) VALUES ($1, $2, $3, $4)",
                old.as_str(),
                before.name.as_str(),
                owner,
                act.at
            );
            transaction.run_one("former name", statement).await?;
        }
        let kept = sql!(
            "SELECT COUNT(*) AS count FROM former_names WHERE owner_id = $1",
            owner
        );
        if transaction.count(kept).await? > MAX_FORMER_NAMES {
            return Err(RenameError::TooManyFormerNames);
        }
        let mut detail = format!("from {} to {name}", before.name);
        match rename_in_limits(&mut transaction, &old, relimit).await? {
            0 => {}
            1 => detail.push_str(", and so in the limits of 1 token"),
            tokens => {
                let _ = write!(detail, ", and so in the limits of {tokens} tokens");
            }
        }
        let action = match before.kind {
            OwnerKind::User => "user.rename",
            OwnerKind::Organisation => "org.rename",
        };
        let done = Done::of(owner, action, &before.name).with(Some(&detail));
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }

    /// Lets a former name go: it no longer redirects, and any owner may take it. `false` when it is none.
    pub async fn release_name(
        &self,
        name: &OwnerName,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let released: Option<(OwnerId, String)> = transaction
            .row(sql!(
                "DELETE FROM former_names WHERE name_lower = $1 RETURNING owner_id, name",
                name.lower()
            ))
            .await?;
        let Some((owner, name)) = released else {
            return Ok(false);
        };
        let done = Done::of(owner, "name.release", &name);
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }
}
