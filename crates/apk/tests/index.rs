//! Indexes: written, signed, read back, and the exact words about each bad one.

#![expect(
    clippy::expect_used,
    reason = "a test stops where a fact does not hold"
)]

use apk::{
    arch::Arch,
    limits::Limits,
    sign::{Algorithm, KeyName, KeySize, PublicKey, SigningKey},
    v2::{
        gzip::compress_member,
        index::{self, Description, IndexError},
        package::PackageReader,
        record, signature,
        tar::{END_OF_ARCHIVE, EntryHeader, EntryKind, padding},
    },
};
use apk_testkit::v2::PackageBuilder;
use sha2::{Digest, Sha256};

fn key() -> (KeyName, SigningKey) {
    let key = SigningKey::from_pem(include_bytes!("keys/rsa.pkcs8.pem")).expect("a test key");
    (
        KeyName::parse("tests@example.org.rsa.pub").expect("a name"),
        key,
    )
}

fn trusted() -> Vec<(KeyName, PublicKey)> {
    let (name, key) = key();
    vec![(name, key.public_key().clone())]
}

fn records(count: usize) -> Vec<String> {
    let arch = Arch::parse("x86_64").expect("valid");
    (0..count)
        .map(|number| {
            let file = PackageBuilder::new(&format!("package-{number}"), "1.0-r0").build();
            let mut reader = PackageReader::new(Limits::default());
            reader.push(&file).expect("valid");
            let package = reader.finish().expect("valid");
            record::render(&package.facts, &package.identity, package.size, &arch)
        })
        .collect()
}

fn unsigned(records: &[String]) -> Vec<u8> {
    let description = Description::parse("Tests").expect("valid");
    index::write(
        records.iter().map(String::as_str),
        &description,
        1_700_000_000,
        9,
    )
}

fn sign(unsigned: &[u8]) -> Vec<u8> {
    let (name, key) = key();
    let signature = index::sign_index(unsigned, &[(&name, &key)]).expect("signs");
    [&signature, unsigned].concat()
}

fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let size = content.len() as u64;
    [
        &EntryHeader::file(name.as_bytes(), size, 0).to_bytes()[..],
        content,
        padding(size),
    ]
    .concat()
}

/// A signed index of these tar entries.
fn signed(entries: &[&[u8]]) -> Vec<u8> {
    let tar = [entries.concat(), END_OF_ARCHIVE.to_vec()].concat();
    sign(&compress_member([tar.as_slice()], 9))
}

fn refusal(bytes: &[u8]) -> String {
    index::read(bytes, &Limits::default(), &trusted())
        .expect_err("refused")
        .to_string()
}

#[test]
fn what_is_written_is_read_and_written_back() {
    let records = records(20);
    let file = sign(&unsigned(&records));
    let read = index::read(&file, &Limits::default(), &trusted()).expect("valid");
    assert_eq!(read.to_apkindex(), records.concat());
    assert_eq!(read.summary.description.as_str(), "Tests");
    assert_eq!(read.summary.signer, Some(key().0));
    assert_eq!((read.summary.records, read.summary.padding), (20, 0));
    let unverified = index::read_unverified(&file, &Limits::default()).expect("valid");
    assert_eq!(unverified.summary.signer, None);
    assert_eq!(unverified.records, read.records);
    assert_eq!(
        index::read_unverified(&unsigned(&records), &Limits::default())
            .expect("valid")
            .records,
        read.records
    );
}

#[test]
fn an_index_is_a_function_of_its_records() {
    let records = records(3);
    assert_eq!(sign(&unsigned(&records)), sign(&unsigned(&records)));
    // Any change in these bytes makes every client fetch every index again: let it be on purpose.
    let digest: String = Sha256::digest(sign(&unsigned(&[])))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        digest,
        "a89515f0bc07b364cf26c26d29938358f66a7e3fd6e6be0cd41480b5a468e222"
    );
}

#[test]
fn an_empty_index_is_an_index() {
    let read = index::read(&sign(&unsigned(&[])), &Limits::default(), &trusted()).expect("valid");
    assert!(read.records.is_empty());
    let bare = index::write([], &Description::default(), 0, 9);
    let read = index::read(&sign(&bare), &Limits::default(), &trusted()).expect("valid");
    assert_eq!(read.summary.description.as_str(), "");
}

