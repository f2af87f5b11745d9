//! The data section: which of its entries apk would not install.

use apk::v2::tar::{EntryHeader, EntryKind};

use super::{builder, entry, read, refusal};

#[test]
fn rejects_data_that_apk_would_not_install() {
    let header = |header: EntryHeader<'_>| header.to_bytes();
    let plain = header(EntryHeader::file(b"usr", 0, 0));
    let sized = header(EntryHeader {
        pax: &[("size", b"7")],
        ..EntryHeader::file(b"a", 0, 0)
    });
    for (raw, expected) in [
        (
            plain,
            "the data section: `usr` has no checksum (pax header APK-TOOLS.checksum.SHA1), and apk does not install it without an error; build the package with `abuild` or `melange`, or pipe the tar through `abuild-tar --hash`",
        ),
        (
            sized,
            "the data section: the pax header of `a` gives the size 7, its ustar header 0; apk ignores pax sizes, so they must agree",
        ),
        (
            entry("../evil", b""),
            "the data section: the path `../evil` has a `..` component and could leave the root",
        ),
        (
            entry("/evil", b""),
            "the data section: the path `/evil` is absolute; write paths without a leading slash",
        ),
        (
            entry("./usr", b""),
            "the data section: the path `./usr` has a `.` component, and apk ignores such files; write `usr/bin/x`, not `./usr/bin/x`",
        ),
        (
            vec![0; 100],
            "the data section: the tar archive stops in the middle; the file is truncated",
        ),
    ] {
        assert_eq!(refusal(&builder().raw_data(&raw).build()), expected);
    }
    // What has a dot in front is read over.
    assert!(
        read(
            &builder()
                .raw_data(&header(EntryHeader::file(b".dummy", 0, 0)))
                .build()
        )
        .is_ok()
    );
}

/// An entry of any kind but a file.
fn other(name: &str, kind: EntryKind, link_target: &str) -> Vec<u8> {
    EntryHeader {
        kind,
        link_target: link_target.as_bytes(),
        ..EntryHeader::file(name.as_bytes(), 0, 0)
    }
    .to_bytes()
}

#[test]
fn rejects_a_file_whose_directory_does_not_come_before_it() {
    let directory = |name| other(name, EntryKind::Directory, "");
    for (name, archive) in [
        ("usr/bin/x", entry("usr/bin/x", b"")),
        (
            "usr/bin/x",
            [directory("usr"), entry("usr/bin/x", b"")].concat(),
        ),
        ("usr/x", [entry("usr/x", b""), directory("usr")].concat()),
        (
            "usr/x",
            [entry("usr", b""), entry("usr/x", b""), directory("us")].concat(),
        ),
        ("usr/l", other("usr/l", EntryKind::SymbolicLink, "x")),
        (
            "usr/h",
            [entry("x", b""), other("usr/h", EntryKind::HardLink, "x")].concat(),
        ),
        (
            "dev/null",
            other("dev/null", EntryKind::CharacterDevice, ""),
        ),
    ] {
        assert_eq!(
            refusal(&builder().raw_data(&archive).build()),
            format!(
                "the data section: no entry for the directory of `{name}` comes before it, and apk leaves such files out; put every directory into the tar, in front of what is in it, as `abuild` and `melange` do"
            )
        );
    }
}

#[test]
fn takes_a_file_whose_directory_comes_before_it() {
    let directory = |name| other(name, EntryKind::Directory, "");
    for archive in [
        entry("x", b""),
        [directory("usr/"), entry("usr/x", b"")].concat(),
        [directory("./"), directory("usr"), entry("usr/x", b"")].concat(),
        // apk looks no higher.
        [directory("usr/bin"), entry("usr/bin/x", b"")].concat(),
        // apk installs neither.
        entry(".hidden/x", b""),
        [directory("b"), directory("a"), entry("b/x", b"")].concat(),
    ] {
        let read = read(&builder().raw_data(&archive).build());
        assert!(read.is_ok(), "{read:?}");
    }
}
