//! The array of all packages, sorted. apk searches it by halves when it makes an index out of this one (`src/adb.c`,
//! `adb_ra_find`); clients read it from one end to the other.

use std::{cmp::Ordering, sync::Arc};

use apk::v3::value::Value;

use super::{State, cut::Moves, part::Key};
use crate::index::engine::EngineError;

const LOST: EngineError = EngineError::Inconsistent("the place of a package is not known");

/// The array after packages moved, went and came. The others keep their order.
pub(super) fn after(
    before: &Arc<[Value]>,
    moves: &Moves,
    state: &State,
) -> Result<Arc<[Value]>, EngineError> {
    let written = |sequence: &i64| moves.written.get(sequence).copied().ok_or(LOST);
    let stay = if moves.moved.is_empty() && moves.gone.is_empty() {
        Arc::clone(before)
    } else {
        let stay = before.iter().filter(|value| !moves.gone.contains(value));
        stay.map(|value| match moves.moved.get(value) {
            Some(sequence) => written(sequence),
            None => Ok(*value),
        })
        .collect::<Result<_, _>>()?
    };
    if moves.added.is_empty() {
        return Ok(stay);
    }

    let mut added: Vec<(Key<'_>, Value)> = Vec::with_capacity(moves.added.len());
    for sequence in &moves.added {
        let value = written(sequence)?;
        added.push((state.key_of(value).ok_or(LOST)?, value));
    }
    added.sort_by(|(one, _), (other, _)| one.compare(other));
    let mut merged = Vec::with_capacity(stay.len() + added.len());
    let mut rest = &*stay;
    for (key, value) in added {
        let is_before = |there: &Value| {
            let there = state.key_of(*there);
            there.is_some_and(|there| there.compare(&key) == Ordering::Less)
        };
        let (before, behind) = rest
            .split_at_checked(rest.partition_point(is_before))
            .unwrap_or((rest, &[]));
        merged.extend_from_slice(before);
        merged.push(value);
        rest = behind;
    }
    merged.extend_from_slice(rest);
    Ok(merged.into())
}
