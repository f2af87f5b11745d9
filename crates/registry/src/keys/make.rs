//! Making an owner's first key: once, however many ask for it, and to the end, also when they have gone away.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use apk::sign::{KeyName, PublicKey, SigningKey};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::sync::Semaphore;

use super::{KeyError, Keys, Sealer, on_blocking_thread};
use crate::metadata::{AddKeyError, NewSigningKey, Owner, OwnerId, SigningKeyRow};

type Flight = Shared<BoxFuture<'static, Result<SigningKeyRow, KeyError>>>;

/// The keys that are being made. One at a time: the other processors serve requests.
#[derive(Debug, Clone)]
pub(super) struct Flights {
    under_way: Arc<Mutex<HashMap<OwnerId, Flight>>>,
    turn: Arc<Semaphore>,
}

impl Default for Flights {
    fn default() -> Self {
        Self {
            under_way: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<OwnerId, Flight>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a flight off the list, also when the task that made the key panicked.
struct Landing {
    flights: Flights,
    owner: OwnerId,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.owner);
    }
}

impl Keys {
    /// The row of `owner`'s first key. The work is a task of its own, which goes on when those who asked have gone away.
    pub(super) async fn make_first(&self, owner: &Owner) -> Result<SigningKeyRow, KeyError> {
        let flight = {
            let mut under_way = self.flights.lock();
            if let Some(flight) = under_way.get(&owner.id) {
                flight.clone()
            } else {
                let (keys, owner_made) = (self.clone(), owner.clone());
                let landing = Landing {
                    flights: self.flights.clone(),
                    owner: owner.id,
                };
                let task = tokio::spawn(async move {
                    let _landing = landing;
                    keys.make(&owner_made).await
                });
                let flight = async move { task.await.unwrap_or(Err(KeyError::Stopping)) }
                    .boxed()
                    .shared();
                under_way.insert(owner.id, flight.clone());
                flight
            }
        };
        flight.await
    }

    async fn make(&self, owner: &Owner) -> Result<SigningKeyRow, KeyError> {
        let turn = Arc::clone(&self.flights.turn)
            .acquire_owned()
            .await
            .map_err(|_| KeyError::Stopping)?;
        // While this one waited for its turn, another process may have made the key.
        if let Some(row) = self.read_active(owner).await?.into_iter().next() {
            return Ok(row);
        }
        let (size, sealer, owner_made) = (self.size, Arc::clone(&self.sealer), owner.clone());
        let (name, public_pem, sealed) = on_blocking_thread(move || {
            let key = SigningKey::generate(size).map_err(KeyError::Generate)?;
            let name = file_name(&owner_made, key.public_key())?;
            let sealed = seal(&sealer, owner_made.id, &name, &key)?;
            Ok::<_, KeyError>((name, key.public_key().to_pem(), sealed))
        })
        .await??;
        drop(turn);
        let new = NewSigningKey {
            owner: owner.id,
            name: name.as_str(),
            public_pem: &public_pem,
            sealed: &sealed,
            created_at: self.clock.now(),
        };
        let row = match self.metadata.add_first_signing_key(new).await {
            Ok(row) => row,
            Err(AddKeyError::NameTaken) => return Err(KeyError::NameTaken(name)),
            Err(AddKeyError::Metadata(error)) => return Err(error.into()),
        };
        tracing::info!(owner = owner.name, key = row.name, "made a signing key");
        Ok(row)
    }
}

/// The file name of a key made here: `{owner in lower case}@{hex SHA-256 of the public key's DER}.rsa.pub`. At most 137
/// bytes. Behind `.SIGN.RSA256.` that is more than the 100 of a tar header; the signature entry has it as a GNU long name.
pub(super) fn file_name(owner: &Owner, public: &PublicKey) -> Result<KeyName, KeyError> {
    let owner = owner.name.to_ascii_lowercase();
    // An owner's name has no leading dot, so this cannot begin with one.
    KeyName::parse(&format!("{owner}@{}.rsa.pub", public.fingerprint())).map_err(KeyError::Name)
}

pub(super) fn seal(
    sealer: &Sealer,
    owner: OwnerId,
    name: &KeyName,
    key: &SigningKey,
) -> Result<Vec<u8>, KeyError> {
    let private = key.to_pkcs8_pem().map_err(KeyError::Write)?;
    sealer
        .seal(owner, name.as_str(), &private)
        .map_err(|source| KeyError::Sealed {
            name: name.to_string(),
            source,
        })
}
