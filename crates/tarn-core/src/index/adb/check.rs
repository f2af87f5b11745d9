//! Reads what is new in a state as it will be sent, by the independent reader.

use std::{collections::HashSet, sync::Arc};

use apk::{
    limits::Limits,
    v3::{
        index::{IndexError, visit_part},
        reader::Payload,
        value::Value,
    },
};

use super::{
    State,
    part::{Entries, Key, Part},
};
use crate::index::engine::EngineError;

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
    ///
    /// # Errors
    ///
    /// [`Fault`].
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
        let before = before.filter(|before| {
            let same = last.writer.bytes().starts_with(before.writer.bytes());
            same && before.base == last.base
        });
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

    /// Where nothing moved, what is new stands between others in the right order. Otherwise every package is asked for.
    fn check_array(&self, before: Option<&Self>) -> Result<(), Fault> {
        let count: usize = self.entries().map(Entries::len).sum();
        if count != self.sorted.len() {
            return Err(Fault::Array);
        }
        let mut old = before.map_or(&[][..], |before| &before.sorted).iter();
        let mut expected = old.next();
        let mut new = Vec::new();
        for (index, value) in self.sorted.iter().enumerate() {
            if Some(value) == expected {
                expected = old.next();
            } else {
                new.push(index);
            }
        }
        let is_sorted = if expected.is_none() {
            let both_sides = new.iter().flat_map(|index| [*index, *index + 1]);
            both_sides
                .filter(|index| (1..self.sorted.len()).contains(index))
                .all(|index| self.is_sorted_at(index))
        } else {
            (1..self.sorted.len()).all(|index| self.is_sorted_at(index))
        };
        let ends = [self.sorted.first(), self.sorted.last()];
        let is_there = |value: &Value| self.key_of(*value).is_some();
        if is_sorted && ends.into_iter().flatten().all(is_there) {
            Ok(())
        } else {
            Err(Fault::Array)
        }
    }

    /// Whether the packages there and before it are in the order that apk has.
    fn is_sorted_at(&self, index: usize) -> bool {
        let key = |index: usize| self.key_of(*self.sorted.get(index)?);
        let before = index.checked_sub(1).and_then(key);
        match (before, key(index)) {
            (Some(before), Some(after)) => before.compare(&after).is_lt(),
            _ => false,
        }
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
            name: package.name.as_str().as_bytes(),
            version: package.version.as_str().as_bytes(),
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
    use apk::v3::{index::FieldError, schema::package, writer::Writer};

    use super::*;
    use crate::index::adb::{Changes, Record};

    fn record(sequence: i64, name: &str) -> Record {
        let mut writer = Writer::new();
        let mut fields = [Value::NULL; package::SLOTS - 1];
        for (slot, text) in [
            (package::NAME, name),
            (package::VERSION, "1.0-r0"),
            (package::HASHES, "twenty bytes of hash"),
            (package::ARCH, "x86_64"),
        ] {
            fields[slot - 1] = writer.blob(text.as_bytes()).unwrap();
        }
        let root = writer.object(&fields).unwrap();
        Record {
            sequence,
            payload: writer.finish(root).into(),
        }
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
        let [b, c, d] = *two.sorted else {
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
                sorted: wrong.into(),
                ..two.clone()
            };
            assert_eq!(wrong.check(Some(&one), &limits), Err(Fault::Array));
            assert_eq!(wrong.check(None, &limits), Err(Fault::Array));
        }
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
        let wrong = state(&State::empty(), &[(1, "a name with blanks")]);
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
