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

use super::{Algorithm, PemError, PublicKey, PublicKeyError, p256::P256Key, pem};

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
        "the file holds no private key; PEM blocks named `PRIVATE KEY`, `RSA PRIVATE KEY` and `EC PRIVATE KEY` are understood"
    )]
    NotPrivateKey,
    /// The key itself does not serve.
    #[error(
        "the private key is damaged, of another kind, too small or too large; give an RSA key of 2048 to 4096 bits, or a \
         key of the curve P-256"
    )]
    Rejected,
    /// A key of an elliptic curve that is not P-256, or that is damaged.
    #[error(
        "the private key is damaged, or not of the curve P-256 (`prime256v1`); make one with \
         `openssl ecparam -name prime256v1 -genkey -noout`"
    )]
    NotP256,
    /// The public half of the key could not be written.
    #[error("the public half of the key is unusable: {0}")]
    PublicHalf(#[from] PublicKeyError),
    /// The random source or the library failed.
    #[error("no key could be generated; the system's random source may be unavailable")]
    Generate,
}

/// A signature could not be made: the library failed, or the key is not of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("signing failed")]
pub struct SignError;

/// A private key: RSA, or of the elliptic curve P-256, which signs v3 files only. Equal messages get equal signatures: RSA pads
/// as in PKCS#1 v1.5, ECDSA takes its number from the message (RFC 6979). Masked in `Debug`.
#[derive(Clone)]
pub struct SigningKey {
    kind: Kind,
    public: PublicKey,
}

#[derive(Clone)]
enum Kind {
    Rsa(RsaKeyPair),
    P256(P256Key),
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

    /// Reads a private key in PEM form: PKCS#8 (`PRIVATE KEY`) of either kind, PKCS#1 (`RSA PRIVATE KEY`, what `abuild-keygen`
    /// writes) or SEC 1 (`EC PRIVATE KEY`, what `openssl ecparam -name prime256v1 -genkey` and OpenWrt's build system write).
    ///
    /// # Errors
    ///
    /// [`SigningKeyError`] says what the file is instead. No part of the key is in its text.
    pub fn from_pem(text: &[u8]) -> Result<Self, SigningKeyError> {
        let (label, der) = pem::decode(text)?;
        let pair = match label.as_str() {
            "PRIVATE KEY" => match P256Key::from_pkcs8(&der) {
                Some(key) => return Self::of_p256(key),
                None => RsaKeyPair::from_pkcs8(&der),
            },
            "EC PRIVATE KEY" => {
                let key = P256Key::from_sec1(&der).ok_or(SigningKeyError::NotP256)?;
                return Self::of_p256(key);
            }
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
            "PUBLIC KEY" | "RSA PUBLIC KEY" => return Err(SigningKeyError::Public),
            _ => return Err(SigningKeyError::NotPrivateKey),
        };
        Self::new(pair.map_err(|_| SigningKeyError::Rejected)?)
    }

    fn new(pair: RsaKeyPair) -> Result<Self, SigningKeyError> {
        let public = PublicKey::from_rsa_public_key(pair.public_key().as_ref())?;
        let kind = Kind::Rsa(pair);
        Ok(Self { kind, public })
    }

    /// Makes a new key of the curve P-256.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError::Generate`].
    pub fn generate_p256() -> Result<Self, SigningKeyError> {
        Self::of_p256(P256Key::generate()?)
    }

    fn of_p256(key: P256Key) -> Result<Self, SigningKeyError> {
        let public = PublicKey::from_p256_point(&key.point())?;
        let kind = Kind::P256(key);
        Ok(Self { kind, public })
    }

    /// Whether it signs v2 packages and indexes: RSA keys do. v3 files are signed by every key.
    pub fn signs_v2(&self) -> bool {
        matches!(self.kind, Kind::Rsa(_))
    }

    /// The key as PKCS#8 in PEM form. The text is wiped from memory when dropped.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, SignError> {
        match &self.kind {
            Kind::Rsa(pair) => {
                let der: Pkcs8V1Der<'static> = pair.as_der().map_err(|_| SignError)?;
                Ok(pem::encode("PRIVATE KEY", der.as_ref()))
            }
            Kind::P256(key) => {
                let der = key.to_pkcs8().ok_or(SignError)?;
                Ok(pem::encode("PRIVATE KEY", &der))
            }
        }
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// An [`Algorithm::Rsa256`] signature over `message`. As long as the modulus: 256 or 512 bytes.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_digest(&RSA_PKCS1_SHA256, &digest::digest(&digest::SHA256, message))
    }

    /// An [`Algorithm::Rsa256`] signature over the message whose SHA-256 is given.
    pub fn sign_sha256_digest(&self, digest: &[u8; 32]) -> Result<Vec<u8>, SignError> {
        let digest =
            digest::Digest::import_less_safe(digest, &digest::SHA256).map_err(|_| SignError)?;
        self.sign_digest(&RSA_PKCS1_SHA256, &digest)
    }

    /// A signature of v3 over `message`, with SHA-512: RSA PKCS#1 v1.5, or ECDSA in DER (apk-tools `src/crypto_openssl.c`,
    /// `apk_sign_start`).
    pub(crate) fn sign_sha512(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let digest = digest::digest(&digest::SHA512, message);
        match &self.kind {
            Kind::Rsa(_) => self.sign_digest(&RSA_PKCS1_SHA512, &digest),
            Kind::P256(key) => key.sign_digest(digest.as_ref()).ok_or(SignError),
        }
    }

    /// A signature of any algorithm of v2 that is made at all: `Rsa256`, and `Rsa512`.
    ///
    /// # Errors
    ///
    /// [`SignError`]: another algorithm, a key that is no RSA key, or the library refused.
    pub fn sign_with(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, SignError> {
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
        let Kind::Rsa(pair) = &self.kind else {
            return Err(SignError);
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign_digest(encoding, digest, &mut signature)
            .map_err(|_| SignError)?;
        Ok(signature)
    }
}
