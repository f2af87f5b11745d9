//! The keys that sign an owner's indexes, their private halves sealed by `keys/`.

use std::sync::Arc;

use super::{
    KeyState, Metadata, MetadataError, OwnerId, SigningKeyId,
    engine::{Row, Transaction, sql},
};
use crate::clock::Timestamp;

/// A signing key as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// Which one. What it names never changes but for the state, so it is fit as the key of a cache.
    pub id: SigningKeyId,
    /// Whose.
    pub owner_id: OwnerId,
    /// The file name in `/etc/apk/keys`.
    pub name: String,
    /// The public half, in PEM.
    pub public_pem: String,
    /// The private half, encrypted.
    pub sealed: Vec<u8>,
    /// Whether it signs.
    pub state: KeyState,
    /// When it was made or imported.
    pub created_at: Timestamp,
}

impl std::fmt::Debug for SigningKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeyRow")
            .field("id", &self.id)
            .field("owner_id", &self.owner_id)
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A key to be kept, as an active one.
#[derive(Clone, Copy)]
pub struct NewSigningKey<'a> {
    /// Whose.
    pub owner: OwnerId,
    /// The file name in `/etc/apk/keys`. Each of an owner's keys has another one.
    pub name: &'a str,
    /// The public half, in PEM.
    pub public_pem: &'a str,
    /// The private half, encrypted.
    pub sealed: &'a [u8],
    /// When it was made or imported.
    pub created_at: Timestamp,
}

/// Why a key was not kept.
#[derive(Debug, thiserror::Error)]
pub enum AddKeyError {
    /// The owner has a key of that name.
    #[error("the owner has a signing key of this name")]
    NameTaken,
    /// The database failed, or there is no such owner ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl SigningKeyRow {
    fn from_row(row: &Row) -> Result<Self, MetadataError> {
        Ok(Self {
            id: SigningKeyId::from_row(row.value("id")?),
            owner_id: OwnerId::from_row(row.value("owner_id")?),
            name: row.value("name")?,
            public_pem: row.value("public_pem")?,
            sealed: row.value("sealed")?,
            state: row.word("key state", "state")?,
            created_at: row.time("created_at")?,
        })
    }
}

impl Metadata {
    /// All keys of an owner in every state, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn signing_keys(
        &self,
        owner: OwnerId,
    ) -> Result<Arc<[SigningKeyRow]>, MetadataError> {
        let ask = async |owner: &OwnerId| {
            self.engine
                .rows(sql!(
                    "SELECT id, owner_id, name, public_pem, sealed, state, created_at FROM signing_keys \
                     WHERE owner_id = $1 ORDER BY id DESC",
                    *owner
                ))
                .await?
                .iter()
                .map(SigningKeyRow::from_row)
                .collect()
        };
        self.memory
            .signing_keys
            .get(&self.memory.watch, owner, ask)
            .await
    }

    /// Keeps an owner's first key. When the owner has an active one already, nothing is kept and that one is given back
    /// (the newest): two nodes that make a key at once agree.
    ///
    /// # Errors
    ///
    /// When a key that is not active has the name, there is no such owner, or the database fails.
    pub async fn add_first_signing_key(
        &self,
        new: NewSigningKey<'_>,
    ) -> Result<SigningKeyRow, AddKeyError> {
        let mut transaction = self.engine.write().await?;
        lock_owner(&mut transaction, new.owner).await?;
        let active = transaction
            .row(sql!(
                "SELECT id, owner_id, name, public_pem, sealed, state, created_at FROM signing_keys \
                 WHERE owner_id = $1 AND state = 'active' ORDER BY id DESC",
                new.owner
            ))
            .await?;
        if let Some(row) = active {
            return Ok(SigningKeyRow::from_row(&row)?);
        }
        let row = insert_active(&mut transaction, new).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// Keeps one more key, which signs from now on. With `retire_others` it is the only one that does.
    ///
    /// # Errors
    ///
    /// When the owner has a key of that name, there is no such owner, or the database fails.
    pub async fn add_signing_key(
        &self,
        new: NewSigningKey<'_>,
        retire_others: bool,
    ) -> Result<SigningKeyRow, AddKeyError> {
        let mut transaction = self.engine.write().await?;
        lock_owner(&mut transaction, new.owner).await?;
        if retire_others {
            transaction
                .run(sql!(
                    "UPDATE signing_keys SET state = 'retired' WHERE owner_id = $1 AND state <> 'retired'",
                    new.owner
                ))
                .await?;
        }
        let row = insert_active(&mut transaction, new).await?;
        transaction.commit().await?;
        Ok(row)
    }
}

/// Changes the owner's row into itself, so that of two transactions about one owner's keys the second waits for the
/// first on engines that let several write at once.
async fn lock_owner(transaction: &mut Transaction, owner: OwnerId) -> Result<(), MetadataError> {
    transaction
        .run_one(
            "owner",
            sql!(
                "UPDATE owners SET created_at = created_at WHERE id = $1",
                owner
            ),
        )
        .await
}

async fn insert_active(
    transaction: &mut Transaction,
    new: NewSigningKey<'_>,
) -> Result<SigningKeyRow, AddKeyError> {
    let row = transaction
        .row(sql!(
            "INSERT INTO signing_keys (owner_id, name, algorithm, public_pem, sealed, state, created_at) \
             VALUES ($1, $2, 'rsa', $3, $4, 'active', $5) ON CONFLICT (owner_id, name) DO NOTHING \
             RETURNING id, owner_id, name, public_pem, sealed, state, created_at",
            new.owner,
            new.name,
            new.public_pem,
            new.sealed,
            new.created_at
        ))
        .await?
        .ok_or(AddKeyError::NameTaken)?;
    Ok(SigningKeyRow::from_row(&row)?)
}
