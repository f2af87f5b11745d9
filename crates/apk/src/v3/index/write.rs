//! Makes an index.

use std::cmp::Ordering;

use thiserror::Error;

use super::{IndexEntry, dependency::write_list};
use crate::{
    digest::read_hex,
    package_info::PackageInfo,
    sign::SigningKey,
    v3::{
        block::{self, BlockError, BlockKind},
        container::{self, Compression},
        schema::{Schema, index, package},
        signature::{self, PayloadDigest, SigningError},
        value::Value,
        writer::{PayloadFull, Writer},
    },
};

/// Why an index could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WriteError {
    /// Too many packages.
    #[error(transparent)]
    Full(#[from] PayloadFull),
    /// The database does not fit into a block.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// No key, or one that does not sign.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// Makes the whole file, signed by each of `keys`. `description` may be empty. The same packages in any order, the same
/// description and keys give the same bytes.
///
/// # Errors
///
/// [`WriteError`]: over 256 MiB, no key, or a key that does not sign.
pub fn write(
    entries: &[IndexEntry<'_>],
    description: &str,
    keys: &[&SigningKey],
    compression: Compression,
) -> Result<Vec<u8>, WriteError> {
    let payload = payload(entries, description)?;
    let mut file = container::start(Schema::Index);
    block::write(&mut file, BlockKind::Adb, &payload)?;
    let digest = PayloadDigest::of(Schema::Index, &payload);
    drop(payload);
    signature::append(&mut file, &digest, keys)?;
    Ok(container::pack(file, compression))
}

/// Makes the database alone: what the signatures are over.
///
/// # Errors
///
/// [`PayloadFull`] over 256 MiB.
pub fn payload(entries: &[IndexEntry<'_>], description: &str) -> Result<Vec<u8>, PayloadFull> {
    let mut sorted: Vec<&IndexEntry<'_>> = entries.iter().collect();
    sorted.sort_by(|one, other| order(one, other));
    let mut writer = Writer::new();
    let mut packages = Vec::with_capacity(sorted.len());
    for entry in sorted {
        packages.push(write_package(&mut writer, entry)?);
    }
    let mut fields = [Value::NULL; index::SLOTS - 1];
    fields[index::DESCRIPTION - 1] = writer.blob(description.as_bytes())?;
    fields[index::PACKAGES - 1] = writer.array(&packages)?;
    let root = writer.object(&fields)?;
    Ok(writer.finish(root))
}

/// The order of the packages (apk-tools `src/apk_adb.c`, `schema_pkginfo_array`; `src/adb.c`, `adb_wa_sort`): field by
/// field, and two packages with the same hash are the same package.
fn order(one: &IndexEntry<'_>, other: &IndexEntry<'_>) -> Ordering {
    let names = one.info.name.as_str().cmp(other.info.name.as_str());
    names
        .then_with(|| one.info.version.compare(&other.info.version))
        .then_with(|| one.identity.cmp(other.identity))
}

/// What `apk mkndx` writes for a v2 package (`src/app_mkndx.c`, `mkndx_parse_v2meta`), and where a field is missing
/// there it is missing here.
fn write_package(writer: &mut Writer, entry: &IndexEntry<'_>) -> Result<Value, PayloadFull> {
    let info = entry.info;
    let mut fields = [Value::NULL; package::SLOTS - 1];
    fields[package::NAME - 1] = writer.blob(info.name.as_str().as_bytes())?;
    fields[package::VERSION - 1] = writer.blob(info.version.as_str().as_bytes())?;
    fields[package::HASHES - 1] = writer.blob(entry.identity.as_bytes())?;
    fields[package::DESCRIPTION - 1] = writer.blob(info.description.as_bytes())?;
    fields[package::ARCH - 1] = writer.blob(info.arch.as_str().as_bytes())?;
    fields[package::LICENSE - 1] = writer.blob(info.license.as_bytes())?;
    fields[package::ORIGIN - 1] = writer.blob(info.origin.as_bytes())?;
    fields[package::MAINTAINER - 1] = writer.blob(info.maintainer.as_bytes())?;
    fields[package::URL - 1] = writer.blob(info.url.as_bytes())?;
    if let Some(commit) = commit(info) {
        fields[package::REPO_COMMIT - 1] = writer.blob(&commit)?;
    }
    if info.build_date != 0 {
        fields[package::BUILD_TIME - 1] = writer.integer(info.build_date)?;
    }
    fields[package::INSTALLED_SIZE - 1] = writer.integer(info.installed_size)?;
    fields[package::FILE_SIZE - 1] = writer.integer(entry.size)?;
    if info.provider_priority != 0 {
        fields[package::PROVIDER_PRIORITY - 1] = writer.integer(info.provider_priority)?;
    }
    fields[package::DEPENDS - 1] = write_list(writer, &info.depends)?;
    fields[package::PROVIDES - 1] = write_list(writer, &info.provides)?;
    fields[package::REPLACES - 1] = write_list(writer, &info.replaces)?;
    fields[package::INSTALL_IF - 1] = write_list(writer, &info.install_if)?;
    writer.object(&fields)
}

/// The bytes of the first 40 hex digits of the commit: apk keeps so many, and none when there are fewer or others
/// (`src/apk_adb.c`, `adb_wo_pkginfo`). abuild appends `-dirty` to them.
fn commit(info: &PackageInfo) -> Option<[u8; 20]> {
    read_hex(info.commit.as_bytes().first_chunk::<40>()?)
}
