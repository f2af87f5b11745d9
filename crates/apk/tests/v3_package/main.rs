//! The reader of v3 packages: what it makes of apk's own and of the builder's, and what it refuses.

#![expect(
    clippy::unwrap_used,
    reason = "what builds the input of a test may fail it"
)]

mod dump;
mod real_apk;

use apk::{
    dependency::Dependency,
    facts::Format,
    limits::Limits,
    memory::Memory,
    sign::{PublicKey, SigningKey},
    v2::{self, package::Script},
    v3::{
        block::{self, BlockKind},
        container::{self, Compression, ContainerError},
        index::{self, PackageHash},
        package::{ContentsReader, FileKind, Package, PackageError, PackageReader},
        schema::{Schema, directory, file, package},
        value::Value,
        writer::Writer,
    },
};
use apk_testkit::v3::PackageBuilder;
use proptest::prelude::*;

/// Made by apk 3.0.8 (see `v3/README.md`).
const BY_APK: &[u8] = include_bytes!("../v3/package.apk");
const KEY: &[u8] = include_bytes!("../keys/rsa.pkcs8.pem");
const P256_KEY: &[u8] = include_bytes!("../keys/ec.p256.package.pem");

fn read_in(bytes: &[u8], piece: usize, limits: &Limits) -> Result<Package, PackageError> {
    let mut reader = PackageReader::new(limits.clone());
    for piece in bytes.chunks(piece) {
        reader.push(piece)?;
    }
    reader.finish()
}

fn read(bytes: &[u8]) -> Result<Package, PackageError> {
    read_in(bytes, bytes.len().max(1), &Limits::default())
}

/// The file without its compression.
fn unpacked(bytes: &[u8]) -> Vec<u8> {
    container::unpack(bytes, 1 << 20).unwrap().into_owned()
}

#[test]
fn says_of_a_package_what_apk_adbdump_says() {
    let dump: serde_json::Value = serde_json::from_str(include_str!("../v3/package.json")).unwrap();
    let package = read(BY_APK).unwrap();
    assert_eq!(dump::package(&package), dump::normalize(dump));
    assert_eq!(package.compression, Compression::Deflate);
    // The same files: without compression, at a level, and with every directory listed.
    for (file, compression) in [
        (
            include_bytes!("../v3/package-none.apk").as_slice(),
            Compression::None,
        ),
        (
            include_bytes!("../v3/package-deflate-9.apk"),
            Compression::Deflate,
        ),
        (
            include_bytes!("../v3/package-pre1.apk"),
            Compression::Deflate,
        ),
    ] {
        let other = read(file).unwrap();
        assert_eq!(other.compression, compression);
        assert_eq!(dump::info_of(&other), dump::info_of(&package));
        assert_eq!(other.signed_by().count(), 0);
    }
    let empty = read(include_bytes!("../v3/package-virtual.apk")).unwrap();
    assert_eq!((empty.facts.installed_size, empty.entries), (0, 0));
}

#[test]
fn checks_signatures_by_rsa_and_elliptic_curves() {
    let package = read(BY_APK).unwrap();
    let keys = [
        SigningKey::from_pem(KEY).unwrap().public_key().clone(),
        PublicKey::from_pem(include_bytes!("../keys/ec.p256.package.pub.pem")).unwrap(),
        PublicKey::from_pem(include_bytes!("../keys/ec.p384.package.pub.pem")).unwrap(),
    ];
    assert_eq!(package.signed_by().count(), 3);
    for key in &keys {
        assert!(package.is_signed_by(key));
    }
    let other = PublicKey::from_pem(include_bytes!("../keys/ec.p256.pub.pem")).unwrap();
    assert!(!package.is_signed_by(&other));
    // A letter of the description: the hashes of the files are still right, no signature is.
    let mut changed = unpacked(BY_APK);
    let at = changed
        .windows(6)
        .position(|bytes| bytes == b"quotes")
        .unwrap();
    changed[at] = b'Q';
    let changed = read(&changed).unwrap();
    for key in &keys {
        assert!(!changed.is_signed_by(key));
    }
}

