//! A v3 index: as it is, and as the database inside a valid file.
#![no_main]

use apk::{
    limits::Limits,
    v3::{
        block::{self, BlockKind},
        container,
        index::read_unverified,
        schema::Schema,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let _ = read_unverified(bytes, &limits);
    let mut file = container::start(Schema::Index);
    block::write(&mut file, BlockKind::Adb, bytes).expect("small");
    if let Ok(index) = read_unverified(&file, &limits) {
        let packed = container::pack(file, container::Compression::Deflate).expect("deflate");
        assert_eq!(read_unverified(&packed, &limits), Ok(index));
    }
});
