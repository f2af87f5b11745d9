//! Station 7: the keys that sign an owner's indexes.
//!
//! An owner gets a key when the first index or the key itself is asked for. It is made on a thread of its own, one at a time in
//! a process and once for an owner; when two processes make one at once, the database keeps the first. The private half lies in the
//! database sealed (`sealer.rs`) and in memory for as long as it is used.
//!
//! The rows are read with every request, so what the command line imports is used from the next request on. Opening and
//! parsing a private key happens once: what a row's number names never changes.

mod error;
mod make;
mod sealer;
mod secret_file;

use std::sync::Arc;

use apk::sign::{KeyName, KeySize, PublicKey, SigningKey};
use moka::future::Cache;

pub use error::{KeyError, StoredProblem};
pub use sealer::{SealError, Sealer, SealerError};
pub use secret_file::SecretFileError;

use crate::{
    access::Secret,
    clock::{Clock, Timestamp},
    metadata::{
        AddKeyError, KeyState, Metadata, NewSigningKey, Owner, SigningKeyId, SigningKeyRow,
    },
};

/// How many opened keys are kept in memory: some 10 KiB each.
const OPENED_KEYS: u64 = 2_000;
/// The sizes of key that may be imported, in bits.
const IMPORTED_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A key that signs now.
#[derive(Debug)]
pub struct ActiveKey {
    /// Its number, which never names another key.
    pub id: SigningKeyId,
    /// The file name under which clients have its public half in `/etc/apk/keys`.
    pub name: KeyName,
    /// The private half.
    pub key: SigningKey,
    /// The public half.
    pub public: PublicKey,
}

/// The keys that sign an owner's indexes now.
#[derive(Debug, Clone)]
pub struct OwnerKeys {
    /// Newest first; never empty.
    pub active: Vec<Arc<ActiveKey>>,
    /// Since when it is these. An index signed by others is older than that.
    pub changed_at: Timestamp,
}

impl OwnerKeys {
    /// Which keys these are: two of equal numbers sign the same.
    pub fn ids(&self) -> Vec<SigningKeyId> {
        self.active.iter().map(|key| key.id).collect()
    }
}

/// A key as it is shown to administrators.
#[derive(Debug, Clone)]
pub struct ListedKey {
    /// The file name in `/etc/apk/keys`.
    pub name: KeyName,
    /// The hex SHA-256 of its SubjectPublicKeyInfo in DER.
    pub fingerprint: String,
    /// Whether it signs.
    pub state: KeyState,
    /// When it was made or imported.
    pub created_at: Timestamp,
}

/// The halves of a key in PEM.
#[derive(Debug, Clone)]
pub struct ExportedKey {
    /// The file name in `/etc/apk/keys`.
    pub name: KeyName,
    /// The public half (`PUBLIC KEY`).
    pub public: String,
    /// The private half (PKCS#8), where it was asked for.
    pub private: Option<Secret>,
}

/// The signing keys of all owners. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Keys {
    metadata: Metadata,
    sealer: Arc<Sealer>,
    clock: Clock,
    size: KeySize,
    opened: Cache<SigningKeyId, Arc<ActiveKey>>,
    flights: make::Flights,
}

impl Keys {
    /// Keys in `metadata`, sealed by `sealer`. New ones are RSA-4096.
    pub fn new(metadata: Metadata, sealer: Sealer, clock: Clock) -> Self {
        Self::with_size(metadata, sealer, clock, KeySize::Rsa4096)
    }

    /// Keys of another size, for tests.
    pub fn with_size(metadata: Metadata, sealer: Sealer, clock: Clock, size: KeySize) -> Self {
        Self {
            metadata,
            sealer: Arc::new(sealer),
            clock,
            size,
            opened: Cache::new(OPENED_KEYS),
            flights: make::Flights::default(),
        }
    }

    /// The keys that sign `owner`'s indexes, made if there is none yet. That takes seconds, and others go on meanwhile.
    ///
    /// # Errors
    ///
    /// When a key cannot be made or opened. One that does not open is an error even where another one does: what
    /// clients trust must not change because a sealing key was lost.
    pub async fn signing_keys(&self, owner: &Owner) -> Result<Arc<OwnerKeys>, KeyError> {
        let rows = self.active_rows(owner).await?;
        // A key begins to sign when it is made or imported, and the others retire in the same moment.
        let changed_at = rows
            .iter()
            .map(|row| row.created_at)
            .max()
            .unwrap_or(Timestamp::from_seconds(0));
        let mut active = Vec::with_capacity(rows.len());
        for row in rows {
            active.push(self.opened(row).await?);
        }
        Ok(Arc::new(OwnerKeys { active, changed_at }))
    }

    /// The file name and the PEM of the newest key that signs `owner`'s indexes, made if there is none yet.
    ///
    /// # Errors
    ///
    /// When a key cannot be made.
    pub async fn public_key(&self, owner: &Owner) -> Result<(KeyName, String), KeyError> {
        let row = self.newest(owner).await?;
        Ok((key_name(&row)?, row.public_pem))
    }

