//! What the forms of the index say of the same facts stays as it is, or gets another number.

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts, RENDERING},
    limits::Limits,
    name::PackageName,
    sign::SigningKey,
    v2::record::render,
    v3::{
        container::Compression,
        index::{IndexEntry, JsonDump, read_unverified, write},
    },
    version::Version,
};
use apk_testkit::facts::{full_v2, full_v3};
use sha2::{Digest as _, Sha256};

/// Clients that know only the date of an index keep the one from before for ever, unless it gets another date, which the number does.
#[test]
fn a_change_of_what_indexes_say_raises_the_number_of_the_rendering() {
    let least = PackageFacts::new(
        Format::V3,
        PackageName::parse("least").unwrap(),
        Version::parse("1").unwrap(),
        Arch::noarch(),
    );
    let facts = [least, full_v2(), full_v3()];
    let identity = Identity::from_bytes([1; 20]);
    let x86_64 = Arch::parse("x86_64").unwrap();
    let records = facts
        .iter()
        .map(|facts| render(facts, &identity, 9, &x86_64));
    let mut all = Sha256::new_with_prefix(records.collect::<String>());

    let hashes = [2, 3, 4].map(|byte| PackageHash::Sha256(Sha256Digest::from_bytes([byte; 32])));
    let entries = facts.iter().zip(hashes);
    let entries: Vec<_> = entries
        .map(|(facts, hash)| IndexEntry {
            facts,
            hash,
            size: 9,
        })
        .collect();
    all.update(apk::v3::index::payload(&entries, "").unwrap());

    let key = SigningKey::from_pem(include_bytes!("keys/rsa.pkcs8.pem")).unwrap();
    let index = write(&entries, "", &[&key], Compression::None).unwrap();
    let mut json = JsonDump::new("");
    for package in &read_unverified(&index, &Limits::default())
        .unwrap()
        .packages
    {
        json.push(package);
    }
    all.update(json.finish());
    assert_eq!(
        (
            RENDERING,
            Sha256Digest::from_bytes(all.finalize().into())
                .to_hex()
                .as_str()
        ),
        (
            1,
            "0aa147dd6af0734c32ff00e335319e36b6e9f6073ee3ba95cc15e45a0eb36f2e"
        ),
        "the indexes of the same packages have changed: raise RENDERING in crates/apk/src/facts.rs by 1, and write it and the digest here"
    );
}
