//! What the forms of the index say of the same facts stays as it is, or gets another number.

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{PackageFacts, RENDERING},
    limits::Limits,
    sign::SigningKey,
    v2::record::render,
    v3::{
        container::Compression,
        index::{IndexEntry, JsonDump, read_unverified, write},
    },
};
use sha2::{Digest as _, Sha256};

const FACTS: [&str; 3] = [
    r#"{"format":"v3","name":"least","version":"1","arch":"noarch"}"#,
    r#"{"format":{"v2":{"data_hash":"0707070707070707070707070707070707070707070707070707070707070707"}},
        "name":"full","version":"1.0-r0","arch":"x86_64","description":"Ünïcode \\ \"quotes\"","url":"https://example.org/",
        "license":"MIT","origin":"source","maintainer":"A B <a@example.org>","packager":"P",
        "commit":"0123456789abcdef0123456789abcdef01234567-dirty","build_date":1700000000,"installed_size":5000000000,
        "provider_priority":10,"replaces_priority":2,"depends":["b","a>=1","!c"],"provides":["cmd:full=1.0-r0"],
        "replaces":["other<3"],"install_if":["docs","full=1.0-r0"],"triggers":["/usr/lib/*"],"scripts":["trigger"]}"#,
    r#"{"format":"v3","name":"full","version":"2.0-r0","arch":"x86_64","description":"d","url":"u","license":"l","origin":"o",
        "maintainer":"m","commit":"abcd","build_date":1,"installed_size":2,"provider_priority":3,"replaces_priority":4,
        "depends":["b","a~2"],"provides":["p=1"],"replaces":["r"],"install_if":["i"],"recommends":["more"],"layer":1,
        "tags":["one","two"],"triggers":["/t"],"scripts":["post-install"]}"#,
];

/// Clients that know only the date of an index keep the one from before for ever, unless it gets another date, which the number does.
#[test]
fn a_change_of_what_indexes_say_raises_the_number_of_the_rendering() {
    let facts = FACTS.map(|text| serde_json::from_str::<PackageFacts>(text).unwrap());
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
            "7d54c39ef606fa7c0220582330ea1dcd0155620b67ebca2e1cd9e4899bc5ccab"
        ),
        "the indexes of the same packages have changed: raise RENDERING in crates/apk/src/facts.rs by 1, and write it and the digest here"
    );
}
