//! The engine of `APKINDEX.tar.gz`.

use std::collections::BTreeSet;

use apk::{
    digest::Identity,
    limits::Limits,
    v2::index::{Index, read_unverified},
};
use bytes::Bytes;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tarn_core::index::{Changes, Record, engine::State};

use crate::{Records, assert_weight, in_one_run, refuses_what_cannot_be, steps};

/// A record that looks like one, of a package that is like no other.
fn record(sequence: i64) -> Record {
    let number = sequence.unsigned_abs();
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let mut identity = [0; 20];
    identity[..8].copy_from_slice(&mixed.to_le_bytes());
    let text = format!(
        "C:{}\nP:package-{number}\nV:1.{}.{}-r{}\nA:x86_64\nS:{}\nI:{}\nT:The package {number}\n\
         U:https://example.org/{mixed:x}\nL:MIT\no:package\nt:{}\nD:so:libc.musl-x86_64.so.1 package-{}\n\n",
        Identity::from_bytes(identity).to_index_field(),
        mixed % 20,
        mixed % 7,
        mixed % 3,
        1000 + mixed % 100_000,
        1000 + mixed % 900_000,
        1_700_000_000 + mixed % 10_000_000,
        mixed % 100,
    );
    Record {
        sequence,
        bytes: Bytes::from(text),
    }
}

fn records(sequences: impl IntoIterator<Item = i64>) -> Records {
    crate::records(sequences, record)
}

fn bytes(state: &State) -> Vec<u8> {
    state.member().unwrap().segments.concat()
}

/// That the index is the one of `records`: its bytes are those of a derivation from nothing, and the hash that is signed is
/// that of the bytes. It comes from the states that are kept behind the runs, so bytes alone do not show that it is right.
fn check(state: &State, records: &Records) -> Result<(), String> {
    let member = state.member().unwrap();
    let found = member.segments.concat();
    if found != bytes(&derived(records)) {
        return Err(format!("other bytes with {} records", records.len()));
    }
    let sha256: [u8; 32] = Sha256::digest(&found).into();
    if member.sha256 != sha256 {
        return Err(format!("another hash with {} records", records.len()));
    }
    Ok(())
}

/// The index of these records, from nothing.
fn derived(records: &Records) -> State {
    let changes = Changes {
        added: records.values().cloned().collect(),
        ..Changes::default()
    };
    State::empty().unwrap().apply(&changes).unwrap()
}

/// Each record of such a text, with the blank line at its end.
fn records_of(mut text: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = text.windows(2).position(|pair| pair == b"\n\n")? + 2;
        let (record, rest) = text.split_at(end);
        text = rest;
        Some(record)
    })
}

fn read(state: &State) -> Index {
    read_unverified(&bytes(state), &Limits::default()).unwrap()
}

#[test]
fn an_empty_index_is_one_that_apk_reads() {
    assert_eq!(read(&State::empty().unwrap()).records.len(), 0);
}

#[test]
fn the_independent_reader_gets_every_record_back() {
    let records = records(1..=3000);
    let state = derived(&records);
    assert_eq!(state.records(), 3000);
    let index = read(&state);
    let text: String = index.records.iter().map(ToString::to_string).collect();
    assert_eq!(text.into_bytes(), text_of(&records));
}

#[test]
fn nothing_follows_the_last_record_of_a_small_index_and_little_that_of_a_large_one() {
    for (count, is_small) in [
        (0, true),
        (1, true),
        (20, true),
        (3000, true),
        (9000, false),
    ] {
        let index = read(&derived(&records(1..=count)));
        let padding = index.summary.padding;
        if is_small {
            assert_eq!(padding, 0, "{count} records");
        } else {
            let text = index.to_apkindex().len() as u64 - padding;
            assert!(padding <= text / 256, "{padding} after {text}");
        }
    }
}

#[test]
fn the_weight_is_hardly_more_than_what_is_kept() {
    for count in [0, 1, 700, 5000] {
        let state = derived(&records(1..=count));
        let kept = bytes(&state).len();
        assert_weight(count, state.weight(), kept, (2, 96 << 10));
    }
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    for count in [0, 1, 15, 16, 700, 2000] {
        let state = derived(&records(1..=count));
        let sha256: [u8; 32] = Sha256::digest(bytes(&state)).into();
        assert_eq!(state.member().unwrap().sha256, sha256, "{count} records");
    }
}

#[test]
fn an_append_leaves_the_bytes_before_the_end_as_they_were() {
    let before = derived(&records(1..=5000));
    let after = before
        .apply(&Changes {
            added: vec![record(5001)],
            ..Changes::default()
        })
        .unwrap();
    let (before, after) = (bytes(&before), bytes(&after));
    let same = before
        .iter()
        .zip(&after)
        .take_while(|(a, b)| a == b)
        .count();
    assert!(
        same * 100 > before.len() * 95,
        "{same} of {} bytes are the same",
        before.len()
    );
}

#[test]
fn a_change_compresses_only_the_runs_that_it_touches() {
    let before = derived(&records(1..=5000));
    let compressed = |changes: &Changes| {
        let after = before.apply(changes).unwrap();
        let texts = after.made_after(&before).unwrap().concat();
        records_of(&texts).count()
    };
    let append = compressed(&Changes {
        added: vec![record(5001)],
        ..Changes::default()
    });
    assert!((1..=16).contains(&append), "{append} records for one");
    // It goes out of a chunk of 1,453 records; the one in the last run, which is not ended, is compressed anew too.
    let removal = compressed(&Changes {
        removed: [600].into(),
        ..Changes::default()
    });
    assert_eq!(removal, 1452 + 1);
}

#[test]
fn what_cannot_be_is_refused() {
    let state = derived(&records(1..=100));
    refuses_what_cannot_be(record, |changes| state.apply(changes).err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_changes_gives_the_bytes_and_the_hash_of_a_derivation_from_nothing(
        steps in steps(1, [0..300, 500..1200])
    ) {
        let (mut there, mut sequence) = (Records::new(), 0);
        let mut state = State::empty().unwrap();
        for step in steps {
            let changes = step.take(&mut there, &mut sequence, record);
            let next = state.apply(&changes).unwrap();
            let made = next.made_after(&state).unwrap().concat();
            let made: BTreeSet<&[u8]> = records_of(&made).collect();
            let mut added = changes.added.iter();
            prop_assert!(added.all(|record| made.contains(&*record.bytes)), "what is new is not read");
            let texts: BTreeSet<&[u8]> = there.values().map(|record| &*record.bytes).collect();
            prop_assert!(made.is_subset(&texts), "what is read is not there");
            state = next;
            prop_assert_eq!(state.records(), there.len() as u64);
            check(&state, &there).map_err(TestCaseError::fail)?;
        }
        prop_assert_eq!(read(&state).records.len(), there.len());
    }
}

fn text_of(records: &Records) -> Vec<u8> {
    let texts = records.values().flat_map(|record| record.bytes.iter());
    texts.copied().collect()
}

#[test]
fn a_small_index_is_hardly_larger_than_one_run_of_the_compressor() {
    for count in [300, 1_000, 1_300, 1_576, 3_000] {
        let records = records(1..=count);
        let (cut, whole) = (
            bytes(&derived(&records)).len(),
            in_one_run(&text_of(&records)),
        );
        assert!(
            cut * 100 <= whole * 102 + 30_000,
            "{count} records: {cut} bytes, {whole} in one run"
        );
    }
}
