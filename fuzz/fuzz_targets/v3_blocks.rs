//! Blocks in pieces are the blocks of the whole, and every word of an ADB block can be followed.
#![no_main]

use apk::v3::{
    block::{BlockError, BlockReader, Blocks, Event},
    reader::Payload,
    value::Value,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole: Result<Vec<Vec<u8>>, BlockError> = Blocks::new(bytes, 8)
        .map(|block| block.map(|block| block.payload.to_vec()))
        .collect();
    assert_eq!(stream(bytes, 5).ok(), whole.ok());
    if let Ok(payload) = Payload::new(bytes) {
        let (words, _) = bytes.as_chunks::<4>();
        for word in words.iter().take(256) {
            let value = Value::from_word(u32::from_le_bytes(*word));
            let _ = payload.integer(value);
            let _ = payload.blob(value);
            if let Ok(slots) = payload.slots(value) {
                assert_eq!(slots.iter().take(1000).count(), slots.len().min(1000));
            }
        }
    }
});

fn stream(bytes: &[u8], piece: usize) -> Result<Vec<Vec<u8>>, BlockError> {
    let mut reader = BlockReader::new(8);
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece, &mut |event| {
            match (event, blocks.last_mut()) {
                (Event::Start { .. }, _) => blocks.push(Vec::new()),
                (Event::Content(bytes), Some(block)) => block.extend_from_slice(bytes),
                (Event::Content(_) | Event::End, _) => (),
            }
            Ok::<(), BlockError>(())
        })?;
    }
    reader.finish()?;
    Ok(blocks)
}
