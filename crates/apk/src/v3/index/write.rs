//! Makes an index.

use std::cmp::Ordering;

use thiserror::Error;

use super::IndexEntry;
use crate::{
    digest::{Identity, read_hex},
    name::PackageName,
    package_info::PackageInfo,
    sign::SigningKey,
    v3::{
        block::{self, BlockError, BlockKind},
        container::{self, Compression, ContainerError},
        dependency::write_list,
        schema::{Schema, index, package},
        signature::{self, PayloadDigest, SigningError},
        value::Value,
        writer::{PayloadFull, Writer},
    },
    version::Version,
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
    /// The library that compresses it has no memory left.
    #[error(transparent)]
    Pack(#[from] ContainerError),
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
    builder(entries)?.finish(description, keys, compression)
}

/// Makes the database alone: what the signatures are over.
///
/// # Errors
///
/// [`PayloadFull`] over 256 MiB.
pub fn payload(entries: &[IndexEntry<'_>], description: &str) -> Result<Vec<u8>, PayloadFull> {
    builder(entries)?.payload(description)
}

fn builder(entries: &[IndexEntry<'_>]) -> Result<IndexBuilder, PayloadFull> {
    let mut sorted: Vec<&IndexEntry<'_>> = entries.iter().collect();
    sorted.sort_by(|one, other| {
        order(
            (&one.info.name, &one.info.version, one.identity),
            (&other.info.name, &other.info.version, other.identity),
        )
    });
    let mut builder = IndexBuilder::default();
    for entry in sorted {
        builder.add(entry)?;
    }
    Ok(builder)
}

/// An index that grows by one package after the other, so that none of them has to stay in memory. The same packages in the same
/// order give the same bytes; the list of them is sorted whatever their order.
#[derive(Debug, Default)]
pub struct IndexBuilder {
    writer: Writer,
    packages: Vec<Added>,
}

/// A package that is written, and what it is sorted by.
#[derive(Debug)]
struct Added {
    name: PackageName,
    version: Version,
    identity: Identity,
    value: Value,
}

impl IndexBuilder {
    /// Writes a package.
    ///
    /// # Errors
    ///
    /// [`PayloadFull`] over 256 MiB.
    pub fn add(&mut self, entry: &IndexEntry<'_>) -> Result<(), PayloadFull> {
        let value = write_package(&mut self.writer, entry)?;
        self.packages.push(Added {
            name: entry.info.name.clone(),
            version: entry.info.version.clone(),
            identity: *entry.identity,
            value,
        });
        Ok(())
    }

    /// Makes the whole file, as [`write()`] does.
    ///
    /// # Errors
    ///
    /// [`WriteError`]: over 256 MiB, no key, or a key that does not sign.
    pub fn finish(
        self,
        description: &str,
        keys: &[&SigningKey],
        compression: Compression,
    ) -> Result<Vec<u8>, WriteError> {
        let payload = self.payload(description)?;
        let mut file = container::start(Schema::Index);
        file.reserve_exact(payload.len() + SIGNATURES_ROOM);
        block::write(&mut file, BlockKind::Adb, &payload)?;
        let digest = PayloadDigest::of(Schema::Index, &payload);
        drop(payload);
        signature::append(&mut file, &digest, keys)?;
        Ok(container::pack(file, compression)?)
    }

    fn payload(mut self, description: &str) -> Result<Vec<u8>, PayloadFull> {
        self.packages.sort_by(|one, other| {
            order(
                (&one.name, &one.version, &one.identity),
                (&other.name, &other.version, &other.identity),
            )
        });
        let packages: Vec<Value> = self.packages.iter().map(|added| added.value).collect();
        drop(self.packages);
        let mut writer = self.writer;
        let mut fields = [Value::NULL; index::SLOTS - 1];
        fields[index::DESCRIPTION - 1] = writer.blob(description.as_bytes())?;
        fields[index::PACKAGES - 1] = writer.array(&packages)?;
        let root = writer.object(&fields)?;
        Ok(writer.finish(root))
    }
}

/// Bytes for the signatures of a few keys: the file is not moved for them.
const SIGNATURES_ROOM: usize = 16 << 10;

/// The order of the packages (apk-tools `src/apk_adb.c`, `schema_pkginfo_array`; `src/adb.c`, `adb_wa_sort`): field by
/// field, and two packages with the same hash are the same package.
fn order(one: Key<'_>, other: Key<'_>) -> Ordering {
    let names = one.0.as_str().cmp(other.0.as_str());
    names
        .then_with(|| one.1.compare(other.1))
        .then_with(|| one.2.cmp(other.2))
}

/// What packages are sorted by.
type Key<'a> = (&'a PackageName, &'a Version, &'a Identity);

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
