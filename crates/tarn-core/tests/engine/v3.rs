//! The engine of `Packages.adb`: beside the same bytes, what is sent inflates to what is hashed.

use apk::{
    limits::Limits,
    v3::{
        block::{BlockKind, Blocks},
        container,
        index::{Index, read_unverified},
        reader::Payload,
        schema::{Schema, dependency, package},
        signature::PayloadDigest,
        value::Value,
        writer::Writer,
    },
};
use proptest::prelude::*;
use tarn_core::index::{
    Changes, Record,
    adb::{Gathered, Prefix, State},
};

use crate::{Records, assert_weight, in_one_run, refuses_what_cannot_be, steps};

/// A package that is like no other. Some share their name.
fn record(sequence: i64) -> Record {
    let number = sequence.unsigned_abs();
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let mut hash = [0; 32];
    for (place, byte) in hash.iter_mut().zip((0..4).flat_map(|turn| {
        mixed
            .rotate_left(turn * 11)
            .wrapping_mul(number | 1)
            .to_le_bytes()
    })) {
        *place = byte;
    }
    let mut writer = Writer::new();
    let name = format!("package-{}", mixed % 700);
    let mut fields = [Value::NULL; package::SLOTS - 1];
    for (slot, text) in [
        (package::NAME, name.clone()),
        (package::VERSION, format!("1.{number}-r{}", mixed % 3)),
        (package::DESCRIPTION, format!("The package {}", mixed % 700)),
        (package::ARCH, "x86_64".to_owned()),
        (package::LICENSE, "MIT".to_owned()),
        (package::URL, format!("https://example.org/{mixed:x}")),
    ] {
        let field = fields.get_mut(slot - 1).unwrap();
        *field = writer.blob(text.as_bytes()).unwrap();
    }
    let length = if number.is_multiple_of(3) { 32 } else { 20 };
    let hash = hash.get(..length).unwrap();
    fields[package::HASHES - 1] = writer.blob(hash).unwrap();
    fields[package::BUILD_TIME - 1] = writer.integer(1_700_000_000 + mixed % 1000).unwrap();
    fields[package::INSTALLED_SIZE - 1] = writer.integer(mixed % 5_000_000_000).unwrap();
    fields[package::FILE_SIZE - 1] = writer.integer(1000 + mixed % 100_000).unwrap();
    let mut depends = Vec::new();
    for depend in ["so:libc.musl-x86_64.so.1", name.as_str()] {
        let mut fields = [Value::NULL; dependency::SLOTS - 1];
        fields[dependency::NAME - 1] = writer.blob(depend.as_bytes()).unwrap();
        depends.push(writer.object(&fields).unwrap());
    }
    depends.reverse();
    fields[package::DEPENDS - 1] = writer.array(&depends).unwrap();
    let root = writer.object(&fields).unwrap();
    Record {
        sequence,
        bytes: writer.finish(root).into(),
    }
}

fn records(sequences: impl IntoIterator<Item = i64>) -> Records {
    crate::records(sequences, record)
}

/// The index of these packages, from nothing, some at a time.
fn derived(records: &Records) -> State {
    let records: Vec<Record> = records.values().cloned().collect();
    let mut gathered = Gathered::default();
    for some in records.chunks(1000) {
        gathered.add(some).unwrap();
    }
    gathered.index().unwrap()
}

/// Stands for a signature: the engine does not look into it.
const SIGNATURE: &[u8] = b"a signature of some length";

fn file(state: &State, before: Option<&Prefix>) -> (Vec<u8>, [u8; 32], Prefix) {
    let (prefix, unsigned) = state.hash(before).unwrap();
    let (segments, fingerprint) = unsigned.file(state, &[SIGNATURE]).unwrap();
    let file = segments.concat();
    assert_eq!(&payload(&file).1, unsigned.digest());
    (file, fingerprint, prefix)
}

/// The database of a file, and the hash of what it inflates to.
fn payload(file: &[u8]) -> (Vec<u8>, PayloadDigest) {
    let plain = container::unpack(file, 1 << 30).unwrap();
    let (schema, blocks) = container::open(&plain).unwrap();
    let blocks: Vec<_> = Blocks::new(blocks, 8).map(Result::unwrap).collect();
    let [database, signature] = <[_; 2]>::try_from(blocks).ok().unwrap();
    assert_eq!(
        (signature.kind, signature.payload),
        (BlockKind::Signature, SIGNATURE)
    );
    assert_eq!(schema, Schema::Index);
    let payload = database.payload.to_vec();
    let digest = PayloadDigest::of(schema, &payload);
    (payload, digest)
}

fn read(file: &[u8]) -> Index {
    read_unverified(file, &Limits::default()).unwrap()
}

#[test]
fn an_empty_index_has_no_packages() {
    let (file, ..) = file(&State::empty(), None);
    assert_eq!(read(&file).packages.len(), 0);
}

