//! From the parts to the file: what is hashed, and what is sent.

use std::sync::Arc;

use apk::v3::{
    block::{self, BlockKind},
    container,
    schema::{Schema, index},
    signature::{PayloadDigest, PayloadHasher},
    value::{Type, Value},
    writer::PayloadFull,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{layout, part::Part, state::State};
use crate::index::changes::EngineError;

/// The letters in front of a deflate stream (apk-tools `src/adb_comp.c`).
const DEFLATED: &[u8] = b"ADBd";

/// The most bytes of a stored block of deflate (RFC 1951, section 3.2.4).
const STORED: usize = 0xffff;

/// Bytes of a value.
const WORD: usize = 4;

/// A hole that holds nothing.
const EMPTY: [u8; layout::HOLE] = [0; layout::HOLE];

/// The hash of the payload behind each of its parts, to go on from.
#[derive(Debug, Clone)]
pub struct Prefix {
    root: Value,
    after: Vec<(Arc<Part>, PayloadHasher)>,
}

impl Prefix {
    /// Bytes it takes in memory, roughly: a state of SHA-512 is some 220, and is allocated by itself.
    pub fn weight(&self) -> u64 {
        self.after.len() as u64 * 320
    }
}

/// An index that is hashed and not signed.
#[derive(Debug)]
pub struct Unsigned {
    digest: PayloadDigest,
    /// Where the payload ends.
    end: usize,
    /// The root object, in the last hole.
    root: [u8; layout::HOLE],
    /// What is behind the last package: zeros, and how many slots the array has.
    array_head: Vec<u8>,
}

impl State {
    /// Hashes the payload, from the first part on that `before` has not.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: over 256 MiB, or a part does not inflate.
    pub fn hash(&self, before: Option<&Prefix>) -> Result<(Prefix, Unsigned), EngineError> {
        let root = value(Type::Object, self.open.root())?;
        let mut hasher = PayloadHasher::new();
        hasher.update(&header(root));
        let known = before.filter(|before| before.root == root);
        let mut known = known.map_or(&[][..], |known| &known.after).iter();
        let mut same = true;
        let mut after = Vec::with_capacity(self.closed.len() + self.open.runs.len());
        for part in self.parts() {
            match known.next() {
                Some((there, behind)) if same && Arc::ptr_eq(there, part) => {
                    hasher = behind.clone();
                }
                _ => {
                    same = false;
                    if part.base > self.open.base {
                        hasher.update(&EMPTY);
                    }
                    hasher.update(&part.bytes()?);
                }
            }
            after.push((Arc::clone(part), hasher.clone()));
        }

        let last = self.open.last.writer.bytes();
        let start = self.open.last.writer.end();
        let array_head = array_head(self.sorted.len(), start)?;
        let place = value(Type::Array, start.next_multiple_of(WORD))?;
        let packages = if self.sorted.len() == 0 {
            Value::NULL
        } else {
            place
        };
        let hole = root_object(packages);
        for bytes in [&hole, last, &array_head] {
            hasher.update(bytes);
        }
        for piece in &self.sorted.pieces {
            hasher.update(&piece.words);
        }
        let unsigned = Unsigned {
            digest: hasher.finish(Schema::Index),
            end: start + array_head.len() + self.sorted.len() * WORD,
            root: hole,
            array_head,
        };
        Ok((Prefix { root, after }, unsigned))
    }
}

impl Unsigned {
    /// What is signed.
    pub fn digest(&self) -> &PayloadDigest {
        &self.digest
    }

    /// The bytes of the file, and what its ETag is made of: a SHA-256 that another file has not. `signatures` are the contents
    /// of the signature blocks.
    ///
    /// # Errors
    ///
    /// [`EngineError::TooLarge`].
    pub fn file(
        &self,
        state: &State,
        signatures: &[&[u8]],
    ) -> Result<(Vec<Bytes>, [u8; 32]), EngineError> {
        let too_large = |_| EngineError::TooLarge;
        let root = value(Type::Object, state.open.root())?;
        let mut head = container::start(Schema::Index);
        head.extend(block::head(BlockKind::Adb, self.end).map_err(too_large)?);
        head.extend(header(root));
        let mut segments = vec![Bytes::from([DEFLATED, &*stored(&head, false)].concat())];
        let empty = Bytes::from(stored(&EMPTY, false));
        segments.extend(state.closed.iter().map(|part| part.run.deflated.clone()));
        for run in &state.open.runs {
            segments.extend([empty.clone(), run.run.deflated.clone()]);
        }
        segments.push(stored(&self.root, false).into());
        let pieces = state.open.last.compressed();
        segments.extend(pieces.map(|piece| piece.deflated.clone()));

        segments.push(stored(&self.array_head, false).into());
        let pieces = state.sorted.pieces.iter();
        segments.extend(pieces.map(|piece| piece.run.deflated.clone()));

        let mut tail = vec![0; block::padding_after(self.end)];
        for signature in signatures {
            block::write(&mut tail, BlockKind::Signature, signature).map_err(too_large)?;
        }
        segments.push(stored(&tail, true).into());
        Ok((segments, self.fingerprint(state, signatures)))
    }

    /// What is stored follows from the payload and the signatures. What is compressed depends on the compressor too, which the
    /// next version may have another of: so it counts by itself.
    fn fingerprint(&self, state: &State, signatures: &[&[u8]]) -> [u8; 32] {
        let mut sha256 = Sha256::new_with_prefix(self.digest.sha512());
        for signature in signatures {
            sha256.update(signature);
        }
        for part in state.parts() {
            sha256.update(part.sha256);
        }
        for piece in state.open.last.compressed() {
            sha256.update(&piece.deflated);
        }
        for piece in &state.sorted.pieces {
            sha256.update(piece.sha256);
        }
        sha256.finalize().into()
    }
}

fn value(kind: Type, place: usize) -> Result<Value, EngineError> {
    let place = u32::try_from(place).ok();
    let value = place.and_then(|place| Value::new(kind, place));
    value.ok_or(EngineError::Full(PayloadFull))
}

/// The versions, which are 0, and the root.
fn header(root: Value) -> [u8; layout::HEADER] {
    let [a, b, c, d] = root.word().to_le_bytes();
    [0, 0, 0, 0, a, b, c, d]
}

/// An object of two fields, the description and the packages.
fn root_object(packages: Value) -> [u8; layout::HOLE] {
    const { assert!(index::DESCRIPTION == 1 && index::PACKAGES == 2) };
    let words = [3, Value::NULL.word(), packages.word(), 0_u32].map(u32::to_le_bytes);
    let mut hole = EMPTY;
    for (place, byte) in hole.iter_mut().zip(words.as_flattened()) {
        *place = *byte;
    }
    hole
}

/// Zeros up to where a row may stand, and the count of the row of all packages.
fn array_head(packages: usize, start: usize) -> Result<Vec<u8>, EngineError> {
    let mut head = vec![0; start.next_multiple_of(WORD) - start];
    if packages > 0 {
        let count = u32::try_from(packages + 1).map_err(|_| EngineError::TooLarge)?;
        head.extend(count.to_le_bytes());
    }
    Ok(head)
}

/// Blocks of deflate that hold `bytes` as they are. `last` says whether the stream ends with them.
fn stored(bytes: &[u8], last: bool) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(bytes.len() + bytes.len() / STORED * 5 + 10);
    let mut rest = bytes;
    loop {
        let (block, behind) = rest.split_at_checked(STORED).unwrap_or((rest, &[]));
        rest = behind;
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        blocks.push(u8::from(last && rest.is_empty()));
        blocks.extend(length.to_le_bytes());
        blocks.extend((!length).to_le_bytes());
        blocks.extend_from_slice(block);
        if rest.is_empty() {
            return blocks;
        }
    }
}
