//! The keys that sign an owner's indexes, their private halves sealed by `keys/`.
//!
//! A key is active (it signs) or retired. An owner with keys has an active RSA key, since v2 indexes are signed by those
//! alone, and perhaps others of the curve P-256. The date of an index is the later of its newest package change and the last
//! change of these keys, and dates have whole seconds. So each change of a key takes a second of its own, after every
//! earlier change of the owner's keys and packages ([`next_change`]), and each change of a package one after those of
//! the keys (`packages.rs`).

use std::sync::Arc;

use super::{
    Act, KeyState, KeyType, Metadata, MetadataError, OwnerId, SigningKeyId,
    audit::Done,
    change_times::next_change,
    engine::{Transaction, sql},
    rows::{row, select},
};
use tarn_base::clock::Timestamp;

/// How many keys of an owner may sign at a time. Two is a rotation; each one more costs every new index a signature.
pub const MAX_ACTIVE_KEYS: usize = 4;

row! {
    /// A signing key as it is kept.
    #[derive(Clone, PartialEq, Eq)]
    pub struct SigningKeyRow as key_columns {
        /// Which one. What it names never changes but for the state, so it is fit as the key of a cache.
        pub id: SigningKeyId = signing_keys.id,
        /// Whose.
        pub owner_id: OwnerId = signing_keys.owner_id,
        /// The file name in `/etc/apk/keys`.
        pub name: String = signing_keys.name,
        /// What it is.
        pub key_type: KeyType = signing_keys.algorithm,
        /// The public half, in PEM.
        pub public_pem: String = signing_keys.public_pem,
        /// The private half, encrypted.
        pub sealed: Vec<u8> = signing_keys.sealed,
        /// Whether it signs.
        pub state: KeyState = signing_keys.state,
        /// When it was made or imported.
        pub created_at: Timestamp = signing_keys.created_at,
        /// When it got this state. No two changes of an owner's keys have the same time.
        pub changed_at: Timestamp = signing_keys.changed_at,
    }
}

impl std::fmt::Debug for SigningKeyRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeyRow")
            .field("id", &self.id)
            .field("owner_id", &self.owner_id)
            .field("name", &self.name)
            .field("key_type", &self.key_type)
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
    /// What it is.
    pub key_type: KeyType,
    /// The public half, in PEM.
    pub public_pem: &'a str,
    /// The private half, encrypted.
    pub sealed: &'a [u8],
    /// Where it comes from.
    pub origin: KeyOrigin,
}

/// Where a signing key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrigin {
    /// Made here.
    Made,
    /// Brought here.
    Imported,
}

/// What a new key does to those of its type that sign already. Those of the other type always sign on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherKeys {
    /// They retire in the same moment.
    Retire,
    /// They sign on beside it, as long as there are no more than that many of them.
    SignOn {
        /// How many there may be.
        at_most: usize,
    },
}

/// Why a key was not kept.
#[derive(Debug, thiserror::Error)]
pub enum AddKeyError {
    /// The owner has a key of that name.
    #[error("the owner has a signing key of this name")]
    NameTaken,
    /// More keys of its type sign already than there may be beside a new one.
    #[error("{} keys of this type sign already", .0.len())]
    TooManyOfItsType(
        /// Their names, newest first.
        Vec<String>,
    ),
    /// As many keys sign as may.
    #[error("{MAX_ACTIVE_KEYS} keys sign already")]
    TooManyActive,
    /// The database failed, or there is no such owner ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Why a key keeps its state. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeKeyError {
    /// The owner has none of that name.
    #[error("the owner has no signing key of this name")]
    NoSuchKey,
    /// It is the only active RSA key, and v2 indexes are signed by those only.
    #[error("it is the only RSA key that is active")]
    OnlyRsa,
    /// As many keys sign as may.
    #[error("{MAX_ACTIVE_KEYS} keys sign already")]
    TooManyActive,
    /// The database failed, or there is no such owner ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl Metadata {
    /// All keys of an owner in every state, newest first.
    pub async fn signing_keys(
        &self,
        owner: OwnerId,
    ) -> Result<Arc<[SigningKeyRow]>, MetadataError> {
        let ask = async |owner: &OwnerId| {
            self.engine
                .look_up_all(sql!(
                    select!(
                        key_columns,
                        "FROM signing_keys WHERE owner_id = $1 ORDER BY id DESC"
                    ),
                    *owner
                ))
                .await
                .map(Arc::from)
        };
        self.memory.signing_keys.get(owner, ask).await
    }

