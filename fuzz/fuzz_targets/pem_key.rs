//! Keys in PEM form and in DER, private and public, and signatures by them.
#![no_main]

use apk::sign::{Algorithm, PublicKey, SigningKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // What is taken is kept as PKCS#8, which has to be read again.
    if let Ok(key) = SigningKey::from_pem(bytes) {
        let kept = key.to_pkcs8_pem().expect("a key that was read");
        let read = SigningKey::from_pem(kept.as_bytes()).expect("what is kept");
        assert_eq!(read.public_key(), key.public_key());
    }
    for key in [PublicKey::from_pem(bytes), PublicKey::from_der(bytes)]
        .into_iter()
        .flatten()
    {
        assert_eq!(
            PublicKey::from_pem(key.to_pem().as_bytes()).as_ref(),
            Ok(&key)
        );
        for algorithm in Algorithm::ALL {
            assert!(key.verify(algorithm, b"message", bytes).is_err());
        }
    }
});
