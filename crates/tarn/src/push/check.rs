//! A package on this machine, read as the server will read it: by the same code.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use apk::{
    digest::PackageHash,
    facts::PackageFacts,
    limits::Limits,
    package::{self, Package, PackageError, PackageReader},
};
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;

/// Bytes read at a time.
const PIECE: usize = 128 << 10;

/// A package that the server would take, as far as can be known here.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The file.
    pub(crate) path: PathBuf,
    /// What the registry calls it.
    pub(crate) file_name: String,
    /// What it says of itself.
    pub(crate) facts: PackageFacts,
    /// What an index says of it.
    pub(crate) hash: PackageHash,
    /// Bytes of the file.
    pub(crate) size: u64,
    /// SHA-256 of the whole file, in hex.
    pub(crate) sha256: String,
}

/// The reader of either format, which is chosen by the first bytes however they arrive.
#[derive(Debug)]
pub(crate) struct Reader {
    limits: Limits,
    start: Vec<u8>,
    reader: Option<Box<dyn PackageReader>>,
}

impl Reader {
    /// A reader under the limits of the server. Whether versions that apk can't order are taken is for each server and owner to say.
    pub(crate) fn new(lenient: bool) -> Self {
        Self {
            limits: Limits::default().with_lenient_versions(lenient),
            start: Vec::new(),
            reader: None,
        }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), PackageError> {
        if let Some(reader) = &mut self.reader {
            return reader.push(bytes);
        }
        self.start.extend_from_slice(bytes);
        match self.start.len() {
            0..3 => Ok(()),
            _ => self.begin().map(|reader| self.reader = Some(reader)),
        }
    }

    /// The package, once it is complete.
    pub(crate) fn finish(self) -> Result<Package, PackageError> {
        match self.reader {
            Some(reader) => reader.finish(),
            None => self.begin()?.finish(),
        }
    }

    fn begin(&self) -> Result<Box<dyn PackageReader>, PackageError> {
        let mut reader = package::reader(&self.start, &self.limits);
        reader.push(&self.start)?;
        Ok(reader)
    }
}

/// Reads a package to its end, which `look` is shown piece by piece. A package that is refused is no failure to read.
pub(crate) fn read(
    mut file: impl Read,
    lenient: bool,
    mut look: impl FnMut(&[u8]),
) -> io::Result<Result<Package, PackageError>> {
    let mut reader = Reader::new(lenient);
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(reader.finish());
        };
        look(bytes);
        if let Err(refused) = reader.push(bytes) {
            return Ok(Err(refused));
        }
    }
}

/// Reads the file at `path` and checks what a server would; with `lenient`, one that takes versions that apk can't order.
///
/// # Errors
///
/// When it can't be read, or a server would refuse it.
pub(crate) fn check(path: &Path, lenient: bool) -> Result<Checked, Failure> {
    let shown = path.display().to_string();
    let unreadable =
        |error: &io::Error| Failure::new(format!("cannot read {shown}")).because(error);
    let file = File::open(path).map_err(|error| {
        let failure = unreadable(&error);
        match error.kind() {
            ErrorKind::NotFound if shown.contains('*') => failure
                .into_usage()
                .hint("the shell found no file for this pattern: check the folder"),
            ErrorKind::NotFound => failure.into_usage().hint("check the path"),
            _ => failure,
        }
    })?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(Failure::usage(format!("{shown} is a folder"))
            .hint(format!("name the packages in it: {shown}/*.apk")));
    }
    let mut hash = Sha256::new();
    let read = read(file, lenient, |bytes| hash.update(bytes));
    let package = read
        .map_err(|error| unreadable(&error))?
        .map_err(|error| Failure::from_error(&error).into_refused().about(&shown))?;
    Ok(Checked {
        path: path.to_owned(),
        file_name: package.facts().file_name(),
        sha256: hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        hash: package.hash(),
        size: package.size(),
        facts: package.into_facts(),
    })
}