#[test]
fn the_pieces_make_the_same_index_with_room_to_grow() {
    let records = records(2);
    let body = format!("{}{}", records.concat(), "\n".repeat(1000));
    let size = body.len() as u64;
    let description = Description::parse("Tests").expect("valid");
    let parts = [
        index::description_entry(&description, 0),
        index::apkindex_header(size, 0),
        body.clone().into_bytes(),
        index::trailer(size),
    ];
    assert_eq!(parts[1].len(), 512);
    let file = sign(&compress_member(parts.iter().map(Vec::as_slice), 6));
    let read = index::read(&file, &Limits::default(), &trusted()).expect("valid");
    assert_eq!((read.summary.records, read.summary.padding), (2, 1000));
    assert_eq!(read.to_apkindex(), body);
}

#[test]
fn several_keys_sign_and_each_client_finds_its_own() {
    let (name, key) = key();
    let other = SigningKey::generate(KeySize::Rsa2048).expect("generates");
    // 200 bytes: more than a tar header's name field takes.
    let other_name = KeyName::parse(&"o".repeat(KeyName::MAX_LENGTH)).expect("valid");
    let unsigned = unsigned(&records(1));
    let signature =
        index::sign_index(&unsigned, &[(&other_name, &other), (&name, &key)]).expect("signs");
    let file = [signature, unsigned].concat();
    for (name, key) in [(&name, &key), (&other_name, &other)] {
        let read = index::read(
            &file,
            &Limits::default(),
            &[(name.clone(), key.public_key().clone())],
        )
        .expect("valid");
        assert_eq!(read.summary.signer.as_ref(), Some(name));
        assert_eq!(read.summary.signatures.len(), 2);
    }
}

#[test]
fn rejects_signatures_that_apk_rejects() {
    let unsigned = unsigned(&records(1));
    let (name, key) = key();
    let other = SigningKey::generate(KeySize::Rsa2048).expect("generates");
    assert_eq!(refusal(&unsigned), "the index is not signed");
    let stranger = KeyName::parse("stranger.rsa.pub").expect("valid");
    let by_stranger = index::sign_index(&unsigned, &[(&stranger, &key)]).expect("signs");
    assert_eq!(
        refusal(&[by_stranger, unsigned.clone()].concat()),
        "the index is signed, but by none of the trusted keys"
    );
    // The first signature with the name decides, though the second would hold.
    let both = index::sign_index(&unsigned, &[(&name, &other), (&name, &key)]).expect("signs");
    assert_eq!(
        refusal(&[both, unsigned.clone()].concat()),
        "the signature by `tests@example.org.rsa.pub` does not match the index"
    );
    let mut file = sign(&unsigned);
    // The time in the gzip header of the index: nothing but the signature covers it.
    let at = file.len() - unsigned.len() + 4;
    file[at] ^= 1;
    assert_eq!(
        refusal(&file),
        "the signature by `tests@example.org.rsa.pub` does not match the index"
    );
    let signature = signature::sign_digest(&[0; 32], &[(&name, &key)]).expect("signs");
    assert_eq!(
        refusal(&[signature, unsigned].concat()),
        "the signature by `tests@example.org.rsa.pub` does not match the index"
    );
}

#[test]
fn rejects_everything_but_one_member_after_the_signature() {
    let records = records(1);
    let index = unsigned(&records);
    for extra in [&b"\0"[..], &compress_member([], 9), &index] {
        let whole = [&index, extra].concat();
        assert_eq!(
            refusal(&sign(&whole)),
            "bytes follow the index; it must be exactly one gzip member"
        );
    }
    let signature = &sign(&index)[..sign(&index).len() - index.len()];
    assert_eq!(
        refusal(signature),
        "nothing follows the signatures; the index is truncated"
    );
    assert_eq!(refusal(b""), "the index is empty");
    assert_eq!(
        refusal(b"<html>"),
        "no gzip data starts here (the first two bytes must be 1f 8b)"
    );
    assert_eq!(
        refusal(&compress_member([], 9)),
        "the index holds no APKINDEX"
    );
    let file = sign(&index);
    for size in signature.len() + 1..file.len() {
        assert!(
            index::read_unverified(&file[..size], &Limits::default()).is_err(),
            "{size}"
        );
    }
}

