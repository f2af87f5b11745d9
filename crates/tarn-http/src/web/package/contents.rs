//! `…/{name}/{version}/{arch}/contents`: what is in a package, read from the package itself.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::{PackagePath, find};
use crate::{
    error::ApiError,
    packages::path::Segments,
    web::{
        links::OfOwner,
        page::{Frame, Keep, Visit},
        shown::{Bytes, Count, Room, escaped_length, short},
    },
};
use apk::{
    acl::{Acl, Xattr},
    v2::{package::ListedEntry, tar::EntryKind},
};
use tarn_store::metadata::FileAddress;

/// How many entries a page has.
const ENTRIES: usize = 250;

/// How many bytes the entries of a page have: fewer where their paths are long. The tags of each are [`ENTRY`].
const LISTED: usize = 36 << 10;
const ENTRY: usize = 150;

/// How many extended attributes of an entry are shown, how many bytes of a value, and what the tags of each take.
const ATTRIBUTES: usize = 4;
const VALUE: usize = 64;
const ATTRIBUTE: usize = 45;

/// How many bytes of scripts a page has.
const SCRIPTS: usize = 16 << 10;

#[derive(Template)]
#[template(path = "contents.html")]
struct ContentsPage {
    frame: Frame,
    owner: String,
    branch: String,
    repository: String,
    name: String,
    version: String,
    arch: String,
    links: OfOwner,
    scripts: Vec<Script>,
    entries: Vec<Shown>,
    total: u64,
    is_cut: bool,
    page: usize,
    pages: usize,
}

/// A script.
struct Script {
    name: &'static str,
    text: String,
    is_cut: bool,
}

/// A file, directory or link.
struct Shown {
    mode: String,
    /// The user and the group.
    owner: String,
    size: Option<Bytes>,
    path: String,
    target: String,
    attributes: Vec<String>,
    /// How many attributes are left out.
    more: usize,
}

impl Shown {
    fn of(entry: &ListedEntry) -> Self {
        let path = String::from_utf8_lossy(&entry.path);
        Self {
            mode: mode(entry),
            owner: owner(&entry.acl),
            size: (entry.kind == EntryKind::File).then_some(Bytes(entry.size)),
            path: path.trim_end_matches('/').to_owned(),
            target: String::from_utf8_lossy(&entry.link_to).into_owned(),
            attributes: attributes(&entry.acl),
            more: entry.acl.xattrs.len().saturating_sub(ATTRIBUTES),
        }
    }
}

/// The user and the group, as `chown` takes them.
fn owner(acl: &Acl) -> String {
    format!("{}:{}", short(&acl.user), short(&acl.group))
}

/// The first extended attributes.
fn attributes(acl: &Acl) -> Vec<String> {
    let first = acl.xattrs.iter().take(ATTRIBUTES);
    first.map(attribute).collect()
}

/// `name = value`: the value as text where it is one, and else in hexadecimal, as `getfattr` prints it.
fn attribute(xattr: &Xattr) -> String {
    let name = String::from_utf8_lossy(&xattr.name);
    let start = xattr.value.get(..VALUE).unwrap_or(&xattr.value);
    let end = if start.len() < xattr.value.len() {
        "…"
    } else {
        ""
    };
    let text = std::str::from_utf8(start).ok();
    let value = match text.filter(|text| !text.contains(char::is_control)) {
        Some(text) => text.to_owned(),
        None => start
            .iter()
            .fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}")),
    };
    format!("{} = {value}{end}", short(&name))
}

/// As `ls -l` writes it.
fn mode(entry: &ListedEntry) -> String {
    let mut text = String::with_capacity(10);
    text.push(match entry.kind {
        EntryKind::File | EntryKind::HardLink => '-',
        EntryKind::SymbolicLink => 'l',
        EntryKind::CharacterDevice => 'c',
        EntryKind::BlockDevice => 'b',
        EntryKind::Directory => 'd',
        EntryKind::Fifo => 'p',
    });
    for (shift, special, with, without) in [
        (6, 0o4000, 's', 'S'),
        (3, 0o2000, 's', 'S'),
        (0, 0o1000, 't', 'T'),
    ] {
        let bits = entry.acl.mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (bits & 1 == 0, entry.acl.mode & special == 0) {
            (true, true) => '-',
            (false, true) => 'x',
            (true, false) => without,
            (false, false) => with,
        });
    }
    text
}

/// Where each page begins; one at least.
fn starts(entries: &[ListedEntry]) -> Vec<usize> {
    let mut starts = vec![0];
    let (mut room, mut count) = (Room::of(LISTED), 0);
    for (at, entry) in entries.iter().enumerate() {
        // What is no UTF-8 takes three bytes on a page.
        let escaped = |path: &[u8]| escaped_length(&String::from_utf8_lossy(path));
        let attributes = attributes(&entry.acl);
        let attributes = attributes
            .iter()
            .map(|text| ATTRIBUTE + escaped_length(text));
        let size = ENTRY
            + escaped(&entry.path)
            + escaped(&entry.link_to)
            + escaped_length(&owner(&entry.acl))
            + attributes.sum::<usize>();
        if !room.take(size) || count == ENTRIES {
            // An entry that is too long for a page is alone on it.
            if count > 0 {
                starts.push(at);
            }
            (room, count) = (Room::of(LISTED), 0);
            room.take(size);
        }
        count += 1;
    }
    starts
}

