//! Every file under `tests/reject/v3` and `tests/reject/v3_package` is refused, with exactly the text in its last line.
//!
//! The files are in hex, so that they can be read and changed by hand.

#![expect(
    clippy::unwrap_used,
    reason = "what builds the input of a test may fail it"
)]

use std::{fs, path::Path};

use apk::{
    limits::Limits,
    v3::{index::read_unverified, package::PackageReader},
};
use apk_testkit::v3::reject_case;

/// Reads every case of a folder; `read` gives the text of the refusal.
fn check(folder: &str, at_least: usize, read: impl Fn(&[u8]) -> Option<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut cases = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = fs::read_to_string(&path).unwrap();
        let (bytes, expected) = reject_case(&case).unwrap();
        cases += 1;
        match read(&bytes) {
            None => wrong.push(format!("{} was accepted", path.display())),
            Some(error) if error == expected => (),
            Some(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(cases >= at_least, "{cases} cases");
}

#[test]
fn refuses_every_wrong_index_with_its_text() {
    check("tests/reject/v3", 50, |bytes| {
        let index = read_unverified(bytes, &Limits::default());
        index.err().map(|error| error.to_string())
    });
}

#[test]
fn refuses_every_wrong_package_with_its_text() {
    // Bombs go over the limit of an unpacked file, which is made small for them.
    let limits = Limits {
        data_section: 1 << 20,
        ..Limits::default()
    };
    check("tests/reject/v3_package", 45, |bytes| {
        let mut reader = PackageReader::new(limits.clone());
        let package = reader.push(bytes).and_then(|()| reader.finish());
        package.err().map(|error| error.to_string())
    });
}
