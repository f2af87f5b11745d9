//! The paths of a package.

use std::{cmp::Ordering, collections::HashMap, sync::Arc};

use super::{ContentHash, PackageError};
use crate::{
    acl::{Acl, Xattr},
    quoted::Quoted,
    v2::tar::check_link_target,
    v3::{
        error::FieldError,
        fields::{Field, Fields},
        reader::{Payload, Slots},
        schema::{acl, directory, file},
        value::Value,
    },
};

/// A directory, and what is in it but for directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// The path without a slash in front or behind; empty for the root.
    pub path: Vec<u8>,
    /// Who it belongs to, and who may do what. Those of the root mean nothing.
    pub acl: Arc<Acl>,
    /// What is in it, sorted by name.
    pub files: Vec<File>,
}

/// A file, a link, a device or a pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The name within its directory.
    pub name: Vec<u8>,
    /// Who it belongs to, and who may do what.
    pub acl: Arc<Acl>,
    /// Bytes of its content. apk writes down the size of what a link is, too.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// The hash of its content. Always there for a regular file.
    pub hash: Option<ContentHash>,
    /// What it is.
    pub kind: FileKind,
}

/// What a [`File`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// Another name for a regular file that comes before: its path.
    HardLink(Vec<u8>),
    /// A symbolic link: its target.
    SymbolicLink(Vec<u8>),
    /// A block device: its number.
    BlockDevice(u64),
    /// A character device: its number.
    CharacterDevice(u64),
    /// A named pipe.
    Pipe,
}

/// A directory and a name in it as one path.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

/// Reads the paths of a package.
pub(super) struct Contents<'f, 'a> {
    fields: &'f mut Fields<'a>,
    /// Whether they are wanted, or only looked at.
    keeps: bool,
    /// ACLs that were read, by their word.
    acls: HashMap<u32, Arc<Acl>>,
    /// Stands for every ACL where they are not wanted.
    no_acl: Arc<Acl>,
    rows: Slots<'a>,
    directories: Vec<Directory>,
    /// Directories so far, and files in the last of them.
    read: (usize, usize),
    files: u64,
}

/// How many ACLs are remembered. Packages have a handful.
const ACLS: usize = 1024;

/// The paths that were read.
pub(super) struct Paths {
    /// Empty where they were only looked at.
    pub(super) directories: Vec<Directory>,
    /// How many paths there are.
    pub(super) entries: u64,
}

impl<'f, 'a> Contents<'f, 'a> {
    /// With `keeps`, the paths are given. Without, they are looked at just so, and no memory is held for them.
    pub(super) fn new(fields: &'f mut Fields<'a>, keeps: bool) -> Self {
        let no_acl = Arc::new(Acl {
            mode: 0,
            user: String::new(),
            group: String::new(),
            xattrs: Vec::new(),
        });
        Self {
            fields,
            keeps,
            acls: HashMap::new(),
            no_acl,
            rows: Slots::default(),
            directories: Vec::new(),
            read: (0, 0),
            files: 0,
        }
    }

    /// Reads the array of directories.
    pub(super) fn read(mut self, value: Value) -> Result<Paths, PackageError> {
        let rows = self.fields.slots(value, size_of::<Directory>());
        self.rows = rows.map_err(|problem| PackageError::Field {
            field: "paths",
            problem,
        })?;
        let limit = self.fields.limits.paths;
        if self.rows.len() > limit {
            return Err(PackageError::TooMany {
                what: "directories",
                limit: limit as u64,
            });
        }
        let mut before = None;
        for row in self.rows.iter() {
            before = Some(self.directory(before, row)?);
        }
        Ok(Paths {
            directories: self.directories,
            entries: self.rows.len() as u64 + self.files,
        })
    }

