//! v2 packages.
//!
//! What comes out is the same bytes every time. Every rule of the format can be broken on request.

mod data;

use apk::{
    sign::{Algorithm, KeyName, SigningKey},
    v2::{
        gzip::{MemberWriter, compress_member},
        package::Script,
        signature::write_member,
        tar::{END_OF_ARCHIVE, EntryHeader, padding},
    },
};
use sha2::{Digest, Sha256};

use self::data::Data;

/// Makes one package. Without further calls it is a valid one, unsigned, of architecture `x86_64`, with one small file.
///
/// # Examples
///
/// ```
/// # use apk_testkit::v2::PackageBuilder;
/// let file = PackageBuilder::new("hello", "1.0-r0")
///     .field("depend", "so:libc.musl-x86_64.so.1")
///     .file("usr/bin/hello", b"#!/bin/sh\necho hello\n")
///     .build();
/// assert!(file.starts_with(&[0x1f, 0x8b]));
/// ```
#[derive(Debug, Clone)]
pub struct PackageBuilder {
    fields: Vec<(String, String)>,
    raw_pkginfo: Option<Vec<u8>>,
    wrong_data_hash: bool,
    control: Vec<(String, Vec<u8>)>,
    raw_control: Vec<u8>,
    control_end_of_archive: bool,
    data: Data,
    signers: Vec<Signer>,
    trailing: Vec<u8>,
    level: u32,
}

#[derive(Debug, Clone)]
enum Signer {
    Key(Algorithm, KeyName, Box<SigningKey>),
    Entry(String, Vec<u8>),
}

/// The parts of a package, to be put together otherwise than they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sections {
    /// The signature member; no bytes without a signature.
    pub signature: Vec<u8>,
    /// The control member.
    pub control: Vec<u8>,
    /// The data member.
    pub data: Vec<u8>,
}

/// Where [`PackageBuilder::raw_pkginfo`] wants the datahash.
const DATA_HASH_MARK: &[u8] = b"@DATAHASH@";

impl PackageBuilder {
    /// A package of this name and version.
    pub fn new(name: &str, version: &str) -> Self {
        let fields = [
            ("pkgname", name),
            ("pkgver", version),
            ("pkgdesc", "A package for tests"),
            ("url", "https://example.org/"),
            ("builddate", "1700000000"),
            ("packager", "Tests <tests@example.org>"),
            ("size", ""),
            ("arch", "x86_64"),
            ("origin", name),
            ("license", "MIT"),
        ];
        Self {
            fields: fields
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
            raw_pkginfo: None,
            wrong_data_hash: false,
            control: Vec::new(),
            raw_control: Vec::new(),
            control_end_of_archive: false,
            data: Data::default(),
            signers: Vec::new(),
            trailing: Vec::new(),
            level: 6,
        }
    }

    /// Sets the architecture.
    #[must_use]
    pub fn arch(self, arch: &str) -> Self {
        self.without("arch").field("arch", arch)
    }

    /// Adds a line to `.PKGINFO`, after those that are there.
    #[must_use]
    pub fn field(mut self, key: &str, value: &str) -> Self {
        self.fields.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Takes every line with this key out of `.PKGINFO`.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        self.fields.retain(|(known, _)| known != key);
        self
    }

    /// Writes these bytes as `.PKGINFO`. `@DATAHASH@` in them becomes the right datahash.
    #[must_use]
    pub fn raw_pkginfo(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.raw_pkginfo = Some(bytes.into());
        self
    }

    /// Writes a datahash that is not that of the data section.
    #[must_use]
    pub fn wrong_data_hash(mut self) -> Self {
        self.wrong_data_hash = true;
        self
    }

    /// Adds a script.
    #[must_use]
    pub fn script(self, script: Script, text: &str) -> Self {
        self.control_entry(&format!(".{script}"), text.as_bytes())
    }

    /// Adds any file to the control section, after `.PKGINFO`.
    #[must_use]
    pub fn control_entry(mut self, name: &str, content: &[u8]) -> Self {
        self.control.push((name.to_owned(), content.to_vec()));
        self
    }

    /// Adds bytes to the tar of the control section as they are, after all its entries.
    #[must_use]
    pub fn raw_control(mut self, bytes: &[u8]) -> Self {
        self.raw_control.extend_from_slice(bytes);
        self
    }

    /// Ends the control section with an end-of-archive, as plain `tar` would.
    #[must_use]
    pub fn control_end_of_archive(mut self) -> Self {
        self.control_end_of_archive = true;
        self
    }

    /// Adds a file to the data section, and the folders above it.
    #[must_use]
    pub fn file(mut self, path: &str, content: &[u8]) -> Self {
        self.data.file(path, content);
        self
    }

    /// Adds a file of `size` bytes that do not compress, the same every time. They are made while writing.
    #[must_use]
    pub fn random_file(mut self, path: &str, size: u64) -> Self {
        self.data.random_file(path, size);
        self
    }

    /// Adds a directory, and those above it.
    #[must_use]
    pub fn directory(mut self, path: &str) -> Self {
        self.data.directory(path);
        self
    }

    /// Adds a symbolic link, and the folders above it.
    #[must_use]
    pub fn symbolic_link(mut self, path: &str, target: &str) -> Self {
        self.data.symbolic_link(path, target);
        self
    }

