//! What a v2 package has in it, listed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something fails"
)]

use std::sync::Arc;

use apk::{
    limits::Limits,
    v2::{
        package::{Listing, ListingLimits, ListingReader, Script},
        tar::{EntryHeader, EntryKind},
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
    for entry in &whole.entries {
        assert_eq!(entry.acl.mode & 0o444, 0o444);
        let acl = (&*entry.acl.user, &*entry.acl.group, &entry.acl.xattrs[..]);
        assert_eq!(acl, ("root", "root", &[][..]));
    }
    // Most entries share theirs.
    assert!(Arc::ptr_eq(&whole.entries[0].acl, &whole.entries[1].acl));
}

/// The header of an empty file with that owner, and an extended attribute.
fn owned(path: &str, user: &[u8], numbers: &[u8]) -> Vec<u8> {
    let pax: [(&str, &[u8]); 1] = [("SCHILY.xattr.user.comment", b"a=b\n")];
    let header = EntryHeader {
        mode: 0o4750,
        pax: &pax,
        ..EntryHeader::file(path.as_bytes(), 0, 0)
    };
    let mut bytes = header.to_bytes();
    let block = bytes.len() - 512;
    let block = &mut bytes[block..];
    block[108..124].copy_from_slice(numbers);
    block[265..329].fill(0);
    block[265..265 + user.len()].copy_from_slice(user);
    block[297..297 + user.len()].copy_from_slice(user);
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    bytes
}

#[test]
fn owners_modes_and_attributes_are_those_of_the_headers() {
    let numbers = b"0001750\x000001751\0";
    let file = package()
        .raw_data(&owned("usr/named", b"daemon", numbers))
        .raw_data(&owned("usr/long", &[b'x'; 32], numbers))
        .raw_data(&owned("usr/numbered", b"", numbers))
        .build();
    let listing = list(&file, 100, CUT);
    let found = listing.entries.iter().rev().take(3).map(|entry| {
        let acl = &entry.acl;
        assert_eq!(acl.mode, 0o4750);
        let [xattr] = &acl.xattrs[..] else {
            panic!("{acl:?}")
        };
        assert_eq!(
            (&*xattr.name, &*xattr.value),
            (&b"user.comment"[..], &b"a=b\n"[..])
        );
        (acl.user.as_str(), acl.group.as_str())
    });
    let long = "x".repeat(32);
    let expected = [("1000", "1001"), (&*long, &*long), ("daemon", "daemon")];
    assert_eq!(found.collect::<Vec<_>>(), expected);
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
