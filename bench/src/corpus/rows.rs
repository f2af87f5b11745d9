//! Packages as rows of the database, without their bytes.

use apk::{
    arch::Arch,
    digest::{PackageHash, Sha256Digest},
    v2::record::render,
};
use sha2::{Digest, Sha256};
use tarn_base::{
    clock::Clock,
    names::{Branch, RepositoryName},
};
use tarn_store::metadata::{Actor, IndexedPackage, Metadata, NewBlob, NewPackageFile, OwnerId};

use super::{ARCH, Entry};
use crate::Result;

/// Records a package as publishing does, but for its bytes, which no blob has.
pub(crate) async fn record(
    metadata: &Metadata,
    owner: OwnerId,
    repository: &str,
    entry: &Entry,
) -> Result<()> {
    let now = Clock::system().now();
    let content = format!("{repository}/{}", entry.file_name());
    let digest = Sha256Digest::from_bytes(Sha256::digest(content).into());
    let new = NewPackageFile::new(
        owner,
        Branch::parse("v3.23")?,
        RepositoryName::parse(repository)?,
        &entry.facts()?,
        entry.identity(),
        NewBlob {
            sha256: digest,
            place: 0,
            size: entry.size,
        },
    );
    metadata
        .record_package(&new, &Actor::SERVER.at(now))
        .await?;
    Ok(())
}

/// The record of a package in an index, as `apk index` writes it.
pub(crate) fn rendered(package: &IndexedPackage) -> Result<String> {
    match &package.identity {
        PackageHash::Identity(identity) => {
            let (facts, arch) = (package.facts.read()?, Arch::parse(ARCH)?);
            Ok(render(&facts, identity, package.size, &arch))
        }
        PackageHash::Sha256(_) => Err("a package of v3 has no record".into()),
    }
}
