//! `.PKGINFO`. What is accepted renders to a record that an independent reader accepts.
#![no_main]

use apk::{
    arch::Arch,
    digest::Identity,
    limits::Limits,
    v2::{
        pkginfo,
        record::{self, Record},
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    if let Ok(facts) = pkginfo::parse(bytes, &limits.with_lenient_versions(true)) {
        let arch = Arch::parse("x86_64").expect("an architecture");
        let text = record::render(&facts, &Identity::from_bytes([7; 20]), 1000, &arch);
        let record = Record::parse(&text, &limits).expect("an accepted package has a valid record");
        assert_eq!(record.to_string(), text);
    }
});