#[test]
fn a_key_of_p_256_signs_packages_and_indexes_with_the_same_bytes_every_time() {
    let key = SigningKey::from_pem(P256_KEY).unwrap();
    let public = PublicKey::from_pem(include_bytes!("../keys/ec.p256.package.pub.pem")).unwrap();
    assert_eq!(key.public_key(), &public);
    let file = full().sign(&key).build().unwrap();
    assert_eq!(full().sign(&key).build().unwrap(), file);
    assert!(read(&file).unwrap().is_signed_by(&public));
    let index = index::write(&[], "An index", &[&key], Compression::Deflate).unwrap();
    assert_eq!(
        index::write(&[], "An index", &[&key], Compression::Deflate).unwrap(),
        index
    );
    assert_eq!(
        index::read(&index, &Limits::default(), &[&public])
            .unwrap()
            .description,
        "An index"
    );
    // The key as it is kept, and a new one.
    let kept = SigningKey::from_pem(key.to_pkcs8_pem().unwrap().as_bytes()).unwrap();
    assert_eq!(kept.public_key(), &public);
    let other = SigningKey::generate_p256().unwrap();
    assert_ne!(other.public_key(), &public);
    assert!(index::read(&index, &Limits::default(), &[other.public_key()]).is_err());
    // v2 needs RSA.
    assert!(!key.signs_v2() && SigningKey::from_pem(KEY).unwrap().signs_v2());
    assert!(key.sign(b"message").is_err());
}

#[test]
fn the_pieces_that_a_file_arrives_in_make_no_difference() {
    let package = read(BY_APK).unwrap();
    for piece in [1, 7, 1000] {
        assert_eq!(
            read_in(BY_APK, piece, &Limits::default()).as_ref(),
            Ok(&package)
        );
    }
}

fn full() -> PackageBuilder {
    let list = |text| Dependency::parse_list(text).unwrap();
    PackageBuilder::new("full", "1.0-r0")
        .list(package::DEPENDS, &list("a b>1 !c"))
        .list(package::PROVIDES, &list("cmd:full=1.0-r0"))
        .tag("tag")
        .file("usr/bin/full", b"full")
        .file("usr/bin/empty", b"")
        .hard_link("usr/bin/hard", "usr/bin/full")
        .symbolic_link("usr/bin/link", "../full")
        .character_device("dev/null", 0x103)
        .other("dev/pipe", 0o010_000, &[0; 8])
        .other("dev/sda", 0o060_000, &[1, 0, 0, 0, 0, 0, 0, 0])
        .script(Script::PostInstall, "#!/bin/sh\n")
        .script(Script::Trigger, "#!/bin/sh\n")
        .trigger("/usr/lib/*")
        .replaces_priority(3)
}

#[test]
fn reads_what_the_builder_makes_in_every_compression() {
    let key = SigningKey::from_pem(KEY).unwrap();
    let plain = full().sign(&key).compression(Compression::None);
    let package = read(&plain.build().unwrap()).unwrap();
    let contents = package.contents.as_ref().unwrap();
    let kinds: Vec<&FileKind> = contents
        .directories
        .iter()
        .flat_map(|directory| &directory.files)
        .map(|file| &file.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            &FileKind::CharacterDevice(0x103),
            &FileKind::Pipe,
            &FileKind::BlockDevice(1),
            &FileKind::Regular,
            &FileKind::Regular,
            &FileKind::HardLink(b"usr/bin/full".to_vec()),
            &FileKind::SymbolicLink(b"../full".to_vec()),
        ]
    );
    assert!(package.is_signed_by(key.public_key()));
    let facts = &package.facts;
    assert_eq!(facts.scripts, [Script::Trigger, Script::PostInstall]);
    assert_eq!((facts.replaces_priority, facts.installed_size), (3, 4));
    for (compression, level) in [
        (Compression::Deflate, None),
        (Compression::Zstd, None),
        (Compression::Zstd, Some(19)),
        (Compression::Deflate, Some(0)),
    ] {
        let mut packed = full().sign(&key).compression(compression);
        if let Some(level) = level {
            packed = packed.level(level);
        }
        let other = read(&packed.build().unwrap()).unwrap();
        assert_eq!(other.compression, compression);
        assert_eq!(other.contents, package.contents);
        assert_eq!(other.hash, package.hash);
    }
}

