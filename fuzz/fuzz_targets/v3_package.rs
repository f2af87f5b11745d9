//! A v3 package: as it is, and as the ADB block of a valid file. However the bytes arrive, the result is the same. What is accepted
//! can stand in an index. A reader that doesn't keep the contents says the same of everything else,
//! and one that reads nothing else, the same of them.
#![no_main]

use apk::{
    limits::Limits,
    memory::Memory,
    v3::{
        block::{self, BlockKind},
        container,
        index::{IndexEntry, payload, read_unverified},
        package::{ContentsReader, Package, PackageError, PackageReader},
        schema::Schema,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let whole = read(bytes, bytes.len().max(1));
    assert_eq!(read(bytes, 7), whole);
    let mut file = container::start(Schema::Package);
    block::write(&mut file, BlockKind::Adb, bytes).expect("small");
    if let Ok(package) = read(&file, file.len()) {
        can_be_listed(&package);
    }
});

fn can_be_listed(package: &Package) {
    let entry = IndexEntry {
        facts: &package.facts,
        hash: package.hash,
        size: package.size,
    };
    let database = payload(&[entry], "").expect("small");
    let mut index = container::start(Schema::Index);
    block::write(&mut index, BlockKind::Adb, &database).expect("small");
    let index = read_unverified(&index, &Limits::default()).expect("an index that apk reads");
    let [listed] = index.packages.as_slice() else {
        panic!("{} packages", index.packages.len());
    };
    assert_eq!((&listed.facts.name, &listed.facts.version), (&package.facts.name, &package.facts.version));
    assert_eq!(listed.facts.commit, package.facts.commit);
}

fn read(bytes: &[u8], piece: usize) -> Result<Package, PackageError> {
    let with = |mut reader: PackageReader| {
        for piece in bytes.chunks(piece) {
            reader.push(piece)?;
        }
        reader.finish()
    };
    let whole = with(PackageReader::new(Limits::tiny()));
    let facts = with(PackageReader::of_facts(Limits::tiny(), &Memory::unbounded()));
    let without_contents = whole.clone().map(|mut package| {
        package.contents = None;
        package
    });
    assert_eq!(facts, without_contents);
    let mut reader = ContentsReader::new(Limits::tiny());
    let contents = bytes.chunks(piece).find_map(|piece| reader.push(piece).transpose());
    if let Ok(package) = &whole {
        assert_eq!(contents.and_then(Result::ok), package.contents);
    }
    whole
}
