//! The v3 index: what the writer makes, and what the reader makes of it and of apk's own.

#![expect(
    clippy::unwrap_used,
    reason = "what builds the input of a test may fail it"
)]

use apk::{
    dependency::Dependency,
    digest::{Identity, Sha256Digest},
    facts::{Format, PackageFacts},
    limits::Limits,
    name::PackageName,
    sign::{KeySize, SigningKey},
    v3::{
        block::Blocks,
        container::{self, Compression},
        index::{
            FieldError, IndexEntry, IndexError, JsonDump, PackageHash, WriteError, payload, read,
            read_unverified, write,
        },
        schema::Schema,
        signature::{self, KeyId, PayloadDigest, SigningError},
    },
    version::Version,
};
use apk_testkit::facts::full_v2;

/// An index that apk-tools 3.0.8 made and signed with [`KEY`] (see `v3/README.md`).
const BY_APK: &[u8] = include_bytes!("v3/mkndx.adb");
const KEY: &[u8] = include_bytes!("keys/rsa.pkcs8.pem");

fn key() -> SigningKey {
    SigningKey::from_pem(KEY).unwrap()
}

fn id(key: &SigningKey) -> KeyId {
    KeyId::of(key.public_key())
}

fn info(name: &str, version: &str) -> PackageFacts {
    let format = Format::V2 {
        data_hash: Sha256Digest::from_bytes([0; 32]),
    };
    PackageFacts::new(
        format,
        PackageName::parse(name).unwrap(),
        Version::parse(version).unwrap(),
        apk::arch::Arch::parse("x86_64").unwrap(),
    )
}

fn full() -> PackageFacts {
    PackageFacts {
        commit: "0123456789abcdef0123456789ABCDEF01234567-dirty".into(),
        depends: Dependency::parse_list("zlib so:libc.musl-x86_64.so.1 a<2 a>=1 !b zlib").unwrap(),
        ..full_v2()
    }
}

const ID: Identity = Identity::from_bytes([0x11; 20]);

fn entry(facts: &PackageFacts) -> IndexEntry<'_> {
    IndexEntry {
        facts,
        hash: PackageHash::Identity(ID),
        size: 1234,
    }
}

fn texts(dependencies: &[Dependency]) -> Vec<String> {
    dependencies.iter().map(ToString::to_string).collect()
}

#[test]
fn a_package_is_written_byte_for_byte_like_this() {
    let info = PackageFacts {
        installed_size: 0x1000_0000,
        depends: Dependency::parse_list("b>1 b").unwrap(),
        ..info("a", "1")
    };
    let expected = [
        b"\0\0\0\0\x9c\0\0\xe0".as_slice(),
        b"\x01a",
        b"\x011",
        b"\x14\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11\x11",
        b"\x06x86_64",
        b"\0\0\0\x10",
        b"\x01b\0\0",
        b"\x02\0\0\0\x2c\0\0\x80",
        b"\x04\0\0\0\x2c\0\0\x80\x0a\0\0\x80\x04\0\0\x10",
        b"\x03\0\0\0\x30\0\0\xe0\x38\0\0\xe0",
        b"\x10\0\0\0\x08\0\0\x80\x0a\0\0\x80\x0c\0\0\x80\0\0\0\0\x21\0\0\x80",
        &[0; 24],
        b"\x28\0\0\x20\xd2\x04\0\x10\0\0\0\0\x48\0\0\xd0",
        b"\x02\0\0\0\x54\0\0\xe0",
        b"\x03\0\0\0\0\0\0\0\x94\0\0\xd0",
    ];
    let payload = payload(&[entry(&info)], "").unwrap();
    assert_eq!(payload, expected.concat());
}

