//! Dependencies: what is read is written back.
#![no_main]

use apk::dependency::Dependency;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(dependency) = Dependency::parse(text) {
        assert_eq!(dependency.to_string(), text);
        assert_eq!(Dependency::parse(&dependency.to_string()), Ok(dependency));
    }
    let _ = Dependency::parse_list(text);
});
