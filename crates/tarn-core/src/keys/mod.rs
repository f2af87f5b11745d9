//! The keys that sign the indexes of an owner.
//!
//! An owner gets a key when the first index or the key itself is asked for. It is made on a thread of its own, one at a time in
//! a process and once for an owner; when two processes make one at once, the database keeps the first. The private half lies in the
//! database sealed (`sealer.rs`), and in memory until an hour after it was last needed.
//!
//! A key is active, that is, it signs; or retired. Every active key signs every v3 index, and every active RSA key every v2
//! index, for which apk knows no elliptic curves. So a client that has one of them in `/etc/apk/keys` is content, and an owner
//! always has an active RSA key. `rotate.rs` is how keys come and go.
//!
//! The rows are read with every request, so what the command line changes is used from the next request on. Opening and
//! parsing a private key happens once: what a row's number names never changes.

mod error;
mod make;
mod rotate;

use std::{sync::Arc, time::Duration};

use apk::sign::{KeyName, KeySize, PublicKey, SigningKey};
use moka::future::Cache;
use tokio::sync::Semaphore;

pub use error::{KeyError, StoredProblem};
pub use make::file_name;
pub use rotate::{Import, StateChange};

use crate::resources::Resources;
use tarn_base::{clock::Timestamp, sealer::Sealer, secret::Secret};
use tarn_store::metadata::{KeyState, KeyType, Owner, OwnerId, SigningKeyId, SigningKeyRow};

/// How many opened keys are kept in memory: some 10 KiB each.
const OPENED_KEYS: u64 = 2_000;

/// How long after it was last needed. One that was retired signs no more, and has no business in memory.
const KEPT_OPENED: Duration = Duration::from_secs(3_600);

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
    /// Since when it is these. An index signed by others is older than that, and no two changes of an owner's keys have
    /// the same time: it names the set.
    pub changed_at: Timestamp,
}

impl OwnerKeys {
    /// Those that sign v2 indexes: the RSA keys.
    pub fn for_v2(&self) -> impl Iterator<Item = &Arc<ActiveKey>> {
        self.active.iter().filter(|key| key.key.signs_v2())
    }
}

/// A key as it is shown to administrators.
#[derive(Debug, Clone)]
pub struct ListedKey {
    /// The file name in `/etc/apk/keys`.
    pub name: KeyName,
    /// What it is.
    pub key_type: KeyType,
    /// The hex SHA-256 of its SubjectPublicKeyInfo in DER.
    pub fingerprint: String,
    /// Whether it signs.
    pub state: KeyState,
    /// When it was made or imported.
    pub created_at: Timestamp,
    /// When it got this state.
    pub changed_at: Timestamp,
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
    resources: Resources,
    size: KeySize,
    opened: Cache<SigningKeyId, Arc<ActiveKey>>,
    /// The first keys that are being made; it keeps none of them.
    made: Cache<OwnerId, SigningKeyRow>,
    /// One key is made at a time: the other processors serve requests.
    making: Arc<Semaphore>,
}

impl Keys {
    /// Keys, of which new RSA ones have that size.
    pub fn new(resources: Resources, size: KeySize) -> Self {
        Self {
            resources,
            size,
            opened: Cache::builder()
                .max_capacity(OPENED_KEYS)
                .time_to_idle(KEPT_OPENED)
                .build(),
            made: Cache::new(0),
            making: Arc::new(Semaphore::new(1)),
        }
    }

