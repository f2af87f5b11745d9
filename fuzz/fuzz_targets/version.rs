//! Versions, and their order, which is one: a pair compares the other way round the other way.
#![no_main]

use apk::version::Version;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let versions: Vec<Version> = text
        .split('\n')
        .take(3)
        .filter_map(|part| Version::parse(part).ok())
        .collect();
    for a in &versions {
        assert_eq!(Version::parse(a.as_str()).as_ref(), Ok(a));
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
