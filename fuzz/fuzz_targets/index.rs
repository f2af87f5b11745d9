//! A whole index: as it is, and as the tar inside a valid gzip member.
#![no_main]

use apk::{
    limits::Limits,
    v2::{gzip::compress_member, index},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let _ = index::read_unverified(bytes, &limits);
    let member = compress_member([bytes], 0);
    if let Ok(read) = index::read_unverified(&member, &limits) {
        let description = read.summary.description.clone();
        let records: Vec<String> = read.records.iter().map(ToString::to_string).collect();
        let written = index::write(records.iter().map(String::as_str), &description, 0, 0);
        let again = index::read_unverified(&written, &limits).expect("own index");
        assert_eq!(again.records, read.records);
        assert_eq!(again.summary.description, description);
    }
});
