//! The `Authorization` header, with what stands in the headers of codes behind it, a line each. What is refused, and what
//! is printed, holds nothing of a secret.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tarn_core::access::Credentials;

fuzz_target!(|bytes: &[u8]| {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let parsed = Credentials::parse(lines.next());
    let Ok(credentials) = parsed.and_then(|parsed| parsed.with_codes(lines)) else {
        return;
    };
    let shown = format!("{credentials:?}");
    if let Some(claimed) = credentials.claimed() {
        assert!(!claimed.is_empty() && !claimed.contains("tarn_"));
    }
    match &credentials {
        Credentials::None => {}
        Credentials::Basic { user, .. } => {
            let expected = format!("Basic {{ user: {user:?}, password: ***, code: ");
            assert!(shown.starts_with(&expected), "{shown}");
        }
        Credentials::Token(_) => assert_eq!(shown, "Token(***)"),
        Credentials::Session(_) => panic!("only a cookie gives a session"),
    }
});
