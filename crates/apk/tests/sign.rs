//! Keys and signatures, against what OpenSSL made (see `keys/README.md`).

use apk::sign::{
    Algorithm, KeySize, MessageDigests, PemError, PublicKey, PublicKeyError, SigningKey,
    SigningKeyError,
};

const MESSAGE: &[u8] = b"A message.\n";
const RSA_PRIVATE: &[u8] = include_bytes!("keys/rsa.pkcs8.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("keys/rsa.pub.pem");
const DSA: &[u8] = include_bytes!("keys/dsa.1024.pub.pem");
const P256: &[u8] = include_bytes!("keys/ec.p256.pub.pem");
const P384: &[u8] = include_bytes!("keys/ec.p384.pub.pem");
/// apk has no use for it: it signs SHA-512, and Ed25519 signs messages.
const ED25519: &[u8] = b"-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAn1Vm3S/fNZSvoYkVMorcAmeHwJqFv6cEn7/kR133NDA=
-----END PUBLIC KEY-----
";
/// `openssl pkcs8 -topk8 -nocrypt -in ec.p256.package.pem`.
const P256_PKCS8: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgSTTAPTGsKAY/7OJy
gzkYwlqkHFU7e2yygOvS3XWtieahRANCAAQJh+szptjJ/3sPwS6+Daf0kEuAzHdt
fWvRRe3++cnBgCLFpmElHMnE6yJpC79tL5CHKwRVRL7wQh8+kXrTYinf
-----END PRIVATE KEY-----
";
/// The point of [`P256`] in its short form.
const P256_COMPRESSED: &[u8] = b"-----BEGIN PUBLIC KEY-----
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADzJzSQa6uSrkmgoLp52rNTTqJ9o0r
Dj9Yd7k4PHqVTj0=
-----END PUBLIC KEY-----
";
/// OpenSSL knows this curve (secp256k1), and this crate does not.
const OTHER_CURVE: &[u8] = b"-----BEGIN PUBLIC KEY-----
MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEZAX04BUikN625jTJ1eJdOBZww1cuPh10
u+jh/zPzKgMCMCXxEZAd7ndOUNkWMQ6p8axP3eLLBL4+mzOa/3+3lw==
-----END PUBLIC KEY-----
";

fn vectors() -> [(&'static [u8], Algorithm, &'static [u8]); 3] {
    [
        (
            RSA_PUBLIC,
            Algorithm::Rsa,
            include_bytes!("keys/rsa.sha1.signature"),
        ),
        (
            RSA_PUBLIC,
            Algorithm::Rsa256,
            include_bytes!("keys/rsa.sha256.signature"),
        ),
        (
            RSA_PUBLIC,
            Algorithm::Rsa512,
            include_bytes!("keys/rsa.sha512.signature"),
        ),
    ]
}

#[test]
fn verifies_what_openssl_signed() {
    for (pem, algorithm, signature) in vectors() {
        let key = PublicKey::from_pem(pem).expect("OpenSSL wrote it");
        assert_eq!(
            key.verify(algorithm, MESSAGE, signature),
            Ok(()),
            "{algorithm}"
        );
        assert_eq!(
            key.verify_digests(algorithm, &MessageDigests::of(MESSAGE), signature),
            Ok(()),
            "{algorithm}"
        );
    }
}

#[test]
fn rejects_other_messages_signatures_keys_and_algorithms() {
    for (pem, algorithm, signature) in vectors() {
        let key = PublicKey::from_pem(pem).expect("OpenSSL wrote it");
        assert!(
            key.verify(algorithm, b"Another message.\n", signature)
                .is_err()
        );
        assert!(key.verify(algorithm, MESSAGE, &signature[1..]).is_err());
        assert!(key.verify(algorithm, MESSAGE, b"").is_err());
        for at in 0..signature.len() {
            let mut changed = signature.to_vec();
            changed[at] ^= 1;
            assert!(
                key.verify(algorithm, MESSAGE, &changed).is_err(),
                "{algorithm}, byte {at}"
            );
        }
        for other in Algorithm::ALL
            .into_iter()
            .filter(|other| *other != algorithm)
        {
            assert!(
                key.verify(other, MESSAGE, signature).is_err(),
                "{algorithm} as {other}"
            );
        }
        for (other, ..) in vectors().into_iter().filter(|(other, ..)| *other != pem) {
            let other = PublicKey::from_pem(other).expect("OpenSSL wrote it");
            assert!(other.verify(algorithm, MESSAGE, signature).is_err());
        }
    }
}

#[test]
fn signs_exactly_as_openssl_does() {
    let key = SigningKey::from_pem(RSA_PRIVATE).expect("OpenSSL wrote it");
    let expected = include_bytes!("keys/rsa.sha256.signature");
    assert_eq!(key.sign(MESSAGE).expect("signs"), expected);
    let digest = <sha2::Sha256 as sha2::Digest>::digest(MESSAGE);
    assert_eq!(
        key.sign_sha256_digest(&digest.into()).expect("signs"),
        expected
    );
}

#[test]
fn writes_the_public_key_as_openssl_does() {
    let key = SigningKey::from_pem(RSA_PRIVATE).expect("OpenSSL wrote it");
    assert_eq!(key.public_key().to_pem().as_bytes(), RSA_PUBLIC);
    assert_eq!(
        key.public_key(),
        &PublicKey::from_pem(RSA_PUBLIC).expect("OpenSSL wrote it")
    );
    assert_eq!(key.public_key().rsa_bits(), Some(2048));
    // openssl pkey -pubin -in rsa.pub.pem -outform DER | sha256sum
    assert_eq!(
        key.public_key().fingerprint().to_hex(),
        "4590668ec60e8064a132f89d15c764c14428334ea04b044308bc56b1de252e62"
    );
    for pem in [P256, P384, P256_COMPRESSED] {
        let key = PublicKey::from_pem(pem).expect("OpenSSL wrote it");
        assert_eq!(key.to_pem().as_bytes(), pem);
        assert_eq!(key.rsa_bits(), None);
    }
}

#[test]
fn a_private_key_survives_both_pem_forms() {
    let key = SigningKey::from_pem(RSA_PRIVATE).expect("OpenSSL wrote it");
    assert_eq!(key.to_pkcs8_pem().expect("writes").as_bytes(), RSA_PRIVATE);
    let same =
        SigningKey::from_pem(include_bytes!("keys/rsa.pkcs1.pem")).expect("OpenSSL wrote it");
    assert_eq!(same.public_key(), key.public_key());
}

#[test]
fn a_key_of_p_256_is_read_in_every_form_that_openssl_writes() {
    let public = PublicKey::from_pem(include_bytes!("keys/ec.p256.package.pub.pem"));
    let public = public.expect("OpenSSL wrote it");
    let sec1 = include_str!("keys/ec.p256.package.pem");
    let with_parameters = format!(
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{sec1}"
    );
    for pem in [sec1, P256_PKCS8, &with_parameters] {
        let key = SigningKey::from_pem(pem.as_bytes()).expect("OpenSSL wrote it");
        assert_eq!(key.public_key(), &public);
        assert!(!key.signs_v2());
        // As OpenSSL's `pkcs8 -topk8` writes it, so that what is kept can be read by every other program.
        assert_eq!(
            key.to_pkcs8_pem().expect("writes").as_bytes(),
            P256_PKCS8.as_bytes()
        );
    }
}

#[test]
fn a_new_key_signs_and_can_be_written_and_read() {
    let key = SigningKey::generate(KeySize::Rsa2048).expect("generates");
    let pem = key.to_pkcs8_pem().expect("writes");
    let read = SigningKey::from_pem(pem.as_bytes()).expect("own key");
    let signature = read.sign(MESSAGE).expect("signs");
    assert_eq!(
        key.public_key()
            .verify(Algorithm::Rsa256, MESSAGE, &signature),
        Ok(())
    );
    assert_eq!(signature.len(), 256);
}

#[test]
fn a_private_key_is_masked_when_printed() {
    let key = SigningKey::from_pem(RSA_PRIVATE).expect("OpenSSL wrote it");
    assert_eq!(
        format!("{key:?}").replace(&format!("{:?}", key.public_key().fingerprint()), "F"),
        "SigningKey { fingerprint: F, private: \"***\" }"
    );
}

#[test]
fn each_wrong_file_gets_a_sentence_of_its_own() {
    let private = |bytes: &[u8]| {
        SigningKey::from_pem(bytes)
            .map(|_| ())
            .expect_err("no private key")
    };
    let public = |bytes: &[u8]| PublicKey::from_pem(bytes).expect_err("no public key");
    let encrypted = include_bytes!("keys/rsa.encrypted.pem");
    assert_eq!(
        private(encrypted),
        SigningKeyError::Pem(PemError::Encrypted)
    );
    assert_eq!(private(RSA_PUBLIC), SigningKeyError::Public);
    assert_eq!(private(DSA), SigningKeyError::Public);
    assert_eq!(
        private(include_bytes!("keys/rsa-1024.pem")),
        SigningKeyError::Rejected
    );
    assert_eq!(private(b""), SigningKeyError::Pem(PemError::NoBegin));
    assert_eq!(public(RSA_PRIVATE), PublicKeyError::Private);
    assert_eq!(public(encrypted), PublicKeyError::Pem(PemError::Encrypted));
    assert_eq!(public(ED25519), PublicKeyError::UnknownAlgorithm);
    assert_eq!(public(DSA), PublicKeyError::UnknownAlgorithm);
    assert_eq!(
        public(include_bytes!("keys/rsa-512.pub.pem")),
        PublicKeyError::Size(512)
    );
    assert!(PublicKey::from_pem(include_bytes!("keys/rsa-1024.pub.pem")).is_ok());
    assert_eq!(
        public(b"-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n"),
        PublicKeyError::Malformed
    );
    assert_eq!(
        public(b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
        PublicKeyError::NotPublicKey
    );
}

#[test]
fn a_key_of_an_elliptic_curve_is_a_point_on_it() {
    let wrong = |pem: &[u8], at: usize, byte: u8| {
        let mut der = PublicKey::from_pem(pem)
            .expect("OpenSSL wrote it")
            .as_der()
            .to_vec();
        der[at] = byte;
        PublicKey::from_der(&der).expect_err("no key")
    };
    let end = PublicKey::from_pem(P256)
        .expect("OpenSSL wrote it")
        .as_der()
        .len();
    assert_eq!(wrong(P256, end - 1, 0), PublicKeyError::Malformed);
    // Neither a form of points nor the start of another structure.
    for form in [0, 5, 6, 0x30] {
        assert_eq!(wrong(P256, end - 65, form), PublicKeyError::Malformed);
    }
    // The last byte of the name of the curve.
    assert_eq!(wrong(P256, end - 69, 6), PublicKeyError::UnknownAlgorithm);
    assert_eq!(
        PublicKey::from_pem(OTHER_CURVE),
        Err(PublicKeyError::UnknownAlgorithm)
    );
}

#[test]
fn a_changed_byte_in_a_key_never_panics() {
    for pem in [RSA_PUBLIC, P256, P256_COMPRESSED] {
        let key = PublicKey::from_pem(pem).expect("OpenSSL wrote it");
        for at in (0..key.as_der().len()).step_by(3) {
            for bit in [1, 0x80] {
                let mut changed = key.as_der().to_vec();
                changed[at] ^= bit;
                if let Ok(other) = PublicKey::from_der(&changed) {
                    let _ = other.verify(
                        Algorithm::Rsa256,
                        MESSAGE,
                        include_bytes!("keys/rsa.sha256.signature"),
                    );
                }
            }
        }
    }
}
