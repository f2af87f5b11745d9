//! What a v2 package has in it, listed.

#![expect(clippy::unwrap_used, reason = "a test ends where something fails")]

use apk::{
    limits::Limits,
    v2::{
        package::{Listing, ListingLimits, ListingReader, Script},
        tar::EntryKind,
    },
};
use apk_testkit::v2::PackageBuilder;

const CUT: ListingLimits = ListingLimits {
    entries: 100,
    bytes: 1 << 20,
};

fn list(file: &[u8], piece: usize, cut: ListingLimits) -> Listing {
    let mut reader = ListingReader::new(&Limits::default(), cut);
    for piece in file.chunks(piece) {
        reader.push(piece).unwrap();
    }
    reader.finish()
}

fn package() -> PackageBuilder {
    PackageBuilder::new("hello", "1.0-r0")
        .script(Script::PostInstall, "#!/bin/sh\necho <b>\n")
        .directory("usr")
        .directory("usr/bin")
        .file("usr/bin/hello", b"hello\n")
        .symbolic_link("usr/bin/hi", "hello")
}

#[test]
fn scripts_and_entries_are_found_however_the_bytes_come() {
    let file = package().build();
    let whole = list(&file, file.len(), CUT);
    for piece in [1, 7, 512] {
        assert_eq!(list(&file, piece, CUT), whole, "{piece}");
    }
    let script = b"#!/bin/sh\necho <b>\n".to_vec();
    assert_eq!(whole.scripts, [(Script::PostInstall, script)]);
    assert!(!whole.is_cut);
    let shown: Vec<_> = whole
        .entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::Directory)
        .map(|entry| (&*entry.path, entry.kind, entry.size, &*entry.link_to))
        .collect();
    assert_eq!(
        shown,
        [
            (&b"usr/bin/hello"[..], EntryKind::File, 6, &b""[..]),
            (b"usr/bin/hi", EntryKind::SymbolicLink, 0, b"hello"),
        ]
    );
    assert!(
        whole
            .entries
            .iter()
            .all(|entry| entry.mode & 0o444 == 0o444)
    );
}

#[test]
fn a_list_is_cut_and_says_so() {
    let file = package().build();
    let cut = list(&file, 100, ListingLimits { entries: 2, ..CUT });
    assert!(cut.is_cut);
    assert_eq!(cut.entries.len(), 2);
    let half = file.split_at(file.len() - 20).0;
    assert!(list(half, 100, CUT).is_cut);
    let long = PackageBuilder::new("long", "1.0-r0")
        .directory("a")
        .random_file("a/b", 3 << 20)
        .build();
    let cut = list(&long, 64 << 10, CUT);
    assert!(cut.is_cut && cut.entries.len() == 2);
}
