//! Making keys. An owner's first: once, however many ask for it, and to the end, also when they have gone away.

use std::sync::Arc;

use apk::sign::{KeyName, PublicKey, SigningKey};

use super::{KeyError, Keys, on_blocking_thread};
use tarn_base::sealer::Sealer;
use tarn_store::metadata::{
    Actor, AddKeyError, KeyOrigin, KeyType, NewSigningKey, Owner, SigningKeyRow,
};

impl Keys {
    /// The row of `owner`'s first RSA key. The work is a task of its own, which goes on when those who asked have gone away; those who
    /// ask meanwhile wait for it.
    pub(super) async fn make_first(&self, owner: &Owner) -> Result<SigningKeyRow, KeyError> {
        let (keys, owner_made) = (self.clone(), owner.clone());
        let making = async move {
            let made = tokio::spawn(async move { keys.make(&owner_made).await });
            made.await.unwrap_or(Err(KeyError::Stopping))
        };
        let made = self.made.try_get_with(owner.id, making).await;
        made.map_err(|error| (*error).clone())
    }

    async fn make(&self, owner: &Owner) -> Result<SigningKeyRow, KeyError> {
        // Held until the row is there, so that the next request finds it.
        let _turn = self
            .making
            .acquire()
            .await
            .map_err(|_| KeyError::Stopping)?;
        // While this one waited for its turn, another process may have made the key.
        if let Some(row) = newest_rsa(&self.read_active(owner).await?) {
            return Ok(row.clone());
        }
        let made = self.generate_for(owner, KeyType::Rsa).await?;
        let row = self
            .resources
            .metadata
            .add_first_signing_key(
                made.row(owner, KeyOrigin::Made),
                &self.resources.act(&Actor::SERVER),
            )
            .await
            .map_err(|error| not_added(error, owner, made.name))?;
        tracing::info!(owner = owner.name, key = row.name, "made a signing key");
        Ok(row)
    }

    /// A new key for `owner`, not kept yet. An RSA key takes a processor for seconds.
    pub(super) async fn generate_for(
        &self,
        owner: &Owner,
        key_type: KeyType,
    ) -> Result<SealedKey, KeyError> {
        let (size, sealer, owner) = (self.size, Arc::clone(&self.resources.sealer), owner.clone());
        on_blocking_thread(move || {
            let key = match key_type {
                KeyType::Rsa => SigningKey::generate(size),
                KeyType::EcP256 => SigningKey::generate_p256(),
            };
            let key = key.map_err(KeyError::Generate)?;
            let name = file_name(&owner.name, key.public_key())?;
            SealedKey::seal(&sealer, &owner, name, &key)
        })
        .await?
    }
}

/// A key, ready to be kept.
pub(super) struct SealedKey {
    pub(super) name: KeyName,
    key_type: KeyType,
    public_pem: String,
    sealed: Vec<u8>,
}

impl SealedKey {
    pub(super) fn seal(
        sealer: &Sealer,
        owner: &Owner,
        name: KeyName,
        key: &SigningKey,
    ) -> Result<Self, KeyError> {
        let private = key.to_pkcs8_pem().map_err(KeyError::Write)?;
        let sealed = sealer
            .seal(owner.id.number(), name.as_str(), &private)
            .map_err(|source| KeyError::Sealed {
                name: name.to_string(),
                source,
            })?;
        Ok(Self {
            name,
            key_type: type_of(key.public_key()),
            public_pem: key.public_key().to_pem(),
            sealed,
        })
    }

    /// As it is kept.
    pub(super) fn row(&self, owner: &Owner, origin: KeyOrigin) -> NewSigningKey<'_> {
        NewSigningKey {
            owner: owner.id,
            name: self.name.as_str(),
            key_type: self.key_type,
            public_pem: &self.public_pem,
            sealed: &self.sealed,
            origin,
        }
    }
}

/// Why the key called `name` was not kept.
pub(super) fn not_added(error: AddKeyError, owner: &Owner, name: KeyName) -> KeyError {
    match error {
        AddKeyError::NameTaken => KeyError::NameTaken {
            owner: owner.name.clone(),
            name,
        },
        AddKeyError::TooManyOfItsType(signing) => KeyError::Rotating {
            owner: owner.name.clone(),
            signing,
        },
        AddKeyError::TooManyActive => KeyError::TooManyActive,
        AddKeyError::Metadata(error) => error.into(),
    }
}

/// What a key is that signs: there are no others than these two.
pub(super) fn type_of(public: &PublicKey) -> KeyType {
    match public.rsa_bits() {
        Some(_) => KeyType::Rsa,
        None => KeyType::EcP256,
    }
}

/// The newest RSA key among those that sign.
pub(super) fn newest_rsa(active: &[SigningKeyRow]) -> Option<&SigningKeyRow> {
    active.iter().find(|row| row.key_type == KeyType::Rsa)
}

/// The file name of a key made here, or in a forge, for an owner of that name: `{owner in lower case}@` and the SHA-256 of the
/// public key's DER in hex, and `.rsa.pub` or, for a key of an elliptic curve, `.pem`, as OpenWrt calls its keys. At most 137 bytes. Behind `.SIGN.RSA256.` that is more than
/// the 100 of a tar header; the signature entry has it as a GNU long name.
///
/// # Errors
///
/// When the name is none that an owner can have.
pub fn file_name(owner: &str, public: &PublicKey) -> Result<KeyName, KeyError> {
    let owner = owner.to_ascii_lowercase();
    // An owner's name has no leading dot, so this cannot begin with one.
    let end = match type_of(public) {
        KeyType::Rsa => "rsa.pub",
        KeyType::EcP256 => "pem",
    };
    KeyName::parse(&format!("{owner}@{}.{end}", public.fingerprint())).map_err(KeyError::Name)
}
