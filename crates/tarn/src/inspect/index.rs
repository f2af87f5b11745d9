//! Inspecting an index. It is read whole, because its signature is over the whole.

use std::{io::Read, path::Path};

use apk::{
    limits::Limits,
    v2::index::{self, Index, IndexError},
    v3::index::{self as index_v3, Index as IndexV3, IndexError as IndexV3Error},
};
use serde::Serialize;

use super::{
    Signature, TrustedKey, not_signed, not_signed_v3, open, print_labelled, refused,
    signature_lines, signatures, unreadable,
};
use crate::{failure::Failure, output};

/// What an index says. Sizes are in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    description: String,
    signatures: Vec<Signature>,
    packages: Vec<Listed>,
}

/// One package of an index.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    version: String,
    arch: Option<String>,
    size: Option<u64>,
    identity: String,
}

/// Reads the index at `path`.
///
/// # Errors
///
/// When it cannot be read, an apk would refuse it, or `trusted` is given and did not sign it.
pub(super) fn inspect(path: &Path, trusted: Option<&TrustedKey>) -> Result<Shown, Failure> {
    let bytes = read(path)?;
    // The letters every ADB file begins with, whatever it is called.
    if bytes.starts_with(b"ADB") || path.extension().is_some_and(|end| end == "adb") {
        return inspect_v3(path, &bytes, trusted);
    }
    let limits = Limits::default();
    let keys = trusted.map(|trusted| [(trusted.name.clone(), trusted.key.clone())]);
    let read = match &keys {
        Some(keys) => index::read(&bytes, &limits, keys),
        None => index::read_unverified(&bytes, &limits),
    };
    match (read, trusted) {
        (Ok(index), _) => Ok(Shown::new(index)),
        (
            Err(IndexError::NotSigned | IndexError::Untrusted | IndexError::BadSignature(_)),
            Some(trusted),
        ) => {
            let index =
                index::read_unverified(&bytes, &limits).map_err(|error| refused(path, &error))?;
            Err(not_signed(path, trusted, &index.summary.signatures))
        }
        (Err(error), _) => Err(refused(path, &error)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let limit = Limits::default().index;
    let mut bytes = Vec::new();
    open(path)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::refused(format!(
            "{} has more than {limit} bytes, too many for an index",
            path.display(),
        )));
    }
    Ok(bytes)
}

/// An index of v3, whose signatures name a key by what it is and not by its file name.
fn inspect_v3(path: &Path, bytes: &[u8], trusted: Option<&TrustedKey>) -> Result<Shown, Failure> {
    let limits = Limits::default();
    let read = match trusted {
        Some(trusted) => index_v3::read(bytes, &limits, &[&trusted.key]),
        None => index_v3::read_unverified(bytes, &limits),
    };
    match (read, trusted) {
        (Ok(index), _) => Ok(Shown::new_v3(index)),
        (Err(IndexV3Error::Untrusted), Some(trusted)) => {
            let index =
                index_v3::read_unverified(bytes, &limits).map_err(|error| refused(path, &error))?;
            Err(not_signed_v3(path, trusted, &index.signed_by))
        }
        (Err(error), _) => Err(refused(path, &error)),
    }
}

impl Shown {
    fn new(index: Index) -> Self {
        let Index { summary, records } = index;
        let signer = summary.signer;
        Self {
            description: summary.description.as_str().to_owned(),
            signatures: signatures(&summary.signatures, |member| {
                let signer = signer.as_ref()?;
                // As apk does, only the first signature under a trusted name is looked at.
                (member.key_name == signer.as_str()).then_some(true)
            }),
            packages: records
                .iter()
                .map(|record| Listed {
                    name: record.name().to_string(),
                    version: record.version().to_string(),
                    arch: record.arch().map(ToString::to_string),
                    size: record.size(),
                    identity: record.identity().to_index_field(),
                })
                .collect(),
        }
    }

    fn new_v3(index: IndexV3) -> Self {
        let verified_by = index.verified_by;
        let signed_by = index.signed_by.iter();
        Self {
            description: index.description,
            signatures: signed_by
                .map(|key| Signature::of_v3(*key, verified_by.contains(key).then_some(true)))
                .collect(),
            packages: index
                .packages
                .iter()
                .map(|package| Listed {
                    name: package.facts.name.to_string(),
                    version: package.facts.version.to_string(),
                    arch: Some(package.facts.arch.to_string()),
                    // 0 where the index does not say.
                    size: Some(package.size).filter(|size| *size > 0),
                    identity: package.hash.to_string(),
                })
                .collect(),
        }
    }

    /// Prints it, for people or as JSON.
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::print_json(self);
        }
        print_labelled(&[
            (
                "index",
                vec![match self.packages.len() {
                    1 => "1 package".to_owned(),
                    count => format!("{count} packages"),
                }],
            ),
            ("description", vec![self.description.clone()]),
            ("signed by", signature_lines(&self.signatures)),
        ])?;
        output::print("\n")?;
        let rows: Vec<_> = self
            .packages
            .iter()
            .map(|package| {
                let Listed {
                    name,
                    version,
                    arch,
                    size,
                    // Too long for a table.
                    identity: _,
                } = package;
                [
                    name.clone(),
                    version.clone(),
                    arch.clone().unwrap_or_default(),
                    size.map(|size| size.to_string()).unwrap_or_default(),
                ]
            })
            .collect();
        output::print_table("package", ["NAME", "VERSION", "ARCH", "SIZE"], &rows)
    }
}