#[test]
fn rejects_an_index_that_apk_reads_otherwise() {
    let record = records(1).concat();
    let good = entry("APKINDEX", record.as_bytes());
    let description = entry("DESCRIPTION", b"x");
    let link = EntryHeader {
        kind: EntryKind::SymbolicLink,
        link_target: b"x",
        ..EntryHeader::file(b"APKINDEX", 0, 0)
    };
    let unexpected = |name: &str| {
        format!(
            "the index holds `{name}`; only DESCRIPTION and then APKINDEX may stand there, each once"
        )
    };
    for (file, expected) in [
        (
            signed(&[&description]),
            "the index holds no APKINDEX".to_owned(),
        ),
        (signed(&[&good, &description]), unexpected("DESCRIPTION")),
        (
            signed(&[&description, &description, &good]),
            unexpected("DESCRIPTION"),
        ),
        (signed(&[&good, &good]), unexpected("APKINDEX")),
        (signed(&[&entry("README", b"")]), unexpected("README")),
        (signed(&[&entry(".PKGINFO", b"")]), unexpected(".PKGINFO")),
        (signed(&[&link.to_bytes()]), unexpected("APKINDEX")),
        (
            signed(&[&entry("DESCRIPTION", &[b'x'; 161]), &good]),
            "DESCRIPTION is 161 bytes long; apk takes at most 160".to_owned(),
        ),
        (
            signed(&[&entry("DESCRIPTION", b"a\x1bb"), &good]),
            "DESCRIPTION holds a control character".to_owned(),
        ),
        (
            signed(&[&entry("DESCRIPTION", b"\xff"), &good]),
            "DESCRIPTION is not UTF-8".to_owned(),
        ),
        (
            signed(&[&entry("APKINDEX", record.trim_end().as_bytes())]),
            "APKINDEX ends inside record 1".to_owned(),
        ),
        (
            signed(&[&entry("APKINDEX", format!("{record}\n{record}").as_bytes())]),
            "after record 1 more than one blank line comes before the next".to_owned(),
        ),
        (
            signed(&[&entry("APKINDEX", format!("\n{record}").as_bytes())]),
            "after record 0 more than one blank line comes before the next".to_owned(),
        ),
        (
            signed(&[&entry(
                "APKINDEX",
                &[record.as_bytes(), b"P:\xff\n\n"].concat(),
            )]),
            "record 2 is not UTF-8".to_owned(),
        ),
    ] {
        assert_eq!(refusal(&file), expected);
    }
    let error = refusal(&signed(&[&entry(
        "APKINDEX",
        record.replace("V:1.0-r0", "V:1.0^foo").as_bytes(),
    )]));
    assert!(error.starts_with("record 1: V: "), "{error}");
    assert!(
        index::read(
            &signed(&[&description, &good]),
            &Limits::default(),
            &trusted()
        )
        .is_ok()
    );
}

#[test]
fn limits_hold() {
    let tiny = Limits::tiny();
    let record = records(1).concat();
    let read = |file: &[u8]| index::read(file, &tiny, &trusted()).expect_err("refused");
    assert_eq!(
        read(&signed(&[&entry("APKINDEX", record.repeat(17).as_bytes())])),
        IndexError::TooManyRecords(16)
    );
    assert_eq!(
        read(&signed(&[&entry("APKINDEX", &[b'\n'; 65 << 10])])),
        IndexError::TooLarge(64 << 10)
    );
    assert_eq!(
        read(&signed(&[&entry(
            "APKINDEX",
            &[record.as_bytes(), &[b'x'; 60 << 10]].concat()
        )])),
        IndexError::RecordTooLong {
            number: 2,
            limit: 3 * 256 + 512 + 1
        }
    );
    let signatures = compress_member([entry(".SIGN.RSA.a", &[0; 1024]).repeat(2).as_slice()], 9);
    assert_eq!(
        read(&[signatures.repeat(2), unsigned(&[])].concat()),
        IndexError::SignatureSectionTooLarge(4 << 10)
    );
}

#[test]
fn descriptions_are_short_and_printable() {
    assert!(Description::parse(&"x".repeat(160)).is_ok());
    assert!(Description::parse(&"x".repeat(161)).is_err());
    assert!(Description::parse("a\nb").is_err());
    assert!(
        Description::parse("a\u{9b}b").is_err(),
        "a control character of ISO 6429 in UTF-8"
    );
}

#[test]
fn a_signature_member_has_no_end_of_archive() {
    let file = sign(&unsigned(&[]));
    let read = index::read(&file, &Limits::default(), &trusted()).expect("valid");
    let [signature] = read.summary.signatures.as_slice() else {
        panic!("one signature")
    };
    assert_eq!(signature.algorithm, Algorithm::Rsa256);
    assert_eq!(signature.bytes.len(), 256);
}
