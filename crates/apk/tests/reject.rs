//! Every file under `tests/reject` is refused, with exactly the text in the `.expected` file beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use apk::{
    limits::Limits,
    sign::SigningKey,
    v2::{
        package::PackageReader,
        pkginfo,
        record::Record,
        tar::{EntryHeader, EntryKind, padding},
    },
};
use apk_testkit::v2::PackageBuilder;
use sha1::{Digest, Sha1};

/// Gives every file of a folder to a reader, and compares what it answers. Returns how many files there were, and
/// what went wrong with which.
fn check(
    folder: &str,
    extension: &str,
    read: impl Fn(&[u8]) -> Result<(), String>,
) -> io::Result<(usize, Vec<String>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/reject")
        .join(folder);
    let mut cases: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            cases.push(path);
        }
    }
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.display();
        let expected = fs::read_to_string(case.with_extension("expected"))?;
        match read(&fs::read(case)?) {
            Ok(()) => wrong.push(format!("{name} was accepted")),
            Err(message) if message == expected.trim_end_matches('\n') => {}
            Err(message) => wrong.push(format!("{name}: {message}")),
        }
    }
    Ok((cases.len(), wrong))
}

#[test]
fn refuses_every_wrong_pkginfo_with_its_text() {
    let (cases, wrong) = check("pkginfo", "pkginfo", |bytes| {
        pkginfo::parse(bytes, &Limits::default())
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .unwrap();
    assert_eq!(wrong, Vec::<String>::new());
    assert!(cases >= 90, "{cases} cases");
}

#[test]
fn refuses_every_file_that_is_no_signing_key_with_its_text() {
    let (cases, wrong) = check("key", "pem", |bytes| {
        SigningKey::from_pem(bytes)
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .unwrap();
    assert_eq!(wrong, Vec::<String>::new());
    assert!(cases >= 14, "{cases} cases");
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
    let (built, mut wrong) = check("package", "entries", |entries| {
        read_package(&package_of(entries)?)
    })
    .unwrap();
    let (foreign, also_wrong) = check("package", "bytes", read_package).unwrap();
    wrong.extend(also_wrong);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(built >= 23 && foreign >= 3, "{built} and {foreign} cases");
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
    let (cases, wrong) = check("record", "record", |bytes| {
        let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
        Record::parse(text, &Limits::default())
            .map(drop)
            .map_err(|error| error.to_string())
    })
    .unwrap();
    assert_eq!(wrong, Vec::<String>::new());
    assert!(cases >= 35, "{cases} cases");
}
