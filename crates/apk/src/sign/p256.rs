//! Private keys of the elliptic curve P-256. aws-lc pairs that curve with no SHA-512 for signing, and takes random numbers.

use aws_lc_rs::rand;
use p256::{
    SecretKey,
    ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner},
    pkcs8::{DecodePrivateKey, EncodePrivateKey},
};
use zeroize::Zeroizing;

use super::SigningKeyError;

/// A private key.
#[derive(Clone)]
pub(super) struct P256Key(SecretKey);

impl P256Key {
    pub(super) fn generate() -> Result<Self, SigningKeyError> {
        // About one number in 2^32 is not a scalar of the curve.
        for _ in 0..8 {
            let mut bytes = Zeroizing::new([0; 32]);
            rand::fill(bytes.as_mut()).map_err(|_| SigningKeyError::Generate)?;
            if let Ok(key) = SecretKey::from_slice(bytes.as_ref()) {
                return Ok(Self(key));
            }
        }
        Err(SigningKeyError::Generate)
    }

    /// A key in PKCS#8 DER (RFC 5208); `None` for anything else.
    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        SecretKey::from_pkcs8_der(der).ok().map(Self)
    }

    /// A key in SEC 1 DER (RFC 5915); `None` for anything else.
    pub(super) fn from_sec1(der: &[u8]) -> Option<Self> {
        SecretKey::from_sec1_der(der).ok().map(Self)
    }

    pub(super) fn to_pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        let der = self.0.to_pkcs8_der().ok()?;
        Some(Zeroizing::new(der.as_bytes().to_vec()))
    }

    /// The public point, uncompressed as OpenSSL writes it: a 4, and two numbers of 32 bytes (RFC 5480, 2.2).
    pub(super) fn point(&self) -> Vec<u8> {
        use p256::elliptic_curve::sec1::ToSec1Point as _;
        let public = self.0.public_key();
        public.to_sec1_point(false).as_bytes().to_vec()
    }

    /// An ECDSA signature in DER over a message of which the digest is given. The same digest gets the same signature (RFC 6979).
    pub(super) fn sign_digest(&self, digest: &[u8]) -> Option<Vec<u8>> {
        let signature: Signature = SigningKey::from(&self.0).sign_prehash(digest).ok()?;
        Some(signature.to_der().as_bytes().to_vec())
    }
}
