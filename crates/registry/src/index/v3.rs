//! `Packages.adb`: made whole for each generation that somebody asks for, signed and read back.

use apk::{
    digest::Identity,
    limits::Limits,
    package_info::PackageInfo,
    sign::{PublicKey, SigningKey},
    v2::{pkginfo, record::Record},
    v3::{
        container::Compression,
        index::{IndexEntry, read, write},
    },
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Problem, v2::Made};
use crate::{keys::OwnerKeys, metadata::IndexedPackage};

/// Makes the index of these packages.
pub(super) fn make(
    packages: &[IndexedPackage],
    live: u64,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    let facts = packages
        .iter()
        .map(|package| facts(package, limits))
        .collect::<Result<Vec<_>, _>>()?;
    let entries: Vec<IndexEntry<'_>> = facts
        .iter()
        .map(|(info, identity, size)| IndexEntry {
            info,
            identity,
            size: *size,
        })
        .collect();
    let by: Vec<&SigningKey> = keys.active.iter().map(|key| &key.key).collect();
    let file = write(&entries, "", &by, Compression::Deflate)
        .map_err(|error| Problem::Signature(error.to_string()))?;

    for key in &keys.active {
        let trusted: [&PublicKey; 1] = [&key.public];
        let index = read(&file, limits, &trusted)
            .map_err(|error| Problem::Verification(error.to_string()))?;
        if index.packages.len() as u64 != live {
            let found = index.packages.len();
            return Err(Problem::Verification(format!(
                "it lists {found} packages, and the database has {live}"
            )));
        }
    }
    let etag = super::etag(Sha256::digest(&file).into());
    Ok((None, std::iter::once(Bytes::from(file)).collect(), etag))
}

/// What a package says of itself, read again from what was stored of it.
fn facts(
    package: &IndexedPackage,
    limits: &Limits,
) -> Result<(PackageInfo, Identity, u64), Problem> {
    let wrong =
        |error: String| Problem::Verification(format!("a stored package cannot be read: {error}"));
    let info = pkginfo::parse(package.pkginfo.as_bytes(), limits)
        .map_err(|error| wrong(error.to_string()))?;
    let record =
        Record::parse(&package.record, limits).map_err(|error| wrong(error.to_string()))?;
    Ok((info, *record.identity(), package.size))
}
