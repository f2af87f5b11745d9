//! What the reader takes and refuses, entry by entry.

use super::super::{END_OF_ARCHIVE, EntryHeader, padding};
use super::*;

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    let size = content.len() as u64;
    [
        &EntryHeader::file(name.as_bytes(), size, 0).to_bytes()[..],
        content,
        padding(size),
    ]
    .concat()
}

/// A header of any type with any content, the checksum put right.
fn raw(name: &[u8], type_byte: u8, content: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let size = content.len() as u64;
    let mut block = EntryHeader::file(name, size, 0).to_bytes();
    block[156] = type_byte;
    change(&mut block);
    fix_checksum(&mut block);
    [&block[..], content, padding(size)].concat()
}

fn fix_checksum(block: &mut [u8]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn read_in_pieces(archive: &[u8], piece: usize) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let limits = Limits::tiny();
    let mut reader = TarReader::new(&limits, 16);
    let mut entries: Vec<(Entry, Vec<u8>)> = Vec::new();
    let mut ends = 0;
    for chunk in archive.chunks(piece) {
        reader.push(chunk, &mut |event| {
            match event {
                Event::Entry(entry) => entries.push((entry.clone(), Vec::new())),
                Event::Content(content) => entries
                    .last_mut()
                    .expect("an entry")
                    .1
                    .extend_from_slice(content),
                Event::EntryEnd => ends += 1,
            }
            Ok::<(), TarError>(())
        })?;
    }
    reader.finish()?;
    assert_eq!(ends, entries.len());
    assert_eq!(reader.entries(), entries.len() as u64);
    Ok(entries)
}

fn read(archive: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let whole = read_in_pieces(archive, archive.len().max(1));
    for piece in [1, 7, 511, 513] {
        assert_eq!(
            read_in_pieces(archive, piece),
            whole,
            "in pieces of {piece}"
        );
    }
    whole
}

fn refused(parts: &[&[u8]]) -> String {
    read(&parts.concat()).expect_err("refused").to_string()
}

#[test]
fn reads_entries_with_and_without_an_end_of_archive() {
    let archive = [file("a", b""), file("b", &[7; 513])].concat();
    let with_end = [&archive[..], &END_OF_ARCHIVE, &[0; 512]].concat();
    for archive in [archive, with_end] {
        let entries = read(&archive).expect("valid");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[1].0.name, b"b");
        assert_eq!(entries[1].0.size, 513);
        assert_eq!(entries[1].1, [7; 513]);
    }
    assert_eq!(read(b""), Ok(vec![]));
}

#[test]
fn a_single_block_of_zeros_is_read_over_as_apk_does() {
    let entries =
        read(&[&file("a", b"x")[..], &[0; 512], &file("b", b"y")].concat()).expect("valid");
    assert_eq!(entries.len(), 2);
}

#[test]
fn rejects_entries_after_the_end_of_archive() {
    let error = refused(&[&file("a", b"x"), &END_OF_ARCHIVE, &file("b", b"y")]);
    assert!(
        error.starts_with("data follows the end-of-archive blocks"),
        "{error}"
    );
}

#[test]
fn long_names_come_from_pax_and_gnu_headers() {
    let name = "n".repeat(120);
    let gnu = [
        &raw(
            b"././@LongLink",
            b'L',
            format!("{name}\0").as_bytes(),
            |_| (),
        )[..],
        &file("cut", b"x"),
    ]
    .concat();
    let apk_tools = [
        &raw(b"././@LongLink", b'L', name.as_bytes(), |_| ())[..],
        &file("cut", b"x"),
    ]
    .concat();
    for archive in [file(&name, b"x"), gnu, apk_tools] {
        let entries = read(&archive).expect("valid");
        assert_eq!(entries[0].0.name, name.as_bytes());
        assert_eq!(entries[0].1, b"x");
    }
}

#[test]
fn a_ustar_prefix_comes_before_the_name() {
    let archive = raw(b"name", b'0', b"", |block| {
        block[345..348].copy_from_slice(b"dir");
    });
    assert_eq!(read(&archive).expect("valid")[0].0.name, b"dir/name");
}

#[test]
fn a_name_of_a_hundred_bytes_needs_no_nul() {
    let name = "n".repeat(100);
    assert_eq!(
        read(&file(&name, b"")).expect("valid")[0].0.name,
        name.as_bytes()
    );
}

#[test]
fn rejects_a_pax_size_that_differs() {
    let pax = raw(b"pax", b'x', b"12 size=999\n", |_| ());
    assert_eq!(
        refused(&[&pax, &file("a", b"x")]),
        "the pax header of `a` gives the size 999, its ustar header 1; apk ignores pax sizes, so they must agree"
    );
    let same = raw(b"pax", b'x', b"11 size=1\n", |_| ());
    assert!(
        matches!(
            read(&[same, file("a", b"x")].concat()),
            Err(TarError::Pax(_))
        ),
        "the length is wrong"
    );
    let same = raw(b"pax", b'x', b"9 size=1\n", |_| ());
    assert_eq!(
        read(&[same, file("a", b"x")].concat())
            .expect("valid")
            .len(),
        1
    );
}

