//! Private keys.

use std::fmt;

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    rsa,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair},
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Algorithm, PemError, PublicKey, PublicKeyError, pem};

/// How large a new key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySize {
    /// Quick to make; enough for tests.
    Rsa2048,
    /// What owners get.
    Rsa4096,
}

/// Why a file holds no private key that can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SigningKeyError {
    /// The text is no PEM file.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The public half was given.
    #[error(
        "this is a public key; give the private one, which `abuild-keygen` writes beside it without `.pub`"
    )]
    Public,
    /// Another kind of block.
    #[error(
        "the file holds no RSA private key; PEM blocks named `PRIVATE KEY` and `RSA PRIVATE KEY` are understood"
    )]
    NotPrivateKey,
    /// The key itself does not serve.
    #[error(
        "the private key is no RSA key that can sign: damaged, of another kind, too small or too large; give one of 2048 to \
         4096 bits"
    )]
    Rejected,
    /// The public half of the key could not be written.
    #[error("the public half of the key is unusable: {0}")]
    PublicHalf(#[from] PublicKeyError),
    /// The random source or the library failed.
    #[error("no key could be generated; the system's random source may be unavailable")]
    Generate,
}

/// A signature could not be made. Happens only when the library fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("signing failed")]
pub struct SignError;

/// An RSA private key. Signs with PKCS#1 v1.5 padding, so equal messages get equal signatures. Masked in `Debug`.
#[derive(Clone)]
pub struct SigningKey {
    pair: RsaKeyPair,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningKey")
            .field("fingerprint", &self.public.fingerprint())
            .field("private", &"***")
            .finish()
    }
}

impl SigningKey {
    /// Makes a new key. 4096 bits take from a tenth of a second to several, all of it computing.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Generate`].
    pub fn generate(size: KeySize) -> Result<Self, SigningKeyError> {
        let size = match size {
            KeySize::Rsa2048 => rsa::KeySize::Rsa2048,
            KeySize::Rsa4096 => rsa::KeySize::Rsa4096,
        };
        Self::new(RsaKeyPair::generate(size).map_err(|_| SigningKeyError::Generate)?)
    }

    /// Reads a private key in PEM form: PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`, what `abuild-keygen` writes).
    ///
    /// # Errors
    ///
    /// [`SigningKeyError`] says what the file is instead. No part of the key is in its text.
    pub fn from_pem(text: &[u8]) -> Result<Self, SigningKeyError> {
        let (label, der) = pem::decode(text)?;
        let pair = match label.as_str() {
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
            "PUBLIC KEY" | "RSA PUBLIC KEY" => return Err(SigningKeyError::Public),
            _ => return Err(SigningKeyError::NotPrivateKey),
        };
        Self::new(pair.map_err(|_| SigningKeyError::Rejected)?)
    }

    fn new(pair: RsaKeyPair) -> Result<Self, SigningKeyError> {
        let public = PublicKey::from_rsa_public_key(pair.public_key().as_ref())?;
        Ok(Self { pair, public })
    }

    /// The key as PKCS#8 in PEM form. The text is wiped from memory when dropped.
    ///
    /// # Errors
    ///
    /// [`SignError`] when the library fails.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SignError> {
        let der: Pkcs8V1Der<'static> = self.pair.as_der().map_err(|_| SignError)?;
        Ok(pem::encode("PRIVATE KEY", der.as_ref()))
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// An [`Algorithm::Rsa256`] signature over `message`. As long as the modulus: 256 or 512 bytes.
    ///
    /// # Errors
    ///
    /// [`SignError`] when the library fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_digest(&RSA_PKCS1_SHA256, &digest::digest(&digest::SHA256, message))
    }

    /// An [`Algorithm::Rsa256`] signature over the message whose SHA-256 is given.
    ///
    /// # Errors
    ///
    /// [`SignError`] when the library fails.
    pub fn sign_sha256_digest(&self, digest: &[u8; 32]) -> Result<Vec<u8>, SignError> {
        let digest =
            digest::Digest::import_less_safe(digest, &digest::SHA256).map_err(|_| SignError)?;
        self.sign_digest(&RSA_PKCS1_SHA256, &digest)
    }

    /// A signature of any algorithm that is made at all: `Rsa256`, and `Rsa512`, which v3 has.
    pub(crate) fn sign_with(
        &self,
        algorithm: Algorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, SignError> {
        match algorithm {
            Algorithm::Rsa256 => self.sign(message),
            Algorithm::Rsa512 => {
                self.sign_digest(&RSA_PKCS1_SHA512, &digest::digest(&digest::SHA512, message))
            }
            Algorithm::Rsa | Algorithm::Dsa => Err(SignError),
        }
    }

    fn sign_digest(
        &self,
        encoding: &'static dyn RsaEncoding,
        digest: &digest::Digest,
    ) -> Result<Vec<u8>, SignError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign_digest(encoding, digest, &mut signature)
            .map_err(|_| SignError)?;
        Ok(signature)
    }
}
