//! Two lists of scopes, a line each: what is written is read back, and a list that covers another has all that it has.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tarn_core::access::{Scope, Scopes};

fuzz_target!(|text: &str| {
    let lists: Vec<Scopes> = text
        .split('\n')
        .take(2)
        .filter_map(|list| list.parse().ok())
        .collect();
    for wide in &lists {
        assert_eq!(wide.to_string().parse::<Scopes>(), Ok(*wide));
        assert!(wide.cover(*wide));
        for narrow in lists.iter().filter(|narrow| wide.cover(**narrow)) {
            for scope in [
                Scope::Admin,
                Scope::ReadPackage,
                Scope::WritePackage,
                Scope::DeletePackage,
            ] {
                assert!(wide.has(scope) || !narrow.has(scope), "{wide} / {narrow}");
            }
            assert!(narrow.has(Scope::PublicOnly) || !wide.has(Scope::PublicOnly));
        }
    }
});
