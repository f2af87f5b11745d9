//! One record of an index: read, and written back.
#![no_main]

use apk::{limits::Limits, v2::record::Record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(record) = Record::parse(text, &Limits::default()) {
        assert_eq!(record.to_string(), text);
    }
});
