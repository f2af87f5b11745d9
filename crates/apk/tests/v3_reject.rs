//! Every file under `tests/reject/v3` is refused, with exactly the text in its last line.
//!
//! The files are the bytes of an index in hex, so that they can be read and changed by hand: `#` starts a comment, and
//! `!` the text.

#![expect(
    clippy::unwrap_used,
    reason = "what builds the input of a test may fail it"
)]

use std::{fs, path::Path};

use apk::{limits::Limits, v3::index::read_unverified};

fn parse(case: &str) -> (Vec<u8>, &str) {
    let mut bytes = Vec::new();
    let mut expected = "";
    for line in case.lines() {
        if let Some(text) = line.strip_prefix("! ") {
            expected = text;
            continue;
        }
        let (hex, _) = line.split_once('#').unwrap_or((line, ""));
        bytes.extend(
            hex.split_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).unwrap()),
        );
    }
    (bytes, expected)
}

#[test]
fn refuses_every_wrong_index_with_its_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reject/v3");
    let mut cases = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let case = fs::read_to_string(&path).unwrap();
        let (bytes, expected) = parse(&case);
        cases += 1;
        match read_unverified(&bytes, &Limits::default()) {
            Ok(_) => wrong.push(format!("{} was accepted", path.display())),
            Err(error) if error.to_string() == expected => (),
            Err(error) => wrong.push(format!("{}: {error}", path.display())),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(cases >= 50, "{cases} cases");
}
