//! A package whose gzip checksums and datahash are right, whatever is in its sections.
//!
//! The input: two lengths of two bytes, then `.PKGINFO`, raw tar for the control section, raw tar for the data section.
#![no_main]

use apk::{
    arch::Arch,
    limits::Limits,
    v2::{
        package::PackageReader,
        record::{self, Record},
    },
};
use apk_testkit::v2::PackageBuilder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((lengths, rest)) = bytes.split_first_chunk::<4>() else {
        return;
    };
    let [a, b, c, d] = *lengths;
    let (pkginfo, rest) = split(rest, u16::from_le_bytes([a, b]));
    let (control, data) = split(rest, u16::from_le_bytes([c, d]));
    let file = PackageBuilder::new("a", "1")
        .level(0)
        .raw_pkginfo(pkginfo)
        .raw_control(control)
        .no_files()
        .raw_data(data)
        .build();
    let limits = Limits::default();
    let mut reader = PackageReader::new(limits.clone());
    if reader.push(&file).is_err() {
        return;
    }
    // What is accepted can stand in an index.
    if let Ok(package) = reader.finish() {
        let arch = Arch::parse("x86_64").expect("an architecture");
        let text = record::render(&package.facts, &package.identity, package.size, &arch);
        let record = Record::parse(&text, &limits).expect("an accepted package has a valid record");
        assert_eq!(record.to_string(), text);
    }
});

fn split(bytes: &[u8], at: u16) -> (&[u8], &[u8]) {
    bytes
        .split_at_checked(usize::from(at))
        .unwrap_or((bytes, &[]))
}
