//! Private keys at rest: encrypted with a key that is not in the database.
//!
//! A sealed key is
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format, 1 |
//! | 8 | which sealing key: the first bytes of a SHA-256 over a label and the key |
//! | 12 | nonce, random |
//! | rest | AES-256-GCM, its tag of 16 bytes last |
//!
//! The format, the owner and the key's name are authenticated with it, so a sealed key that is moved to another row of the
//! database does not open.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::secret_file::{self, SecretFileError};
use crate::{
    hint::Hint,
    random::{Random, RandomError},
    secret::Secret,
};

/// The file with the sealing key in the data folder.
const FILE_NAME: &str = "secret.key";
const FORMAT: u8 = 1;
const KEY_ID: usize = 8;
const NONCE: usize = 12;
pub(super) const KEY: usize = 32;
/// The key in base64, and a line feed.
const LINE: usize = KEY.div_ceil(3) * 4 + 1;

/// Why there is no sealing key.
#[derive(Debug, thiserror::Error)]
pub enum SealerError {
    /// The file in the data folder.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// The setting, or what the file holds.
    #[error("{0} does not hold a sealing key")]
    NotAKey(String),
    /// The file in the data folder is gone, and the database is sealed with it.
    #[error("{} is missing, and the signing keys, second factors and webhooks in the database are sealed with it", .0.display())]
    Lost(PathBuf),
    /// It is a sealing key, and not the one of this database.
    #[error("the sealing key from {place} is not the one of this database; nothing was changed")]
    Wrong {
        /// Where it was read.
        place: String,
    },
    /// The text by which it is checked could not be read or made.
    #[error("the sealing key could not be checked: {0}")]
    Check(SealError),
    /// There is no file in the data folder, nothing that it would seal, and only the server makes one.
    #[error("{} is missing, and only the server makes it", .0.display())]
    NotMade(PathBuf),
    /// No random bytes for a new one.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// Why a sealed key does not open, or a key could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key sealed it.
    #[error("it was sealed with another sealing key")]
    OtherSealingKey,
    /// A newer server sealed it.
    #[error("it is sealed in format {0}, which this version does not know")]
    UnknownFormat(u8),
    /// Cut off or changed, or from another row.
    #[error("its sealed form is damaged")]
    Damaged,
    /// The cipher did not work.
    #[error("it could not be sealed")]
    NotSealed,
}

/// The name under which the text is sealed by which a sealing key is checked. No key file has it.
const CHECK: &str = "sealing key/check";

/// Seals private keys and opens them.
pub struct Sealer {
    key: RandomizedNonceKey,
    key_id: [u8; KEY_ID],
    /// Where the key was read, for people.
    place: String,
    /// Other keys are made out of this one, which is made out of the sealing key.
    origin: hmac::Key,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(***)")
    }
}

impl Sealer {
    /// The sealing key in `secret.key` of the data folder, if it is there. Makes nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be read, when others can read it, or when it holds something else.
    pub fn found_in_data_folder(folder: &Path) -> Result<Option<Self>, SealerError> {
        let path = folder.join(FILE_NAME);
        secret_file::read(&path)?
            .map(|text| Self::from_base64(&text, || path.display().to_string()))
            .transpose()
    }

    /// That there is none in the data folder, where none may be made. `needed`: something is sealed already.
    pub fn missing_from_data_folder(folder: &Path, needed: bool) -> SealerError {
        let path = folder.join(FILE_NAME);
        if needed {
            SealerError::Lost(path)
        } else {
            SealerError::NotMade(path)
        }
    }

    /// The sealing key in `secret.key` of the data folder, which has to exist. Made when it is not there: 32 random bytes in
    /// base64, readable by its user only, on the disk before this returns.
    ///
    /// # Errors
    ///
    /// When it cannot be read or made, when others can read it, or when it holds something else.
    pub fn from_data_folder(folder: &Path) -> Result<Self, SealerError> {
        Self::from_data_folder_with(folder, &Random::system())
    }

    fn from_data_folder_with(folder: &Path, random: &Random) -> Result<Self, SealerError> {
        let path = folder.join(FILE_NAME);
        let text = match secret_file::read(&path)? {
            Some(text) => text,
            None => {
                let mut key = Zeroizing::new([0; KEY]);
                random.fill(&mut *key)?;
                // Of a fixed size: a text that grows leaves a copy behind that is not wiped. What is not written over is
                // the line feed at the end.
                let mut line = Zeroizing::new([b'\n'; LINE]);
                STANDARD
                    .encode_slice(key.as_slice(), line.as_mut_slice())
                    .map_err(|_| SealerError::NotAKey(path.display().to_string()))?;
                secret_file::create(&path, line.as_slice())?;
                // Read back, since another process may have been faster.
                secret_file::read(&path)?.ok_or_else(|| SecretFileError::vanished(&path))?
            }
        };
        Self::from_base64(&text, || path.display().to_string())
    }

