//! Packages: what is read from a good one, and the exact words about each bad one.

#![expect(
    clippy::expect_used,
    reason = "a test stops where a fact does not hold"
)]

use apk::{
    arch::Arch,
    limits::Limits,
    sign::{Algorithm, KeyName, SigningKey},
    v2::{
        gzip::compress_member,
        package::{Package, PackageError, PackageReader, Script},
        tar::{END_OF_ARCHIVE, EntryHeader, EntryKind, padding},
    },
};
use apk_testkit::v2::{PackageBuilder, Sections};
use proptest::prelude::*;
use sha1::{Digest, Sha1};

mod data;

fn read_in_pieces(file: &[u8], limits: &Limits, piece: usize) -> Result<Package, PackageError> {
    let mut reader = PackageReader::new(limits.clone());
    for piece in file.chunks(piece) {
        reader.push(piece)?;
    }
    reader.finish()
}

fn read(file: &[u8]) -> Result<Package, PackageError> {
    read_in_pieces(file, &Limits::default(), 1000)
}

fn refusal(file: &[u8]) -> String {
    read(file).expect_err("refused").to_string()
}

fn builder() -> PackageBuilder {
    PackageBuilder::new("hello", "1.0-r0")
}

fn key() -> (KeyName, SigningKey) {
    let key = SigningKey::from_pem(include_bytes!("../keys/rsa.pkcs8.pem")).expect("a test key");
    (
        KeyName::parse("tests@example.org.rsa.pub").expect("a name"),
        key,
    )
}

/// One file with its checksum, as a tar entry.
fn entry(name: &str, content: &[u8]) -> Vec<u8> {
    let checksum: String = Sha1::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let size = content.len() as u64;
    let pax = [("APK-TOOLS.checksum.SHA1", checksum.as_bytes())];
    let header = EntryHeader {
        pax: &pax,
        ..EntryHeader::file(name.as_bytes(), size, 0)
    };
    [&header.to_bytes()[..], content, padding(size)].concat()
}

#[test]
fn reads_everything_a_package_says() {
    let (name, key) = key();
    let file = builder()
        .script(Script::PostInstall, "#!/bin/sh\n")
        .script(Script::Trigger, "#!/bin/sh\n")
        .control_entry(".melange.yaml", b"package:\n")
        .field("triggers", "/usr/lib/hello")
        .file("usr/bin/hello", b"hello\n")
        .symbolic_link("usr/bin/hallo", "hello")
        .sign(&name, &key)
        .sign_rsa512(&name, &key)
        .signature_entry(".SIGN.ED25519.of-the-future", b"not known to any apk")
        .build();
    let package = read(&file).expect("valid");
    assert_eq!(package.facts.name.as_str(), "hello");
    assert_eq!(package.facts.arch, Arch::parse("x86_64").expect("valid"));
    assert_eq!(
        package.facts.scripts,
        [Script::PostInstall, Script::Trigger]
    );
    // usr, usr/bin, hello, hallo
    assert_eq!(package.data_entries, 4);
    assert_eq!(package.size, file.len() as u64);
    assert_eq!(
        package.signature_size + package.control_size + package.data_size,
        package.size
    );
    assert_eq!(package.data_tar_size % 512, 0);
    let algorithms: Vec<Algorithm> = package
        .signatures
        .iter()
        .map(|signature| signature.algorithm)
        .collect();
    assert_eq!(algorithms, [Algorithm::Rsa256, Algorithm::Rsa512]);
    assert!(package.signatures.iter().all(|signature| signature.is_by(
        &name,
        key.public_key(),
        &package.control_digests
    )));
    assert!(package.is_signed_by(&name, key.public_key()));
    assert!(!package.is_signed_by(
        &KeyName::parse("other.rsa.pub").expect("a name"),
        key.public_key()
    ));
}

#[test]
fn the_identity_is_the_sha1_of_the_compressed_control_section() {
    let Sections {
        signature,
        control,
        data,
    } = builder().sections();
    assert!(signature.is_empty());
    let package = read(&[control.clone(), data].concat()).expect("valid");
    let expected: [u8; 20] = Sha1::digest(&control).into();
    assert_eq!(package.identity.as_bytes(), &expected);
    assert_eq!(package.control_size, control.len() as u64);
}

