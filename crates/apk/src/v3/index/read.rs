//! Reads an index and believes nothing in it.

use std::cmp::Ordering;

use super::{FieldError, Index, IndexError, IndexedPackage};
use crate::{
    limits::Limits,
    quoted::Quoted,
    sign::PublicKey,
    v3::{
        block::{BlockKind, Blocks},
        container,
        fields::Fields,
        reader::{Payload, Slots},
        schema::{Schema, index, package},
        signature::{KeyId, PayloadDigest, Signature},
        value::Value,
    },
};

/// Reads an index signed by one of the trusted keys, whatever else signed it. Memory is bounded by [`Limits::index`],
/// which the unpacked file must fit in, and everything spelled out: what many packages share counts each time.
///
/// # Errors
///
/// [`IndexError::Untrusted`], and any other for what apk would stumble over or this reader does not know.
pub fn read(bytes: &[u8], limits: &Limits, trusted: &[&PublicKey]) -> Result<Index, IndexError> {
    collect(bytes, limits, Some(trusted))
}

/// Reads an index without checking who signed it, to show what is in it.
///
/// # Errors
///
/// Those of [`read`] but for [`IndexError::Untrusted`].
pub fn read_unverified(bytes: &[u8], limits: &Limits) -> Result<Index, IndexError> {
    collect(bytes, limits, None)
}

fn collect(
    bytes: &[u8],
    limits: &Limits,
    trusted: Option<&[&PublicKey]>,
) -> Result<Index, IndexError> {
    let mut packages = Vec::new();
    let index = visit(bytes, limits, trusted, |package| packages.push(package))?;
    Ok(Index { packages, ..index })
}

/// Reads an index as [`read`] or, without `trusted`, as [`read_unverified`] does, and hands each package to `package` instead of keeping
/// it. What it gives lists none.
///
/// # Errors
///
/// As these. Some packages were handed over by then.
pub fn visit(
    bytes: &[u8],
    limits: &Limits,
    trusted: Option<&[&PublicKey]>,
    package: impl FnMut(IndexedPackage),
) -> Result<Index, IndexError> {
    let file = container::unpack(bytes, limits.index)?;
    let (schema, blocks) = container::open(&file)?;
    if schema != Schema::Index {
        return Err(IndexError::NotAnIndex);
    }
    let (database, signatures) = split(blocks, limits)?;
    let verified_by = match trusted {
        Some(trusted) => verify(database, &signatures, trusted)?,
        None => Vec::new(),
    };
    let at = |field| move |problem| IndexError::Root { field, problem };
    let payload = Payload::new(database).map_err(|error| at("header")(error.into()))?;
    let mut fields = Fields::new(payload, limits, limits.index);
    let root = fields.object(payload.root(), index::SLOTS);
    let root = root.map_err(at("root"))?;
    let description = fields.text(root.value(index::DESCRIPTION));
    let pkgname_spec = fields.text(root.value(index::PKGNAME_SPEC));
    let rows = fields.slots(root.value(index::PACKAGES), size_of::<IndexedPackage>());
    let index = Index {
        description: description.map_err(at("description"))?,
        pkgname_spec: pkgname_spec.map_err(at("pkgname-spec"))?,
        packages: Vec::new(),
        signed_by: signatures.iter().map(|signature| signature.key).collect(),
        verified_by,
    };
    visit_sorted(&mut fields, rows.map_err(at("packages"))?, package)?;
    Ok(index)
}

/// Reads some packages of a part of an index: those whose objects `packages` point at. Each is handed to `visit`.
///
/// # Errors
///
/// As [`read`], and when a package points at anything outside of the part.
pub fn visit_part(
    part: Payload<'_>,
    limits: &Limits,
    packages: impl IntoIterator<Item = Value>,
    mut visit: impl FnMut(IndexedPackage),
) -> Result<(), IndexError> {
    let mut fields = Fields::new(part, limits, limits.index);
    for (row, number) in packages.into_iter().zip(1..) {
        visit(read_package(&mut fields, row, number)?);
    }
    Ok(())
}