    /// Keeps an owner's first RSA key. When the owner has an active one already, nothing is kept and that one is given back
    /// (the newest): two nodes that make a key at once agree.
    ///
    /// # Errors
    ///
    /// When a key that is not active has the name, there is no such owner, or the database fails.
    pub async fn add_first_signing_key(
        &self,
        new: NewSigningKey<'_>,
        act: &Act<'_>,
    ) -> Result<SigningKeyRow, AddKeyError> {
        let mut transaction = self.engine.write().await?;
        lock_owner(&mut transaction, new.owner).await?;
        if let Some(row) = active(&mut transaction, new.owner)
            .await?
            .into_iter()
            .find(|row| row.key_type == KeyType::Rsa)
        {
            return Ok(row);
        }
        let changed_at = change_time(&mut transaction, new.owner, act.at).await?;
        let row = insert_active(&mut transaction, new, act.at, changed_at).await?;
        let done = Done::of(new.owner, "key.add", new.name);
        transaction.note_and_commit(act, done).await?;
        Ok(row)
    }

    /// Keeps one more key, which signs from now on, alone or beside the others.
    ///
    /// # Errors
    ///
    /// When the owner has a key of that name, too many sign already, there is no such owner, or the database fails.
    pub async fn add_signing_key(
        &self,
        new: NewSigningKey<'_>,
        others: OtherKeys,
        act: &Act<'_>,
    ) -> Result<SigningKeyRow, AddKeyError> {
        let mut transaction = self.engine.write().await?;
        lock_owner(&mut transaction, new.owner).await?;
        let changed_at = change_time(&mut transaction, new.owner, act.at).await?;
        let mut active = active(&mut transaction, new.owner).await?;
        match others {
            OtherKeys::Retire => {
                let of_its_type = |row: &mut SigningKeyRow| row.key_type == new.key_type;
                for row in active.extract_if(.., of_its_type) {
                    let key = (row.id, row.name.as_str());
                    let change = (KeyState::Retired, changed_at);
                    change_state(&mut transaction, new.owner, key, change, act).await?;
                }
            }
            OtherKeys::SignOn { at_most } => {
                let same = active.iter().filter(|row| row.key_type == new.key_type);
                if same.clone().count() > at_most {
                    let names = same.map(|row| row.name.clone()).collect();
                    return Err(AddKeyError::TooManyOfItsType(names));
                }
            }
        }
        if !fits(new.key_type, &active) {
            return Err(AddKeyError::TooManyActive);
        }
        let row = insert_active(&mut transaction, new, act.at, changed_at).await?;
        let action = match new.origin {
            KeyOrigin::Made => "key.rotate",
            KeyOrigin::Imported => "key.import",
        };
        let done = Done::of(new.owner, action, new.name);
        transaction.note_and_commit(act, done).await?;
        Ok(row)
    }

