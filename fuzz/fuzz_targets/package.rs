//! A whole package. However the bytes arrive, the result is the same.
#![no_main]

use apk::{
    limits::Limits,
    v2::package::{Package, PackageError, PackageReader},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, 7), whole);
});

fn read(bytes: &[u8], piece: usize) -> Result<Package, PackageError> {
    let mut reader = PackageReader::new(Limits::tiny());
    for piece in bytes.chunks(piece) {
        reader.push(piece)?;
    }
    reader.finish()
}