#[test]
fn the_independent_reader_gets_every_package_back_sorted() {
    for count in [1, 2, 15, 300, 4000] {
        let records = records(1..=count);
        let state = derived(&records);
        assert_eq!(state.packages(), count.unsigned_abs());
        let (file, ..) = file(&state, None);
        // The reader refuses what is not sorted.
        let mut versions: Vec<String> = read(&file)
            .packages
            .iter()
            .map(|package| package.facts.version.to_string())
            .collect();
        assert_eq!(versions.len(), records.len());
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(versions.len(), records.len());
        state.check(None, &Limits::default()).unwrap();
    }
}

#[test]
fn an_append_leaves_the_bytes_before_the_end_as_they_were() {
    let before = derived(&records(1..=5000));
    let added = vec![record(5001)];
    let changes = Changes {
        added,
        ..Changes::default()
    };
    let after = before.apply(&changes).unwrap();
    let ((before, one, prefix), (after, two, _)) = (file(&before, None), file(&after, None));
    assert_ne!(one, two);
    let (before, after) = (payload(&before).0, payload(&after).0);
    let same = before.iter().zip(&after).skip(8);
    let same = same.take_while(|(one, other)| one == other).count();
    assert!(same * 100 > before.len() * 80, "{same} of {}", before.len());
    drop(prefix);
}

#[test]
fn what_cannot_be_is_refused() {
    let state = derived(&records(1..=100));
    refuses_what_cannot_be(record, |changes| state.apply(changes).err());
}

#[test]
fn the_weight_is_hardly_more_than_what_is_kept() {
    for count in [0, 1, 700, 5000] {
        let state = derived(&records(1..=count));
        let kept = file(&state, None).0.len();
        assert_weight(count, state.weight(), kept, (4, 256 << 10));
    }
}

#[test]
fn a_file_is_hardly_larger_than_one_run_of_the_compressor() {
    for count in [300, 1_400, 5_000] {
        let (file, ..) = file(&derived(&records(1..=count)), None);
        let whole = in_one_run(&payload(&file).0);
        assert!(
            file.len() * 100 <= whole * 105 + 300_000,
            "{count} packages: {} bytes, {whole} in one run",
            file.len()
        );
    }
}

/// As a repository comes to two versions of most packages: all of them first, and then, in another order, newer ones.
#[test]
fn versions_that_came_far_apart_are_together() {
    let number = |sequence: i64| match sequence {
        ..=2500 => sequence,
        _ => (sequence * 7) % 2300,
    };
    let packages = (1..=4700).map(|sequence| {
        let text = |salt: i64| format!("{:x}", number(sequence).wrapping_mul(salt));
        let (one, other) = (text(0x5851_f42d_4c95_7f2d), text(0x2545_f491_4f6c_dd1d));
        let hash = sequence.wrapping_mul(0x9e37_79b9_7f4a);
        let bytes = apk_testkit::v3::record(&[
            (package::NAME, &format!("package-{}", text(0x9e37_79b9))),
            (package::VERSION, &format!("1.{sequence}-r0")),
            (package::DESCRIPTION, &format!("{one} of {other}")),
            (
                package::URL,
                &format!("https://example.org/{}", text(0x1405_7b7e_f767_814f)),
            ),
            (package::HASHES, &format!("{hash:020x}")),
            (package::ARCH, "x86_64"),
        ]);
        let bytes = bytes.unwrap().into();
        (sequence, Record { sequence, bytes })
    });
    let packages: Records = packages.collect();
    let (file, ..) = file(&derived(&packages), None);
    // What apk would write of the same packages: sorted, without a part.
    let whole = payload(&file).0;
    let whole = Payload::new(&whole).unwrap();
    let mut writer = Writer::new();
    let root = writer.copy(whole, whole.root()).unwrap();
    let sorted = in_one_run(&writer.finish(root));
    assert!(
        file.len() * 100 <= sorted * 115,
        "{} bytes, {sorted} sorted",
        file.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_changes_gives_the_bytes_and_the_hash_of_a_derivation_from_nothing(
        steps in steps(2, [0..300, 700..1700])
    ) {
        let (mut there, mut sequence) = (Records::new(), 0);
        let (mut state, mut prefix) = (State::empty(), None);
        for step in steps {
            let changes = step.take(&mut there, &mut sequence, record);
            let next = state.apply(&changes).unwrap();
            prop_assert_eq!(next.packages(), there.len() as u64);
            next.check(Some(&state), &Limits::default()).unwrap();
            let (found, fingerprint, after) = file(&next, prefix.as_ref());
            let (expected, other, _) = file(&derived(&there), None);
            prop_assert!(found == expected, "other bytes with {} packages", there.len());
            prop_assert_eq!(fingerprint, other);
            (state, prefix) = (next, Some(after));
        }
        prop_assert_eq!(read(&file(&state, None).0).packages.len(), there.len());
    }
}