#[test]
fn a_package_without_files_is_a_package() {
    let package = read(&builder().no_files().build()).expect("valid");
    assert_eq!((package.data_entries, package.facts.installed_size), (0, 0));
}

#[test]
fn several_signature_members_are_read_as_apk_reads_them() {
    let (name, key) = key();
    let Sections {
        signature,
        control,
        data,
    } = builder().sign(&name, &key).sections();
    let file = [signature.clone(), signature, control, data].concat();
    let package = read(&file).expect("valid");
    assert_eq!(package.signatures.len(), 2);
    assert!(package.is_signed_by(&name, key.public_key()));
}

#[test]
fn the_builder_streams_what_it_builds() {
    let builder = builder()
        .random_file("usr/share/data", 300_000)
        .trailing(b"x");
    let mut streamed = Vec::new();
    let Ok(()) = builder.write_to(&mut |bytes| {
        streamed.extend_from_slice(bytes);
        Ok::<(), std::convert::Infallible>(())
    });
    assert_eq!(streamed, builder.build());
    assert!(streamed.len() > 300_000, "random data does not compress");
}

#[test]
fn each_file_that_is_no_package_gets_a_sentence_of_its_own() {
    for (file, expected) in [
        (&b""[..], "the file is empty; send an .apk"),
        (
            b"hello",
            "this is not an .apk: it begins neither with gzip data nor with ADB; build one with `abuild`, `melange` or `apk mkpkg`",
        ),
        (
            b"\x1f",
            "the first section: the gzip data stops in the middle; the file is truncated",
        ),
        (
            b"PK\x03\x04",
            "this is not an .apk: it begins neither with gzip data nor with ADB; build one with `abuild`, `melange` or `apk mkpkg`",
        ),
        (
            b"\n<!DOCTYPE html>",
            "this is not an .apk but an HTML or XML page; was it downloaded from a wrong address, or behind a login?",
        ),
        (
            b"ADBd\x00\x00",
            "this is not an .apk: it begins neither with gzip data nor with ADB; build one with `abuild`, `melange` or `apk mkpkg`",
        ),
    ] {
        assert_eq!(refusal(file), expected);
    }
    assert_eq!(
        refusal(&compress_member([&b"text"[..]], 9)),
        "the first section: the tar archive stops in the middle; the file is truncated"
    );
    assert_eq!(
        refusal(&compress_member([&[b'x'; 1024][..]], 9)),
        "this is not an .apk: the gzip data holds no tar archive"
    );
    assert_eq!(
        refusal(&compress_member([], 9)),
        "the first section is empty"
    );
    assert_eq!(
        refusal(&compress_member([&END_OF_ARCHIVE[..]], 9)),
        "the first section is empty"
    );
    let plain = compress_member([entry("usr/bin/hello", b"hello").as_slice()], 9);
    assert_eq!(
        refusal(&plain),
        "the control section holds `usr/bin/hello`; only `.PKGINFO`, scripts and other names with a dot in front and no slash may stand there (is this a plain tar.gz or an index?)"
    );
}

#[test]
fn rejects_a_truncated_package_wherever_it_is_cut() {
    let (name, key) = key();
    let builder = builder().sign(&name, &key);
    let file = builder.build();
    let Sections {
        signature, control, ..
    } = builder.sections();
    for size in 1..file.len() {
        let error = refusal(&file[..size]);
        let expected = if size == signature.len() {
            "the control section has no `.PKGINFO`; build the package with `abuild` or `melange`"
        } else if size == signature.len() + control.len() {
            "the data section is missing; the file is truncated"
        } else {
            "the gzip data stops in the middle; the file is truncated"
        };
        assert!(error.ends_with(expected), "{size}: {error}");
    }
}

#[test]
fn rejects_bytes_after_the_data_section() {
    let expected =
        "bytes follow the data section, and apk refuses that; upload the file as it was built";
    assert_eq!(refusal(&builder().trailing(b"\0").build()), expected);
    assert_eq!(
        refusal(&builder().trailing(&compress_member([], 9)).build()),
        expected
    );
    let Sections { control, data, .. } = builder().sections();
    assert_eq!(refusal(&[control, data.clone(), data].concat()), expected);
}