    /// The time by the registry's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.resources.clock.now()
    }

    /// Lets go of opened keys that were not used for an hour. By itself the cache does so only while it is used.
    pub(crate) async fn forget_unused(&self) {
        self.opened.run_pending_tasks().await;
    }

    /// The keys that sign `owner`'s indexes, made if there is none yet. That takes seconds, and others go on meanwhile.
    ///
    /// # Errors
    ///
    /// When a key cannot be made or opened. One that does not open is an error even where another one does: what
    /// clients trust must not change because a sealing key was lost.
    pub async fn signing_keys(&self, owner: &Owner) -> Result<Arc<OwnerKeys>, KeyError> {
        let rows = self.rows(owner).await?;
        // Of the retired ones too: when a key ceases to sign, the indexes change.
        let changed_at = rows
            .iter()
            .map(|row| row.changed_at)
            .max()
            .unwrap_or(Timestamp::from_seconds(0));
        let mut opened = Vec::new();
        for row in active(&rows) {
            opened.push(self.opened(row).await?);
        }
        Ok(Arc::new(OwnerKeys {
            active: opened,
            changed_at,
        }))
    }

    /// The file name and the PEM of the newest RSA key that signs `owner`'s indexes, made if there is none yet. With it a
    /// client takes the indexes of both formats.
    ///
    /// # Errors
    ///
    /// When a key cannot be made.
    pub async fn public_key(&self, owner: &Owner) -> Result<(KeyName, String), KeyError> {
        let row = self.newest(owner).await?;
        Ok((key_name(&row)?, row.public_pem))
    }

    /// The PEM of the key called `name`, if it signs `owner`'s indexes. What does not sign is not handed out: a client
    /// that trusts it alone could not use the indexes.
    pub async fn public_key_called(
        &self,
        owner: &Owner,
        name: &KeyName,
    ) -> Result<Option<String>, KeyError> {
        let rows = self.read_active(owner).await?;
        let row = rows.into_iter().find(|row| row.name == name.as_str());
        Ok(row.map(|row| row.public_pem))
    }

    /// The key called `wanted`, or the newest RSA key that signs `owner`'s indexes, made if there is none yet; with its private
    /// half where `private` says so.
    ///
    /// # Errors
    ///
    /// When the owner has no key of that name, or a key cannot be made or opened.
    pub async fn export(
        &self,
        owner: &Owner,
        wanted: Option<&KeyName>,
        private: bool,
    ) -> Result<ExportedKey, KeyError> {
        let row = match wanted {
            None => self.newest(owner).await?,
            Some(name) => {
                let rows = self.resources.metadata.signing_keys(owner.id).await?;
                let row = rows.iter().find(|row| row.name == name.as_str());
                row.cloned().ok_or_else(|| KeyError::NoSuchKey {
                    owner: owner.name.clone(),
                    name: name.clone(),
                })?
            }
        };
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
        let rows = self.resources.metadata.signing_keys(owner.id).await?;
        rows.iter().map(listed).collect()
    }

    async fn newest(&self, owner: &Owner) -> Result<SigningKeyRow, KeyError> {
        let rows = active(&self.rows(owner).await?);
        make::newest_rsa(&rows).cloned().ok_or(KeyError::Stopping)
    }

    /// The rows of all keys, newest first; at least one RSA key among them signs.
    async fn rows(&self, owner: &Owner) -> Result<Arc<[SigningKeyRow]>, KeyError> {
        let signs_v2 = |row: &SigningKeyRow| is_active(row) && row.key_type == KeyType::Rsa;
        let rows = self.resources.metadata.signing_keys(owner.id).await?;
        if rows.iter().any(signs_v2) {
            return Ok(rows);
        }
        let row = self.make_first(owner).await?;
        // Read again rather than taken as it is: another may have been imported meanwhile.
        let rows = self.resources.metadata.signing_keys(owner.id).await?;
        Ok(if rows.iter().any(signs_v2) {
            rows
        } else {
            Arc::new([row])
        })
    }

    async fn read_active(&self, owner: &Owner) -> Result<Vec<SigningKeyRow>, KeyError> {
        let rows = self.resources.metadata.signing_keys(owner.id).await?;
        Ok(active(&rows))
    }

    /// The key of a row, opened once however many ask for it.
    async fn opened(&self, row: SigningKeyRow) -> Result<Arc<ActiveKey>, KeyError> {
        let sealer = Arc::clone(&self.resources.sealer);
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
    let name = key_name(row)?;
    let private = sealer
        .open(row.owner_id.number(), &row.name, &row.sealed)
        .map_err(|source| KeyError::Sealed {
            name: row.name.clone(),
            source,
        })?;
    let key = SigningKey::from_pem(private.expose().as_bytes());
    let key = key.map_err(|error| stored(row, error))?;
    let public = public_key(row)?;
    if key.public_key() != &public {
        return Err(stored(row, StoredProblem::Halves));
    }
    Ok(ActiveKey {
        id: row.id,
        name,
        key,
        public,
    })
}

fn active(rows: &[SigningKeyRow]) -> Vec<SigningKeyRow> {
    rows.iter().filter(|row| is_active(row)).cloned().collect()
}

fn is_active(row: &SigningKeyRow) -> bool {
    row.state == KeyState::Active
}

fn key_name(row: &SigningKeyRow) -> Result<KeyName, KeyError> {
    KeyName::parse(&row.name).map_err(|error| stored(row, error))
}

fn public_key(row: &SigningKeyRow) -> Result<PublicKey, KeyError> {
    PublicKey::from_pem(row.public_pem.as_bytes()).map_err(|error| stored(row, error))
}

fn stored(row: &SigningKeyRow, problem: impl Into<StoredProblem>) -> KeyError {
    KeyError::Stored {
        name: row.name.clone(),
        problem: problem.into(),
    }
}

fn listed(row: &SigningKeyRow) -> Result<ListedKey, KeyError> {
    Ok(ListedKey {
        name: key_name(row)?,
        key_type: row.key_type,
        fingerprint: public_key(row)?.fingerprint().to_string(),
        state: row.state,
        created_at: row.created_at,
        changed_at: row.changed_at,
    })
}

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, KeyError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| KeyError::Stopping)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Registry, settings::Settings};
    use tarn_base::{clock::Clock, names::OwnerName};
    use tarn_store::metadata::{Actor, Visibility};

    #[tokio::test]
    async fn an_opened_key_that_is_not_needed_leaves_the_memory() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::in_folder(folder.path().to_path_buf());
        let registry = Registry::open(settings, Clock::system()).await.unwrap();
        assert_eq!(
            registry.keys().opened.policy().time_to_idle(),
            Some(KEPT_OPENED)
        );
        let by = &Actor::SERVER;
        let (alice, visibility) = (OwnerName::parse("alice").unwrap(), Visibility::Public);
        let accounts = registry.administration().accounts();
        let added = accounts.add_user(&alice, None, false, visibility, by).await;
        added.unwrap();
        let owner = registry.metadata().owner(&alice).await.unwrap().unwrap();

        let mut keys = registry.keys().clone();
        keys.opened = Cache::builder()
            .time_to_idle(Duration::from_secs(2))
            .build();
        keys.signing_keys(&owner).await.unwrap();
        keys.forget_unused().await;
        assert_eq!(keys.opened.entry_count(), 1);
        let patience = tokio::time::timeout(Duration::from_secs(60), async {
            while keys.opened.entry_count() > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                keys.forget_unused().await;
            }
        });
        patience.await.unwrap();
    }
}
