//! Reads an index and believes nothing in it.

use std::cmp::Ordering;

use super::{FieldError, Index, IndexError, IndexedPackage, PackageHash, dependency::to_text};
use crate::{
    arch::Arch,
    dependency::Dependency,
    digest::{Identity, Sha256Digest},
    limits::Limits,
    name::PackageName,
    quoted::Quoted,
    sign::PublicKey,
    v3::{
        block::{BlockKind, Blocks},
        container,
        reader::{Payload, Slots},
        schema::{Schema, dependency, index, package},
        signature::{KeyId, PayloadDigest, Signature},
        value::Value,
    },
    version::Version,
};

/// Reads an index signed by one of the trusted keys, whatever else signed it. Memory is bounded by [`Limits::index`],
/// which the unpacked file must fit in, and everything spelled out: what many packages share counts each time.
///
/// # Errors
///
/// [`IndexError::Untrusted`], and any other for what apk would stumble over or this reader does not know.
pub fn read(bytes: &[u8], limits: &Limits, trusted: &[&PublicKey]) -> Result<Index, IndexError> {
    read_file(bytes, limits, Some(trusted))
}

/// Reads an index as [`read`] does, and hands each package to `package` instead of keeping it. What it gives lists none.
///
/// # Errors
///
/// As [`read`]. Some packages were handed over by then.
pub fn visit(
    bytes: &[u8],
    limits: &Limits,
    trusted: &[&PublicKey],
    package: impl FnMut(IndexedPackage),
) -> Result<Index, IndexError> {
    visit_file(bytes, limits, Some(trusted), package)
}

/// Reads an index whoever signed it, to show what is in it.
///
/// # Errors
///
/// Those of [`read`] but for [`IndexError::Untrusted`].
pub fn read_unverified(bytes: &[u8], limits: &Limits) -> Result<Index, IndexError> {
    read_file(bytes, limits, None)
}

fn read_file(
    bytes: &[u8],
    limits: &Limits,
    trusted: Option<&[&PublicKey]>,
) -> Result<Index, IndexError> {
    let mut packages = Vec::new();
    let index = visit_file(bytes, limits, trusted, |package| packages.push(package))?;
    Ok(Index { packages, ..index })
}

fn visit_file(
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
    let header = |error| IndexError::Root {
        field: "header",
        problem: FieldError::Payload(error),
    };
    let reader = Reader {
        payload: Payload::new(database).map_err(header)?,
        limits,
        left: limits.index,
    };
    let mut index = reader.index(package)?;
    index.signed_by = signatures.iter().map(|signature| signature.key).collect();
    index.verified_by = verified_by;
    Ok(index)
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
    let verified_by: Vec<KeyId> = signers.filter_map(|key| KeyId::of(key)).collect();
    if verified_by.is_empty() {
        return Err(IndexError::Untrusted);
    }
    Ok(verified_by)
}

struct Reader<'a> {
    payload: Payload<'a>,
    limits: &'a Limits,
    /// Bytes that may still be spelled out.
    left: u64,
}

/// What a field turned out to be, or not.
type Field<T> = Result<T, FieldError>;

impl<'a> Reader<'a> {
    fn index(mut self, package: impl FnMut(IndexedPackage)) -> Result<Index, IndexError> {
        let at = |field| move |problem| IndexError::Root { field, problem };
        let root = self.object(self.payload.root(), index::SLOTS);
        let root = root.map_err(at("root"))?;
        let description = self.text(root.value(index::DESCRIPTION));
        let pkgname_spec = self.text(root.value(index::PKGNAME_SPEC));
        let rows = self.slots(root.value(index::PACKAGES), size_of::<IndexedPackage>());
        let (description, pkgname_spec) = (
            description.map_err(at("description"))?,
            pkgname_spec.map_err(at("pkgname-spec"))?,
        );
        self.packages(rows.map_err(at("packages"))?, package)?;
        Ok(Index {
            description,
            pkgname_spec,
            packages: Vec::new(),
            signed_by: Vec::new(),
            verified_by: Vec::new(),
        })
    }

