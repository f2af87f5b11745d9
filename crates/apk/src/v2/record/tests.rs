//! Index records, as written and as read.

use apk_testkit::facts::PKGINFO;
use proptest::prelude::*;

use super::{Record, reader::Value, render};
use crate::{arch::Arch, digest::Identity, facts::PackageFacts, limits::Limits, v2::pkginfo};

/// The record that apk-tools 2.12 wrote for `alpine-baselayout-3.2.0-r23` in Alpine 3.16, its maintainer changed.
const REAL: &str = "\
C:Q19UI7UxyiUywG6aew9c3lCBPshsE=
P:alpine-baselayout
V:3.2.0-r23
A:x86_64
S:11136
I:77824
T:Alpine base dir structure and init scripts
U:https://git.alpinelinux.org/cgit/aports/tree/main/alpine-baselayout
L:GPL-2.0-only
o:alpine-baselayout
m:A Maintainer <maintainer@example.org>
t:1655134784
c:cb70ca5c6d6db0399d2dd09189c5d57827bce5cd
D:alpine-baselayout-data=3.2.0-r23 /bin/sh
p:cmd:mkmntdirs=3.2.0-r23

";

fn info(more: &str) -> PackageFacts {
    let text = format!(
        "pkgname = hello\npkgver = 1.0-r0\narch = noarch\nsize = 0\ndatahash = {}\n{more}",
        "00".repeat(32)
    );
    pkginfo::parse(text.as_bytes(), &Limits::default()).unwrap()
}

fn x86_64() -> Arch {
    Arch::parse("x86_64").unwrap()
}

#[test]
fn writes_the_fields_in_the_order_of_apk() {
    let info = info(
        "pkgdesc = d\nurl = u\nlicense = l\norigin = o\nmaintainer = m\nbuilddate = 7\ncommit = c\nprovider_priority = 9\n\
         depend = a\ndepend = !b\nprovides = p=1\nprovides = q\ninstall_if = i j\nreplaces = r\npackager = x\n",
    );
    assert_eq!(
        render(&info, &Identity::from_bytes([0; 20]), 1234, &x86_64()),
        "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:hello\nV:1.0-r0\nA:x86_64\nS:1234\nI:0\nT:d\nU:u\nL:l\no:o\nm:m\nt:7\nc:c\n\
         k:9\nD:a !b\np:p=1 q\ni:i j\n\n"
    );
}

#[test]
fn the_reader_knows_every_field_that_is_written() {
    let full = format!("{PKGINFO}datahash = {}\n", "00".repeat(32));
    let full = pkginfo::parse(full.as_bytes(), &Limits::default()).unwrap();
    let record = render(&full, &Identity::from_bytes([0; 20]), 1, &x86_64());
    let record = Record::parse(&record, &Limits::default()).unwrap();
    for line in record.lines {
        let is_known = !matches!(line.value, Value::Unknown(_));
        assert!(is_known, "{}: v2/record/reader.rs", line.field);
    }
}

#[test]
fn leaves_out_what_apk_leaves_out() {
    assert_eq!(
        render(&info(""), &Identity::from_bytes([0; 20]), 1, &x86_64()),
        "C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=\nP:hello\nV:1.0-r0\nA:x86_64\nS:1\nI:0\nT:\nU:\nL:\n\n"
    );
}

#[test]
fn the_architecture_is_all_that_changes() {
    let description = "description A:noarch A:";
    let record = render(
        &info(&format!("pkgdesc = {description}\n")),
        &Identity::from_bytes([0; 20]),
        1,
        &Arch::noarch(),
    );
    let changed = render(
        &info(&format!("pkgdesc = {description}\n")),
        &Identity::from_bytes([0; 20]),
        1,
        &x86_64(),
    );
    assert_eq!(changed, record.replacen("\nA:noarch\n", "\nA:x86_64\n", 1));
    assert!(changed.contains(description));
}

#[test]
fn reads_a_real_record_and_writes_it_back() {
    let record = Record::parse(REAL, &Limits::default()).unwrap();
    assert_eq!(
        record.identity().to_index_field(),
        "Q19UI7UxyiUywG6aew9c3lCBPshsE="
    );
    assert_eq!(record.name().as_str(), "alpine-baselayout");
    assert_eq!(record.version().as_str(), "3.2.0-r23");
    assert_eq!(record.arch(), Some(&x86_64()));
    assert_eq!(record.size(), Some(11136));
    assert_eq!(record.build_date(), Some(1_655_134_784));
    assert_eq!(record.to_string(), REAL);
}

#[test]
fn keeps_the_order_and_the_fields_it_does_not_know() {
    let text = "P:a\nC:Q19UI7UxyiUywG6aew9c3lCBPshsE=\np:b\nz:of a later apk\nV:1\nD:c\nT:\n\n";
    let record = Record::parse(text, &Limits::default()).unwrap();
    assert_eq!(record.to_string(), text);
}

#[test]
fn is_bounded_by_the_limits() {
    let limits = Limits {
        index_header: usize::MAX,
        ..Limits::tiny()
    };
    let text = |length| {
        format!(
            "C:Q19UI7UxyiUywG6aew9c3lCBPshsE=\nP:a\nV:1\nT:{}\n\n",
            "x".repeat(length)
        )
    };
    assert!(Record::parse(&text(253), &limits).is_ok());
    assert_eq!(
        Record::parse(&text(254), &limits).unwrap_err().to_string(),
        "T: the line is 257 bytes long where apk reads at most 256"
    );
    let limits = Limits {
        index_header: text(10).len() - 1,
        ..Limits::tiny()
    };
    assert!(Record::parse(&text(10), &limits).is_ok());
    assert_eq!(
        Record::parse(&text(11), &limits).unwrap_err().to_string(),
        "the fields without the dependencies are 55 bytes long where apk can keep 54"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// One character changed anywhere: refused, or read and written back as it is.
    #[test]
    fn reading_is_strict_or_faithful(at in 0..REAL.len(), character: char) {
        let mut text = REAL.to_owned();
        text.replace_range(at..=at, character.encode_utf8(&mut [0; 4]));
        if let Ok(record) = Record::parse(&text, &Limits::default()) {
            prop_assert_eq!(record.to_string(), text);
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "([A-Za-z]:.{0,10}\n){0,5}\n?|.{0,20}") {
        let _ = Record::parse(&text, &Limits::default());
    }
}
