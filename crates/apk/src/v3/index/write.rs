//! Makes an index.

use std::cmp::Ordering;

use data_encoding::HEXLOWER_PERMISSIVE;
use thiserror::Error;

use super::IndexEntry;
use crate::{
    digest::read_hex,
    facts::{Format, PackageFacts},
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
    let payload = payload(entries, description)?;
    let mut file = container::start(Schema::Index);
    block::write(&mut file, BlockKind::Adb, &payload)?;
    let digest = PayloadDigest::of(Schema::Index, &payload);
    signature::append(&mut file, &digest, keys)?;
    Ok(container::pack(file, compression)?)
}

/// Makes nothing but the database, as `apk mkndx` lays it out: what the signatures are over.
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

/// One package as a payload of its own, whose root it is: [`Writer::copy`] puts it into an index.
///
/// # Errors
///
/// [`PayloadFull`] over 256 MiB.
pub fn record(entry: &IndexEntry<'_>) -> Result<Vec<u8>, PayloadFull> {
    let mut writer = Writer::new();
    let root = write_package(&mut writer, entry)?;
    Ok(writer.finish(root))
}

/// The order of the packages (apk-tools `src/apk_adb.c`, `schema_pkginfo_array`; `src/adb.c`, `adb_wa_sort`): field by
/// field, and two packages with the same hash are the same package.
fn order(one: &IndexEntry<'_>, other: &IndexEntry<'_>) -> Ordering {
    let names = one.facts.name.as_str().cmp(other.facts.name.as_str());
    names
        .then_with(|| one.facts.version.compare(&other.facts.version))
        .then_with(|| one.hash.as_bytes().cmp(other.hash.as_bytes()))
}

/// What `apk mkndx` writes for a package: of v2 (`src/app_mkndx.c`, `mkndx_parse_v2meta`) the fields that it reads from
/// `.PKGINFO`, of v3 (`mkndx_parse_v3meta`) the package's own object with the size of the file. Where a field is missing there
/// it is missing here.
fn write_package(writer: &mut Writer, entry: &IndexEntry<'_>) -> Result<Value, PayloadFull> {
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
            let bytes = HEXLOWER_PERMISSIVE.decode(commit.as_bytes()).ok();
            bytes.filter(|bytes| !bytes.is_empty())
        }
    }
}