    fn packages(
        &mut self,
        rows: Slots<'a>,
        mut visit: impl FnMut(IndexedPackage),
    ) -> Result<(), IndexError> {
        let (found, limit) = (rows.len(), self.limits.index_records);
        if found as u64 > limit {
            return Err(IndexError::Packages { found, limit });
        }
        let mut before: Option<IndexedPackage> = None;
        for (row, number) in rows.iter().zip(1..) {
            let at = |field| {
                move |problem| IndexError::Package {
                    number,
                    field,
                    problem,
                }
            };
            let row = self.object(row, package::SLOTS).map_err(at("package"))?;
            let package = self.package(row, at)?;
            if let Some(before) = before.take() {
                if !order(&before, &package).is_lt() {
                    let name = Quoted::new(package.name.as_str());
                    return Err(at("package")(FieldError::Order(name)));
                }
                visit(before);
            }
            before = Some(package);
        }
        if let Some(last) = before {
            visit(last);
        }
        Ok(())
    }

    fn package<At, Wrap>(&mut self, row: Slots<'a>, at: At) -> Result<IndexedPackage, IndexError>
    where
        At: Fn(&'static str) -> Wrap,
        Wrap: Fn(FieldError) -> IndexError,
    {
        let value = |slot| row.value(slot);
        Ok(IndexedPackage {
            name: self.name(value(package::NAME)).map_err(at("name"))?,
            version: self
                .version(value(package::VERSION))
                .map_err(at("version"))?,
            hash: self.hash(value(package::HASHES)).map_err(at("hashes"))?,
            description: self
                .text(value(package::DESCRIPTION))
                .map_err(at("description"))?,
            arch: self.arch(value(package::ARCH)).map_err(at("arch"))?,
            license: self.text(value(package::LICENSE)).map_err(at("license"))?,
            origin: self.text(value(package::ORIGIN)).map_err(at("origin"))?,
            maintainer: self
                .text(value(package::MAINTAINER))
                .map_err(at("maintainer"))?,
            url: self.text(value(package::URL)).map_err(at("url"))?,
            commit: self
                .commit(value(package::REPO_COMMIT))
                .map_err(at("repo-commit"))?,
            build_date: self
                .number(value(package::BUILD_TIME))
                .map_err(at("build-time"))?,
            installed_size: self
                .number(value(package::INSTALLED_SIZE))
                .map_err(at("installed-size"))?,
            size: self
                .number(value(package::FILE_SIZE))
                .map_err(at("file-size"))?,
            provider_priority: self
                .number(value(package::PROVIDER_PRIORITY))
                .map_err(at("provider-priority"))?,
            depends: self
                .dependencies(value(package::DEPENDS))
                .map_err(at("depends"))?,
            provides: self
                .dependencies(value(package::PROVIDES))
                .map_err(at("provides"))?,
            replaces: self
                .dependencies(value(package::REPLACES))
                .map_err(at("replaces"))?,
            install_if: self
                .dependencies(value(package::INSTALL_IF))
                .map_err(at("install-if"))?,
            recommends: self
                .dependencies(value(package::RECOMMENDS))
                .map_err(at("recommends"))?,
            layer: self.number(value(package::LAYER)).map_err(at("layer"))?,
            tags: self.tags(value(package::TAGS)).map_err(at("tags"))?,
        })
    }

    /// Takes `bytes` off what may still be spelled out.
    fn spend(&mut self, bytes: usize) -> Field<()> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.ok_or(FieldError::Budget(self.limits.index))?;
        Ok(())
    }

    /// A row of which each slot becomes `size` bytes.
    fn slots(&mut self, value: Value, size: usize) -> Field<Slots<'a>> {
        let slots = self.payload.slots(value)?;
        self.spend(slots.len().saturating_mul(size))?;
        Ok(slots)
    }

