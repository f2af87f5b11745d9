//! One record of an index: read, written back, moved to another architecture.
#![no_main]

use apk::{
    arch::Arch,
    limits::Limits,
    v2::record::{self, Record},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    if let Ok(record) = Record::parse(text, &limits) {
        assert_eq!(record.to_string(), text);
        let arch = Arch::parse("riscv64").expect("an architecture");
        let moved = record::with_arch(text, &arch);
        if let Ok(moved) = Record::parse(&moved, &limits) {
            assert_eq!(moved.arch(), record.arch().map(|_| &arch));
            assert_eq!(moved.identity(), record.identity());
        }
    }
});
