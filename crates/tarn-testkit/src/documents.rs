//! The blocks of the documents, for tests that do what they say.

use std::{fs, path::Path};

/// The first block of a document that has `text` in it, whatever language it is in.
///
/// `documents.rs` of the tests of the command line looks for calls of this: write both arguments as they are.
///
/// # Panics
///
/// When there is no such document or block.
#[must_use]
pub fn block_of(document: &str, text: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let document = fs::read_to_string(root.join(document)).unwrap();
    let fences = document.split("```").skip(1).step_by(2);
    let mut blocks = fences.filter_map(|fence| fence.split_once('\n'));
    let block = blocks.find(|(_, block)| block.contains(text));
    block.expect("a block").1.to_owned()
}