#[test]
fn every_field_is_read_back() {
    let (key, info) = (key(), full());
    // What an index has of it, the lists as apk sorts them.
    let sorted = "a>=1 a<2 !b so:libc.musl-x86_64.so.1 zlib";
    let expected = PackageFacts {
        format: Format::V3,
        packager: String::new(),
        commit: "0123456789abcdef0123456789abcdef01234567".into(),
        replaces_priority: 0,
        depends: Dependency::parse_list(sorted).unwrap(),
        triggers: Vec::new(),
        scripts: Vec::new(),
        ..info.clone()
    };
    for compression in [Compression::None, Compression::Deflate] {
        let bytes = write(&[entry(&info)], "A description", &[&key], compression).unwrap();
        let index = read(&bytes, &Limits::default(), &[key.public_key()]).unwrap();
        assert_eq!(index.description, "A description");
        assert_eq!(index.pkgname_spec, "");
        assert_eq!(index.verified_by, [id(&key)]);
        let [package] = index.packages.as_slice() else {
            panic!("{} packages", index.packages.len());
        };
        assert_eq!(package.facts, expected);
        assert_eq!(package.hash, PackageHash::Identity(ID));
        assert_eq!(package.size, 1234);
    }
}

#[test]
fn a_commit_without_40_hex_digits_is_left_out_as_apk_does() {
    let digits = "0123456789abcdef0123456789abcdef01234567";
    for (commit, written) in [
        ("", ""),
        ("0123456789abcdef", ""),
        (&digits[..39], ""),
        (digits, digits),
        ("g123456789abcdef0123456789abcdef01234567", ""),
        ("0123456789abcdef0123456789abcdef01234567 and more", digits),
    ] {
        let info = PackageFacts {
            commit: commit.into(),
            ..info("a", "1")
        };
        let bytes = write(&[entry(&info)], "", &[&key()], Compression::None).unwrap();
        let index = read_unverified(&bytes, &Limits::default()).unwrap();
        assert_eq!(index.packages[0].facts.commit, written, "{commit}");
    }
}

#[test]
fn packages_are_sorted_by_name_version_and_identity_whatever_the_order_given() {
    let infos = [
        ("plain", "1.10-r0"),
        ("plain-dev", "1-r0"),
        ("plain", "1.9-r0"),
        ("Upper", "1-r0"),
        ("plain", "1.9_rc1-r0"),
        ("plain.x", "1-r0"),
        ("_first", "1-r0"),
    ]
    .map(|(name, version)| info(name, version));
    let mut entries: Vec<IndexEntry<'_>> = infos.iter().map(entry).collect();
    let lower = Identity::from_bytes([0x10; 20]);
    entries.push(IndexEntry {
        hash: PackageHash::Identity(lower),
        ..entries[0]
    });
    let key = key();
    let one = write(&entries, "", &[&key], Compression::Deflate).unwrap();
    entries.reverse();
    assert_eq!(
        write(&entries, "", &[&key], Compression::Deflate),
        Ok(one.clone())
    );
    let index = read_unverified(&one, &Limits::default()).unwrap();
    let order: Vec<(&str, &str, u8)> = index
        .packages
        .iter()
        .map(|package| {
            let first = package.hash.as_bytes()[0];
            (
                package.facts.name.as_str(),
                package.facts.version.as_str(),
                first,
            )
        })
        .collect();
    assert_eq!(
        order,
        [
            ("Upper", "1-r0", 0x11),
            ("_first", "1-r0", 0x11),
            ("plain", "1.9_rc1-r0", 0x11),
            ("plain", "1.9-r0", 0x11),
            ("plain", "1.10-r0", 0x10),
            ("plain", "1.10-r0", 0x11),
            ("plain-dev", "1-r0", 0x11),
            ("plain.x", "1-r0", 0x11),
        ]
    );
}

#[test]
fn an_index_without_packages_is_long_enough_for_apk() {
    let bytes = write(&[], "", &[&key()], Compression::None).unwrap();
    assert_eq!(
        bytes.get(..16),
        Some(b"ADB.indx\x14\0\0\0\0\0\0\0".as_slice())
    );
    let index = read_unverified(&bytes, &Limits::default()).unwrap();
    assert_eq!((index.packages.len(), index.description.as_str()), (0, ""));
}

