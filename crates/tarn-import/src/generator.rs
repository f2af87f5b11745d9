//! The secrets of code generators as the forges keep them.
//!
//! Gitea, and Forgejo before version 10: AES-128 in CFB mode under the MD5 of `SECRET_KEY`, in base64 outside and inside
//! (`models/auth/twofactor.go`, `modules/secret/secret.go`). Forgejo since: XChaCha20-Poly1305 under a key that HKDF-SHA256 makes of
//! `SECRET_KEY`, bound to column and row (`modules/keying/keying.go`).

use aws_lc_rs::{
    cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey},
    hkdf,
    iv::FixedLength,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305,
    aead::{Aead as _, Payload},
};
use md5::{Digest as _, Md5};
use tarn_base::secret::Secret;
use zeroize::Zeroizing;

use crate::{forge::TwoFactor, passwords::from_hex};

/// Bytes of the initialisation vector before the ciphertext of Gitea.
const VECTOR: usize = 16;
/// Bytes of the nonce before the ciphertext of Forgejo.
const NONCE: usize = 24;

/// The secret of a generator in base32. `None`: the forge's key does not open it, or it is no such secret.
pub(crate) fn open(factor: &TwoFactor, secret_key: &Secret) -> Option<Secret> {
    let stored = factor.secret.expose();
    let bytes = match stored.strip_prefix("\\x") {
        Some(hex) => from_hex(hex)?,
        None => stored.as_bytes().to_vec(),
    };
    // A column that was text once, and is of bytes now, may still hold the text.
    let text = STANDARD.decode(&bytes).ok();
    let opened = match text {
        Some(sealed) => open_gitea(&sealed, secret_key),
        None => open_forgejo(&bytes, factor.id, secret_key),
    };
    opened.filter(tarn_core::imports::is_generator_secret)
}

fn open_gitea(sealed: &[u8], secret_key: &Secret) -> Option<Secret> {
    let key = Zeroizing::new(<[u8; 16]>::from(Md5::digest(
        secret_key.expose().as_bytes(),
    )));
    let (vector, sealed) = sealed.split_at_checked(VECTOR)?;
    let vector = <[u8; VECTOR]>::try_from(vector).ok()?;
    let key = UnboundCipherKey::new(&AES_128, &*key).ok()?;
    let mut text = Zeroizing::new(sealed.to_vec());
    let context = DecryptionContext::Iv128(FixedLength::from(vector));
    let text = DecryptingKey::cfb128(key)
        .ok()?
        .decrypt(&mut text, context)
        .ok()?;
    secret(STANDARD.decode(text).ok()?)
}

fn open_forgejo(sealed: &[u8], row: i64, secret_key: &Secret) -> Option<Secret> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
    let mut key = Zeroizing::new([0_u8; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(secret_key.expose().as_bytes())
        .expand(&[b"totp"], hkdf::HKDF_SHA256)
        .ok()?
        .fill(&mut *key)
        .ok()?;
    let mut bound = b"secret:".to_vec();
    bound.extend_from_slice(&row.to_be_bytes());
    let payload = Payload {
        msg: sealed,
        aad: &bound,
    };
    let cipher = XChaCha20Poly1305::new_from_slice(&*key).ok()?;
    let nonce = <[u8; NONCE]>::try_from(nonce).ok()?;
    secret(cipher.decrypt(&nonce.into(), payload).ok()?)
}

fn secret(bytes: Vec<u8>) -> Option<Secret> {
    String::from_utf8(bytes).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AVDYS32OPIAYSNBG2NKYV4AHBVEMKKKIGBQ46OXTLMJO664G4TIECOGEANMSNBLS";
    /// By Python's `cryptography`, with the vector 00 01 … 0f.
    const GITEA: &str = "AAECAwQFBgcICQoLDA0OD6eoveGvQou4c7afGRtGXi8n+/EKFJqNXjLdqOhdI/etx+p3udCGkXZRtu9B6IyBnpBF2o78nkkUPrk84YTEFYuubXUylUcnHRGeJceSwOi9QaZNGseh8Lk=";
    /// By libsodium, with the nonce 00 01 … 17, for the row 7.
    const FORGEJO: &str = "\\x000102030405060708090a0b0c0d0e0f1011121314151617b822649b9ff491dbbeedbbf4c3aa19998cbcfe60b89d5264cd02739b6ef778b3dde30c32acf0b688d72ef60f4d97e9ade0d1ea4a360f5347f52c36f1d1aacc24db6cfade66703de0bba27d91280acae5";

    fn opened(stored: &str, row: i64, key: &str) -> Option<String> {
        let factor = TwoFactor {
            id: row,
            secret: Secret::new(stored.to_owned()),
        };
        let key = Secret::new(key.to_owned());
        open(&factor, &key).map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_forge_key_opens_what_gitea_keeps() {
        let key = "fixture-secret-key";
        assert_eq!(opened(GITEA, 1, key).as_deref(), Some(SECRET));
        // The same text in a column of bytes.
        let hex: String = GITEA.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            opened(&format!("\\x{hex}"), 1, key).as_deref(),
            Some(SECRET)
        );
    }

    #[test]
    fn the_forge_key_opens_what_forgejo_keeps_in_its_row() {
        let key = "fixture-secret-key";
        assert_eq!(opened(FORGEJO, 7, key).as_deref(), Some(SECRET));
        assert_eq!(opened(FORGEJO, 8, key), None, "it is bound to its row");
    }

    #[test]
    fn another_key_opens_nothing() {
        for stored in [GITEA, FORGEJO, "", "\\x", "AAAA", "not base64"] {
            assert_eq!(opened(stored, 7, "another key"), None, "{stored}");
        }
    }
}