#[test]
fn rejects_two_names() {
    let long = raw(b"././@LongLink", b'L', b"long", |_| ());
    let pax = raw(b"pax", b'x', b"10 path=b\n", |_| ());
    let prefixed = raw(b"name", b'0', b"", |block| {
        block[345..348].copy_from_slice(b"dir");
    });
    assert_eq!(
        refused(&[&long, &pax, &file("a", b"")]),
        "an entry has two names, from a pax header and a GNU long name"
    );
    assert_eq!(
        refused(&[&pax, &pax, &file("a", b"")]),
        "an entry has two names, from two extended headers of one kind"
    );
    assert_eq!(
        refused(&[&long, &prefixed]),
        "an entry has two names, from a GNU long name and a ustar prefix"
    );
}

#[test]
fn rejects_what_apk_reads_otherwise() {
    for (archive, expected) in [
        (
            raw(b"a", 0, b"", |_| ()),
            "`a` has the tar entry type `\\u{0}`, which apk leaves out",
        ),
        (
            raw(b"a", b'S', b"", |_| ()),
            "`a` has the tar entry type `S`, which apk leaves out",
        ),
        (
            raw(b"a", b'5', b"x", |_| ()),
            "`a` is not a regular file, yet has 1 bytes of content",
        ),
        (
            raw(b"a", b'K', b"target", |_| ()),
            "a link target is written as a GNU long link, which apk ignores; make the archive with `tar --format=posix`",
        ),
        (
            raw(b"a", b'2', b"", |_| ()),
            "the link target of `a` is empty",
        ),
        (
            raw(b"../a", b'0', b"", |_| ()),
            "the path `../a` has a `..` component and could leave the root",
        ),
        (
            raw(b"a", b'0', b"", |block| block[257] = b'v'),
            "a tar header lacks the word `ustar`; make the archive with `tar --format=ustar` or `--format=posix`",
        ),
        (
            raw(b"a", b'0', b"", |block| block[124] = 0x80),
            "the field `size` of a tar header is not an octal number, and apk reads no other",
        ),
        (
            raw(b"a", b'x', b"10 path=b\n", |_| ()),
            "an extended header is followed by no entry",
        ),
        (
            raw(b"a", b'L', b"\0", |_| ()),
            "a GNU long name is empty or holds a NUL",
        ),
        (
            raw(b"a", b'x', &[b'a'; 1025], |_| ()),
            "an extended header is 1025 bytes long; at most 1024 are allowed",
        ),
        (
            raw(b"a", b'L', &[b'a'; 130], |_| ()),
            "an extended header is 130 bytes long; at most 129 are allowed",
        ),
        (
            raw(b"`\xff//", b'5', b"", |_| ()),
            "the path `\\`\\xff//` has an empty component (`//`)",
        ),
        (
            [
                raw(b"pax", b'x', b"14 linkpath=b\n", |_| ()),
                file("a", b""),
            ]
            .concat(),
            "a pax header is malformed: `linkpath` is given for what is not a link",
        ),
        (
            vec![0xff; 512],
            "a tar header does not match its checksum; the archive is damaged",
        ),
    ] {
        assert_eq!(refused(&[&archive]), expected);
    }
}

#[test]
fn rejects_a_header_with_an_empty_name_field_wherever_its_name_is() {
    let pax = raw(b"pax", b'x', b"10 path=b\n", |_| ());
    let long = raw(b"././@LongLink", b'L', b"b", |_| ());
    // What apk would read as a header of its own.
    let hidden = file(".post-install", b"#!/bin/sh");
    let unnamed = |type_byte| raw(b"\0a", type_byte, &hidden, |_| ());
    let prefixed = raw(b"", b'0', b"", |block| {
        block[345..348].copy_from_slice(b"dir");
    });
    for archive in [
        unnamed(b'0'),
        [pax, unnamed(b'0')].concat(),
        [long, unnamed(b'0')].concat(),
        prefixed,
        unnamed(b'x'),
        unnamed(b'g'),
        unnamed(b'L'),
    ] {
        assert_eq!(read(&archive), Err(TarError::NoName));
    }
    // A block of zeros stays what it is.
    assert!(read(&[0; 512]).is_ok());
}

#[test]
fn rejects_a_header_whose_checksum_is_wrong() {
    let mut archive = file("a", b"x");
    archive[0] = b'b';
    assert_eq!(read(&archive), Err(TarError::HeaderChecksum));
}

#[test]
fn rejects_an_archive_that_stops_in_the_middle() {
    let archive = file("a", b"x");
    for size in [1, 511, 513, 700, 1023] {
        assert_eq!(read(&archive[..size]), Err(TarError::Truncated), "{size}");
    }
    // No content was read yet, but it is due.
    assert_eq!(read(&archive[..512]), Err(TarError::Truncated));
}

#[test]
fn rejects_more_entries_than_the_limit() {
    assert!(read(&file("a", b"").repeat(16)).is_ok());
    assert_eq!(
        read(&file("a", b"").repeat(17)),
        Err(TarError::TooManyEntries { limit: 16 })
    );
}
