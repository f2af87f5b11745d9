//! The text of a token: `tarn_`, 43 random letters and digits, and a checksum of six.
//!
//! The prefix and the checksum are there for others: a scanner finds a token that leaked and can tell it from chance, and
//! a token that was cut off while copying is found out without asking the database. The 43 characters of an alphabet
//! of 62 hold just over 256 random bits, so a plain SHA-256 is all that the database needs to keep.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::foreign;
use tarn_base::{
    random::{Random, RandomError},
    secret::Secret,
};

/// What every token begins with.
pub const PREFIX: &str = "tarn_";

/// What stands in place of a password where the user name is a token.
pub(super) const BESIDE_TOKEN: &str = "x-oauth-basic";

pub(super) const ALPHABET: &[u8; 62] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
pub(super) const RANDOM_CHARACTERS: usize = 43;
const CHECKSUM_CHARACTERS: usize = 6;

/// The SHA-256 of a token: all that is kept of it.
pub type TokenHash = [u8; 32];

/// Makes a token, and the hash that is kept of it.
///
/// # Errors
///
/// When the operating system has no random bytes.
pub fn generate(random: &Random) -> Result<(Secret, TokenHash), RandomError> {
    let body = zeroize::Zeroizing::new(random.text(ALPHABET, RANDOM_CHARACTERS)?);
    let checksum = checksum(body.as_bytes());
    let mut token = String::with_capacity(PREFIX.len() + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS);
    token.push_str(PREFIX);
    token.push_str(&body);
    token.extend(checksum.map(char::from));
    let hash = Sha256::digest(token.as_bytes()).into();
    Ok((Secret::new(token), hash))
}

/// The hash by which a token is looked up, or nothing when the text cannot be a token: another shape, or a checksum
/// that does not fit.
pub fn hash(token: &str) -> Option<TokenHash> {
    let rest = token.strip_prefix(PREFIX)?;
    if rest.len() != RANDOM_CHARACTERS + CHECKSUM_CHARACTERS
        || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return None;
    }
    let (body, found) = rest.split_at_checked(RANDOM_CHARACTERS)?;
    let right = bool::from(found.as_bytes().ct_eq(&checksum(body.as_bytes())));
    right.then(|| Sha256::digest(token.as_bytes()).into())
}

/// What begins like a token where one may stand in Basic credentials. It is never a password, for no password begins so.
pub(super) fn in_basic<'a>(user: &'a str, password: &'a Secret) -> Option<&'a str> {
    Some(in_place_of_token(user, password)).filter(|text| text.starts_with(PREFIX))
}

/// What may be a token of a forge where one may stand in Basic credentials. It may be a name or a password too.
pub(super) fn foreign_in_basic<'a>(user: &'a str, password: &'a Secret) -> Option<&'a str> {
    Some(in_place_of_token(user, password)).filter(|text| foreign::is_token(text))
}

/// What stands where a token may: as the password, beside any name; or as the name, beside no password or the one word that
/// stands for none.
fn in_place_of_token<'a>(user: &'a str, password: &'a Secret) -> &'a str {
    let password = password.expose();
    let beside = password.is_empty() || password == BESIDE_TOKEN;
    if beside { user } else { password }
}

/// The CRC-32 of the random characters (RFC 1952, section 8), as six digits of the same alphabet, the highest first.
fn checksum(body: &[u8]) -> [u8; CHECKSUM_CHARACTERS] {
    let mut left = crc32fast::hash(body);
    let mut digits = [b'0'; CHECKSUM_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        let value = usize::try_from(left % 62).unwrap_or(0);
        *digit = ALPHABET.get(value).copied().unwrap_or(b'0');
        left /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_literal_shape() {
        let (token, kept) = generate(&Random::counted(1)).unwrap();
        assert_eq!(
            token.expose(),
            "tarn_JcaLGlusszko6G9IxqxGvySPoIK7MAIJ4et6SclvbyX04dYaM"
        );
        assert_eq!(hash(token.expose()), Some(kept));
    }

    #[test]
    fn the_hash_is_the_sha256_of_the_whole_text() {
        let (token, _) = generate(&Random::counted(2)).unwrap();
        let expected: [u8; 32] = Sha256::digest(token.expose()).into();
        assert_eq!(hash(token.expose()), Some(expected));
    }

    #[test]
    fn the_checksum_is_the_crc_of_gzip() {
        // 0xCBF43926 = 3421780262, in base 62: 3 45 35 27 22 14
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
    }

    #[test]
    fn tells_a_mistyped_token_by_its_checksum() {
        let (token, _) = generate(&Random::counted(3)).unwrap();
        let text = token.expose();
        for at in PREFIX.len()..text.len() {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
            assert_eq!(hash(str::from_utf8(&wrong).unwrap()), None, "{at}");
        }
    }

    #[test]
    fn refuses_other_shapes() {
        let (token, _) = generate(&Random::counted(4)).unwrap();
        let text = token.expose();
        for wrong in [
            "",
            "tarn_",
            text.strip_prefix(PREFIX).unwrap(),
            &text[..text.len() - 1],
            &format!("{text}0"),
            &format!(" {text}"),
            &text.to_uppercase(),
            &format!("tarn_{}", "\u{e9}".repeat(24) + "x"),
            &format!("tarn_{}", "x".repeat(42) + "\u{e9}00000"),
        ] {
            assert_eq!(hash(wrong), None, "{wrong}");
        }
    }
}
