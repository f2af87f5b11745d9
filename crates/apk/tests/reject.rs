//! Every file under `tests/reject` is refused, with exactly the text that belongs to it.

#![expect(
    clippy::unwrap_used,
    reason = "what builds the input of a test may fail it"
)]

use std::{fs, path::Path};

use apk::{
    limits::Limits,
    sign::SigningKey,
    v2::{
        package::PackageReader,
        pkginfo,
        record::Record,
        tar::{EntryHeader, EntryKind, padding},
    },
    v3::{self, index::read_unverified},
};
use apk_testkit::{v2::PackageBuilder, v3::reject_case};
use sha1::{Digest, Sha1};

/// Gives every file of a folder that has the extension to a reader, and compares what it answers with the text in the `.expected` file
/// beside it; that of a `.hex` file, whose bytes are in hex so that they can be changed by hand, is in its last line.
fn check<T, E: ToString>(
    corpus: &str,
    extension: &str,
    at_least: usize,
    read: impl Fn(&[u8]) -> Result<T, E>,
) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reject");
    let (mut cases, mut wrong) = (0, Vec::new());
    for entry in fs::read_dir(folder.join(corpus)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|found| found != extension) {
            continue;
        }
        cases += 1;
        let case = fs::read(&path).unwrap();
        let (bytes, expected) = if extension == "hex" {
            let (bytes, expected) = reject_case(str::from_utf8(&case).unwrap()).unwrap();
            (bytes, expected.to_owned())
        } else {
            let expected = fs::read_to_string(path.with_extension("expected")).unwrap();
            (case, expected.trim_end_matches('\n').to_owned())
        };
        match read(&bytes).map_err(|error| error.to_string()) {
            Err(message) if message == expected => {}
            read => wrong.push(format!("{}: {:?}", path.display(), read.err())),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(cases >= at_least, "{cases} cases");
}

#[test]
fn refuses_every_wrong_pkginfo_with_its_text() {
    check("pkginfo", "pkginfo", 90, |bytes| {
        pkginfo::parse(bytes, &Limits::default())
    });
}

#[test]
fn refuses_every_file_that_is_no_signing_key_with_its_text() {
    check("key", "pem", 14, SigningKey::from_pem);
}

#[test]
fn refuses_every_wrong_v3_index_with_its_text() {
    check("v3", "hex", 50, |bytes| {
        read_unverified(bytes, &Limits::default())
    });
}

#[test]
fn refuses_every_wrong_v3_package_with_its_text() {
    // Bombs go over the limit of an unpacked file, which is made small for them.
    let limits = Limits {
        data_section: 1 << 20,
        ..Limits::default()
    };
    check("v3_package", "hex", 45, |bytes| {
        let mut reader = v3::package::PackageReader::new(limits.clone());
        reader.push(bytes).and_then(|()| reader.finish())
    });
}

/// Reads a whole package.
fn read_package(bytes: &[u8]) -> Result<(), String> {
    let mut reader = PackageReader::new(Limits::default());
    reader
        .push(bytes)
        .and_then(|()| reader.finish())
        .map(drop)
        .map_err(|error| error.to_string())
}

/// A package whose data section has the entries of a text, a line each: what it is, the path, and what is in it or where it
/// points to. A file marked `wrong` has the checksum of other bytes, and a link marked `bare-symlink` has none.
fn package_of(entries: &[u8]) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(entries).map_err(|error| error.to_string())?;
    let mut tar = Vec::new();
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(what), Some(path)) = (words.next(), words.next()) else {
            return Err(format!("the case has a line without a path, {line}"));
        };
        let rest = words.next().unwrap_or_default();
        let kind = match what {
            "file" | "wrong" => EntryKind::File,
            "directory" => EntryKind::Directory,
            "symlink" | "bare-symlink" => EntryKind::SymbolicLink,
            "hardlink" => EntryKind::HardLink,
            unknown => return Err(format!("the case has an unknown entry, {unknown}")),
        };
        let (content, target) = match kind {
            EntryKind::File => (rest, ""),
            _ => ("", rest),
        };
        let hashed = if what == "wrong" { "another" } else { content };
        let checksum = Sha1::digest(hashed)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        let size = content.len() as u64;
        let pax = [("APK-TOOLS.checksum.SHA1", checksum.as_bytes())];
        let header = EntryHeader {
            kind,
            link_target: target.as_bytes(),
            pax: if what == "bare-symlink" { &[] } else { &pax },
            ..EntryHeader::file(path.as_bytes(), size, 0)
        };
        tar.extend(header.to_bytes());
        tar.extend(content.as_bytes());
        tar.extend(padding(size));
    }
    Ok(PackageBuilder::new("hello", "1.0-r0")
        .raw_data(&tar)
        .build())
}

#[test]
fn refuses_every_wrong_package_with_its_text() {
    check("package", "entries", 23, |entries| {
        read_package(&package_of(entries)?)
    });
    check("package", "bytes", 3, read_package);
}

#[test]
fn takes_what_every_apk_installs_although_it_is_there_twice() {
    for entries in [
        "directory usr\ndirectory usr/\nfile usr/a 1\ndirectory usr\n",
        "directory usr\nfile usr/a 1\nhardlink usr/b usr/a\nhardlink usr/c usr/b\n",
        "file .hidden 1\nfile .hidden 1\nwrong .other x\nfile .INSTALL x\nfile .SIGN.RSA.a x\nfile a 1\n",
        "directory .post-install/\nfile .post-install/x 1\nfile a 1\n",
    ] {
        let package = package_of(entries.as_bytes()).unwrap();
        assert_eq!(read_package(&package), Ok(()), "{entries}");
    }
}

#[test]
fn refuses_every_wrong_record_with_its_text() {
    check("record", "record", 35, |bytes| {
        let text = str::from_utf8(bytes).map_err(|error| error.to_string())?;
        Record::parse(text, &Limits::default()).map_err(|error| error.to_string())
    });
}
