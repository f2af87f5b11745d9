//! Packages as rows of the database, without their bytes.

use apk::{arch::Arch, digest::Sha256Digest, name::PackageName, version::Version};
use sha2::{Digest, Sha256};
use tarn_base::{
    clock::Clock,
    names::{Branch, RepositoryName},
};
use tarn_store::metadata::{Actor, Metadata, NewBlob, NewPackageFile, OwnerId, Quota};

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
    let new = NewPackageFile {
        owner,
        branch: Branch::parse("v3.23")?,
        repository: RepositoryName::parse(repository)?,
        arch: Arch::parse(ARCH)?,
        name: PackageName::parse(&entry.name)?,
        version: Version::parse(&entry.version)?,
        blob: NewBlob {
            sha256: digest,
            size: 7,
        },
        pkginfo: String::new(),
        record: entry.record(),
        description: String::new(),
        default_quota: Quota::default(),
        max_index: u64::MAX,
    };
    metadata
        .record_package(&new, &Actor::SERVER.at(now))
        .await?;
    Ok(())
}
