//! Versions, and their order, which is one: a pair compares the other way round the other way.
#![no_main]

use apk::{limits::Limits, version::Version};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    let versions: Vec<Version> = text
        .split('\n')
        .take(3)
        .filter_map(|part| Version::parse_lenient(part, &limits).ok())
        .collect();
    for a in &versions {
        assert_eq!(Version::parse(a.as_str()).is_ok(), a.is_orderable());
        if let Some(instead) = a.suggestion() {
            assert!(!a.is_orderable());
            Version::parse_for_v2(&instead, &limits).expect("what is suggested is orderable");
        }
        for b in &versions {
            assert_eq!(a.compare(b), b.compare(a).reverse());
            for c in &versions {
                if a.compare(b).is_le() && b.compare(c).is_le() {
                    assert!(a.compare(c).is_le(), "{a} {b} {c}");
                }
            }
        }
    }
});
