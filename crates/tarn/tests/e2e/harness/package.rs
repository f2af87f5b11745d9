//! Packages for the tests, made by hand, so that a fault of the product's own builder cannot hide one of its reader.

use std::{
    fs,
    path::{Path, PathBuf},
};

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::tar;

/// A package of apk v2, unsigned: apk checks what comes out of a signed index by its `C:`.
#[derive(Clone)]
pub(crate) struct Package {
    name: String,
    version: String,
    arch: String,
    fields: String,
    usual: Option<String>,
    pkginfo: Option<Vec<u8>>,
    files: Vec<(String, Vec<u8>)>,
    links: Vec<(String, String)>,
    scripts: Vec<(String, String)>,
}

impl Package {
    /// A package for `x86_64` with one small file, `usr/share/tarn/NAME`, that holds the version.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "x86_64".to_owned(),
            fields: String::new(),
            usual: None,
            pkginfo: None,
            files: vec![(format!("usr/share/tarn/{name}"), version.into())],
            links: Vec::new(),
            scripts: Vec::new(),
        }
    }

    pub(crate) fn arch(mut self, arch: &str) -> Self {
        arch.clone_into(&mut self.arch);
        self
    }

    /// One more line of PKGINFO.
    pub(crate) fn field(mut self, key: &str, value: &str) -> Self {
        self.fields.push_str(&format!("{key} = {value}\n"));
        self
    }

    /// The whole PKGINFO but its last line, the datahash, which is added unless it is there.
    pub(crate) fn pkginfo(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.pkginfo = Some(text.into());
        self
    }

    /// What PKGINFO says but for further fields and the datahash; `ARCH` in it is the architecture.
    pub(crate) fn usual(mut self, text: &str) -> Self {
        self.usual = Some(text.to_owned());
        self
    }

    pub(crate) fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.push((path.to_owned(), content.into()));
        self
    }

    /// A symbolic link in a folder that a file is in, too.
    pub(crate) fn symbolic_link(mut self, path: &str, target: &str) -> Self {
        self.links.push((path.to_owned(), target.to_owned()));
        self
    }

    /// A script of the control section, such as `.post-install`.
    pub(crate) fn script(mut self, name: &str, text: &str) -> Self {
        self.scripts.push((name.to_owned(), text.to_owned()));
        self
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let data = tar::gzip(&self.data_archive(), 1);
        let hash = hex(&Sha256::digest(&data));
        let mut bytes = self.control_section(&hash);
        bytes.extend_from_slice(&data);
        bytes
    }

    /// Writes the package into `folder` under its own name.
    pub(crate) fn write_into(&self, folder: &Path) -> PathBuf {
        let path = folder.join(self.file_name());
        fs::write(&path, self.bytes()).unwrap();
        path
    }

    /// The control section of a package whose data section has the SHA-256 `datahash`, in hex.
    pub(crate) fn control_section(&self, datahash: &str) -> Vec<u8> {
        let mut info = self.pkginfo.clone();
        let info = info.get_or_insert_with(|| self.usual_pkginfo().into_bytes());
        if !String::from_utf8_lossy(info).contains("datahash = ") {
            info.extend_from_slice(format!("datahash = {datahash}\n").as_bytes());
        }
        // A control section has no end-of-archive: apk reads on into the data section.
        let mut archive = tar::entry(".PKGINFO", b'0', 0o644, info);
        for (name, text) in &self.scripts {
            archive.extend(tar::entry(name, b'0', 0o755, text.as_bytes()));
        }
        tar::gzip(&archive, 6)
    }

    fn usual_pkginfo(&self) -> String {
        if let Some(text) = &self.usual {
            return format!("{}{}", text.replace("ARCH", &self.arch), self.fields);
        }
        let size: usize = self.files.iter().map(|(_, content)| content.len()).sum();
        format!(
            "# Made for a test\npkgname = {name}\npkgver = {version}\npkgdesc = The package {name} of a test\n\
             url = https://example.org/{name}\nbuilddate = 1700000000\npackager = Test <test@example.org>\n\
             size = {size}\narch = {arch}\norigin = {name}\nmaintainer = Test <test@example.org>\n\
             license = MIT\n{fields}",
            name = self.name,
            version = self.version,
            arch = self.arch,
            fields = self.fields,
        )
    }

    fn data_archive(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        let mut folders = Vec::new();
        for (path, content) in &self.files {
            // apk installs a file only into a folder that the archive has named before.
            let parents: Vec<&Path> = Path::new(path).ancestors().skip(1).collect();
            for folder in parents.iter().rev().filter_map(|folder| folder.to_str()) {
                if !folder.is_empty() && !folders.iter().any(|known| known == folder) {
                    archive.extend(tar::entry(folder, b'5', 0o755, b""));
                    folders.push(folder.to_owned());
                }
            }
            archive.extend(tar::checksum(&hex(&Sha1::digest(content))));
            archive.extend(tar::entry(path, b'0', 0o755, content));
        }
        for (path, target) in &self.links {
            archive.extend(tar::checksum(&hex(&Sha1::digest(target))));
            archive.extend(tar::symbolic_link(path, target));
        }
        archive.resize(archive.len() + 1024, 0);
        archive
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
