//! Public keys: RSA, and for v3 those of elliptic curves.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA512_ASN1,
        EcdsaVerificationAlgorithm, RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, UnparsedPublicKey,
    },
};
use spki::{
    AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef,
    der::{
        self, Decode as _, Encode as _, Reader as _, SliceReader,
        asn1::{AnyRef, BitStringRef, UintRef},
    },
};
use thiserror::Error;

use super::{Algorithm, MessageDigests, PemError, pem};
use crate::digest::Sha256Digest;

/// `rsaEncryption` (RFC 3279, 2.3.1).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-ecPublicKey` (RFC 5480, 2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `secp256r1`, which OpenSSL calls `prime256v1` (RFC 5480, 2.1.1.1).
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// `secp384r1`.
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `secp521r1`.
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
/// The curves that are known here, and ECDSA with SHA-512 on each.
const CURVES: [(ObjectIdentifier, &EcdsaVerificationAlgorithm); 3] = [
    (P256, &ECDSA_P256_SHA512_ASN1),
    (P384, &ECDSA_P384_SHA512_ASN1),
    (P521, &ECDSA_P521_SHA512_ASN1),
];

/// Why a file holds no public key that is of use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PublicKeyError {
    /// The text is no PEM file.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A private key was given.
    #[error("this is a private key; give the public one: `openssl pkey -in KEY -pubout`")]
    Private,
    /// Another kind of block.
    #[error("the file holds no `PUBLIC KEY`; write one with `openssl pkey -in KEY -pubout`")]
    NotPublicKey,
    /// The DER is not that of a key.
    #[error("the public key is malformed; write it again with `openssl pkey -in KEY -pubout`")]
    Malformed,
    /// Neither RSA nor of a known curve. apk takes what its OpenSSL takes, DSA and other curves among them.
    #[error(
        "the public key is neither RSA nor ECDSA on P-256, P-384 or P-521; signatures by other kinds of key are not \
         checked here"
    )]
    UnknownAlgorithm,
    /// A modulus too small to be safe, or too large to use.
    #[error("the RSA key has {0} bits; 1024 to 8192 are allowed")]
    Size(usize),
}

/// The signature is not by this key over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the signature does not match")]
pub struct InvalidSignature;

/// A public key that verifies signatures: of v2 packages and indexes when it is RSA, of v3 ones when it is RSA or
/// of an elliptic curve.
#[derive(Debug, Clone)]
pub struct PublicKey {
    /// SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
    der: Vec<u8>,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// RSAPublicKey (RFC 8017, A.1.1), and the size of its modulus in bits.
    Rsa { der: Vec<u8>, bits: usize },
    /// The point (RFC 5480, 2.2), and how signatures by it are checked.
    Ec {
        point: Vec<u8>,
        ecdsa: &'static EcdsaVerificationAlgorithm,
    },
}

impl PublicKey {
    /// Reads a `PUBLIC KEY` in PEM form, as apk keeps them in `/etc/apk/keys`.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError`] says what the file is instead.
    pub fn from_pem(text: &[u8]) -> Result<Self, PublicKeyError> {
        let (label, der) = pem::decode(text)?;
        match label.as_str() {
            "PUBLIC KEY" => Self::from_der(&der),
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "DSA PRIVATE KEY" | "EC PRIVATE KEY" => {
                Err(PublicKeyError::Private)
            }
            _ => Err(PublicKeyError::NotPublicKey),
        }
    }

    /// Reads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError::Malformed`], `UnknownAlgorithm` or `Size`.
    pub fn from_der(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let kind = parse(bytes)?;
        Ok(Self {
            der: bytes.to_vec(),
            kind,
        })
    }

    /// The modulus and the public exponent of an RSA key, big-endian without leading zeros; `None` for any other kind.
    pub fn rsa_numbers(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let Kind::Rsa { der, .. } = &self.kind else {
            return None;
        };
        let (modulus, exponent) = numbers(der).ok()?;
        Some((modulus.to_vec(), exponent.to_vec()))
    }

    /// Makes the key whose RSAPublicKey (RFC 8017, A.1.1) is given.
    pub(super) fn from_rsa_public_key(rsa: &[u8]) -> Result<Self, PublicKeyError> {
        Self::of(RSA, AnyRef::NULL, rsa)
    }

    /// Makes the key of the curve P-256 whose point is given.
    pub(super) fn from_p256_point(point: &[u8]) -> Result<Self, PublicKeyError> {
        Self::of(EC, AnyRef::from(&P256), point)
    }

    /// Makes the key of an algorithm with its parameters.
    fn of(
        oid: ObjectIdentifier,
        parameters: AnyRef<'_>,
        key: &[u8],
    ) -> Result<Self, PublicKeyError> {
        let info = SubjectPublicKeyInfoRef {
            algorithm: AlgorithmIdentifierRef {
                oid,
                parameters: Some(parameters),
            },
            subject_public_key: BitStringRef::from_bytes(key).map_err(malformed)?,
        };
        Self::from_der(&info.to_der().map_err(malformed)?)
    }

    /// The key in PEM form, which ends in a line feed.
    pub fn to_pem(&self) -> String {
        pem::encode("PUBLIC KEY", &self.der).to_string()
    }

    /// The SubjectPublicKeyInfo in DER.
    pub fn as_der(&self) -> &[u8] {
        &self.der
    }

