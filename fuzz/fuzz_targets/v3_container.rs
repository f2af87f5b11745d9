//! The compression of an ADB file: in pieces it gives what it gives as a whole.
#![no_main]

use apk::v3::{container::ContainerError, unpack::Unpacker};
use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    let whole = unpack(bytes, bytes.len().max(1));
    let pieces = unpack(bytes, 7);
    assert_eq!(whole.is_ok(), pieces.is_ok());
    if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
        assert_eq!(whole, pieces);
        assert!(whole.len() as u64 <= LIMIT);
    }
});

fn unpack(bytes: &[u8], piece: usize) -> Result<Vec<u8>, ContainerError> {
    let mut unpacker = Unpacker::new(LIMIT, 1 << 20);
    let mut file = Vec::new();
    for piece in bytes.chunks(piece) {
        unpacker.push(piece, &mut |made: &[u8]| {
            file.extend_from_slice(made);
            Ok::<(), ContainerError>(())
        })?;
    }
    unpacker.finish()?;
    Ok(file)
}
