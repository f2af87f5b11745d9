//! Reads what is new in a state as it will be sent, by the independent reader.

use std::{collections::HashSet, ops::Range, sync::Arc};

use apk::{
    limits::Limits,
    v3::{
        index::{IndexError, visit_part},
        reader::Payload,
        value::Value,
    },
};

use super::{
    array::{self, Middle, Piece, Sorted},
    part::{Entries, Key, Part},
    state::State,
};
use crate::index::changes::EngineError;

/// Why a state is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A package in it is not one that apk would take.
    #[error(transparent)]
    Package(#[from] IndexError),
    /// It does not inflate to what was hashed.
    #[error(transparent)]
    Inflates(#[from] EngineError),
    /// A package that was read is another than the one that is listed.
    #[error("a package in it is another than the one that is listed")]
    Other,
    /// The array is not that of the packages.
    #[error("the list of its packages is not the list of the packages in it, sorted")]
    Array,
}

impl State {
    /// Reads every package that `before` has not, out of the bytes that are sent, and looks at the array. What is not new was
    /// looked at when it was.
    pub fn check(&self, before: Option<&Self>, limits: &Limits) -> Result<(), Fault> {
        let known: HashSet<*const Part> = before
            .into_iter()
            .flat_map(Self::parts)
            .map(Arc::as_ptr)
            .collect();
        for part in self.parts() {
            if !known.contains(&Arc::as_ptr(part)) {
                let bytes = part.bytes()?;
                let payload = Payload::part(&bytes, part.base);
                check_packages(payload, &part.entries, 0, limits)?;
            }
        }
        self.check_last(before, limits)?;
        self.check_array(before)
    }

    /// The packages behind the last run.
    fn check_last(&self, before: Option<&Self>, limits: &Limits) -> Result<(), Fault> {
        let last = &self.open.last;
        let before = before.map(|before| &before.open.last);
        let before = before.filter(|before| before.is_start_of(last).is_some());
        let known = before.map_or(0, |before| before.entries.len());
        let bytes = last.writer.bytes();
        let mut start = 0;
        for (index, piece) in last.compressed().enumerate() {
            let length = usize::try_from(piece.length).map_err(|_| EngineError::TooLarge)?;
            let there = before.and_then(|before| before.pieces.get(index));
            let is_new = there.is_none_or(|there| there.deflated != piece.deflated);
            let (done, rest) = bytes.split_at_checked(start).unwrap_or_default();
            if is_new && rest.get(..length) != Some(&*piece.inflate(done)?) {
                return Err(Fault::Other);
            }
            start += length;
        }
        if start != bytes.len() {
            return Err(Fault::Other);
        }
        check_packages(
            Payload::part(bytes, last.base),
            &last.entries,
            known,
            limits,
        )
    }

    /// Of packages that are where they were, the order is the one that was looked at before. Each of the others has to stand between
    /// its neighbours.
    fn check_array(&self, before: Option<&Self>) -> Result<(), Fault> {
        let count: usize = self.entries().map(Entries::len).sum();
        if count != self.sorted.len() {
            return Err(Fault::Array);
        }
        for piece in array::new_pieces(before.map(|before| &before.sorted), &self.sorted) {
            if piece.run.inflate(&[])? != piece.words {
                return Err(Fault::Other);
            }
        }
        let none = Sorted::default();
        let before_sorted = before.map_or(&none, |before| &before.sorted);
        let shared = Shared::between(before, self)?;
        // Where the one before is whole in this one, no place of it means anything else.
        let means_the_same =
            |piece: &Piece| shared.all || piece.values().all(|value| shared.has(value));
        let Middle {
            old,
            new,
            in_front,
            behind,
        } = Middle::of(before_sorted, &self.sorted, means_the_same);
        let stays = |value: &&Value| shared.has(**value);
        if !old.iter().filter(stays).eq(new.iter().filter(stays)) {
            return Err(Fault::Array);
        }
        let mut last: Option<(Value, Option<Key<'_>>)> = None;
        for value in in_front.into_iter().chain(new).chain(behind) {
            let both_stay = shared.has(value) && last.is_none_or(|(last, _)| shared.has(last));
            if both_stay {
                last = Some((value, None));
                continue;
            }
            let key = self.key_of(value).ok_or(Fault::Array)?;
            if let Some((before, before_key)) = last {
                let before_key = before_key.or_else(|| self.key_of(before));
                if !before_key.ok_or(Fault::Array)?.compare(&key).is_lt() {
                    return Err(Fault::Array);
                }
            }
            last = Some((value, Some(key)));
        }
        Ok(())
    }
}

/// The places of packages that two states have in common: they share the bytes there.
struct Shared {
    places: Vec<Range<usize>>,
    /// Whether these are all the places of the state before.
    all: bool,
}

impl Shared {
    fn between(before: Option<&State>, after: &State) -> Result<Self, EngineError> {
        let Some(before) = before else {
            let places = Vec::new();
            return Ok(Self { places, all: true });
        };
        let known: HashSet<*const Part> = before.parts().map(Arc::as_ptr).collect();
        let mut places: Vec<Range<usize>> = Vec::new();
        let mut parts = 0;
        for part in after.parts() {
            if !known.contains(&Arc::as_ptr(part)) {
                continue;
            }
            parts += 1;
            match places.last_mut() {
                Some(last) if last.end == part.base => last.end = part.end()?,
                _ => places.push(part.base..part.end()?),
            }
        }
        let last = before.open.last.is_start_of(&after.open.last);
        let all = parts == known.len() && last.is_some();
        places.extend(last);
        Ok(Self { places, all })
    }

    fn has(&self, value: Value) -> bool {
        let place = value.content() as usize;
        let behind = self.places.partition_point(|range| range.start <= place);
        let range = behind
            .checked_sub(1)
            .and_then(|index| self.places.get(index));
        range.is_some_and(|range| range.contains(&place))
    }
}

/// Reads the packages of a part from the `known`th on, and compares them with what is listed.
fn check_packages(
    payload: Payload<'_>,
    entries: &Entries,
    known: usize,
    limits: &Limits,
) -> Result<(), Fault> {
    let mut index = known;
    let mut same = true;
    visit_part(payload, limits, entries.values().skip(known), |package| {
        let read = Key {
            name: package.facts.name.as_str().as_bytes(),
            version: package.facts.version.as_str().as_bytes(),
            hash: package.hash.as_bytes(),
        };
        same &= entries.key(index) == Some(read);
        index += 1;
    })?;
    if same && index == entries.len() {
        Ok(())
    } else {
        Err(Fault::Other)
    }
}

#[cfg(test)]
mod tests {
    use apk::v3::{index::FieldError, schema::package};

    use super::*;
    use crate::index::changes::{Changes, Record};

    fn record(sequence: i64, name: &str) -> Record {
        let bytes = apk_testkit::v3::record(&[
            (package::NAME, name),
            (package::VERSION, "1.0-r0"),
            (package::HASHES, "twenty bytes of hash"),
            (package::ARCH, "x86_64"),
        ]);
        let bytes = bytes.unwrap().into();
        Record { sequence, bytes }
    }

    fn state(before: &State, records: &[(i64, &str)]) -> State {
        let added = records
            .iter()
            .map(|(sequence, name)| record(*sequence, name));
        let changes = Changes {
            added: added.collect(),
            ..Changes::default()
        };
        before.apply(&changes).unwrap()
    }

    #[test]
    fn an_array_that_is_not_the_sorted_list_of_the_packages_is_refused() {
        let limits = Limits::default();
        let one = state(&State::empty(), &[(1, "b"), (2, "d")]);
        let two = state(&one, &[(3, "c")]);
        assert_eq!(two.check(Some(&one), &limits), Ok(()));
        let all = Middle::of(&Sorted::default(), &two.sorted, |_| true).new;
        let [b, c, d] = *all else {
            unreachable!("three packages")
        };
        for wrong in [
            &[c, b, d][..],
            &[b, d, c],
            &[b, d],
            &[b, b, d],
            &[b, c, d, d],
        ] {
            let wrong = State {
                sorted: Sorted::of(wrong, &one.sorted).unwrap(),
                ..two.clone()
            };
            assert_eq!(wrong.check(Some(&one), &limits), Err(Fault::Array));
            assert_eq!(wrong.check(None, &limits), Err(Fault::Array));
        }
        // The same list, of packages that stand in each other's place.
        let other = state(&State::empty(), &[(1, "d"), (2, "b")]);
        let wrong = State {
            sorted: one.sorted.clone(),
            ..other
        };
        assert_eq!(wrong.check(Some(&one), &limits), Err(Fault::Array));
    }

    #[test]
    fn what_inflates_to_something_else_is_refused() {
        let limits = Limits::default();
        let one = state(&State::empty(), &[(1, "b")]);
        let mut wrong = state(&one, &[(2, "d")]);
        let other = state(&one, &[(2, "e")]);
        wrong.open.last.pieces = other.open.last.pieces;
        wrong.open.last.rest = other.open.last.rest;
        assert_eq!(wrong.check(Some(&one), &limits), Err(Fault::Other));
        let mut short = state(&one, &[(2, "d")]);
        short.open.last.rest = None;
        assert_eq!(short.check(None, &limits), Err(Fault::Other));
    }

    #[test]
    fn a_package_that_apk_would_not_take_is_refused() {
        let wrong = state(&State::empty(), &[(1, "a name with spaces")]);
        let refused = wrong.check(None, &Limits::default()).unwrap_err();
        assert!(
            matches!(
                &refused,
                Fault::Package(IndexError::Package {
                    field: "name",
                    problem: FieldError::Name(_),
                    ..
                })
            ),
            "{refused:?}"
        );
    }
}