    /// Reads the directory that comes after `before`. Gives its path.
    fn directory(
        &mut self,
        before: Option<&'a [u8]>,
        row: Value,
    ) -> Result<&'a [u8], PackageError> {
        let after = At(before.unwrap_or_default());
        let row = self.fields.object(row, directory::SLOTS);
        let row = row.map_err(after.field("path after it"))?;
        let path = self.bytes(row.value(directory::NAME));
        let path = path.map_err(after.field("name of the path after it"))?;
        let at = At(path);
        if !path.is_empty() {
            let limit = self.fields.limits.path;
            check_link_target(path, true, limit)
                .map_err(|problem| at.field("name")(problem.into()))?;
        }
        if before.is_some_and(|before| before >= path) {
            let problem = FieldError::Order(Quoted::new(path));
            return Err(at.field("name")(problem));
        }
        self.check_above(before.unwrap_or_default(), path)?;
        let acl = self
            .acl(row.value(directory::ACL))
            .map_err(at.field("acl"))?;
        let rows = self
            .fields
            .slots(row.value(directory::FILES), size_of::<File>());
        let rows = rows.map_err(at.field("files"))?;
        self.read = (self.read.0 + 1, 0);
        let mut files = Vec::with_capacity(if self.keeps { rows.len() } else { 0 });
        let mut before: Option<&[u8]> = None;
        for row in rows.iter() {
            let row = self
                .fields
                .object(row, file::SLOTS)
                .map_err(at.field("file"))?;
            let (name, file) = self.file(path, row)?;
            if before.is_some_and(|before| before >= name) {
                let problem = FieldError::Order(Quoted::new(name));
                return Err(at.field("files")(problem));
            }
            before = Some(name);
            self.read.1 += 1;
            if self.keeps {
                files.push(file);
            }
        }
        if self.keeps {
            self.directories.push(Directory {
                path: path.to_vec(),
                acl,
                files,
            });
        }
        Ok(path)
    }

    fn file(&mut self, directory: &[u8], row: Slots<'a>) -> Result<(&'a [u8], File), PackageError> {
        self.files += 1;
        let limit = self.fields.limits.data_entries;
        if self.files > limit {
            let what = "files";
            return Err(PackageError::TooMany { what, limit });
        }
        let name = self
            .bytes(row.value(file::NAME))
            .map_err(At(directory).field("file name"))?;
        let path = join(directory, name);
        let at = At(&path);
        check_link_target(&path, true, self.fields.limits.path)
            .map_err(FieldError::from)
            .and_then(|()| check_name(name))
            .map_err(at.field("name"))?;
        let hash = hash(self.fields.payload, row).map_err(at.field("hash"))?;
        let target = self
            .bytes(row.value(file::TARGET))
            .map_err(at.field("target"))?;
        let kind = self.kind(target).map_err(at.field("target"))?;
        if kind == FileKind::Regular && hash.is_none() {
            // apk: "ADB schema error" (`src/extract_v3.c`, `apk_extract_v3_file`).
            return Err(at.field("hash")(FieldError::Missing));
        }
        let file = File {
            acl: self.acl(row.value(file::ACL)).map_err(at.field("acl"))?,
            size: self
                .fields
                .number(row.value(file::SIZE))
                .map_err(at.field("size"))?,
            mtime: self
                .fields
                .number(row.value(file::MTIME))
                .map_err(at.field("mtime"))?,
            name: name.to_vec(),
            hash,
            kind,
        };
        check_empty(&path, &file)?;
        Ok((name, file))
    }

    fn kind(&self, target: &[u8]) -> Field<FileKind> {
        let Some((mode, rest)) = target.split_first_chunk::<2>() else {
            return match target {
                [] => Ok(FileKind::Regular),
                _ => Err(FieldError::Target(target.len())),
            };
        };
        let limit = self.fields.limits.path;
        let number = || match rest.try_into() {
            Ok(number) => Ok(u64::from_le_bytes(number)),
            Err(_) => Err(FieldError::Target(rest.len())),
        };
        // The bits of `st_mode` that are the type (POSIX `sys/stat.h`, as Linux numbers them).
        match u16::from_le_bytes(*mode) {
            0o100_000 => {
                check_link_target(rest, true, limit)?;
                if !self.is_file(rest) {
                    return Err(FieldError::HardLink(Quoted::new(rest)));
                }
                Ok(FileKind::HardLink(rest.to_vec()))
            }
            0o120_000 => {
                check_link_target(rest, false, limit)?;
                Ok(FileKind::SymbolicLink(rest.to_vec()))
            }
            0o060_000 => Ok(FileKind::BlockDevice(number()?)),
            0o020_000 => Ok(FileKind::CharacterDevice(number()?)),
            0o010_000 => number().map(|_| FileKind::Pipe),
            other => Err(FieldError::Kind(other)),
        }
    }

    /// Every directory on the way to this one, and it itself, is nothing else as well: apk fails in the middle of installing such a package.
    /// Those that are on the way to `before` too were looked at there.
    fn check_above(&self, before: &[u8], path: &[u8]) -> Result<(), PackageError> {
        let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let ends = slashes.map(|(slash, _)| slash).chain([path.len()]);
        for end in ends {
            let above = path.get(..end).unwrap_or(path);
            let known = before.strip_prefix(above);
            let is_known = known.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'));
            if !is_known && self.entry(above).is_some() {
                let path = Quoted::new(above);
                return Err(PackageError::FileAndDirectory { path });
            }
        }
        Ok(())
    }

    /// Whether a regular file of this path was read.
    fn is_file(&self, path: &[u8]) -> bool {
        self.entry(path).is_some_and(|row| {
            let target = self.fields.payload.blob(row.value(file::TARGET));
            target.is_ok_and(<[u8]>::is_empty)
        })
    }

    /// The file, link or device of this path that was read, if there is one. All are sorted.
    fn entry(&self, path: &[u8]) -> Option<Slots<'a>> {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let (directory, name) = match slash.and_then(|slash| path.split_at_checked(slash)) {
            Some((directory, name)) => (directory, name.get(1..).unwrap_or_default()),
            None => (b"".as_slice(), path),
        };
        let payload = self.fields.payload;
        let (directories, files) = self.read;
        let (place, row) = find(payload, self.rows, directories, directory::NAME, directory)?;
        let rows = payload.slots(row.value(directory::FILES)).ok()?;
        let read = if place + 1 == directories {
            files
        } else {
            rows.len()
        };
        find(payload, rows, read, file::NAME, name).map(|(_, row)| row)
    }

    fn acl(&mut self, value: Value) -> Field<Arc<Acl>> {
        if let Some(known) = self.acls.get(&value.word()) {
            return Ok(Arc::clone(known));
        }
        let row = self.fields.object(value, acl::SLOTS)?;
        let mode = self.fields.number(row.value(acl::MODE))?;
        let bits = u16::try_from(mode).ok().filter(|mode| *mode <= 0o7777);
        let user = self.fields.line(row.value(acl::USER))?;
        let group = self.fields.line(row.value(acl::GROUP))?;
        let rows = self
            .fields
            .slots(row.value(acl::XATTRS), size_of::<Xattr>())?;
        let mut xattrs = Vec::new();
        for xattr in rows.iter() {
            let (name, value) = self.xattr(xattr)?;
            if self.keeps {
                let (name, value) = (name.to_vec(), value.to_vec());
                xattrs.push(Xattr { name, value });
            }
        }
        let mode = bits.ok_or(FieldError::Mode(mode))?;
        let acl = if self.keeps {
            let (user, group) = (user.to_owned(), group.to_owned());
            Arc::new(Acl {
                mode,
                user,
                group,
                xattrs,
            })
        } else {
            Arc::clone(&self.no_acl)
        };
        self.fields.spend(size_of::<Acl>() * 2)?;
        if self.acls.len() == ACLS {
            self.acls.clear();
        }
        self.acls.insert(value.word(), Arc::clone(&acl));
        Ok(acl)
    }

    /// The name and the value.
    fn xattr(&mut self, value: Value) -> Field<(&'a [u8], &'a [u8])> {
        let bytes = self.bytes(value)?;
        let zero = bytes.iter().position(|byte| *byte == 0);
        let parts = zero.and_then(|zero| bytes.split_at_checked(zero));
        match parts {
            Some((name, value)) if !name.is_empty() => {
                Ok((name, value.get(1..).unwrap_or_default()))
            }
            _ => Err(FieldError::Xattr),
        }
    }

    /// Any bytes, none when absent. Their number is bounded by what may be spelled out.
    fn bytes(&mut self, value: Value) -> Field<&'a [u8]> {
        let bytes = self.fields.payload.blob(value)?;
        self.fields.spend(bytes.len())?;
        Ok(bytes)
    }
}

