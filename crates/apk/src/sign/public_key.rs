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
use thiserror::Error;

use super::{
    Algorithm, MessageDigests, PemError,
    der::{self, Malformed},
    pem,
};
use crate::{cursor::Cursor, digest::Sha256Digest};

/// 1.2.840.113549.1.1.1, `rsaEncryption` (RFC 3279, 2.3.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1, `id-ecPublicKey` (RFC 5480, 2.1.1).
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// The curves that are known here (RFC 5480, 2.1.1.1), and ECDSA with SHA-512 on each: `secp256r1`, which OpenSSL calls
/// `prime256v1`, `secp384r1` and `secp521r1`.
const CURVES: [(&[u8], &EcdsaVerificationAlgorithm); 3] = [
    (
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        &ECDSA_P256_SHA512_ASN1,
    ),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], &ECDSA_P384_SHA512_ASN1),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], &ECDSA_P521_SHA512_ASN1),
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
        let kind = parse(bytes).map_err(|Malformed| PublicKeyError::Malformed)?;
        let kind = kind.ok_or(PublicKeyError::UnknownAlgorithm)?;
        if let Kind::Rsa { bits, .. } = kind
            && !(1024..=8192).contains(&bits)
        {
            return Err(PublicKeyError::Size(bits));
        }
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
        let mut numbers = Cursor::new(der::only(der, der::SEQUENCE).ok()?);
        let modulus = der::take_unsigned(&mut numbers).ok()?;
        let exponent = der::take_unsigned(&mut numbers).ok()?;
        Some((modulus.to_vec(), exponent.to_vec()))
    }

    /// Makes the key whose RSAPublicKey (RFC 8017, A.1.1) is given.
    pub(super) fn from_rsa_public_key(rsa: &[u8]) -> Result<Self, PublicKeyError> {
        Self::of(RSA, &der::encode(der::NULL, &[]), rsa)
    }

    /// Makes the key of the curve P-256 whose point is given.
    pub(super) fn from_p256_point(point: &[u8]) -> Result<Self, PublicKeyError> {
        let [(p256, _), ..] = CURVES;
        Self::of(EC, &der::encode(der::OBJECT_IDENTIFIER, p256), point)
    }

    /// Makes the key of an algorithm with its parameters in DER.
    fn of(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Result<Self, PublicKeyError> {
        let algorithm = der::encode(der::OBJECT_IDENTIFIER, algorithm);
        let algorithm = [&algorithm, parameters].concat();
        let bits = [&[0], key].concat();
        let info = [
            der::encode(der::SEQUENCE, &algorithm),
            der::encode(der::BIT_STRING, &bits),
        ]
        .concat();
        Self::from_der(&der::encode(der::SEQUENCE, &info))
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

/// `SEQUENCE { SEQUENCE { algorithm, parameters }, BIT STRING }`. `None` for an algorithm or a curve that is not known here.
fn parse(bytes: &[u8]) -> Result<Option<Kind>, Malformed> {
    let mut info = Cursor::new(der::only(bytes, der::SEQUENCE)?);
    let mut algorithm = Cursor::new(der::take(&mut info, der::SEQUENCE)?);
    let bits = der::take(&mut info, der::BIT_STRING)?;
    info.finish()?;
    // The first byte of a bit string counts the unused bits of the last.
    let (Some(0), Some(key)) = (bits.first(), bits.get(1..)) else {
        return Err(Malformed);
    };
    let identifier = der::take(&mut algorithm, der::OBJECT_IDENTIFIER)?;
    if identifier == RSA {
        if !der::only(algorithm.rest(), der::NULL)?.is_empty() {
            return Err(Malformed);
        }
        let mut cursor = Cursor::new(der::only(key, der::SEQUENCE)?);
        let modulus = der::take_unsigned(&mut cursor)?;
        let exponent = der::take_unsigned(&mut cursor)?;
        cursor.finish()?;
        let (Some(first), false) = (modulus.first(), exponent.is_empty()) else {
            return Err(Malformed);
        };
        let bits = modulus.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0);
        let rsa = Kind::Rsa {
            der: key.to_vec(),
            bits,
        };
        // The library has the last word: an even modulus, an exponent of 1.
        if (1024..=8192).contains(&bits) {
            UnparsedPublicKey::new(rsa_parameters(Algorithm::Rsa256), key)
                .parse()
                .map_err(|_| Malformed)?;
        }
        Ok(Some(rsa))
    } else if identifier == EC {
        parse_point(algorithm.rest(), key)
    } else {
        Ok(None)
    }
}

/// A point on a curve that has a name. `None` when it has none, or one that is not known here.
fn parse_point(curve: &[u8], point: &[u8]) -> Result<Option<Kind>, Malformed> {
    let name = der::only(curve, der::OBJECT_IDENTIFIER);
    let known = CURVES.into_iter().find(|(curve, _)| name == Ok(*curve));
    let Some((_, ecdsa)) = known else {
        return Ok(None);
    };
    // The library has the last word, but it would take a whole SubjectPublicKeyInfo as well.
    match point.first() {
        Some(2..=4) => UnparsedPublicKey::new(ecdsa, point).parse(),
        _ => return Err(Malformed),
    }
    .map_err(|_| Malformed)?;
    let point = point.to_vec();
    Ok(Some(Kind::Ec { point, ecdsa }))
}
