//! v3 packages, made by the real apk.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::apk::bare;

/// A package of apk v3, put together piece by piece and built by `apk mkpkg`.
pub(crate) struct Mkpkg {
    name: String,
    version: String,
    arguments: Vec<String>,
    scratch: TempDir,
}

impl Mkpkg {
    /// A package for `x86_64` with one small file, `usr/share/tarn/NAME`, that holds the version.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self::of_arch(name, version, "x86_64")
    }

    pub(crate) fn of_arch(name: &str, version: &str, arch: &str) -> Self {
        let new = Self {
            name: name.to_owned(),
            version: version.to_owned(),
            arguments: Vec::new(),
            scratch: TempDir::new().unwrap(),
        };
        fs::create_dir(new.files()).unwrap();
        new.info("name", name)
            .info("version", version)
            .info("arch", arch)
            .info("description", &format!("The package {name} of a test"))
            .info("license", "MIT")
            .info("origin", name)
            .info("url", "https://example.org/")
            .info("build-time", "1700000000")
            .file(&format!("usr/share/tarn/{name}"), version.as_bytes())
    }

    fn files(&self) -> PathBuf {
        self.scratch.path().join("files")
    }

    pub(crate) fn argument(mut self, option: &str, value: &str) -> Self {
        self.arguments.extend([option.to_owned(), value.to_owned()]);
        self
    }

    /// A field, as `apk mkpkg --info` calls it.
    pub(crate) fn info(self, field: &str, value: &str) -> Self {
        self.argument("--info", &format!("{field}:{value}"))
    }

    pub(crate) fn file(self, path: &str, content: &[u8]) -> Self {
        let path = self.files().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        fs::create_dir_all(self.files().join(path)).unwrap();
        self
    }

    pub(crate) fn symbolic_link(self, path: &str, target: &str) -> Self {
        symlink(target, self.files().join(path)).unwrap();
        self
    }

    pub(crate) fn hard_link(self, path: &str, target: &str) -> Self {
        fs::hard_link(self.files().join(target), self.files().join(path)).unwrap();
        self
    }

    /// An extended attribute of a file, where the file system takes one.
    pub(crate) fn attribute(self, path: &str, name: &str, value: &[u8]) -> Self {
        let path = self.files().join(path);
        let flags = rustix::fs::XattrFlags::empty();
        let _ = rustix::fs::setxattr(path, name, value, flags);
        self
    }

    /// A script such as `post-install`.
    pub(crate) fn script(self, kind: &str, text: &str) -> Self {
        let path = self.scratch.path().join(kind);
        fs::write(&path, text).unwrap();
        let value = format!("{kind}:{}", path.display());
        self.argument("--script", &value)
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.version)
    }

    /// Builds it into `folder`, under its own name.
    pub(crate) fn write_into(&self, alpine: &Path, folder: &Path) -> PathBuf {
        self.try_write_into(alpine, folder)
            .unwrap_or_else(|said| panic!("apk mkpkg {:?}: {said}", self.arguments))
    }

    /// The same, or what apk says where it does not build it.
    fn try_write_into(&self, alpine: &Path, folder: &Path) -> Result<PathBuf, String> {
        let path = folder.join(self.file_name());
        let (files, target) = (self.files(), path.to_str().unwrap());
        let mut arguments = vec!["mkpkg", "--files", files.to_str().unwrap(), "--output"];
        arguments.push(target);
        arguments.extend(self.arguments.iter().map(String::as_str));
        let run = bare(alpine, &arguments);
        if run.success {
            Ok(path)
        } else {
            Err(run.output)
        }
    }

    /// The bytes of it, or what apk says where it does not build it.
    pub(crate) fn try_bytes(&self, alpine: &Path) -> Result<Vec<u8>, String> {
        let path = self.try_write_into(alpine, self.scratch.path())?;
        Ok(fs::read(path).unwrap())
    }

    /// The bytes of it.
    pub(crate) fn bytes(&self, alpine: &Path) -> Vec<u8> {
        self.try_bytes(alpine)
            .unwrap_or_else(|said| panic!("apk mkpkg {:?}: {said}", self.arguments))
    }
}
