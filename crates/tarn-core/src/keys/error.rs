//! What can go wrong with signing keys.

use std::sync::Arc;

use apk::sign::{KeyName, KeyNameError, PublicKeyError, SignError, SigningKeyError};

use tarn_base::hint::Hint;
use tarn_base::sealer::SealError;
use tarn_store::metadata::{MAX_ACTIVE_KEYS, MetadataError};

/// Why there is no key, or one was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    /// What was to be imported is not a key that can sign.
    #[error("the key was not imported: {0}")]
    NotAKey(SigningKeyError),
    /// It is an RSA key of a size that is not taken.
    #[error("the key was not imported: it has {bits} bits, and 2048 to 4096 are taken")]
    Size {
        /// Of its modulus.
        bits: usize,
    },
    /// The owner has one of that name, perhaps a retired one.
    #[error(
        "the key was not imported: {owner} already has a key called `{name}`, perhaps a retired one"
    )]
    NameTaken {
        /// Whose.
        owner: String,
        /// The name.
        name: KeyName,
    },
    /// A rotation of keys of this type is under way.
    #[error("no key was made: {} sign the indexes of {owner} already", and(.signing))]
    Rotating {
        /// Whose.
        owner: String,
        /// The names of the keys of this type that sign, newest first.
        signing: Vec<String>,
    },
    /// As many keys sign as may.
    #[error(
        "the key does not sign: at most {MAX_ACTIVE_KEYS} keys of an owner do, an RSA key among them"
    )]
    TooManyActive,
    /// There is none of that name.
    #[error("{owner} has no signing key called `{name}`")]
    NoSuchKey {
        /// Whose.
        owner: String,
        /// What was asked for.
        name: KeyName,
    },
    /// The v2 indexes would be signed by no key.
    #[error(
        "cannot retire `{name}`: it is the only active RSA key of {owner}, and APKINDEX.tar.gz is signed by RSA keys only"
    )]
    OnlyRsa {
        /// Whose.
        owner: String,
        /// The key.
        name: KeyName,
    },
    /// The owner's name does not make a file name.
    #[error("no file name for a key can be made of the owner's name")]
    Name(#[source] KeyNameError),
    /// No new key.
    #[error("no signing key could be made")]
    Generate(#[source] SigningKeyError),
    /// The private half cannot be written out.
    #[error("the private half of a signing key could not be written")]
    Write(#[source] SignError),
    /// A key cannot be sealed, or a sealed one does not open.
    #[error("the signing key `{name}` cannot be used: {source}")]
    Sealed {
        /// Which one.
        name: String,
        /// Why.
        source: SealError,
    },
    /// What a row of the database holds is not the key it should be.
    #[error("the signing key `{name}` in the database makes no sense: {problem}")]
    Stored {
        /// Which one.
        name: String,
        /// What is wrong.
        problem: StoredProblem,
    },
    /// The thread that made the key went away.
    #[error("no signing key could be made: the server is stopping")]
    Stopping,
    /// The database did not answer.
    #[error("the database did not answer")]
    Metadata(#[source] Arc<MetadataError>),
}

/// What is wrong with a key in the database.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoredProblem {
    /// Its name.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// Its private half.
    #[error(transparent)]
    Private(#[from] SigningKeyError),
    /// Its public half.
    #[error(transparent)]
    Public(#[from] PublicKeyError),
    /// The halves.
    #[error("its public half does not belong to its private half")]
    Halves,
}

/// Names as a sentence lists them: `a`, `a and b`, `a, b and c`.
fn and(names: &[String]) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

impl From<MetadataError> for KeyError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(Arc::new(error))
    }
}

impl Hint for KeyError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Size { .. } => {
                "smaller ones can be broken, larger ones make every new index slow to sign"
                    .to_owned()
            }
            Self::NameTaken { name, owner, .. } => format!(
                "if it is this key, `tarn key reactivate {owner} {name}` lets it sign again, and if it is another, give this one another file name"
            ),
            Self::Rotating { owner, signing, .. } => format!(
                "end that rotation with `tarn key retire {owner} {}` once every client has the newest, then begin the next one",
                signing.last().map_or("NAME", String::as_str)
            ),
            Self::TooManyActive => "retire one of them with `tarn key retire`".to_owned(),
            Self::NoSuchKey { owner, .. } => format!("`tarn key list {owner}` prints them all"),
            Self::OnlyRsa { owner, .. } => format!(
                "make another one with `tarn key rotate {owner}`, and retire this one when every client has the other"
            ),
            _ => return None,
        })
    }
}