#[test]
fn rejects_a_datahash_that_is_not_that_of_the_data_section() {
    let error = refusal(&builder().wrong_data_hash().build());
    assert!(error.starts_with("datahash in .PKGINFO is "), "{error}");
    assert!(
        error.ends_with("the file is damaged, or was changed after it was built"),
        "{error}"
    );
    let Sections { control, .. } = builder().sections();
    let Sections { data, .. } = builder().file("other", b"other").sections();
    assert!(refusal(&[control, data].concat()).starts_with("datahash in .PKGINFO is "));
}

#[test]
fn rejects_a_control_section_that_apk_reads_otherwise() {
    for (builder, expected) in [
        (
            builder().control_entry(".INSTALL", b""),
            "the control section holds `.INSTALL`, a script of apk v1 that apk refuses; use `.pre-install` and `.post-install`",
        ),
        (
            builder().control_entry(".PKGINFO", b""),
            "`.PKGINFO` is in the control section twice",
        ),
        (
            builder()
                .script(Script::PreInstall, "")
                .script(Script::PreInstall, ""),
            "`.pre-install` is in the control section twice",
        ),
        (
            builder().control_entry("usr", b""),
            "the control section holds `usr`; only `.PKGINFO`, scripts and other names with a dot in front and no slash may stand there (is this a plain tar.gz or an index?)",
        ),
        (
            builder().control_entry(".a/b", b""),
            "the control section holds `.a/b`; only `.PKGINFO`, scripts and other names with a dot in front and no slash may stand there (is this a plain tar.gz or an index?)",
        ),
        (
            builder().script(Script::Trigger, &"#".repeat((256 << 10) + 1)),
            "`.trigger` in the control section is 262145 bytes long, and apk 3 runs no script over 262144 bytes; make it shorter, or let it call a file of the package",
        ),
        (
            builder().raw_pkginfo(vec![b'#'; (1 << 20) + 1]),
            ".PKGINFO: shorten it to 524288 bytes or less",
        ),
        (
            builder().control_end_of_archive(),
            "the data section: data follows the end-of-archive blocks, and apk stops reading there; sections before the last must have none (see `abuild-tar --cut`)",
        ),
        (
            builder()
                .no_files()
                .field("size", "0")
                .without("size")
                .field("size", "0")
                .script(Script::PostInstall, ""),
            "size in .PKGINFO is 0, but the package has files or scripts, and apk would skip them; set size to the bytes the files take, at least 1",
        ),
        (
            builder().without("size").field("size", "0"),
            "size in .PKGINFO is 0, but the package has files or scripts, and apk would skip them; set size to the bytes the files take, at least 1",
        ),
    ] {
        assert_eq!(refusal(&builder.build()), expected);
    }
    let Sections { data, .. } = builder().sections();
    let script_only = compress_member([entry(".post-install", b"").as_slice()], 9);
    assert_eq!(
        refusal(&[script_only, data.clone()].concat()),
        "the control section has no `.PKGINFO`; build the package with `abuild` or `melange`"
    );
    let link = EntryHeader {
        kind: EntryKind::SymbolicLink,
        link_target: b"x",
        ..EntryHeader::file(b".PKGINFO", 0, 0)
    };
    let link = compress_member([link.to_bytes().as_slice()], 9);
    assert_eq!(
        refusal(&[link, data].concat()),
        "`.PKGINFO` in the control section is not a regular file"
    );
}

#[test]
fn a_script_of_256_kib_is_taken_and_so_is_a_longer_file_that_is_none() {
    let file = builder()
        .script(Script::PostInstall, &"#".repeat(256 << 10))
        .control_entry(".melange.yaml", &[b'#'; (256 << 10) + 1]);
    assert_eq!(
        read(&file.build()).expect("valid").facts.scripts,
        [Script::PostInstall]
    );
}

#[test]
fn rejects_a_signature_section_that_apk_reads_otherwise() {
    let large = vec![0; (64 << 10) + 1];
    let larger = vec![0; 60 << 10];
    for (builder, expected) in [
        (
            builder()
                .signature_entry(".SIGN.RSA.a", b"")
                .signature_entry(".PKGINFO", b""),
            "the signature section: `.PKGINFO` stands in one gzip member with signatures, so they would sign themselves; give the control section a member of its own",
        ),
        (
            builder().signature_entry(".SIGN.RSA.a", &large),
            "the signature section: `.SIGN.RSA.a` is 65537 bytes long; apk ignores signatures over 65536 bytes",
        ),
        (
            (0..5).fold(builder(), |builder, _| {
                builder.signature_entry(".SIGN.RSA.a", &larger)
            }),
            "the signature section is over the limit of 262144 bytes",
        ),
    ] {
        assert_eq!(refusal(&builder.build()), expected);
    }
}