    /// Takes in a private key in PEM, PKCS#8 or PKCS#1. It becomes the one that signs, and the others retire.
    ///
    /// `file_name` is the name its clients know it by; without one it gets the name that a key made here would have.
    ///
    /// # Errors
    ///
    /// When it is not an RSA key of 2048 to 4096 bits, or the name is taken.
    pub async fn import(
        &self,
        owner: &Owner,
        pem: &Secret,
        file_name: Option<KeyName>,
    ) -> Result<ListedKey, KeyError> {
        let pem = pem.clone();
        let key = on_blocking_thread(move || SigningKey::from_pem(pem.expose().as_bytes()))
            .await?
            .map_err(KeyError::NotAKey)?;
        let bits = key.public_key().rsa_bits().unwrap_or(0);
        if !IMPORTED_BITS.contains(&bits) {
            return Err(KeyError::Size { bits });
        }
        let name = match file_name {
            Some(name) => name,
            None => make::file_name(owner, key.public_key())?,
        };
        let sealed = make::seal(&self.sealer, owner.id, &name, &key)?;
        let new = NewSigningKey {
            owner: owner.id,
            name: name.as_str(),
            public_pem: &key.public_key().to_pem(),
            sealed: &sealed,
            created_at: self.clock.now(),
        };
        let row = match self.metadata.add_signing_key(new, true).await {
            Ok(row) => row,
            Err(AddKeyError::NameTaken) => return Err(KeyError::NameTaken(name)),
            Err(AddKeyError::Metadata(error)) => return Err(error.into()),
        };
        listed(&row)
    }

    /// The newest key that signs `owner`'s indexes, made if there is none yet, with its private half where `private` says so.
    ///
    /// # Errors
    ///
    /// When a key cannot be made or opened.
    pub async fn export(&self, owner: &Owner, private: bool) -> Result<ExportedKey, KeyError> {
        let row = self.newest(owner).await?;
        let name = key_name(&row)?;
        let public = row.public_pem.clone();
        let private = if private {
            let key = self.opened(row).await?;
            let pem = key.key.to_pkcs8_pem().map_err(KeyError::Write)?;
            Some(Secret::new(pem.as_str().to_owned()))
        } else {
            None
        };
        Ok(ExportedKey {
            name,
            public,
            private,
        })
    }

    /// All keys of `owner` in every state, newest first. Makes none.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or holds a key that makes no sense.
    pub async fn list(&self, owner: &Owner) -> Result<Vec<ListedKey>, KeyError> {
        let rows = self.metadata.signing_keys(owner.id).await?;
        rows.iter().map(listed).collect()
    }

    async fn newest(&self, owner: &Owner) -> Result<SigningKeyRow, KeyError> {
        let rows = self.active_rows(owner).await?;
        rows.into_iter().next().ok_or(KeyError::Stopping)
    }

    /// The rows of the keys that sign, newest first, and never none.
    async fn active_rows(&self, owner: &Owner) -> Result<Vec<SigningKeyRow>, KeyError> {
        let rows = self.read_active(owner).await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
        let row = self.make_first(owner).await?;
        // Read again rather than taken as it is: somebody may have imported one meanwhile.
        let rows = self.read_active(owner).await?;
        Ok(if rows.is_empty() { vec![row] } else { rows })
    }

    async fn read_active(&self, owner: &Owner) -> Result<Vec<SigningKeyRow>, KeyError> {
        let rows = self.metadata.signing_keys(owner.id).await?;
        Ok(rows
            .iter()
            .filter(|row| row.state == KeyState::Active)
            .cloned()
            .collect())
    }

    /// The key of a row, opened once however many ask for it.
    async fn opened(&self, row: SigningKeyRow) -> Result<Arc<ActiveKey>, KeyError> {
        let sealer = Arc::clone(&self.sealer);
        let id = row.id;
        let opening = async move {
            let name = row.name.clone();
            let opened = on_blocking_thread(move || open(&sealer, &row)).await?;
            if let Err(error) = &opened {
                tracing::error!(key = %id, name, %error, "a signing key cannot be used");
            }
            opened.map(Arc::new)
        };
        self.opened
            .try_get_with(id, opening)
            .await
            .map_err(|error| (*error).clone())
    }
}

/// Opens a sealed key and makes sure that it is the one whose public half clients get.
fn open(sealer: &Sealer, row: &SigningKeyRow) -> Result<ActiveKey, KeyError> {
    let stored = |problem| KeyError::Stored {
        name: row.name.clone(),
        problem,
    };
    let name = key_name(row)?;
    let private = sealer
        .open(row.owner_id, &row.name, &row.sealed)
        .map_err(|source| KeyError::Sealed {
            name: row.name.clone(),
            source,
        })?;
    let key =
        SigningKey::from_pem(private.expose().as_bytes()).map_err(|error| stored(error.into()))?;
    let public = public_key(row)?;
    if key.public_key() != &public {
        return Err(stored(StoredProblem::Halves));
    }
    Ok(ActiveKey {
        id: row.id,
        name,
        key,
        public,
    })
}

fn key_name(row: &SigningKeyRow) -> Result<KeyName, KeyError> {
    KeyName::parse(&row.name).map_err(|error| KeyError::Stored {
        name: row.name.clone(),
        problem: error.into(),
    })
}

fn public_key(row: &SigningKeyRow) -> Result<PublicKey, KeyError> {
    PublicKey::from_pem(row.public_pem.as_bytes()).map_err(|error| KeyError::Stored {
        name: row.name.clone(),
        problem: error.into(),
    })
}

fn listed(row: &SigningKeyRow) -> Result<ListedKey, KeyError> {
    Ok(ListedKey {
        name: key_name(row)?,
        fingerprint: public_key(row)?.fingerprint().to_string(),
        state: row.state,
        created_at: row.created_at,
    })
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, KeyError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| KeyError::Stopping)
}
