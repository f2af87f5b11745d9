//! Hashes of passwords as the forges keep them, written as PHC strings.
//!
//! `passwd_hash_algo` names the algorithm and its parameters, `pbkdf2$320000$50` for instance; without parameters those count that the
//! forges had before they wrote them down (`modules/auth/password/hash/` in both). `passwd` is the hash in hex, of bcrypt the whole of
//! it; `salt` is hex, or of an old account ten characters taken as they are.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use tarn_base::secret::Secret;

/// A hash that can be verified later, as a PHC string or a hash of bcrypt. `None`: the account has no password.
///
/// # Errors
///
/// Why not, in words for the report.
pub(crate) fn phc(hash: &Secret, algorithm: &str, salt: &str) -> Result<Option<Secret>, String> {
    let hash = hash.expose();
    if hash.is_empty() {
        return Ok(None);
    }
    let algorithm = if algorithm.is_empty() {
        "pbkdf2"
    } else {
        algorithm
    };
    let (name, parameters) = match algorithm.split_once('$') {
        Some((name, parameters)) => (name, Some(parameters)),
        None => (algorithm, None),
    };
    let text = match name {
        "bcrypt" => Some(hash.to_owned()),
        _ => kind(name, parameters).and_then(|kind| string(&kind, salt, hash)),
    };
    match text.filter(|text| tarn_core::imports::is_verifiable(text)) {
        Some(text) => Ok(Some(Secret::new(text))),
        None => {
            let shown = algorithm.chars().take(40).flat_map(char::escape_default);
            let shown: String = shown.collect();
            Err(format!(
                "its password hash is of a kind that is not known here (`{shown}`)"
            ))
        }
    }
}

/// How the PHC string of an algorithm with these parameters begins.
fn kind(name: &str, parameters: Option<&str>) -> Option<String> {
    let usual: &[u32] = match name {
        "pbkdf2" => &[10_000, 50],
        "argon2" => &[2, 1 << 16, 8, 50],
        "scrypt" => &[1 << 16, 16, 2, 50],
        _ => return None,
    };
    let numbers: Vec<u32> = match parameters {
        None => usual.to_vec(),
        Some(given) => given
            .split('$')
            .map(|each| each.parse().ok())
            .collect::<Option<_>>()?,
    };
    match (name, numbers.as_slice()) {
        ("pbkdf2", [rounds, _]) => Some(format!("pbkdf2-sha256$i={rounds}")),
        ("argon2", [time, memory, lanes, _]) => {
            Some(format!("argon2id$v=19$m={memory},t={time},p={lanes}"))
        }
        ("scrypt", [n, r, p, _]) if n.is_power_of_two() => {
            Some(format!("scrypt$ln={},r={r},p={p}", n.ilog2()))
        }
        _ => None,
    }
}

fn string(kind: &str, salt: &str, hash: &str) -> Option<String> {
    let salt = match salt.len() {
        10 => salt.as_bytes().to_vec(),
        _ => from_hex(salt)?,
    };
    let (salt, hash) = (
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(from_hex(hash)?),
    );
    Some(format!("${kind}${salt}${hash}"))
}

/// The bytes that hex digits stand for.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: &str = "000102030405060708090a0b0c0d0e0f";

    fn written(hash: &str, algorithm: &str, salt: &str) -> String {
        let hash = Secret::new(hash.to_owned());
        phc(&hash, algorithm, salt)
            .unwrap()
            .unwrap()
            .expose()
            .to_owned()
    }

    /// The hashes are those of Python's `hashlib`, `argon2-cffi` and `bcrypt` for `correct horse 42`.
    #[test]
    fn every_hash_of_the_forges_becomes_a_phc_string() {
        let pbkdf2 = "c0183b329096ce2d3df9a77e1892d697252893123a19a7ae54f11d34d1683bd86a9ec9b23590a147bfbe9c0012f276695de5";
        assert_eq!(
            written(pbkdf2, "pbkdf2$320000$50", SALT),
            "$pbkdf2-sha256$i=320000$AAECAwQFBgcICQoLDA0ODw$wBg7MpCWzi09+ad+GJLWlyUokxI6GaeuVPEdNNFoO9hqnsmyNZChR7++nAAS8nZpXeU"
        );
        let argon2 = "5ebf60f82f7353b1aee52a1ebb23c74aea5f29e04d2656ed3966fc02d92f94d564a084ffd945c4fd75695ec2686cc8d53cde";
        assert_eq!(
            written(argon2, "argon2$2$65536$8$50", SALT),
            "$argon2id$v=19$m=65536,t=2,p=8$AAECAwQFBgcICQoLDA0ODw$Xr9g+C9zU7Gu5SoeuyPHSupfKeBNJlbtOWb8AtkvlNVkoIT/2UXE/XVpXsJobMjVPN4"
        );
        let scrypt = "f7eb3534d62feb01a40821a680702ab12ba763991c71ca456b02c5f6579979c3b2cabd44180a54c409870ccd9f7b7b727183";
        assert_eq!(
            written(scrypt, "scrypt$65536$16$2$50", SALT),
            "$scrypt$ln=16,r=16,p=2$AAECAwQFBgcICQoLDA0ODw$9+s1NNYv6wGkCCGmgHAqsSunY5kcccpFawLF9leZecOyyr1EGApUxAmHDM2fe3tycYM"
        );
        let bcrypt = "$2a$10$GJF/VF.jCWTEaMem0DnnhOYqAxf90n69ix2F7IrhOzF7RAkc3aGr2";
        assert_eq!(written(bcrypt, "bcrypt$10", "ignored"), bcrypt);
    }

    #[test]
    fn what_the_forges_did_not_write_down_is_what_they_had_then() {
        let hash = "00".repeat(50);
        for (algorithm, kind) in [
            ("", "$pbkdf2-sha256$i=10000$"),
            ("pbkdf2", "$pbkdf2-sha256$i=10000$"),
            ("argon2", "$argon2id$v=19$m=65536,t=2,p=8$"),
            ("scrypt", "$scrypt$ln=16,r=16,p=2$"),
        ] {
            let text = written(&hash, algorithm, SALT);
            assert!(text.starts_with(kind), "{text}");
        }
        // `aB3dE6gH9k` in base64.
        assert!(written(&hash, "pbkdf2", "aB3dE6gH9k").contains("$YUIzZEU2Z0g5aw$"));
    }

    #[test]
    fn what_cannot_be_verified_is_told_and_not_kept() {
        let hash = Secret::new("00".repeat(50));
        for (algorithm, salt) in [
            ("sha1", SALT),
            ("dummy", SALT),
            ("pbkdf2$many$50", SALT),
            ("pbkdf2$10000", SALT),
            ("pbkdf2$999999999$50", SALT),
            ("argon2$2$99999999$8$50", SALT),
            ("scrypt$65535$16$2$50", SALT),
            ("scrypt$1073741824$16$2$50", SALT),
            ("bcrypt", SALT),
            ("pbkdf2", "no hex at all"),
        ] {
            assert!(phc(&hash, algorithm, salt).is_err(), "{algorithm}");
        }
        let none = Secret::new(String::new());
        assert!(phc(&none, "pbkdf2", SALT).unwrap().is_none());
    }
}