#[test]
fn limits_hold_for_every_section() {
    let tiny = Limits::tiny();
    let refusal = |builder: PackageBuilder| {
        let refused = read_in_pieces(&builder.build(), &tiny, 100).expect_err("refused");
        // The bound on scripts is one of apk's.
        let is_of_apk = matches!(refused, PackageError::ScriptTooLarge { .. });
        assert_eq!(refused.is_over_limit(), !is_of_apk, "{refused}");
        refused.to_string()
    };
    assert!(read_in_pieces(&builder().build(), &tiny, 100).is_ok());
    assert_eq!(
        refusal(builder().random_file("a", 64 << 10)),
        "the data section is over the limit of 65536 bytes"
    );
    assert_eq!(
        refusal((0..17).fold(builder(), |builder, number| {
            builder.symbolic_link(&format!(".l{number}"), "x")
        })),
        "the data section: the archive has more than 16 entries"
    );
    assert_eq!(
        refusal((0..9).fold(builder(), |builder, number| {
            builder.symbolic_link(&format!("l{number}"), "x")
        })),
        "the data section has more than 8 paths; split the package"
    );
    let script = "#".repeat((2 << 10) + 1);
    let error = refusal(builder().script(Script::Trigger, &script));
    assert!(error.contains("is 2049 bytes long"), "{error}");
    let bulky = |builder: PackageBuilder, number: usize| {
        builder.control_entry(&format!(".{number}"), &[b'x'; 4000])
    };
    assert_eq!(
        refusal((0..5).fold(builder(), bulky)),
        "the control section is over the limit of 16384 bytes"
    );
    let long = format!("# {}\n", "x".repeat(4 << 10));
    assert_eq!(
        refusal(builder().raw_pkginfo(long)),
        ".PKGINFO: shorten it to 4096 bytes or less"
    );
    let long = builder().random_file(&"x".repeat(1200), 1);
    assert!(refusal(long).contains("at most 1024 are allowed"));
}

#[test]
fn a_bomb_is_refused_while_it_inflates() {
    // 64 MiB of zeros in 64 KiB of deflate: read no further than the limit.
    let bomb = compress_member(std::iter::repeat_n(&[0; 1 << 16][..], 1 << 10), 9);
    assert!(bomb.len() < 70_000);
    assert_eq!(
        refusal(&bomb),
        "the first section is over the limit of 8388608 bytes"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_the_input_gives_the_same_result(
        size in 0_u64..150_000,
        pieces in proptest::collection::vec(1_usize..40_000, 1..40),
        flip in proptest::option::of((any::<prop::sample::Index>(), 0..8_u8)),
    ) {
        let mut file = builder().random_file("data", size).build();
        if let Some((place, bit)) = flip {
            let place = place.index(file.len());
            file[place] ^= 1 << bit;
        }
        let whole = read_in_pieces(&file, &Limits::default(), file.len());
        let mut reader = PackageReader::new(Limits::default());
        let mut rest = &file[..];
        let mut result = Ok(());
        for size in pieces.iter().cycle() {
            let (piece, after) = rest.split_at_checked(*size).unwrap_or((rest, &[]));
            result = result.and_then(|()| reader.push(piece));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(result.and_then(|()| reader.finish()), whole);
    }

    #[test]
    fn changed_bits_never_panic_and_never_pass_unnoticed(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4),
    ) {
        let original = builder().file("usr/bin/a", b"content").build();
        let mut file = original.clone();
        for (place, bit) in flips {
            let place = place.index(file.len());
            file[place] ^= 1 << bit;
        }
        if let Ok(package) = read(&file) {
            // Only the control section's own gzip header holds bits that nothing checks; the identity is over them.
            let same = read(&original).expect("valid");
            prop_assert_eq!(package.identity == same.identity, file == original);
        }
    }
}
