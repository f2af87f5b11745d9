//! v3 packages. What comes out is the same bytes every time.

use std::{collections::BTreeMap, num::ParseIntError};

use apk::{
    acl::Acl,
    dependency::Dependency,
    script::Script,
    sign::SigningKey,
    v3::{
        block::{self, BlockKind},
        container::{self, Compression},
        dependency::write_list,
        index::WriteError,
        schema::{Schema, acl, directory, file, package, package_file, scripts},
        signature::{self, PayloadDigest},
        value::Value,
        writer::{PayloadFull, Writer},
    },
};
use sha2::{Digest, Sha256};

/// A file of the reject corpus: the bytes of a package or an index in hexadecimal, `#` and a comment, `!` and the text of the refusal.
///
/// # Errors
///
/// What is no hexadecimal number of a byte.
pub fn reject_case(case: &str) -> Result<(Vec<u8>, &str), ParseIntError> {
    let (mut bytes, mut expected) = (Vec::new(), "");
    for line in case.lines() {
        if let Some(text) = line.strip_prefix("! ") {
            expected = text;
            continue;
        }
        let (hex, _) = line.split_once('#').unwrap_or((line, ""));
        for byte in hex.split_whitespace() {
            bytes.push(u8::from_str_radix(byte, 16)?);
        }
    }
    Ok((bytes, expected))
}

/// A record of an index: the package that has these texts in its slots of [`package`], and nothing else.
///
/// # Errors
///
/// [`PayloadFull`] over 256 MiB.
pub fn record(texts: &[(usize, &str)]) -> Result<Vec<u8>, PayloadFull> {
    let mut writer = Writer::new();
    let mut values = BTreeMap::new();
    for (slot, text) in texts {
        values.insert(*slot, writer.blob(text.as_bytes())?);
    }
    let root = write_object(&mut writer, package::SLOTS, &values)?;
    Ok(writer.finish(root))
}

/// Makes one package as `apk mkpkg` does. Without further calls it is a valid one, unsigned, of architecture `x86_64`, without
/// files.
///
/// # Examples
///
/// ```
/// # use apk_testkit::v3::PackageBuilder;
/// let file = PackageBuilder::new("hello", "1.0-r0")
///     .file("usr/bin/hello", b"#!/bin/sh\necho hello\n")
///     .build()?;
/// assert!(file.starts_with(b"ADBd"));
/// # Ok::<(), apk::v3::index::WriteError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PackageBuilder {
    texts: BTreeMap<usize, String>,
    numbers: BTreeMap<usize, u64>,
    lists: BTreeMap<usize, Vec<Dependency>>,
    tags: Vec<String>,
    directories: BTreeMap<String, BTreeMap<String, Entry>>,
    acls: BTreeMap<String, Acl>,
    scripts: BTreeMap<usize, Vec<u8>>,
    triggers: Vec<String>,
    replaces_priority: u64,
    keys: Vec<SigningKey>,
    compression: Compression,
    level: Option<u8>,
}

#[derive(Debug, Clone)]
enum Entry {
    File(Vec<u8>),
    /// Two bytes of `st_mode`, and what they are followed by.
    Other(Vec<u8>),
}

impl PackageBuilder {
    /// A package of this name and version.
    pub fn new(name: &str, version: &str) -> Self {
        let texts = [
            (package::NAME, name),
            (package::VERSION, version),
            (package::DESCRIPTION, "A package for tests"),
            (package::ARCH, "x86_64"),
            (package::LICENSE, "MIT"),
            (package::ORIGIN, name),
            (package::URL, "https://example.org/"),
        ];
        let texts = texts.map(|(slot, text)| (slot, text.to_owned()));
        Self {
            texts: BTreeMap::from(texts),
            numbers: BTreeMap::from([(package::BUILD_TIME, 1_700_000_000)]),
            lists: BTreeMap::new(),
            tags: Vec::new(),
            directories: BTreeMap::new(),
            acls: BTreeMap::new(),
            scripts: BTreeMap::new(),
            triggers: Vec::new(),
            replaces_priority: 0,
            keys: Vec::new(),
            compression: Compression::Deflate,
            level: None,
        }
    }

    /// Sets a text field: one of the slots of [`package`].
    #[must_use]
    pub fn text(mut self, slot: usize, text: &str) -> Self {
        self.texts.insert(slot, text.to_owned());
        self
    }

    /// Sets a number field: one of the slots of [`package`].
    #[must_use]
    pub fn number(mut self, slot: usize, number: u64) -> Self {
        self.numbers.insert(slot, number);
        self
    }

