//! A v3 package: as it is, and as the ADB block of a valid file. However the bytes arrive, the result is the same.
#![no_main]

use apk::{
    limits::Limits,
    v3::{
        block::{self, BlockKind},
        container,
        package::{Package, PackageError, PackageReader},
        schema::Schema,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, 7), whole);
    let mut file = container::start(Schema::Package);
    block::write(&mut file, BlockKind::Adb, bytes).expect("small");
    let _ = read(&file, file.len());
});

fn read(bytes: &[u8], piece: usize) -> Result<Package, PackageError> {
    let mut reader = PackageReader::new(Limits::tiny());
    for piece in bytes.chunks(piece) {
        reader.push(piece)?;
    }
    reader.finish()
}