/// Finds the object whose blob in `slot` is `wanted`, among the first `most` of `rows`, which are sorted by it. Gives its place too.
fn find<'a>(
    payload: Payload<'a>,
    rows: Slots<'a>,
    most: usize,
    slot: usize,
    wanted: &[u8],
) -> Option<(usize, Slots<'a>)> {
    let (mut first, mut behind) = (0, most.min(rows.len()));
    while first < behind {
        let middle = first + (behind - first) / 2;
        let row = payload.slots(rows.value(middle + 1)).ok()?;
        match payload.blob(row.value(slot)).ok()?.cmp(wanted) {
            Ordering::Less => first = middle + 1,
            Ordering::Greater => behind = middle,
            Ordering::Equal => return Some((middle, row)),
        }
    }
    None
}

/// The hash of a file.
pub(super) fn hash(payload: Payload<'_>, row: Slots<'_>) -> Field<Option<ContentHash>> {
    let bytes = payload.blob(row.value(file::HASHES))?;
    match ContentHash::from_bytes(bytes) {
        None if !bytes.is_empty() => Err(FieldError::Digest(bytes.len())),
        hash => Ok(hash),
    }
}

/// An empty file has no data block, so apk never compares its hash.
fn check_empty(path: &[u8], file: &File) -> Result<(), PackageError> {
    let is_empty = file.kind == FileKind::Regular && file.size == 0;
    match file.hash {
        Some(hash) if is_empty && hash.hasher().finish().as_ref() != hash.as_bytes() => {
            let path = Quoted::new(path);
            Err(PackageError::Hash { path })
        }
        _ => Ok(()),
    }
}

fn check_name(name: &[u8]) -> Field<()> {
    if name.is_empty() {
        return Err(FieldError::Missing);
    }
    if name.contains(&b'/') {
        return Err(FieldError::Slash);
    }
    Ok(())
}

/// Says where an error is: at this path.
#[derive(Clone, Copy)]
struct At<'p>(&'p [u8]);

impl<'p> At<'p> {
    fn field(self, field: &'static str) -> impl FnOnce(FieldError) -> PackageError + use<'p> {
        move |problem| PackageError::Path {
            // The root has no name.
            path: Quoted::new(if self.0.is_empty() {
                b"/".as_slice()
            } else {
                self.0
            }),
            field,
            problem,
        }
    }
}