    /// Sets a list of dependencies: one of the slots of [`package`].
    #[must_use]
    pub fn list(mut self, slot: usize, dependencies: &[Dependency]) -> Self {
        self.lists.insert(slot, dependencies.to_vec());
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: &str) -> Self {
        self.tags.push(tag.to_owned());
        self
    }

    /// Sets `replaces-priority`.
    #[must_use]
    pub fn replaces_priority(mut self, priority: u64) -> Self {
        self.replaces_priority = priority;
        self
    }

    /// Adds a directory.
    #[must_use]
    pub fn directory(mut self, path: &str) -> Self {
        self.directories.entry(path.to_owned()).or_default();
        self
    }

    /// Adds a regular file with mode 755.
    #[must_use]
    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(path, Entry::File(content.to_vec()))
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symbolic_link(self, path: &str, target: &str) -> Self {
        self.other(path, 0o120_000, target.as_bytes())
    }

    /// Adds a hard link to a file of the package.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.other(path, 0o100_000, target.as_bytes())
    }

    /// Adds a character device.
    #[must_use]
    pub fn character_device(self, path: &str, number: u64) -> Self {
        self.other(path, 0o020_000, &number.to_le_bytes())
    }

    /// Adds what has this type in `st_mode`, with these bytes behind it.
    #[must_use]
    pub fn other(self, path: &str, mode: u16, target: &[u8]) -> Self {
        let target = [mode.to_le_bytes().as_slice(), target].concat();
        self.entry(path, Entry::Other(target))
    }

    fn entry(mut self, path: &str, entry: Entry) -> Self {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let files = self.directories.entry(directory.to_owned()).or_default();
        files.insert(name.to_owned(), entry);
        self
    }

    /// Sets who the path belongs to, and who may do what with it.
    #[must_use]
    pub fn acl(mut self, path: &str, acl: Acl) -> Self {
        self.acls.insert(path.to_owned(), acl);
        self
    }

    /// Adds a script.
    #[must_use]
    pub fn script(mut self, script: Script, text: &str) -> Self {
        let place = scripts::ORDER.iter().position(|one| *one == script);
        self.scripts
            .insert(place.unwrap_or_default(), text.as_bytes().to_vec());
        self
    }

    /// Adds a directory whose change runs the trigger script.
    #[must_use]
    pub fn trigger(mut self, directory: &str) -> Self {
        self.triggers.push(directory.to_owned());
        self
    }

    /// Signs it, once more.
    #[must_use]
    pub fn sign(mut self, key: &SigningKey) -> Self {
        self.keys.push(key.clone());
        self
    }

    /// Sets the compression, deflate without a call.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Compresses at this level, and writes it down.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = Some(level);
        self
    }

    /// The file.
    ///
    /// # Errors
    ///
    /// [`WriteError`]: over 256 MiB, or a key that does not sign.
    pub fn build(&self) -> Result<Vec<u8>, WriteError> {
        let database = self.database()?;
        let mut unpacked = container::start(Schema::Package);
        block::write(&mut unpacked, BlockKind::Adb, &database)?;
        if !self.keys.is_empty() {
            let digest = PayloadDigest::of(Schema::Package, &database);
            let keys: Vec<&SigningKey> = self.keys.iter().collect();
            signature::append(&mut unpacked, &digest, &keys)?;
        }
        for (files, directory) in self.directories.values().zip(1_u32..) {
            for (entry, file) in files.values().zip(1_u32..) {
                if let Entry::File(content) = entry
                    && !content.is_empty()
                {
                    let head = [directory.to_le_bytes(), file.to_le_bytes()].concat();
                    let data = [head.as_slice(), content].concat();
                    block::write(&mut unpacked, BlockKind::Data, &data)?;
                }
            }
        }
        Ok(match self.level {
            Some(level) => container::pack_at(&unpacked, self.compression, level)?,
            None => container::pack(unpacked, self.compression)?,
        })
    }

    /// What is in the ADB block.
    ///
    /// # Errors
    ///
    /// [`PayloadFull`] over 256 MiB.
    pub fn database(&self) -> Result<Vec<u8>, PayloadFull> {
        let mut writer = Writer::new();
        let mut fields = [Value::NULL; package_file::SLOTS - 1];
        fields[package_file::INFO - 1] = self.info(&mut writer)?;
        let mut paths = Vec::new();
        for (path, files) in &self.directories {
            paths.push(self.write_directory(&mut writer, path, files)?);
        }
        fields[package_file::PATHS - 1] = writer.array(&paths)?;
        let mut slots = [Value::NULL; scripts::SLOTS - 1];
        for (slot, place) in slots.iter_mut().zip(0..) {
            if let Some(text) = self.scripts.get(&place) {
                *slot = writer.blob(text)?;
            }
        }
        fields[package_file::SCRIPTS - 1] = writer.object(&slots)?;
        fields[package_file::TRIGGERS - 1] = write_lines(&mut writer, &self.triggers)?;
        if self.replaces_priority != 0 {
            fields[package_file::REPLACES_PRIORITY - 1] = writer.integer(self.replaces_priority)?;
        }
        let root = writer.object(&fields)?;
        Ok(writer.finish(root))
    }

    fn info(&self, writer: &mut Writer) -> Result<Value, PayloadFull> {
        let mut fields: BTreeMap<usize, Value> = BTreeMap::new();
        for (slot, text) in &self.texts {
            fields.insert(*slot, writer.blob(text.as_bytes())?);
        }
        let content = self.directories.values().flat_map(BTreeMap::values);
        let size: usize = content
            .map(|entry| match entry {
                Entry::File(content) => content.len(),
                Entry::Other(_) => 0,
            })
            .sum();
        let is_virtual = self.directories.is_empty() && self.scripts.is_empty();
        let size = if is_virtual { 0 } else { size.max(1) };
        fields.insert(package::INSTALLED_SIZE, writer.integer(size as u64)?);
        for (slot, number) in &self.numbers {
            fields.insert(*slot, writer.integer(*number)?);
        }
        for (slot, list) in &self.lists {
            fields.insert(*slot, write_list(writer, list)?);
        }
        fields.insert(package::TAGS, write_lines(writer, &self.tags)?);
        write_object(writer, package::SLOTS, &fields)
    }

    fn write_acl(&self, writer: &mut Writer, path: &str) -> Result<Value, PayloadFull> {
        let of_root = Acl {
            mode: 0o755,
            user: "root".to_owned(),
            group: "root".to_owned(),
            xattrs: Vec::new(),
        };
        let acl = self.acls.get(path).unwrap_or(&of_root);
        let mut fields = [Value::NULL; acl::SLOTS - 1];
        fields[acl::MODE - 1] = writer.integer(acl.mode.into())?;
        fields[acl::USER - 1] = writer.blob(acl.user.as_bytes())?;
        fields[acl::GROUP - 1] = writer.blob(acl.group.as_bytes())?;
        let xattrs: Result<Vec<Value>, PayloadFull> = acl
            .xattrs
            .iter()
            .map(|xattr| writer.blob(&[&xattr.name[..], b"\0", &xattr.value].concat()))
            .collect();
        fields[acl::XATTRS - 1] = writer.array(&xattrs?)?;
        writer.object(&fields)
    }

    fn write_directory(
        &self,
        writer: &mut Writer,
        path: &str,
        files: &BTreeMap<String, Entry>,
    ) -> Result<Value, PayloadFull> {
        let mut fields = [Value::NULL; directory::SLOTS - 1];
        fields[directory::NAME - 1] = writer.blob(path.as_bytes())?;
        fields[directory::ACL - 1] = self.write_acl(writer, path)?;
        let mut rows = Vec::new();
        for (name, entry) in files {
            rows.push(self.write_file(writer, path, name, entry)?);
        }
        fields[directory::FILES - 1] = writer.array(&rows)?;
        writer.object(&fields)
    }

    fn write_file(
        &self,
        writer: &mut Writer,
        directory: &str,
        name: &str,
        entry: &Entry,
    ) -> Result<Value, PayloadFull> {
        let mut fields = [Value::NULL; file::SLOTS - 1];
        fields[file::NAME - 1] = writer.blob(name.as_bytes())?;
        fields[file::ACL - 1] = self.write_acl(writer, &format!("{directory}/{name}"))?;
        fields[file::MTIME - 1] = writer.integer(1_700_000_000)?;
        match entry {
            Entry::File(content) => {
                fields[file::SIZE - 1] = writer.integer(content.len() as u64)?;
                fields[file::HASHES - 1] = writer.blob(&Sha256::digest(content))?;
            }
            Entry::Other(target) => fields[file::TARGET - 1] = writer.blob(target)?,
        }
        writer.object(&fields)
    }
}

fn write_object(
    writer: &mut Writer,
    slots: usize,
    values: &BTreeMap<usize, Value>,
) -> Result<Value, PayloadFull> {
    let value = |slot| values.get(&slot).copied().unwrap_or(Value::NULL);
    writer.object(&(1..slots).map(value).collect::<Vec<_>>())
}

fn write_lines(writer: &mut Writer, lines: &[String]) -> Result<Value, PayloadFull> {
    let values: Result<Vec<Value>, PayloadFull> = lines
        .iter()
        .map(|line| writer.blob(line.as_bytes()))
        .collect();
    writer.array(&values?)
}
