//! How keys come and go after the first: rotation, its end, its undoing, and keys from elsewhere.
//!
//! ```text
//!  rotate, import ──→ active ──── retire ───→ retired
//!                        ↑                       │
//!                        └───── reactivate ──────┘
//! ```
//!
//! A new key signs at once, beside the others, and `/key` hands it out from the same moment: a client that fetches its key
//! once, whenever that is, gets one that signs. A stage in which a key is published and does not sign yet would help
//! nobody: apk takes the first signature by a key it trusts (apk-tools `src/extract_v2.c`,
//! `apk_sign_ctx_process_file`) and any trusted one of a v3 index (`src/adb.c`, `adb_trust_verify_signature`), so a
//! signature too many harms no client, and one too few shuts out those who have just fetched that key.
//!
//! RSA keys and those of the curve P-256 come and go independently of each other: a rotation, and an import that takes over,
//! are about the keys of one type. The last active RSA key never retires, for v2 indexes are signed by RSA keys only.
//!
//! What only a person can know is when every client has the new key. So nothing retires by itself.

use std::ops::RangeInclusive;

use apk::sign::{KeyName, SigningKey};

use super::{
    KeyError, Keys, ListedKey, listed,
    make::{self, SealedKey},
    on_blocking_thread,
};
use tarn_base::secret::Secret;
use tarn_store::metadata::{
    Actor, ChangeKeyError, KeyOrigin, KeyState, KeyType, MAX_ACTIVE_KEYS, OtherKeys, Owner,
};

/// The sizes of RSA key that may be imported, in bits.
const IMPORTED_BITS: RangeInclusive<usize> = 2048..=4096;
/// A rotation begins while one key of the type signs: said twice, perhaps by a script, it must not make a key each time.
const BESIDE_ONE: OtherKeys = OtherKeys::SignOn { at_most: 1 };

/// What becomes of the keys of its type that sign when another is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Import {
    /// They retire at once: all clients have the imported key.
    Instead,
    /// They sign on beside it.
    Beside,
}

/// What came of asking for a state.
#[derive(Debug, Clone)]
pub struct StateChange {
    /// Whether the key had another state before.
    pub changed: bool,
    /// The names of the keys that sign now, newest first.
    pub signing: Vec<KeyName>,
}

impl Keys {
    /// Begins a rotation: makes a key that signs `owner`'s indexes at once, beside the one of its type that does already.
    ///
    /// # Errors
    ///
    /// When a rotation is under way, or a key cannot be made.
    pub async fn rotate(
        &self,
        owner: &Owner,
        key_type: KeyType,
        by: &Actor,
    ) -> Result<ListedKey, KeyError> {
        let mut signing = self.read_active(owner).await?;
        signing.retain(|row| row.key_type == key_type);
        if signing.len() > 1 {
            // Asked again inside the transaction; here it spares the seconds that a key takes.
            return Err(KeyError::Rotating {
                owner: owner.name.clone(),
                signing: signing.into_iter().map(|row| row.name).collect(),
            });
        }
        let made = self.generate_for(owner, key_type).await?;
        let added = self.add(owner, (made, KeyOrigin::Made), BESIDE_ONE, by);
        let added = added.await?;
        tracing::info!(owner = owner.name, key = %added.name, "began a rotation");
        Ok(added)
    }

    /// Lets the key called `name` sign no more. Its private half stays, sealed, so that this can be undone.
    ///
    /// # Errors
    ///
    /// When there is none, or it is the last active RSA key.
    pub async fn retire(
        &self,
        owner: &Owner,
        name: &KeyName,
        by: &Actor,
    ) -> Result<StateChange, KeyError> {
        self.change_state(owner, name, KeyState::Retired, by).await
    }

    /// Lets a retired key sign again, beside the others.
    ///
    /// # Errors
    ///
    /// When there is none, it does not open, or too many others sign.
    pub async fn reactivate(
        &self,
        owner: &Owner,
        name: &KeyName,
        by: &Actor,
    ) -> Result<StateChange, KeyError> {
        let rows = self.resources.metadata.signing_keys(owner.id).await?;
        if let Some(row) = rows.iter().find(|row| row.name == name.as_str()) {
            // With an active key that does not open, no index would be served any more.
            self.opened(row.clone()).await?;
        }
        self.change_state(owner, name, KeyState::Active, by).await
    }

    async fn change_state(
        &self,
        owner: &Owner,
        name: &KeyName,
        state: KeyState,
        by: &Actor,
    ) -> Result<StateChange, KeyError> {
        let changed = self
            .resources
            .metadata
            .change_signing_key(owner.id, name.as_str(), state, &self.resources.act(by))
            .await
            .map_err(|error| {
                let (owner, name) = (owner.name.clone(), name.clone());
                match error {
                    ChangeKeyError::NoSuchKey => KeyError::NoSuchKey { owner, name },
                    ChangeKeyError::OnlyRsa => KeyError::OnlyRsa { owner, name },
                    ChangeKeyError::TooManyActive => KeyError::TooManyActive,
                    ChangeKeyError::Metadata(error) => error.into(),
                }
            })?;
        if changed {
            tracing::info!(owner = owner.name, key = %name, %state, "changed the state of a signing key");
        }
        let signing = self.read_active(owner).await?;
        Ok(StateChange {
            changed,
            signing: signing
                .iter()
                .map(super::key_name)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Takes in a private key in PEM: PKCS#8, PKCS#1 or SEC 1. It signs from now on.
    ///
    /// `file_name` is the name its clients know it by; without one it gets the name that a key made here would have.
    ///
    /// # Errors
    ///
    /// When it is neither an RSA key of 2048 to 4096 bits nor one of the curve P-256, the name is taken, or too many keys
    /// would sign.
    pub async fn import(
        &self,
        owner: &Owner,
        pem: &Secret,
        file_name: Option<KeyName>,
        import: Import,
        by: &Actor,
    ) -> Result<ListedKey, KeyError> {
        let pem = pem.clone();
        let key = on_blocking_thread(move || SigningKey::from_pem(pem.expose().as_bytes()))
            .await?
            .map_err(KeyError::NotAKey)?;
        let bits = key.public_key().rsa_bits();
        if let Some(bits) = bits.filter(|bits| !IMPORTED_BITS.contains(bits)) {
            return Err(KeyError::Size { bits });
        }
        let name = match file_name {
            Some(name) => name,
            None => make::file_name(&owner.name, key.public_key())?,
        };
        let made = SealedKey::seal(&self.resources.sealer, owner, name, &key)?;
        let others = match import {
            Import::Instead => OtherKeys::Retire,
            Import::Beside => OtherKeys::SignOn {
                at_most: MAX_ACTIVE_KEYS,
            },
        };
        let added = self.add(owner, (made, KeyOrigin::Imported), others, by);
        let added = added.await?;
        tracing::info!(owner = owner.name, key = %added.name, "imported a signing key");
        Ok(added)
    }

    async fn add(
        &self,
        owner: &Owner,
        (made, origin): (SealedKey, KeyOrigin),
        others: OtherKeys,
        by: &Actor,
    ) -> Result<ListedKey, KeyError> {
        let row = self
            .resources
            .metadata
            .add_signing_key(made.row(owner, origin), others, &self.resources.act(by))
            .await
            .map_err(|error| make::not_added(error, owner, made.name))?;
        listed(&row)
    }
}
