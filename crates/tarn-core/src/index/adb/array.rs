//! The array of all packages, sorted. apk searches it by halves when it makes an index out of this one (`src/adb.c`,
//! `adb_ra_find`); clients read it from one end to the other.
//!
//! It is kept in pieces, each compressed by itself, so that a package that comes costs one piece and not the array. Where a piece
//! ends is decided by the values in it alone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use apk::v3::value::Value;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{cut::Moves, layout, part::Key};
use crate::index::{changes::EngineError, run::Run};

const LOST: EngineError = EngineError::Inconsistent("the place of a package is not known");

/// With more new packages than this, the array is merged as a whole.
const FEW: usize = 64;

/// Some values that follow each other.
#[derive(Debug)]
pub(super) struct Piece {
    /// As they stand in the payload.
    pub(super) words: Bytes,
    pub(super) run: Run,
    /// SHA-256 of what it is compressed to.
    pub(super) sha256: [u8; 32],
}

impl Piece {
    fn new(words: Bytes) -> Result<Self, EngineError> {
        let run = Run::new(&words, &[])?;
        let sha256 = Sha256::digest(&run.deflated).into();
        Ok(Self { words, run, sha256 })
    }

    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = Value> + ExactSizeIterator {
        let (words, _) = self.words.as_chunks::<4>();
        words
            .iter()
            .map(|word| Value::from_word(u32::from_le_bytes(*word)))
    }
}

fn words(values: &[Value]) -> Bytes {
    let words = values.iter().flat_map(|value| value.word().to_le_bytes());
    words.collect()
}

/// The array. Cheap to clone: its pieces are shared.
#[derive(Debug, Clone, Default)]
pub(super) struct Sorted {
    pub(super) pieces: Vec<Arc<Piece>>,
    length: usize,
}

impl Sorted {
    /// The array of these values, and what it shares with the one `before`.
    pub(super) fn of(values: &[Value], before: &Self) -> Result<Self, EngineError> {
        let there = before.pieces.iter();
        let there: HashMap<&Bytes, &Arc<Piece>> =
            there.map(|piece| (&piece.words, piece)).collect();
        let cut = values.chunk_by(|value, _| !layout::ends_array_piece(*value));
        let piece = |values: &[Value]| {
            let words = words(values);
            match there.get(&words) {
                Some(shared) => Ok(Arc::clone(shared)),
                None => Piece::new(words).map(Arc::new),
            }
        };
        Ok(Self {
            pieces: cut.map(piece).collect::<Result<_, EngineError>>()?,
            length: values.len(),
        })
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        self.pieces.iter().flat_map(|piece| piece.values())
    }

    pub(super) fn weight(&self) -> u64 {
        let pieces = self.pieces.iter();
        let bytes = pieces.map(|piece| piece.words.len() + piece.run.deflated.len());
        (bytes.sum::<usize>() + self.pieces.len() * size_of::<Piece>()) as u64
    }

    /// With `added`, which are sorted: each piece that one of them comes into is written anew.
    fn with<'k>(
        &self,
        added: &[(Key<'k>, Value)],
        key_of: impl Fn(Value) -> Option<Key<'k>>,
    ) -> Result<Self, EngineError> {
        let mut pieces: Vec<Change> = self.pieces.iter().cloned().map(Change::Kept).collect();
        for (key, value) in added {
            let is_before =
                |there: Value| key_of(there).is_some_and(|there| there.compare(key).is_lt());
            let ends_before = |piece: &Change| piece.last().is_some_and(is_before);
            let mut index = pieces.partition_point(ends_before);
            let last = pieces.last().and_then(Change::last);
            if index == pieces.len() && last.is_some_and(|last| !layout::ends_array_piece(last)) {
                index -= 1;
            }
            if index == pieces.len() {
                pieces.push(Change::Made(Vec::new()));
            }
            let Some(piece) = pieces.get_mut(index) else {
                continue;
            };
            let mut values = piece.take();
            let place = values.partition_point(|there| is_before(*there));
            let behind = values.split_off(place);
            values.push(*value);
            if layout::ends_array_piece(*value) && !behind.is_empty() {
                *piece = Change::Made(values);
                pieces.insert(index + 1, Change::Made(behind));
            } else {
                values.extend(behind);
                *piece = Change::Made(values);
            }
        }
        let made = pieces.into_iter().map(|piece| match piece {
            Change::Kept(piece) => Ok(piece),
            Change::Made(values) => Ok(Arc::new(Piece::new(words(&values))?)),
        });
        Ok(Self {
            pieces: made.collect::<Result<_, EngineError>>()?,
            length: self.length + added.len(),
        })
    }
}

/// What becomes of a piece.
enum Change {
    Kept(Arc<Piece>),
    Made(Vec<Value>),
}

impl Change {
    fn last(&self) -> Option<Value> {
        match self {
            Self::Kept(piece) => piece.values().next_back(),
            Self::Made(values) => values.last().copied(),
        }
    }