    /// Adds bytes to the tar of the data section as they are: headers of any kind, and what should follow them.
    #[must_use]
    pub fn raw_data(mut self, bytes: &[u8]) -> Self {
        self.data.raw(bytes);
        self
    }

    /// Leaves the data section without any file.
    #[must_use]
    pub fn no_files(mut self) -> Self {
        self.data.no_files();
        self
    }

    /// Signs with SHA-256.
    #[must_use]
    pub fn sign(mut self, name: &KeyName, key: &SigningKey) -> Self {
        self.signers.push(Signer::Key(
            Algorithm::Rsa256,
            name.clone(),
            Box::new(key.clone()),
        ));
        self
    }

    /// Signs with SHA-512.
    #[must_use]
    pub fn sign_rsa512(mut self, name: &KeyName, key: &SigningKey) -> Self {
        self.signers.push(Signer::Key(
            Algorithm::Rsa512,
            name.clone(),
            Box::new(key.clone()),
        ));
        self
    }

    /// Adds any entry to the signature section, e.g. `.SIGN.RSA.a.rsa.pub`.
    #[must_use]
    pub fn signature_entry(mut self, name: &str, content: &[u8]) -> Self {
        self.signers
            .push(Signer::Entry(name.to_owned(), content.to_vec()));
        self
    }

    /// Adds bytes after the data section.
    #[must_use]
    pub fn trailing(mut self, bytes: &[u8]) -> Self {
        self.trailing.extend_from_slice(bytes);
        self
    }

    /// Compresses at this level, 0 to 9. Without a call: 6.
    #[must_use]
    pub fn level(mut self, level: u32) -> Self {
        self.level = level;
        self
    }

    /// The package.
    pub fn build(&self) -> Vec<u8> {
        let Sections {
            signature,
            control,
            data,
        } = self.sections();
        [signature, control, data, self.trailing.clone()].concat()
    }

    /// The package in its parts, without the trailing bytes.
    pub fn sections(&self) -> Sections {
        let mut data = Vec::new();
        let Ok(()) = self.write_data(&mut |bytes| {
            data.extend_from_slice(bytes);
            Ok::<(), std::convert::Infallible>(())
        });
        let (signature, control) = self.front(Sha256::digest(&data).into());
        Sections {
            signature,
            control,
            data,
        }
    }

    /// Writes the package to `sink` piece by piece. The data section is made twice, once for its hash; nothing of it is
    /// kept.
    pub fn write_to<E>(&self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut hasher = Sha256::new();
        let Ok(()) = self.write_data(&mut |bytes| {
            hasher.update(bytes);
            Ok::<(), std::convert::Infallible>(())
        });
        let (signature, control) = self.front(hasher.finalize().into());
        sink(&signature)?;
        sink(&control)?;
        self.write_data(sink)?;
        sink(&self.trailing)
    }

    fn write_data<E>(&self, sink: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut member = MemberWriter::new(self.level);
        self.data.write(&mut |bytes| member.write(bytes, sink))?;
        member.finish(sink)
    }

    /// The signature and the control member.
    fn front(&self, data_hash: [u8; 32]) -> (Vec<u8>, Vec<u8>) {
        let mut tar = Vec::new();
        let pkginfo = [(".PKGINFO".to_owned(), self.pkginfo(data_hash))];
        for (name, content) in pkginfo.iter().chain(&self.control) {
            let size = content.len() as u64;
            tar.extend(EntryHeader::file(name.as_bytes(), size, 0).to_bytes());
            tar.extend_from_slice(content);
            tar.extend_from_slice(padding(size));
        }
        tar.extend_from_slice(&self.raw_control);
        if self.control_end_of_archive {
            tar.extend_from_slice(&END_OF_ARCHIVE);
        }
        let control = compress_member([tar.as_slice()], self.level);
        (self.signature(&control), control)
    }

    fn signature(&self, control: &[u8]) -> Vec<u8> {
        if self.signers.is_empty() {
            return Vec::new();
        }
        let entry = |signer: &Signer| match signer {
            Signer::Key(algorithm, name, key) => {
                // An empty signature, should the library fail, makes whatever test this is for fail.
                (
                    name.entry_name(*algorithm),
                    key.sign_with(*algorithm, control).unwrap_or_default(),
                )
            }
            Signer::Entry(name, content) => (name.clone(), content.clone()),
        };
        write_member(&self.signers.iter().map(entry).collect::<Vec<_>>())
    }

    fn pkginfo(&self, mut data_hash: [u8; 32]) -> Vec<u8> {
        if self.wrong_data_hash {
            data_hash = Sha256::digest(data_hash).into();
        }
        let data_hash: String = data_hash.iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(raw) = &self.raw_pkginfo {
            let mut text = raw.clone();
            let marked = raw
                .windows(DATA_HASH_MARK.len())
                .position(|window| window == DATA_HASH_MARK);
            if let Some(start) = marked {
                text.splice(start..start + DATA_HASH_MARK.len(), data_hash.bytes());
            }
            return text;
        }
        let mut text = String::from("# Made for a test\n");
        for (key, value) in &self.fields {
            let size = self.data.installed_size().to_string();
            let value = if key == "size" && value.is_empty() {
                &size
            } else {
                value
            };
            text.push_str(&format!("{key} = {value}\n"));
        }
        if !self.fields.iter().any(|(key, _)| key == "datahash") {
            text.push_str(&format!("datahash = {data_hash}\n"));
        }
        text.into_bytes()
    }
}
