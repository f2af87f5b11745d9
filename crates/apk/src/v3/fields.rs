//! The fields of packages and indexes: values that follow a schema, believed in nothing.

use data_encoding::HEXLOWER;

use super::{
    dependency::to_text,
    error::FieldError,
    index::IndexedPackage,
    reader::{Payload, Slots},
    schema::{dependency, package},
    value::Value,
};
use crate::{
    arch::Arch,
    dependency::Dependency,
    digest::PackageHash,
    facts::{Format, PackageFacts},
    limits::Limits,
    name::PackageName,
    quoted::Quoted,
    version::Version,
};

/// Reads fields of one payload.
pub(super) struct Fields<'a> {
    pub(super) payload: Payload<'a>,
    pub(super) limits: &'a Limits,
    /// Bytes that may be spelled out: what many values share counts each time.
    budget: u64,
    /// How many of them are left.
    left: u64,
}

/// What a field turned out to be, or not.
pub(super) type Field<T> = Result<T, FieldError>;

impl<'a> Fields<'a> {
    pub(super) fn new(payload: Payload<'a>, limits: &'a Limits, budget: u64) -> Self {
        Self {
            payload,
            limits,
            budget,
            left: budget,
        }
    }

    /// Reads the object of a package. One in an index has a hash; that of a package file is known otherwise, and what stands in
    /// its place there is only a name (`src/app_mkpkg.c`, "unique id").
    pub(super) fn package<At, Wrap, Problem>(
        &mut self,
        row: Slots<'a>,
        known: Option<PackageHash>,
        at: At,
    ) -> Result<IndexedPackage, Problem>
    where
        At: Fn(&'static str) -> Wrap,
        Wrap: Fn(FieldError) -> Problem,
    {
        let in_index = known.is_none();
        let text = |fields: &mut Self, slot, name| fields.text(row.value(slot)).map_err(at(name));
        let number = |fields: &Self, slot, name| fields.number(row.value(slot)).map_err(at(name));
        let list = |fields: &mut Self, slot, name| {
            let list = fields.dependencies(row.value(slot));
            list.map_err(at(name))
        };
        let name = self.name(row.value(package::NAME)).map_err(at("name"))?;
        let version = self.version(row.value(package::VERSION), in_index);
        let version = version.map_err(at("version"))?;
        let hash = match known {
            Some(hash) => hash,
            None => {
                let hash = self.hash(row.value(package::HASHES));
                hash.map_err(at("hashes"))?
            }
        };
        let description = text(self, package::DESCRIPTION, "description")?;
        let arch = self.arch(row.value(package::ARCH), in_index);
        Ok(IndexedPackage {
            facts: PackageFacts {
                format: Format::V3,
                name,
                version,
                description,
                arch: arch.map_err(at("arch"))?,
                license: text(self, package::LICENSE, "license")?,
                origin: text(self, package::ORIGIN, "origin")?,
                maintainer: text(self, package::MAINTAINER, "maintainer")?,
                url: text(self, package::URL, "url")?,
                commit: self
                    .commit(row.value(package::REPO_COMMIT))
                    .map_err(at("repo-commit"))?,
                build_date: number(self, package::BUILD_TIME, "build-time")?,
                installed_size: number(self, package::INSTALLED_SIZE, "installed-size")?,
                provider_priority: number(self, package::PROVIDER_PRIORITY, "provider-priority")?,
                depends: list(self, package::DEPENDS, "depends")?,
                provides: list(self, package::PROVIDES, "provides")?,
                replaces: list(self, package::REPLACES, "replaces")?,
                install_if: list(self, package::INSTALL_IF, "install-if")?,
                recommends: list(self, package::RECOMMENDS, "recommends")?,
                layer: number(self, package::LAYER, "layer")?,
                tags: self.lines(row.value(package::TAGS)).map_err(at("tags"))?,
                // Not in an index.
                packager: String::new(),
                replaces_priority: 0,
                triggers: Vec::new(),
                scripts: Vec::new(),
            },
            hash,
            size: number(self, package::FILE_SIZE, "file-size")?,
        })
    }

    /// Takes `bytes` off what may still be spelled out.
    pub(super) fn spend(&mut self, bytes: usize) -> Field<()> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.ok_or(FieldError::Budget(self.budget))?;
        Ok(())
    }

    /// A row of which each slot becomes `size` bytes.
    pub(super) fn slots(&mut self, value: Value, size: usize) -> Field<Slots<'a>> {
        let slots = self.payload.slots(value)?;
        self.spend(slots.len().saturating_mul(size))?;
        Ok(slots)
    }

    /// A row of at most `known` slots, the count included.
    pub(super) fn object(&mut self, value: Value, known: usize) -> Field<Slots<'a>> {
        let slots = self.slots(value, size_of::<Value>())?;
        if slots.len() >= known {
            return Err(FieldError::Unknown(slots.len()));
        }
        Ok(slots)
    }

    pub(super) fn number(&self, value: Value) -> Field<u64> {
        if value.is_null() {
            return Ok(0);
        }
        Ok(self.payload.integer(value)?)
    }

    /// A text of one line; empty when absent.
    pub(super) fn line(&mut self, value: Value) -> Field<&'a str> {
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

    pub(super) fn text(&mut self, value: Value) -> Field<String> {
        self.line(value).map(str::to_owned)
    }

    /// A line that has to be there.
    pub(super) fn needed(&mut self, value: Value) -> Field<&'a str> {
        match self.line(value)? {
            "" => Err(FieldError::Missing),
            line => Ok(line),
        }
    }

    fn name(&mut self, value: Value) -> Field<PackageName> {
        let name = self.needed(value)?;
        Ok(PackageName::parse_within(name, self.limits)?)
    }

    /// A version. In an index it may be one that apk carries without reading it.
    fn version(&mut self, value: Value, in_index: bool) -> Field<Version> {
        let version = self.needed(value)?;
        if in_index || self.limits.lenient_versions {
            return Ok(Version::parse_lenient(version, self.limits)?);
        }
        Ok(Version::parse_within(version, self.limits)?)
    }

    /// An architecture. A package may not have a name that another system has for one of apk's.
    fn arch(&mut self, value: Value, in_index: bool) -> Field<Arch> {
        let arch = self.needed(value)?;
        if in_index {
            return Ok(Arch::parse(arch)?);
        }
        Ok(Arch::parse_of_package(arch)?)
    }

    /// apk leaves a package without a hash out (apk-tools `src/database.c`, `load_v3index`).
    fn hash(&self, value: Value) -> Field<PackageHash> {
        let bytes = self.payload.blob(value)?;
        match PackageHash::from_bytes(bytes) {
            Some(hash) => Ok(hash),
            None if bytes.is_empty() => Err(FieldError::Missing),
            None => Err(FieldError::Hash(bytes.len())),
        }
    }

    /// apk takes any bytes: 20 in an index that it made of v2 packages, whatever `apk mkpkg` was given in others.
    fn commit(&mut self, value: Value) -> Field<String> {
        let bytes = self.payload.blob(value)?;
        let (length, limit) = (bytes.len().saturating_mul(2), self.limits.index_line);
        if length > limit {
            return Err(FieldError::TooLong { length, limit });
        }
        self.spend(length)?;
        Ok(HEXLOWER.encode(bytes))
    }

    /// An array of lines, none of them empty.
    pub(super) fn lines(&mut self, value: Value) -> Field<Vec<String>> {
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
