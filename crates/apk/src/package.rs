//! Packages of either format, distinguished by their first bytes.

use thiserror::Error;

use crate::{
    digest::PackageHash,
    facts::PackageFacts,
    limits::Limits,
    memory::Memory,
    sign::{KeyName, PublicKey},
    v2, v3,
};

/// A package that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Package {
    /// gzip and tar.
    V2(Box<v2::package::Package>),
    /// An ADB file.
    V3(Box<v3::package::Package>),
}

/// A signature of a package, as it names itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PackageSignature {
    /// `RSA`, `RSA256` and the like in v2. In v3 the hash, `SHA512`: RSA or ECDSA, that is for the key to say.
    pub algorithm: &'static str,
    /// The file name of the key in v2, its identifier in hexadecimal in v3.
    pub key: String,
}

impl Package {
    /// What it says of itself.
    pub fn facts(&self) -> &PackageFacts {
        match self {
            Self::V2(package) => &package.facts,
            Self::V3(package) => &package.facts,
        }
    }

    /// The same, and the rest is dropped.
    pub fn into_facts(self) -> PackageFacts {
        match self {
            Self::V2(package) => package.facts,
            Self::V3(package) => package.facts,
        }
    }

    /// What apk checks a download with.
    pub fn hash(&self) -> PackageHash {
        match self {
            Self::V2(package) => PackageHash::Identity(package.identity),
            Self::V3(package) => package.hash,
        }
    }

    /// Bytes of the whole file.
    pub fn size(&self) -> u64 {
        match self {
            Self::V2(package) => package.size,
            Self::V3(package) => package.size,
        }
    }

    /// Its signatures, unverified, in the order of the file. Those of a v3 package that apk does not know are left out.
    pub fn signatures(&self) -> Vec<PackageSignature> {
        match self {
            Self::V2(package) => package
                .signatures
                .iter()
                .map(|signature| PackageSignature {
                    algorithm: signature.algorithm.as_str(),
                    key: signature.key_name.clone(),
                })
                .collect(),
            Self::V3(package) => package
                .signed_by()
                .map(|key| PackageSignature {
                    algorithm: "SHA512",
                    key: key.to_string(),
                })
                .collect(),
        }
    }

    /// Whether one of its signatures is by this key. Of a v2 package it has to be under this name, too, which a v3 package
    /// has not.
    pub fn is_signed_by(&self, name: &KeyName, key: &PublicKey) -> bool {
        match self {
            Self::V2(package) => package.is_signed_by(name, key),
            Self::V3(package) => package.is_signed_by(key),
        }
    }
}

/// Why bytes are no package.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackageError {
    /// As one of v2, or as none at all.
    #[error(transparent)]
    V2(#[from] v2::package::PackageError),
    /// As one of v3.
    #[error(transparent)]
    V3(#[from] v3::package::PackageError),
}

impl PackageError {
    /// Whether it is over a bound of the reader's own ([`crate::limits::Limits`]), where apk has none or a wider one: a reader with
    /// other limits would take it. What no apk takes, however it is read, is not.
    pub const fn is_over_limit(&self) -> bool {
        match self {
            Self::V2(error) => error.is_over_limit(),
            Self::V3(error) => error.is_over_limit(),
        }
    }
}

/// Reads a package of one format as its bytes arrive, in memory that does not grow with the files in it, but for the ADB block of v3.
pub trait PackageReader: std::fmt::Debug + Send {
    /// Takes the next bytes of the file.
    ///
    /// # Errors
    ///
    /// The first fault found, perhaps some 32 KiB after the byte that is wrong. The reader is of no use afterwards.
    fn push(&mut self, input: &[u8]) -> Result<(), PackageError>;

    /// Says that the file ends here, and gives what was found in it.
    ///
    /// # Errors
    ///
    /// What is wrong with the file as a whole.
    fn finish(self: Box<Self>) -> Result<Package, PackageError>;
}

impl PackageReader for v2::package::PackageReader {
    fn push(&mut self, input: &[u8]) -> Result<(), PackageError> {
        Ok(self.push(input)?)
    }

    fn finish(self: Box<Self>) -> Result<Package, PackageError> {
        Ok(Package::V2(Box::new((*self).finish()?)))
    }
}

impl PackageReader for v3::package::PackageReader {
    fn push(&mut self, input: &[u8]) -> Result<(), PackageError> {
        Ok(self.push(input)?)
    }

    fn finish(self: Box<Self>) -> Result<Package, PackageError> {
        Ok(Package::V3(Box::new((*self).finish()?)))
    }
}

/// The reader for a file that begins with `start`, which has the first three bytes where the file is so long. A v3 package
/// begins with `ADB` (apk-tools `src/adb.h`); everything else is for the reader of v2 packages, which says what it takes it
/// for.
pub fn reader(start: &[u8], limits: &Limits) -> Box<dyn PackageReader> {
    reader_within(start, limits, &Memory::unbounded())
}

/// The same, and what it needs much memory for it takes from `memory`.
pub fn reader_within(start: &[u8], limits: &Limits, memory: &Memory) -> Box<dyn PackageReader> {
    if start.starts_with(b"ADB") {
        let limits = limits.clone();
        Box::new(v3::package::PackageReader::of_facts(limits, memory))
    } else {
        Box::new(v2::package::PackageReader::new(limits.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> Result<Package, PackageError> {
        let mut reader = reader(file, &Limits::default());
        reader.push(file)?;
        reader.finish()
    }

    #[test]
    fn the_first_bytes_tell_the_format() {
        let v2 = apk_testkit::v2::PackageBuilder::new("hello", "1.0-r0").build();
        let v3 = apk_testkit::v3::PackageBuilder::new("hello", "1.0-r0").build();
        let (v2, v3) = (read(&v2).unwrap(), read(&v3.unwrap()).unwrap());
        assert!(matches!(v2, Package::V2(_)) && matches!(v3, Package::V3(_)));
        assert_eq!(v2.facts().format.as_str(), "v2");
        assert_eq!(v3.facts().format.as_str(), "v3");
        assert_eq!(v2.facts().file_name(), v3.facts().file_name());
        for (bytes, text) in [
            (b"".as_slice(), "the file is empty"),
            (b"AD", "this is not an .apk"),
            (b"ADB", "this is not a v3 package"),
            (b"ADB.indx\0\0\0\0", "this is an index of packages"),
            (b"<html>", "HTML"),
        ] {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
