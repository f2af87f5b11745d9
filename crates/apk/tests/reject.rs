//! Every file under `tests/reject` is refused, with exactly the text in the `.expected` file beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use apk::{
    limits::Limits,
    v2::{pkginfo, record::Record},
};

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
    assert!(cases >= 70, "{cases} cases");
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