#[test]
fn both_formats_give_the_same_facts() {
    let v3 = PackageBuilder::new("hello", "1.0-r0")
        .file("usr/bin/hello", b"hello")
        .build();
    let v3 = read(&v3.unwrap()).unwrap();
    let file = apk_testkit::v2::PackageBuilder::new("hello", "1.0-r0")
        .file("usr/bin/hello", b"hello")
        .build();
    let mut reader = v2::package::PackageReader::new(Limits::default());
    reader.push(&file).unwrap();
    let v2 = reader.finish().unwrap().facts;
    assert!(matches!(v2.format, Format::V2 { .. }));
    assert!(matches!(v3.hash, PackageHash::Sha256(_)));
    let mut expected = v2;
    expected.format = Format::V3;
    expected.packager = String::new();
    // The builder of v2 packages rounds up to blocks.
    expected.installed_size = v3.facts.installed_size;
    assert_eq!(v3.facts, expected);
}

/// An uncompressed package of these blocks.
fn of_blocks(blocks: &[(BlockKind, &[u8])]) -> Vec<u8> {
    let mut file = container::start(Schema::Package);
    for (kind, payload) in blocks {
        block::write(&mut file, *kind, payload).unwrap();
    }
    file
}

#[test]
fn stays_within_its_limits() {
    let tiny = Limits::tiny();
    let refused = |builder: PackageBuilder, limits: &Limits| {
        let file = builder.build().unwrap();
        let refused = read_in(&file, 100, limits).unwrap_err();
        // Those on scripts and on the window of zstd are apk's.
        let is_of_apk = matches!(
            refused,
            PackageError::ScriptTooLarge { .. }
                | PackageError::Container(ContainerError::Window { .. })
        );
        assert_eq!(refused.is_over_limit(), !is_of_apk, "{refused}");
        refused.to_string()
    };
    let small = || PackageBuilder::new("a", "1");
    let long = small().text(package::DESCRIPTION, &"x".repeat(10 << 10));
    assert!(refused(long, &tiny).contains("at most 8192 are read"));
    let large = small().file("a", &vec![0; 70 << 10]);
    assert_eq!(
        refused(large, &tiny),
        "this ADB file unpacks to more than 65536 bytes"
    );
    let script = small().script(Script::PreInstall, &"#".repeat(3 << 10));
    assert!(refused(script, &tiny).starts_with("pre-install is 3072 bytes long, and at most 2048"));
    let many = (0..17).fold(small(), |builder, number| {
        builder.file(&format!("f{number}"), b"")
    });
    assert_eq!(refused(many, &tiny), "this package has more than 16 files");
    let many = (0..9).fold(small(), |builder, number| {
        builder.directory(&format!("d{number}"))
    });
    assert_eq!(
        refused(many, &tiny),
        "this package has more than 8 directories"
    );
    let window = small()
        .file("a", b"content")
        .compression(Compression::Zstd)
        .level(22);
    assert!(refused(window, &tiny).contains("and apk takes at most 8388608"));
    let key = SigningKey::from_pem(KEY).unwrap();
    let signatures = (0..20).fold(small(), |builder, _| builder.sign(&key));
    assert_eq!(
        refused(signatures, &tiny),
        "the signatures of this package are larger than 4096 bytes"
    );
    let spelled_out = Limits {
        database_spelled_out: 100,
        ..Limits::default()
    };
    assert!(refused(full(), &spelled_out).contains("larger than 100 bytes when it is spelled out"));
    // A length that only a head states costs nothing.
    let head = b"ADB.pckg\0\0\0\xc0\0\0\0\0\0\0\0\0\0\0\0\x70";
    assert!(matches!(
        read(head),
        Err(PackageError::DatabaseTooLarge { .. })
    ));
}