    /// A row of at most `known` slots, the count included.
    fn object(&mut self, value: Value, known: usize) -> Field<Slots<'a>> {
        let slots = self.slots(value, size_of::<Value>())?;
        if slots.len() >= known {
            return Err(FieldError::Unknown(slots.len()));
        }
        Ok(slots)
    }

    fn number(&self, value: Value) -> Field<u64> {
        if value.is_null() {
            return Ok(0);
        }
        Ok(self.payload.integer(value)?)
    }

    /// A text of one line; empty when absent.
    fn line(&mut self, value: Value) -> Field<&'a str> {
        let bytes = self.payload.blob(value)?;
        let (length, limit) = (bytes.len(), self.limits.index_line);
        if length > limit {
            return Err(FieldError::TooLong { length, limit });
        }
        self.spend(length)?;
        let line = str::from_utf8(bytes).map_err(|_| FieldError::NotUtf8)?;
        match line.chars().find(|character| character.is_ascii_control()) {
            Some(control) => Err(FieldError::Control(control.into())),
            None => Ok(line),
        }
    }

    fn text(&mut self, value: Value) -> Field<String> {
        self.line(value).map(str::to_owned)
    }

    /// A line that has to be there.
    fn needed(&mut self, value: Value) -> Field<&'a str> {
        match self.line(value)? {
            "" => Err(FieldError::Missing),
            line => Ok(line),
        }
    }

    fn name(&mut self, value: Value) -> Field<PackageName> {
        let name = self.needed(value)?;
        Ok(PackageName::parse_within(name, self.limits)?)
    }

    fn version(&mut self, value: Value) -> Field<Version> {
        let version = self.needed(value)?;
        Ok(Version::parse_lenient(version, self.limits)?)
    }

    fn arch(&mut self, value: Value) -> Field<Arch> {
        Ok(Arch::parse(self.needed(value)?)?)
    }

    /// apk leaves a package without a hash out (apk-tools `src/database.c`, `load_v3index`).
    fn hash(&self, value: Value) -> Field<PackageHash> {
        let bytes = self.payload.blob(value)?;
        if let Ok(bytes) = bytes.try_into() {
            return Ok(PackageHash::Identity(Identity::from_bytes(bytes)));
        }
        match bytes.try_into() {
            Ok(bytes) => Ok(PackageHash::Sha256(Sha256Digest::from_bytes(bytes))),
            Err(_) if bytes.is_empty() => Err(FieldError::Missing),
            Err(_) => Err(FieldError::Hash(bytes.len())),
        }
    }

    /// apk takes any bytes: 20 in an index that it made of v2 packages, whatever `apk mkpkg` was told in others.
    fn commit(&mut self, value: Value) -> Field<String> {
        let bytes = self.payload.blob(value)?;
        let (length, limit) = (bytes.len().saturating_mul(2), self.limits.index_line);
        if length > limit {
            return Err(FieldError::TooLong { length, limit });
        }
        self.spend(length)?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn tags(&mut self, value: Value) -> Field<Vec<String>> {
        let rows = self.slots(value, size_of::<String>())?;
        rows.iter()
            .map(|tag| self.needed(tag).map(str::to_owned))
            .collect()
    }

    fn dependencies(&mut self, value: Value) -> Field<Vec<Dependency>> {
        let rows = self.slots(value, size_of::<Dependency>())?;
        let mut dependencies: Vec<Dependency> = Vec::with_capacity(rows.len());
        let mut row_before = Value::NULL;
        for row in rows.iter() {
            let dependency = self.dependency(row)?;
            let before = dependencies.last().map_or("", Dependency::name);
            if before > dependency.name() || row == row_before {
                return Err(FieldError::Order(Quoted::new(dependency.name())));
            }
            row_before = row;
            dependencies.push(dependency);
        }
        Ok(dependencies)
    }

    fn dependency(&mut self, row: Value) -> Field<Dependency> {
        let row = self.object(row, dependency::SLOTS)?;
        let name = self.needed(row.value(dependency::NAME))?;
        let version = self.line(row.value(dependency::VERSION))?;
        let bits = match row.value(dependency::MATCH) {
            Value::NULL => None,
            value => Some(self.payload.integer(value)?),
        };
        let text = to_text(name, version, bits).ok_or_else(|| FieldError::Match {
            name: Quoted::new(name),
            bits: bits.unwrap_or_default(),
        })?;
        let dependency = Dependency::parse_in_v3(&text, self.limits)?;
        // A name with an operator in it would be taken for a version.
        if dependency.name() != name {
            let bits = bits.unwrap_or_default();
            let name = Quoted::new(name);
            return Err(FieldError::Match { name, bits });
        }
        Ok(dependency)
    }
}

/// The order of the package array: name, version, hash (apk-tools `src/apk_adb.c`, `schema_pkginfo`).
fn order(one: &IndexedPackage, other: &IndexedPackage) -> Ordering {
    one.name
        .as_str()
        .cmp(other.name.as_str())
        .then_with(|| one.version.compare(&other.version))
        .then_with(|| one.hash.as_bytes().cmp(other.hash.as_bytes()))
}
