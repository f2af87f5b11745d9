//! What a receiver checks: the signature of the body, and the name of the message.

use aws_lc_rs::hmac;
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, header::InvalidHeaderValue};
use sha2::{Digest as _, Sha256};

use tarn_base::secret::Secret;
use tarn_store::metadata::{DeliveryId, TakenDelivery};

use super::payload::forge_name;

/// HMAC-SHA256 of `body` under the webhook's secret, in hex.
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    HEXLOWER.encode(hmac::sign(&key, body).as_ref())
}

/// The name of a message, the same at every attempt: a UUID (version 8, RFC 9562, section 5.8) made of the webhook's random
/// seed and the message's number, so that no two servers give the same.
pub fn delivery_name(seed: &[u8; 16], id: DeliveryId) -> String {
    let digest = Sha256::new()
        .chain_update(b"tarn webhook delivery 1")
        .chain_update(seed)
        .chain_update(id.number().to_be_bytes())
        .finalize();
    let mut value = digest
        .iter()
        .take(16)
        .fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
    value = value & !(0xf << 76) | 8 << 76;
    value = value & !(0b11 << 62) | 0b10 << 62;
    let (high, low) = (value >> 64, value & u128::from(u64::MAX));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff,
    )
}

/// The headers of a message: Tarn's own, and under the names that receivers of Gitea and Forgejo look for
/// (`services/webhook/deliver.go` in both).
///
/// # Errors
///
/// Never: everything in them is hex or a word.
pub(super) fn headers(
    taken: &TakenDelivery,
    body: &str,
    secret: &Secret,
) -> Result<HeaderMap, InvalidHeaderValue> {
    let signature = sign(secret, body.as_bytes());
    let prefixed = format!("sha256={signature}");
    let name = delivery_name(&taken.webhook.seed, taken.id);
    let event = forge_name(taken.event);
    let mut headers = HeaderMap::new();
    for (header, value) in [
        ("x-tarn-delivery", name.as_str()),
        ("x-tarn-event", event),
        ("x-tarn-signature-256", &prefixed),
        ("x-gitea-delivery", &name),
        ("x-gitea-event", event),
        ("x-gitea-event-type", event),
        ("x-gitea-signature", &signature),
        ("x-forgejo-delivery", &name),
        ("x-forgejo-event", event),
        ("x-forgejo-event-type", event),
        ("x-forgejo-signature", &signature),
        ("x-hub-signature-256", &prefixed),
    ] {
        headers.insert(
            HeaderName::from_static(header),
            HeaderValue::from_str(value)?,
        );
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_rfc_4231_says() {
        // Section 4.3, test case 2.
        assert_eq!(
            sign(
                &Secret::new("Jefe".to_owned()),
                b"what do ya want for nothing?"
            ),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn every_message_has_a_name_of_its_own_that_stays() {
        let name = |seed: u8, id: i64| delivery_name(&[seed; 16], DeliveryId::from_row(id));
        let first = name(7, 1);
        // SHA-256 of the parts by Python's hashlib, and the bits of version and variant.
        assert_eq!(first, "cac09be6-a7df-83c1-8fb5-36fa6723dcae");
        assert_ne!(first, name(7, 2));
        assert_ne!(first, name(8, 1));
        for id in 0..64 {
            let digits: Vec<char> = name(7, id).chars().collect();
            let (version, variant) = (digits.get(14), digits.get(19));
            assert_eq!(version, Some(&'8'));
            assert!(
                variant.is_some_and(|digit| "89ab".contains(*digit)),
                "{variant:?}"
            );
        }
    }
}