/// The database of a package in which `directories` directories share one array of `files` files.
fn shared_files(directories: usize, files: usize) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut info = [Value::NULL; package::SLOTS - 1];
    for (slot, text) in [
        (package::NAME, "shared"),
        (package::VERSION, "1"),
        (package::ARCH, "x86_64"),
    ] {
        *info.get_mut(slot - 1).unwrap() = writer.blob(text.as_bytes()).unwrap();
    }
    info[package::INSTALLED_SIZE - 1] = writer.integer(1).unwrap();
    let info = writer.object(&info).unwrap();
    let link = writer.blob(b"\0\xa0target").unwrap();
    let names = |writer: &mut Writer, count| {
        let name = |number| writer.blob(format!("{number:06}").as_bytes()).unwrap();
        (0..count).map(name).collect::<Vec<Value>>()
    };
    let names_of_files = names(&mut writer, files);
    let rows = names_of_files.into_iter().map(|name| {
        let mut row = [Value::NULL; file::SLOTS - 1];
        row[file::NAME - 1] = name;
        row[file::TARGET - 1] = link;
        writer.object(&row).unwrap()
    });
    let rows: Vec<Value> = rows.collect();
    let all = writer.array(&rows).unwrap();
    let names_of_directories = names(&mut writer, directories);
    let rows = names_of_directories.into_iter().map(|name| {
        let mut row = [Value::NULL; directory::SLOTS - 1];
        row[directory::NAME - 1] = name;
        row[directory::FILES - 1] = all;
        writer.object(&row).unwrap()
    });
    let rows: Vec<Value> = rows.collect();
    let paths = writer.array(&rows).unwrap();
    let root = writer.object(&[info, paths]).unwrap();
    writer.finish(root)
}

#[test]
fn what_many_directories_share_counts_for_each_of_them() {
    let file =
        |directories, files| of_blocks(&[(BlockKind::Adb, &shared_files(directories, files))]);
    assert_eq!(read(&file(3, 5)).unwrap().entries, 18);
    // 25 million paths in 200 KB.
    let bomb = file(5000, 5000);
    assert!(bomb.len() < 300 << 10, "{} bytes", bomb.len());
    let refused = read(&bomb).unwrap_err().to_string();
    assert!(refused.contains("when it is spelled out"), "{refused}");
}

#[test]
fn readers_share_the_memory_for_large_databases_and_for_zstd() {
    let limits = Limits {
        package_memory: 2 << 10,
        ..Limits::default()
    };
    let memory = Memory::of(128 << 10);
    let read = |file: &[u8], memory: &Memory| {
        let mut reader = PackageReader::of_facts(limits.clone(), memory);
        for piece in file.chunks(1000) {
            reader.push(piece)?;
        }
        reader.finish()
    };
    let small = PackageBuilder::new("small", "1").build().unwrap();
    let large = (0..1200).fold(PackageBuilder::new("large", "1"), |builder, number| {
        builder.file(&format!("usr/share/large/{number}"), b"")
    });
    let large = large.compression(Compression::None).build().unwrap();
    let zstd = full().compression(Compression::Zstd).build().unwrap();
    let package = read(&large, &memory).unwrap();
    assert!((30 << 10..64 << 10).contains(&package.database_size));
    assert_eq!((package.entries, &package.contents), (1201, &None));

    // One that has come half holds its share, and no other large one is read beside it.
    let mut half = PackageReader::of_facts(limits.clone(), &memory);
    half.push(&large[..large.len() - 8]).unwrap();
    assert!(memory.left() < 100 << 10, "{}", memory.left());
    let rest = Memory::of(1 << 10);
    for file in [&large, &zstd] {
        let refused = read(file, &rest).unwrap_err();
        assert!(
            matches!(refused, PackageError::Memory(taken) if taken.wanted > 3 << 10),
            "{refused:?}"
        );
        assert_eq!(rest.left(), 1 << 10);
    }
    assert!(read(&small, &rest).is_ok());
    drop(half);
    assert_eq!(memory.left(), 128 << 10);
    assert!(read(&zstd, &Memory::of(16 << 20)).is_ok());
}

