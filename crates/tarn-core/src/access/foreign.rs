//! Hashes that other programs made: of passwords that came with an import, and of the tokens of forges.
//!
//! A password's hash is a PHC string that names its algorithm and what it costs, so it needs no column of its own. It is verified as
//! it is, and replaced by one of this server's the first time that it is right.

use std::num::NonZeroU32;

use argon2::{
    Argon2, PasswordVerifier as _,
    password_hash::{Error as HashError, phc::PasswordHash},
};
use aws_lc_rs::pbkdf2;
use data_encoding::HEXLOWER_PERMISSIVE;
use scrypt::Scrypt;

use tarn_store::metadata::ForeignHash;

/// The most rounds of PBKDF2, four times what the OWASP Password Storage Cheat Sheet asks for.
const MAX_ROUNDS: u32 = 2_400_000;
/// The most memory that one comparison may take, in KiB.
const MAX_MEMORY: u64 = 1 << 18;
/// The most work of bcrypt, as the exponent of its rounds.
const MAX_BCRYPT_COST: u32 = 16;
/// The most passes of Argon2, or parallel lanes of it and of scrypt.
const MAX_PASSES: u32 = 64;

/// Rounds of the hash that forges keep of a token (`HashToken` in `models/auth/twofactor.go` of Forgejo and Gitea).
const TOKEN_ROUNDS: NonZeroU32 = match NonZeroU32::new(10_000) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};
/// Bytes of it.
const TOKEN_HASH: usize = 50;

/// The hashes of passwords that are verified here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Argon2,
    Bcrypt,
    Pbkdf2,
    Scrypt,
}

impl Algorithm {
    fn of(stored: &str) -> Option<Self> {
        let name = stored.strip_prefix('$')?.split('$').next()?;
        match name {
            "argon2id" | "argon2i" | "argon2d" => Some(Self::Argon2),
            "2a" | "2b" | "2x" | "2y" => Some(Self::Bcrypt),
            "pbkdf2-sha256" => Some(Self::Pbkdf2),
            "scrypt" => Some(Self::Scrypt),
            _ => None,
        }
    }
}

/// Whether the hash of a password is another than this server makes, which is Argon2id with one lane, or costs less to guess: fewer KiB of
/// memory or fewer passes.
pub(super) fn is_to_be_replaced(stored: &str, (memory, passes): (u32, u32)) -> bool {
    let Ok(hash) = PasswordHash::new(stored) else {
        return true;
    };
    let number = |name: &str| hash.params.get_decimal(name).unwrap_or_default();
    let is_own = stored.starts_with("$argon2id$v=19$") && number("p") == 1;
    !is_own || number("m") < memory || number("t") < passes
}

/// Whether a hash of a password can be verified here: Argon2, scrypt and PBKDF2-HMAC-SHA256 as PHC strings, bcrypt as `$2a$…`,
/// within what a server can afford at each sign-in. For what is about to be stored.
pub fn is_verifiable(stored: &str) -> bool {
    let Some(algorithm) = Algorithm::of(stored) else {
        return false;
    };
    if algorithm == Algorithm::Bcrypt {
        return stored.parse::<bcrypt::HashParts>().is_ok()
            && bcrypt_cost(stored).is_some_and(|cost| cost <= MAX_BCRYPT_COST);
    }
    let Ok(hash) = PasswordHash::new(stored) else {
        return false;
    };
    let number = |name: &str| hash.params.get_decimal(name);
    let bounded =
        |name: &str, most: u32| number(name).is_some_and(|value| (1..=most).contains(&value));
    let costs_little = match algorithm {
        Algorithm::Argon2 => {
            let memory = number("m").is_some_and(|kib| u64::from(kib) <= MAX_MEMORY);
            memory && bounded("t", MAX_PASSES) && bounded("p", MAX_PASSES)
        }
        Algorithm::Pbkdf2 => bounded("i", MAX_ROUNDS),
        Algorithm::Scrypt => {
            // scrypt takes 128 · N · r bytes (RFC 7914, section 2).
            let memory = number("ln")
                .zip(number("r"))
                .and_then(|(log, r)| 1_u64.checked_shl(log)?.checked_mul(u64::from(r)))
                .is_some_and(|blocks| blocks / 8 <= MAX_MEMORY);
            memory && bounded("p", MAX_PASSES)
        }
        Algorithm::Bcrypt => false,
    };
    costs_little && hash.salt.is_some() && hash.hash.is_some()
}

fn bcrypt_cost(stored: &str) -> Option<u32> {
    stored.split('$').nth(2)?.parse().ok()
}

/// Whether `password` is the one of `stored`, a PHC string or a hash of bcrypt. Takes a processor for a while.
///
/// # Errors
///
/// When the hash cannot be read or its algorithm is not known, and when there is no memory.
pub(super) fn verify(stored: &str, password: &[u8]) -> Result<bool, HashError> {
    let algorithm = Algorithm::of(stored).ok_or(HashError::Algorithm)?;
    if algorithm == Algorithm::Bcrypt {
        return bcrypt::verify(password, stored).map_err(|_| HashError::EncodingInvalid);
    }
    let hash = PasswordHash::new(stored)?;
    let verified = match algorithm {
        Algorithm::Argon2 => Argon2::default().verify_password(password, &hash),
        Algorithm::Scrypt => Scrypt::new().verify_password(password, &hash),
        Algorithm::Pbkdf2 | Algorithm::Bcrypt => verify_pbkdf2(&hash, password),
    };
    match verified {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(error),
    }
}

fn verify_pbkdf2(hash: &PasswordHash, password: &[u8]) -> Result<(), HashError> {
    let rounds = hash.params.get_decimal("i").and_then(NonZeroU32::new);
    let (Some(rounds), Some(salt), Some(expected)) = (rounds, &hash.salt, &hash.hash) else {
        return Err(HashError::ParamsInvalid);
    };
    let expected = expected.as_bytes();
    pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, password, expected)
        .map_err(|_| HashError::PasswordInvalid)
}

/// Whether a text can be a token of a forge: 40 hex digits in lower case (`GetAccessTokenBySHA` in
/// `models/auth/access_token.go`).
pub(super) fn is_token(text: &str) -> bool {
    text.len() == 40
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `kept` is what a forge keeps of `token`, compared in constant time. Takes a processor for some milliseconds.
pub(super) fn is_token_of(kept: &ForeignHash, token: &str) -> bool {
    let Some(expected) = hex(&kept.hash) else {
        return false;
    };
    let salt = kept.salt.as_bytes();
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::verify(algorithm, TOKEN_ROUNDS, salt, token.as_bytes(), &expected).is_ok()
}

/// Whether what a forge keeps of a token is a hash that tokens are compared with here.
pub fn is_token_hash(kept: &ForeignHash) -> bool {
    hex(&kept.hash).is_some()
}

fn hex(text: &str) -> Option<[u8; TOKEN_HASH]> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests;