/// Says that something is wrong with a field of the package of that number.
fn at(number: usize, field: &'static str) -> impl Fn(FieldError) -> IndexError {
    move |problem| IndexError::Package {
        number,
        field,
        problem,
    }
}

fn read_package(
    fields: &mut Fields<'_>,
    row: Value,
    number: usize,
) -> Result<IndexedPackage, IndexError> {
    let row = fields.object(row, package::SLOTS);
    fields.package(row.map_err(at(number, "package"))?, None, |field| {
        at(number, field)
    })
}

/// The one database block, and the signatures after it that could be apk's.
fn split<'a>(
    blocks: &'a [u8],
    limits: &Limits,
) -> Result<(&'a [u8], Vec<Signature<'a>>), IndexError> {
    let mut blocks = Blocks::new(blocks, container::HEAD as u64).enumerate();
    let database = match blocks.next() {
        Some((_, block)) => block?,
        None => return Err(IndexError::Empty),
    };
    if database.kind != BlockKind::Adb {
        return Err(IndexError::BlockOrder(1));
    }
    let mut signatures = Vec::new();
    let mut room = limits.signature_section;
    for (before, block) in blocks {
        let block = block?;
        if block.kind != BlockKind::Signature {
            return Err(IndexError::BlockOrder(before + 1));
        }
        let size = block.payload.len() as u64;
        if size > limits.signature_entry {
            return Err(IndexError::SignatureSize(limits.signature_entry));
        }
        let all = IndexError::SignatureSize(limits.signature_section);
        room = room.checked_sub(size).ok_or(all)?;
        signatures.extend(Signature::parse(block.payload));
    }
    Ok((database.payload, signatures))
}

/// The trusted keys that signatures are by; never none.
fn verify(
    database: &[u8],
    signatures: &[Signature<'_>],
    trusted: &[&PublicKey],
) -> Result<Vec<KeyId>, IndexError> {
    let digest = PayloadDigest::of(Schema::Index, database);
    let signed = |key: &&&PublicKey| {
        let mut signatures = signatures.iter();
        signatures.any(|signature| signature.is_by(key, &digest))
    };
    let signers = trusted.iter().filter(signed);
    let verified_by: Vec<KeyId> = signers.map(|key| KeyId::of(key)).collect();
    if verified_by.is_empty() {
        return Err(IndexError::Untrusted);
    }
    Ok(verified_by)
}

/// Reads the packages of an index, which have to be sorted.
fn visit_sorted(
    fields: &mut Fields<'_>,
    rows: Slots<'_>,
    mut visit: impl FnMut(IndexedPackage),
) -> Result<(), IndexError> {
    let (found, limit) = (rows.len(), fields.limits.index_records);
    if found as u64 > limit {
        return Err(IndexError::Packages { found, limit });
    }
    let mut before: Option<IndexedPackage> = None;
    for (row, number) in rows.iter().zip(1..) {
        let package = read_package(fields, row, number)?;
        if let Some(before) = before.take() {
            if !order(&before, &package).is_lt() {
                let name = Quoted::new(package.facts.name.as_str());
                return Err(at(number, "package")(FieldError::Order(name)));
            }
            visit(before);
        }
        before = Some(package);
    }
    before.into_iter().for_each(visit);
    Ok(())
}

/// The order of the package array: name, version, hash (apk-tools `src/apk_adb.c`, `schema_pkginfo`).
fn order(one: &IndexedPackage, other: &IndexedPackage) -> Ordering {
    one.facts
        .name
        .as_str()
        .cmp(other.facts.name.as_str())
        .then_with(|| one.facts.version.compare(&other.facts.version))
        .then_with(|| one.hash.as_bytes().cmp(other.hash.as_bytes()))
}
