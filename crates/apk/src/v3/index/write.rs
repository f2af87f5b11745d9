//! Makes an index.

use std::cmp::Ordering;

use thiserror::Error;

use super::IndexEntry;
use crate::{
    digest::{PackageHash, read_hex},
    facts::{Format, PackageFacts},
    name::PackageName,
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
            (&one.facts.name, &one.facts.version, &one.hash),
            (&other.facts.name, &other.facts.version, &other.hash),
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
    hash: PackageHash,
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
            name: entry.facts.name.clone(),
            version: entry.facts.version.clone(),
            hash: entry.hash,
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
                (&one.name, &one.version, &one.hash),
                (&other.name, &other.version, &other.hash),
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
        .then_with(|| one.2.as_bytes().cmp(other.2.as_bytes()))
}

/// What packages are sorted by.
type Key<'a> = (&'a PackageName, &'a Version, &'a PackageHash);

/// What `apk mkndx` writes for a package: of v2 (`src/app_mkndx.c`, `mkndx_parse_v2meta`) the fields that it reads from
/// `.PKGINFO`, of v3 (`mkndx_parse_v3meta`) the package's own object with the size of the file. Where a field is missing there
/// it is missing here.
pub fn write_package(writer: &mut Writer, entry: &IndexEntry<'_>) -> Result<Value, PayloadFull> {
    // Taken apart without `..`: a new field has to be thought of here.
    let PackageFacts {
        format,
        name,
        version,
        arch,
        description,
        url,
        license,
        origin,
        maintainer,
        // Not in an index.
        packager: _,
        commit,
        build_date,
        installed_size,
        provider_priority,
        replaces_priority: _,
        depends,
        provides,
        replaces,
        install_if,
        recommends,
        layer,
        tags,
        triggers: _,
        scripts: _,
    } = entry.facts;
    let mut fields = [Value::NULL; package::SLOTS - 1];
    let mut set = |slot: usize, value: Value| {
        // The first is slot 1: slot 0 is their count.
        if let Some(field) = slot.checked_sub(1).and_then(|place| fields.get_mut(place)) {
            *field = value;
        }
    };
    let texts = [
        (package::NAME, name.as_str().as_bytes()),
        (package::VERSION, version.as_str().as_bytes()),
        (package::HASHES, entry.hash.as_bytes()),
        (package::DESCRIPTION, description.as_bytes()),
        (package::ARCH, arch.as_str().as_bytes()),
        (package::LICENSE, license.as_bytes()),
        (package::ORIGIN, origin.as_bytes()),
        (package::MAINTAINER, maintainer.as_bytes()),
        (package::URL, url.as_bytes()),
    ];
    for (slot, text) in texts {
        set(slot, writer.blob(text)?);
    }
    if let Some(commit) = commit_bytes(*format, commit) {
        set(package::REPO_COMMIT, writer.blob(&commit)?);
    }
    let numbers = [
        (package::BUILD_TIME, Some(*build_date).filter(is_there)),
        (package::INSTALLED_SIZE, Some(*installed_size)),
        (package::FILE_SIZE, Some(entry.size)),
        (
            package::PROVIDER_PRIORITY,
            Some(*provider_priority).filter(is_there),
        ),
        (package::LAYER, Some(*layer).filter(is_there)),
    ];
    for (slot, number) in numbers {
        if let Some(number) = number {
            set(slot, writer.integer(number)?);
        }
    }
    let lists = [
        (package::DEPENDS, depends),
        (package::PROVIDES, provides),
        (package::REPLACES, replaces),
        (package::INSTALL_IF, install_if),
        (package::RECOMMENDS, recommends),
    ];
    for (slot, list) in lists {
        set(slot, write_list(writer, list)?);
    }
    let tags: Result<Vec<Value>, PayloadFull> =
        tags.iter().map(|tag| writer.blob(tag.as_bytes())).collect();
    set(package::TAGS, writer.array(&tags?)?);
    writer.object(&fields)
}

/// Whether a number is one that apk writes down.
fn is_there(number: &u64) -> bool {
    *number != 0
}

/// The bytes of a commit. Of a v2 package those of the first 40 hex digits: apk keeps so many, and none when there are fewer or
/// others (`src/apk_adb.c`, `adb_wo_pkginfo`); abuild appends `-dirty` to them. Of a v3 package all.
fn commit_bytes(format: Format, commit: &str) -> Option<Vec<u8>> {
    match format {
        Format::V2 { .. } => {
            let bytes: [u8; 20] = read_hex(commit.as_bytes().first_chunk::<40>()?)?;
            Some(bytes.to_vec())
        }
        Format::V3 => {
            let (pairs, rest) = commit.as_bytes().as_chunks::<2>();
            let bytes: Option<Vec<u8>> = pairs
                .iter()
                .map(|pair| read_hex::<1>(pair).map(|[byte]| byte))
                .collect();
            bytes.filter(|bytes| rest.is_empty() && !bytes.is_empty())
        }
    }
}