/// The page.
pub(in crate::web) async fn show(
    visit: Visit,
    segments: Segments,
    Path(path): Path<PackagePath>,
) -> Result<Response, ApiError> {
    let found = find(&visit, &segments, &path).await?;
    let chosen = &found.chosen;
    let address = FileAddress {
        owner: found.place.authorized.owner.id,
        branch: &found.place.branch,
        repository: &found.place.repository,
        arch: &chosen.arch,
        file_name: &chosen.file_name,
    };
    let file = visit.registry.metadata().package_file(&address).await?;
    let file = file.ok_or(ApiError::NoSuchFile)?;
    let contents = visit.registry.contents();
    let listing = contents.of(&file.blob(), file.size).await?;
    let starts = starts(&listing.entries);
    let pages = starts.len();
    let page = visit.number.number().min(pages);
    let first = starts.get(page - 1).copied().unwrap_or_default();
    let end = starts.get(page).copied().unwrap_or(listing.entries.len());
    let mut room = Room::of(SCRIPTS);
    let scripts = listing.scripts.iter().map(|(script, text)| {
        let text = String::from_utf8_lossy(text);
        let shown = room.beginning(&text);
        Script {
            name: script.as_str(),
            is_cut: shown.len() < text.len(),
            text: shown.to_owned(),
        }
    });
    let page = ContentsPage {
        links: OfOwner::new(&visit.frame.base, &found.place.authorized.owner.name),
        owner: found.place.authorized.owner.name.clone(),
        branch: found.place.branch.as_str().to_owned(),
        repository: found.place.repository.as_str().to_owned(),
        name: found.name.as_str().to_owned(),
        version: chosen.version.as_str().to_owned(),
        arch: chosen.arch.as_str().to_owned(),
        scripts: scripts.collect(),
        entries: listing
            .entries
            .iter()
            .skip(first)
            .take(end - first)
            .map(Shown::of)
            .collect(),
        total: listing.entries.len() as u64,
        is_cut: listing.is_cut,
        page,
        pages,
        frame: visit.frame.clone(),
    };
    visit.show(&page, Keep::Revalidated)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn entry(path: &str) -> ListedEntry {
        ListedEntry {
            path: path.as_bytes().to_vec(),
            kind: EntryKind::File,
            acl: Arc::new(Acl {
                mode: 0o644,
                user: "root".to_owned(),
                group: "root".to_owned(),
                xattrs: Vec::new(),
            }),
            size: 0,
            link_to: Vec::new(),
        }
    }

    /// With an attribute of so many bytes.
    fn with_attribute(entry: &ListedEntry, name: &str, value: &[u8]) -> ListedEntry {
        let mut acl = (*entry.acl).clone();
        let (name, value) = (name.as_bytes().to_vec(), value.to_vec());
        acl.xattrs.push(Xattr { name, value });
        ListedEntry {
            acl: Arc::new(acl),
            ..entry.clone()
        }
    }

    #[test]
    fn attributes_are_text_or_hexadecimal_and_never_many_or_long() {
        let plain = with_attribute(&entry("a"), "user.comment", b"an <attribute>");
        let caps = with_attribute(&plain, "security.capability", &[1, 0, 0, 2, 0xff]);
        assert_eq!(
            attributes(&caps.acl),
            [
                "user.comment = an <attribute>",
                "security.capability = 0x01000002ff"
            ]
        );
        let long = with_attribute(&caps, &"n".repeat(300), &[b'v'; 300]);
        let many = (0..5).fold(long, |entry, _| with_attribute(&entry, "user.x", b""));
        let shown = Shown::of(&many);
        assert_eq!((shown.attributes.len(), shown.more), (4, 4));
        assert_eq!(
            shown.attributes[2],
            format!("{}… = {}…", "n".repeat(160), "v".repeat(64))
        );
        assert_eq!(shown.owner, "root:root");
        let many = vec![many; 200];
        let found = starts(&many);
        assert!(found.len() > 2, "{found:?}");
    }

    #[test]
    fn a_page_ends_after_so_many_entries_or_bytes() {
        assert_eq!(starts(&[]), [0]);
        let many = vec![entry("usr/bin/hello"); ENTRIES * 2];
        // Short paths: by number, or by the bytes of the tags.
        let found = starts(&many);
        assert_eq!(found[0], 0);
        assert!(found.len() >= 2 && found[1] <= ENTRIES, "{found:?}");
        let long = "<".repeat(4_085);
        let long = [entry("a"), entry(&long), entry(&long), entry("b")];
        // Escaped, each long path takes more than half of a page.
        assert_eq!(starts(&long), [0, 2]);
    }

    #[test]
    fn modes_are_written_as_ls_writes_them() {
        for (kind, bits, text) in [
            (EntryKind::File, 0o644, "-rw-r--r--"),
            (EntryKind::File, 0o4755, "-rwsr-xr-x"),
            (EntryKind::File, 0o4644, "-rwSr--r--"),
            (EntryKind::Directory, 0o1777, "drwxrwxrwt"),
            (EntryKind::Directory, 0o2770, "drwxrws---"),
            (EntryKind::SymbolicLink, 0o777, "lrwxrwxrwx"),
        ] {
            let mut entry = entry("");
            entry.kind = kind;
            Arc::make_mut(&mut entry.acl).mode = bits;
            assert_eq!(mode(&entry), text);
        }
    }
}