    /// Gives the key called `name` another state. `false` when it has that state already; nothing was changed then.
    ///
    /// # Errors
    ///
    /// When there is no such key, no active RSA key or more than [`MAX_ACTIVE_KEYS`] would be left, or the database fails.
    pub async fn change_signing_key(
        &self,
        owner: OwnerId,
        name: &str,
        state: KeyState,
        act: &Act<'_>,
    ) -> Result<bool, ChangeKeyError> {
        let mut transaction = self.engine.write().await?;
        lock_owner(&mut transaction, owner).await?;
        let (id, key_type, before): (SigningKeyId, KeyType, KeyState) = transaction
            .row(sql!(
                "SELECT id, algorithm, state FROM signing_keys WHERE owner_id = $1 AND name = $2",
                owner,
                name
            ))
            .await?
            .ok_or(ChangeKeyError::NoSuchKey)?;
        if before == state {
            return Ok(false);
        }
        let active = active(&mut transaction, owner).await?;
        match (state, key_type) {
            (KeyState::Retired, KeyType::Rsa) if rsa(&active) <= 1 => {
                return Err(ChangeKeyError::OnlyRsa);
            }
            (KeyState::Active, key_type) if !fits(key_type, &active) => {
                return Err(ChangeKeyError::TooManyActive);
            }
            (KeyState::Retired | KeyState::Active, _) => {}
        }
        let changed_at = change_time(&mut transaction, owner, act.at).await?;
        let key = (id, name);
        change_state(&mut transaction, owner, key, (state, changed_at), act).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

fn rsa(active: &[SigningKeyRow]) -> usize {
    let keys = active.iter();
    keys.filter(|row| row.key_type == KeyType::Rsa).count()
}

/// Whether one more key of that type may be active beside the others. One place is kept for the RSA key that every owner gets.
fn fits(key_type: KeyType, active: &[SigningKeyRow]) -> bool {
    let kept = usize::from(key_type != KeyType::Rsa && rsa(active) == 0);
    active.len() + kept < MAX_ACTIVE_KEYS
}

/// Makes another transaction about the same owner's keys wait, and one about the owner's repositories, whose changes must
/// not take the second that this one takes.
async fn lock_owner(transaction: &mut Transaction, owner: OwnerId) -> Result<(), MetadataError> {
    transaction.lock_owner(owner).await?;
    transaction
        .run(sql!(
            "UPDATE repositories SET changed_at = changed_at WHERE owner_id = $1",
            owner
        ))
        .await?;
    Ok(())
}

/// Gives a key, its number and its name, another state, with the entry in the audit log.
async fn change_state(
    transaction: &mut Transaction,
    owner: OwnerId,
    (id, name): (SigningKeyId, &str),
    (state, changed_at): (KeyState, Timestamp),
    act: &Act<'_>,
) -> Result<(), MetadataError> {
    let statement = sql!(
        "UPDATE signing_keys SET state = $2, changed_at = $3 WHERE id = $1",
        id,
        state,
        changed_at
    );
    transaction.run_one("signing key", statement).await?;
    let action = match state {
        KeyState::Active => "key.reactivate",
        KeyState::Retired => "key.retire",
    };
    transaction.note(act, Done::of(owner, action, name)).await
}

/// When a change of an owner's keys counts as made.
async fn change_time(
    transaction: &mut Transaction,
    owner: OwnerId,
    now: Timestamp,
) -> Result<Timestamp, MetadataError> {
    let previous: Option<Option<Timestamp>> = transaction
        .row(sql!(
            "SELECT MAX(changed_at) AS changed_at FROM (\
             SELECT changed_at FROM signing_keys WHERE owner_id = $1 \
             UNION ALL SELECT changed_at FROM repositories WHERE owner_id = $1) AS changes",
            owner
        ))
        .await?;
    let previous = previous.flatten();
    Ok(previous.map_or(now, |previous| next_change(previous, now)))
}

/// The owner's keys that sign, newest first.
async fn active(
    transaction: &mut Transaction,
    owner: OwnerId,
) -> Result<Vec<SigningKeyRow>, MetadataError> {
    transaction
        .rows(sql!(
            select!(
                key_columns,
                "FROM signing_keys WHERE owner_id = $1 AND state = 'active' ORDER BY id DESC"
            ),
            owner
        ))
        .await
}

async fn insert_active(
    transaction: &mut Transaction,
    new: NewSigningKey<'_>,
    created_at: Timestamp,
    changed_at: Timestamp,
) -> Result<SigningKeyRow, AddKeyError> {
    transaction
        .row(sql!(
            concat!("INSERT INTO signing_keys (owner_id, name, algorithm, public_pem, sealed, state, created_at, changed_at) \
             VALUES ($1, $2, $3, $4, $5, 'active', $6, $7) ON CONFLICT (owner_id, name) DO NOTHING RETURNING ", key_columns!()),
            new.owner,
            new.name,
            new.key_type,
            new.public_pem,
            new.sealed,
            created_at,
            changed_at
        ))
        .await?
        .ok_or(AddKeyError::NameTaken)
}