    fn take(&mut self) -> Vec<Value> {
        match self {
            Self::Kept(piece) => piece.values().collect(),
            Self::Made(values) => std::mem::take(values),
        }
    }
}

/// The array after packages moved, went and came. The others keep their order. `key_of` says what the package that a value points at
/// is sorted by.
pub(super) fn after<'k>(
    before: &Sorted,
    moves: &Moves,
    key_of: impl Fn(Value) -> Option<Key<'k>>,
) -> Result<Sorted, EngineError> {
    let written = |sequence: &i64| moves.written.get(sequence).copied().ok_or(LOST);
    let mut added: Vec<(Key<'k>, Value)> = Vec::with_capacity(moves.added.len());
    for sequence in &moves.added {
        let value = written(sequence)?;
        added.push((key_of(value).ok_or(LOST)?, value));
    }
    added.sort_by(|(one, _), (other, _)| one.compare(other));
    let nothing_moved = moves.moved.is_empty() && moves.gone.is_empty();
    if nothing_moved && added.len() <= FEW {
        return before.with(&added, key_of);
    }

    // Most packages are where they were.
    let changed = moves.moved.keys().chain(&moves.gone);
    let (first, last) = (changed.clone().min(), changed.max());
    let may_change = |value: &Value| Some(value) >= first && Some(value) <= last;
    let mut stay = Vec::with_capacity(before.len());
    for value in before.values() {
        if !may_change(&value) {
            stay.push(value);
        } else if let Some(sequence) = moves.moved.get(&value) {
            stay.push(written(sequence)?);
        } else if !moves.gone.contains(&value) {
            stay.push(value);
        }
    }
    let mut merged = Vec::with_capacity(stay.len() + added.len());
    let mut rest = stay.as_slice();
    for (key, value) in added {
        let is_before =
            |there: &Value| key_of(*there).is_some_and(|there| there.compare(&key).is_lt());
        let (before, behind) = rest
            .split_at_checked(rest.partition_point(is_before))
            .unwrap_or((rest, &[]));
        merged.extend_from_slice(before);
        merged.push(value);
        rest = behind;
    }
    merged.extend_from_slice(rest);
    Sorted::of(&merged, before)
}

/// Where two arrays differ: without the pieces at either end that they share and whose values mean the same in both.
pub(super) struct Middle {
    pub(super) old: Vec<Value>,
    pub(super) new: Vec<Value>,
    /// The values around it.
    pub(super) in_front: Option<Value>,
    pub(super) behind: Option<Value>,
}

impl Middle {
    /// `means_the_same` says whether the values of a piece that both have do.
    pub(super) fn of(
        before: &Sorted,
        after: &Sorted,
        means_the_same: impl Fn(&Piece) -> bool,
    ) -> Self {
        let same = |(one, other): &(&Arc<Piece>, &Arc<Piece>)| {
            Arc::ptr_eq(one, other) && means_the_same(one)
        };
        let (old, new) = (before.pieces.as_slice(), after.pieces.as_slice());
        let front = old.iter().zip(new).take_while(same).count();
        let (_, old) = old.split_at_checked(front).unwrap_or_default();
        let (in_front, new) = new.split_at_checked(front).unwrap_or_default();
        let back = old.iter().rev().zip(new.iter().rev()).take_while(same);
        let back = back.count();
        let (old, _) = old.split_at_checked(old.len() - back).unwrap_or_default();
        let (new, behind) = new.split_at_checked(new.len() - back).unwrap_or_default();
        let values = |pieces: &[Arc<Piece>]| {
            let values = pieces.iter().flat_map(|piece| piece.values());
            values.collect()
        };
        Self {
            old: values(old),
            new: values(new),
            in_front: in_front.last().and_then(|piece| piece.values().next_back()),
            behind: behind.first().and_then(|piece| piece.values().next()),
        }
    }
}

/// The pieces of an array that another has not.
pub(super) fn new_pieces<'a>(
    before: Option<&Sorted>,
    after: &'a Sorted,
) -> impl Iterator<Item = &'a Arc<Piece>> {
    let known = before.into_iter().flat_map(|before| &before.pieces);
    let known: HashSet<*const Piece> = known.map(Arc::as_ptr).collect();
    let pieces = after.pieces.iter();
    pieces.filter(move |piece| !known.contains(&Arc::as_ptr(piece)))
}