    /// The sealing key of a setting: the base64 of 32 random bytes.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub fn from_setting(setting: &Secret) -> Result<Self, SealerError> {
        Self::from_base64(setting.expose(), || {
            "the setting `secret-key-file` or TARN_SECRET_KEY".to_owned()
        })
    }

    fn from_base64(text: &str, place: impl Fn() -> String) -> Result<Self, SealerError> {
        let not_a_key = || SealerError::NotAKey(place());
        let bytes = STANDARD
            .decode(text.trim())
            .map(Zeroizing::new)
            .map_err(|_| not_a_key())?;
        if bytes.len() != KEY {
            return Err(not_a_key());
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| not_a_key())?;
        let digest = Sha256::new()
            .chain_update(b"tarn sealing key 1")
            .chain_update(&*bytes)
            .finalize();
        let mut key_id = [0; KEY_ID];
        for (byte, value) in key_id.iter_mut().zip(digest) {
            *byte = value;
        }
        let origin = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
        let origin = hmac::sign(&origin, b"tarn origin of keys 1");
        Ok(Self {
            key,
            key_id,
            place: place(),
            origin: hmac::Key::new(hmac::HMAC_SHA256, origin.as_ref()),
        })
    }

    /// The key for keyed hashes of one purpose: the same in every process with this sealing key, and another for each
    /// purpose.
    pub fn hash_key(&self, purpose: &str) -> hmac::Key {
        let key = hmac::sign(&self.origin, purpose.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())
    }

    /// A text that only this key opens, by which [`Self::check`] knows it again.
    ///
    /// # Errors
    ///
    /// [`SealError::NotSealed`].
    pub fn check_text(&self) -> Result<Vec<u8>, SealError> {
        self.seal(0, CHECK, CHECK)
    }

    /// Whether this is the key that made `text` with [`Self::check_text`].
    ///
    /// # Errors
    ///
    /// [`SealerError::Wrong`] when another made it, [`SealerError::Check`] when it cannot be decided.
    pub fn check(&self, text: &[u8]) -> Result<(), SealerError> {
        match self.open(0, CHECK, text) {
            Ok(_) => Ok(()),
            Err(SealError::OtherSealingKey) => Err(SealerError::Wrong {
                place: self.place.clone(),
            }),
            Err(error) => Err(SealerError::Check(error)),
        }
    }

    /// Seals the private key called `name` of `owner`, or another secret of theirs by a name that no key has.
    ///
    /// # Errors
    ///
    /// [`SealError::NotSealed`].
    pub fn seal(&self, owner: i64, name: &str, private: &str) -> Result<Vec<u8>, SealError> {
        // With room for the tag, so that the plain bytes are not left behind by a move.
        let mut body = Zeroizing::new(Vec::with_capacity(private.len() + AES_256_GCM.tag_len()));
        body.extend_from_slice(private.as_bytes());
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(associated(owner, name)), &mut *body)
            .map_err(|_| SealError::NotSealed)?;
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(&self.key_id);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&body);
        Ok(sealed)
    }

    /// Opens what [`Self::seal`] gave for the same owner and name.
    ///
    /// # Errors
    ///
    /// When another key sealed it, or it is damaged, or it belongs to another row.
    pub fn open(&self, owner: i64, name: &str, sealed: &[u8]) -> Result<Secret, SealError> {
        let (format, rest) = sealed.split_first().ok_or(SealError::Damaged)?;
        if *format != FORMAT {
            return Err(SealError::UnknownFormat(*format));
        }
        let (key_id, rest) = rest.split_at_checked(KEY_ID).ok_or(SealError::Damaged)?;
        if key_id != self.key_id {
            return Err(SealError::OtherSealingKey);
        }
        let (nonce, body) = rest.split_at_checked(NONCE).ok_or(SealError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Damaged)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(associated(owner, name)), &mut body)
            .map_err(|_| SealError::Damaged)?;
        str::from_utf8(plain)
            .map(|text| Secret::new(text.to_owned()))
            .map_err(|_| SealError::Damaged)
    }
}

/// The owner's number has a fixed length, so no two pairs give the same bytes.
fn associated(owner: i64, name: &str) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    bytes.extend_from_slice(&owner.to_be_bytes());
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

impl Hint for SealerError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(error) => return error.hint(),
Self::NotAKey(..) => "it has to be the base64 of 32 random bytes, as `openssl rand -base64 32` prints".to_owned(),
Self::Lost(..) => "put it back from your backup, or name the key as the server does, with `--secret-key-file` or TARN_SECRET_KEY; if it is lost, docs/keys.md says how to go on".to_owned(),
            Self::Wrong { .. } => "put back the `secret.key` that belongs to this database, from your backup, or name the right key with `--secret-key-file` or TARN_SECRET_KEY; if the right one is lost, docs/keys.md says how to go on".to_owned(),
Self::NotMade(..) => "name the key as the server does, with `--secret-key-file` or TARN_SECRET_KEY, or start the server once".to_owned(),
            _ => return None,
        })
    }
}

impl Hint for SealError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::OtherSealingKey => "put the `secret.key` back that belongs to this database, or the setting in its place".to_owned(),
Self::UnknownFormat(..) => "run the newer one".to_owned(),
Self::Damaged => "restore the database from a backup, or import the key again".to_owned(),
            _ => return None,
        })
    }
}
