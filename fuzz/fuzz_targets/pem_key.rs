//! Keys in PEM form and in DER, private and public, and signatures by them.
#![no_main]

use apk::sign::{Algorithm, PublicKey, SigningKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = SigningKey::from_pem(bytes);
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