#[test]
fn the_contents_are_read_without_the_data_behind_them() {
    // 64 MiB in a few bytes: what a page shows of it may not cost that.
    let bomb = full().file("usr/share/bomb", &vec![0; 64 << 20]);
    let bomb = bomb.compression(Compression::Zstd).build().unwrap();
    assert!(bomb.len() < 64 << 10, "{} bytes", bomb.len());
    let tight = Limits {
        data_section: 128 << 10,
        ..Limits::default()
    };
    assert!(read_in(&bomb, 1000, &tight).is_err());
    let mut reader = ContentsReader::new(tight);
    let contents = reader.push(&bomb).unwrap().unwrap();
    let directories = contents.directories.iter();
    let files = directories.flat_map(|directory| &directory.files);
    assert!(
        files
            .clone()
            .any(|file| file.name == b"bomb" && file.size == 64 << 20)
    );

    for file in [full().build().unwrap(), BY_APK.to_vec()] {
        let whole = read(&file).unwrap().contents;
        for piece in [1, 100, file.len()] {
            let mut reader = ContentsReader::new(Limits::default());
            let mut pieces = file.chunks(piece);
            let found = pieces.find_map(|piece| reader.push(piece).unwrap());
            assert_eq!(found, whole);
        }
    }
}

#[test]
fn both_readers_say_the_same_of_a_package() {
    for file in [full().build().unwrap(), BY_APK.to_vec()] {
        let mut reader = PackageReader::of_facts(Limits::default(), &Memory::unbounded());
        reader.push(&file).unwrap();
        let facts = reader.finish().unwrap();
        let whole = read(&file).unwrap();
        let contents = whole.contents.as_ref().unwrap();
        let files = contents.directories.iter();
        let entries = files.map(|directory| directory.files.len() as u64 + 1);
        assert_eq!(entries.sum::<u64>(), whole.entries);
        let mut expected = whole.clone();
        expected.contents = None;
        assert_eq!(facts, expected);
    }
}

#[test]
fn every_shorter_file_and_every_flipped_bit_of_data_is_refused() {
    for (file, step) in [(BY_APK.to_vec(), 3), (unpacked(BY_APK), 17)] {
        for length in (0..file.len()).step_by(step) {
            assert!(read(&file[..length]).is_err(), "{length} bytes");
        }
        let longer = [file.as_slice(), b"\0"].concat();
        assert!(read(&longer).is_err());
    }
    let database = full().database().unwrap();
    let data = b"\x02\0\0\0\x02\0\0\0full".as_slice();
    let good = of_blocks(&[(BlockKind::Adb, &database), (BlockKind::Data, data)]);
    assert!(read(&good).is_ok());
    let start = good.len() - data.len() - 4;
    for byte in start..good.len() {
        let mut changed = good.clone();
        changed[byte] ^= 1 << (byte % 8);
        assert!(read(&changed).is_err(), "byte {byte}");
    }
}

proptest! {
    #[test]
    fn damage_never_panics_and_gives_the_same_in_any_pieces(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        piece in 1..2000_usize,
        packed in any::<bool>(),
    ) {
        let mut file = if packed { BY_APK.to_vec() } else { unpacked(BY_APK) };
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        prop_assert_eq!(read_in(&file, piece, &Limits::default()), read(&file));
    }
}