#[test]
fn reads_what_apk_made_and_signed() {
    let key = key();
    let index = read(BY_APK, &Limits::default(), &[key.public_key()]).unwrap();
    assert_eq!(index.description, "Made by apk");
    let names: Vec<String> = index
        .packages
        .iter()
        .map(|package| {
            format!(
                "{}-{} {}",
                package.facts.name.as_str(),
                package.facts.version.as_str(),
                package.facts.arch.as_str()
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            "Upper-2-r0 x86_64",
            "deps-1-r3 x86_64",
            "deps2-1-r3 x86_64",
            "docs-1-r0 noarch",
            "plain-1.0-r0 x86_64",
            "plain-1.9_rc1-r0 x86_64",
            "plain-1.9-r0 x86_64",
            "plain-1.10-r0 x86_64",
        ]
    );
    assert_eq!(
        texts(&index.packages[1].facts.depends),
        [
            "/bin/sh",
            "a~1.2",
            "b>~1.1",
            "b<~1.2",
            "c>=1",
            "d<=1",
            "plain>1.0",
            "plain<2",
            "so:libc.musl-x86_64.so.1",
            "!upper=3",
            "!upper",
            "zlib",
        ]
    );
    assert_eq!(
        texts(&index.packages[2].facts.depends),
        ["e><Q19UI7UxyiUywG6aew9c3lCBPshsE=", "e<1", "zlib"]
    );
    assert_eq!(
        index.packages[7].facts.commit,
        "0123456789abcdef0123456789abcdef01234567"
    );
}

#[test]
fn lists_dependencies_in_the_order_apk_has_them() {
    let index = read_unverified(BY_APK, &Limits::default()).unwrap();
    for package in &index.packages {
        let mut info = info(package.facts.name.as_str(), package.facts.version.as_str());
        for (given, read) in [
            (&mut info.depends, &package.facts.depends),
            (&mut info.provides, &package.facts.provides),
            (&mut info.install_if, &package.facts.install_if),
            (&mut info.replaces, &package.facts.replaces),
        ] {
            *given = read.iter().rev().cloned().collect();
        }
        let bytes = write(&[entry(&info)], "", &[&key()], Compression::None).unwrap();
        let again = read_unverified(&bytes, &Limits::default()).unwrap();
        let again = &again.packages[0];
        assert_eq!(again.facts.depends, package.facts.depends);
        assert_eq!(again.facts.provides, package.facts.provides);
        assert_eq!(again.facts.install_if, package.facts.install_if);
        assert_eq!(again.facts.replaces, package.facts.replaces);
    }
}

#[test]
fn signs_what_apk_signs_with_the_same_bytes() {
    let file = container::unpack(BY_APK, 1 << 20).unwrap();
    let (schema, blocks) = container::open(&file).unwrap();
    let database = Blocks::new(blocks, 8).next().unwrap().unwrap().payload;
    let mut signed = container::start(schema);
    apk::v3::block::write(&mut signed, apk::v3::block::BlockKind::Adb, database).unwrap();
    let digest = PayloadDigest::of(Schema::Index, database);
    signature::append(&mut signed, &digest, &[&key()]).unwrap();
    assert_eq!(signed, *file);
}

#[test]
fn a_key_is_named_by_the_sha512_of_its_rsa_public_key() {
    // openssl rsa -in rsa.pkcs8.pem -RSAPublicKey_out -outform DER | sha512sum | cut -c 1-32
    assert_eq!(id(&key()).to_string(), "0329c243f02b95edcc6b36bc77c0b6b2");
}

#[test]
fn one_of_several_signatures_is_enough() {
    let (one, other) = (key(), SigningKey::generate(KeySize::Rsa2048).unwrap());
    let info = full();
    let bytes = write(&[entry(&info)], "", &[&one, &other], Compression::Deflate).unwrap();
    for key in [&one, &other] {
        let index = read(&bytes, &Limits::default(), &[key.public_key()]).unwrap();
        assert_eq!(index.signed_by.len(), 2);
        assert_eq!(index.verified_by, [id(key)]);
    }
}

#[test]
fn every_trusted_key_that_signed_is_listed() {
    let (one, other) = (key(), SigningKey::generate(KeySize::Rsa2048).unwrap());
    let stranger = SigningKey::generate(KeySize::Rsa2048).unwrap();
    let trusted = [&stranger, &other, &one].map(SigningKey::public_key);
    let bytes = write(&[], "", &[&one, &other], Compression::None).unwrap();
    let index = read(&bytes, &Limits::default(), &trusted).unwrap();
    assert_eq!(index.verified_by, [id(&other), id(&one)]);
    // The last signature, which is the other's, is damaged.
    let mut damaged = bytes;
    let last = damaged.len() - 8;
    damaged[last] ^= 1;
    let index = read(&damaged, &Limits::default(), &trusted).unwrap();
    assert_eq!(index.signed_by, [id(&one), id(&other)]);
    assert_eq!(index.verified_by, [id(&one)]);
}

#[test]
fn rejects_an_index_that_no_trusted_key_signed() {
    let (one, other) = (key(), SigningKey::generate(KeySize::Rsa2048).unwrap());
    let info = full();
    let bytes = write(&[entry(&info)], "", &[&one], Compression::Deflate).unwrap();
    for trusted in [&[][..], &[other.public_key()]] {
        assert_eq!(
            read(&bytes, &Limits::default(), trusted),
            Err(IndexError::Untrusted)
        );
    }
}

#[test]
fn refuses_to_write_an_unsigned_index() {
    assert_eq!(
        write(&[], "", &[], Compression::None),
        Err(WriteError::Signing(SigningError::NoKey))
    );
}

#[test]
fn refuses_more_packages_than_the_limit() {
    let infos: Vec<PackageFacts> = (0..17).map(|n| info(&format!("p{n}"), "1")).collect();
    let entries: Vec<IndexEntry<'_>> = infos.iter().map(entry).collect();
    let bytes = write(&entries, "", &[&key()], Compression::None).unwrap();
    let error = IndexError::Packages {
        found: 17,
        limit: 16,
    };
    assert_eq!(read_unverified(&bytes, &Limits::tiny()), Err(error));
}

#[test]
fn refuses_a_small_file_that_spells_out_to_a_large_index() {
    // Sixteen packages with the same list of 200 dependencies, which the file holds once.
    let list: Vec<String> = (0..200).map(|n| format!("dependency-{n}")).collect();
    let depends = Dependency::parse_list(&list.join(" ")).unwrap();
    let infos: Vec<PackageFacts> = (0..16)
        .map(|n| PackageFacts {
            depends: depends.clone(),
            ..info(&format!("p{n:02}"), "1")
        })
        .collect();
    let entries: Vec<IndexEntry<'_>> = infos.iter().map(entry).collect();
    let bytes = write(&entries, "", &[&key()], Compression::None).unwrap();
    assert!(bytes.len() < 12_000, "{}", bytes.len());
    assert!(read_unverified(&bytes, &Limits::default()).is_ok());
    match read_unverified(&bytes, &Limits::tiny()) {
        Err(IndexError::Package { problem, .. }) => {
            assert_eq!(problem, FieldError::Budget(64 << 10));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn refuses_signatures_over_the_limits() {
    let key = key();
    let bytes = write(&[], "", &[&key; 20], Compression::None).unwrap();
    assert_eq!(
        read_unverified(&bytes, &Limits::tiny()),
        Err(IndexError::SignatureSize(4 << 10))
    );
    let limits = Limits {
        signature_entry: 100,
        ..Limits::default()
    };
    assert_eq!(
        read_unverified(&bytes, &limits),
        Err(IndexError::SignatureSize(100))
    );
}

#[test]
fn refuses_a_text_over_the_limit() {
    let info = PackageFacts {
        description: "x".repeat(257),
        ..info("a", "1")
    };
    let bytes = write(&[entry(&info)], "", &[&key()], Compression::None).unwrap();
    assert_eq!(
        read_unverified(&bytes, &Limits::tiny()).map_err(|error| error.to_string()),
        Err("package 1, description: it is 257 bytes long, and at most 256 are read".to_owned())
    );
}

#[test]
fn the_json_is_byte_for_byte_what_apk_prints() {
    let index = read_unverified(BY_APK, &Limits::default()).unwrap();
    let mut dump = JsonDump::new(&index.description);
    for package in &index.packages {
        dump.push(package);
    }
    assert_eq!(dump.finish(), include_str!("v3/mkndx.json"));
    assert_eq!(JsonDump::new("").finish(), "{\n}\n");
    assert_eq!(
        JsonDump::new("a\tb").finish(),
        "{\n  \"description\": \"a\\tb\"\n}\n"
    );
}