    /// The RSAPublicKey (RFC 8017, A.1.1) in DER, or the point of an elliptic curve.
    pub(crate) fn bare(&self) -> &[u8] {
        match &self.kind {
            Kind::Rsa { der, .. } => der,
            Kind::Ec { point, .. } => point,
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo in DER.
    pub fn fingerprint(&self) -> Sha256Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, &self.der).as_ref());
        Sha256Digest::from_bytes(bytes)
    }

    /// The size of an RSA modulus in bits; `None` for other kinds of key.
    pub fn rsa_bits(&self) -> Option<usize> {
        match self.kind {
            Kind::Rsa { bits, .. } => Some(bits),
            Kind::Ec { .. } => None,
        }
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`], also when the key is not of the algorithm's kind.
    pub fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.verify_digest(algorithm, &algorithm.digest(message), signature)
    }

    /// Checks a signature over a message of which only the digests are at hand.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`], also when the key is not of the algorithm's kind.
    pub fn verify_digests(
        &self,
        algorithm: Algorithm,
        digests: &MessageDigests,
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.verify_digest(algorithm, digests.for_algorithm(algorithm), signature)
    }

    /// Checks an `RSA256` signature over a message of which only the SHA-256 is at hand.
    ///
    /// # Errors
    ///
    /// [`InvalidSignature`], also when the key is not RSA.
    pub fn verify_sha256_digest(
        &self,
        sha256: &[u8; 32],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let digest = digest::Digest::import_less_safe(sha256, &digest::SHA256)
            .map_err(|_| InvalidSignature)?;
        self.verify_digest(Algorithm::Rsa256, &digest, signature)
    }

    /// Checks a signature of v3 over `message`, with SHA-512 and whatever the key is for: RSA PKCS#1 v1.5 or ECDSA
    /// (apk-tools `src/crypto_openssl.c`, `apk_verify_start`).
    pub(crate) fn verify_sha512(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match &self.kind {
            Kind::Ec { point, ecdsa } => UnparsedPublicKey::new(*ecdsa, point)
                .verify(message, signature)
                .map_err(|_| InvalidSignature),
            Kind::Rsa { .. } => self.verify(Algorithm::Rsa512, message, signature),
        }
    }

    fn verify_digest(
        &self,
        algorithm: Algorithm,
        digest: &digest::Digest,
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        match (&self.kind, algorithm) {
            (Kind::Rsa { der, .. }, Algorithm::Rsa | Algorithm::Rsa256 | Algorithm::Rsa512) => {
                UnparsedPublicKey::new(rsa_parameters(algorithm), der)
                    .verify_digest(digest, signature)
                    .map_err(|_| InvalidSignature)
            }
            (Kind::Rsa { .. }, Algorithm::Dsa) | (Kind::Ec { .. }, _) => Err(InvalidSignature),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for PublicKey {}

fn rsa_parameters(algorithm: Algorithm) -> &'static RsaParameters {
    match algorithm {
        Algorithm::Rsa | Algorithm::Dsa => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Algorithm::Rsa256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        Algorithm::Rsa512 => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    }
}

/// What a SubjectPublicKeyInfo is of.
fn parse(bytes: &[u8]) -> Result<Kind, PublicKeyError> {
    let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(malformed)?;
    let key = info.subject_public_key.as_bytes();
    let key = key.ok_or(PublicKeyError::Malformed)?;
    let parameters = info.algorithm.parameters;
    if info.algorithm.oid == RSA {
        if parameters != Some(AnyRef::NULL) {
            return Err(PublicKeyError::Malformed);
        }
        parse_rsa(key)
    } else if info.algorithm.oid == EC {
        parse_point(parameters, key)
    } else {
        Err(PublicKeyError::UnknownAlgorithm)
    }
}

fn parse_rsa(key: &[u8]) -> Result<Kind, PublicKeyError> {
    let (modulus, exponent) = numbers(key).map_err(malformed)?;
    if modulus == [0] || exponent == [0] {
        return Err(PublicKeyError::Malformed);
    }
    let unused = modulus.first().map_or(0, |first| first.leading_zeros());
    let bits = modulus.len() * 8 - usize::try_from(unused).unwrap_or(0);
    if !(1024..=8192).contains(&bits) {
        return Err(PublicKeyError::Size(bits));
    }
    // The library has the last word: an even modulus, an exponent of 1.
    UnparsedPublicKey::new(rsa_parameters(Algorithm::Rsa256), key)
        .parse()
        .map_err(malformed)?;
    let der = key.to_vec();
    Ok(Kind::Rsa { der, bits })
}

/// The modulus and the exponent of an RSAPublicKey, big-endian without leading zeros.
fn numbers(key: &[u8]) -> der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(key)?;
    let numbers = reader.sequence(|reader| {
        let (modulus, exponent) = (UintRef::decode(reader)?, UintRef::decode(reader)?);
        Ok::<_, der::Error>((modulus.as_bytes(), exponent.as_bytes()))
    })?;
    reader.finish()?;
    Ok(numbers)
}

/// A point on a curve that has a name.
fn parse_point(curve: Option<AnyRef<'_>>, point: &[u8]) -> Result<Kind, PublicKeyError> {
    let name = curve.and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
    let known = CURVES.into_iter().find(|(curve, _)| name == Some(*curve));
    let (_, ecdsa) = known.ok_or(PublicKeyError::UnknownAlgorithm)?;
    // The library has the last word, but it would take a whole SubjectPublicKeyInfo as well.
    let (Some(2..=4), Ok(_)) = (point.first(), UnparsedPublicKey::new(ecdsa, point).parse()) else {
        return Err(PublicKeyError::Malformed);
    };
    let point = point.to_vec();
    Ok(Kind::Ec { point, ecdsa })
}

/// The bytes are not the structure that they should be.
fn malformed<E>(_: E) -> PublicKeyError {
    PublicKeyError::Malformed
}
