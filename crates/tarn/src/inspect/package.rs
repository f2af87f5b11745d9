//! Inspecting a package, in pieces: it may be larger than the memory.

use std::{io::Read, path::Path};

use apk::{
    dependency::Dependency,
    v2::package::{Package, PackageError, PackageReader},
};
use serde::Serialize;
use tarn_base::clock::Timestamp;

use super::{
    Signature, TrustedKey, limits, not_signed, open, print_labelled, signature_lines, signatures,
    unreadable,
};
use crate::{
    failure::Failure,
    output::{self, moment},
};

/// Bytes read at a time.
const PIECE: usize = 64 << 10;

/// What a package says. Sizes are in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    name: String,
    version: String,
    arch: String,
    description: String,
    url: String,
    license: String,
    origin: String,
    maintainer: String,
    packager: String,
    commit: String,
    built_at: Option<String>,
    identity: String,
    datahash: String,
    size: u64,
    signature_size: u64,
    control_size: u64,
    data_size: u64,
    installed_size: u64,
    entries: u64,
    provider_priority: u64,
    replaces_priority: u64,
    depends: Vec<String>,
    provides: Vec<String>,
    install_if: Vec<String>,
    replaces: Vec<String>,
    triggers: Vec<String>,
    scripts: Vec<&'static str>,
    signatures: Vec<Signature>,
}

/// Reads the package at `path`.
///
/// # Errors
///
/// When it cannot be read, apk would refuse it, or `trusted` is given and did not sign it.
pub(super) fn inspect(path: &Path, trusted: Option<&TrustedKey>) -> Result<Shown, Failure> {
    let package = read(path)?;
    if let Some(trusted) = trusted
        && !package.is_signed_by(&trusted.name, &trusted.key)
    {
        return Err(not_signed(path, trusted, &package.signatures));
    }
    Ok(Shown::new(package, trusted))
}

fn read(path: &Path) -> Result<Package, Failure> {
    let refused = |error: PackageError| {
        Failure::from_error(&error)
            .into_refused()
            .about(&path.display().to_string())
    };
    let mut file = open(path)?;
    let mut reader = PackageReader::new(limits());
    let mut piece = vec![0; PIECE];
    loop {
        let read = file
            .read(&mut piece)
            .map_err(|error| unreadable(path, &error))?;
        match piece.get(..read) {
            Some([]) | None => return reader.finish().map_err(refused),
            Some(bytes) => reader.push(bytes).map_err(refused)?,
        }
    }
}

fn texts(dependencies: &[Dependency]) -> Vec<String> {
    dependencies.iter().map(ToString::to_string).collect()
}

impl Shown {
    fn new(package: Package, trusted: Option<&TrustedKey>) -> Self {
        let signatures = signatures(&package.signatures, |member| {
            let trusted = trusted?;
            Some(member.is_by(&trusted.name, &trusted.key, &package.control_digests))
        });
        let info = package.info;
        Self {
            name: info.name.to_string(),
            version: info.version.to_string(),
            arch: info.arch.to_string(),
            description: info.description,
            url: info.url,
            license: info.license,
            origin: info.origin,
            maintainer: info.maintainer,
            packager: info.packager,
            commit: info.commit,
            built_at: i64::try_from(info.build_date)
                .ok()
                .filter(|date| *date > 0)
                .map(|date| moment(Timestamp::from_seconds(date))),
            identity: package.identity.to_index_field(),
            datahash: info.data_hash.to_hex(),
            size: package.size,
            signature_size: package.signature_size,
            control_size: package.control_size,
            data_size: package.data_size,
            installed_size: info.installed_size,
            entries: package.data_entries,
            provider_priority: info.provider_priority,
            replaces_priority: info.replaces_priority,
            depends: texts(&info.depends),
            provides: texts(&info.provides),
            install_if: texts(&info.install_if),
            replaces: texts(&info.replaces),
            triggers: info.triggers,
            scripts: package
                .scripts
                .iter()
                .map(|script| script.as_str())
                .collect(),
            signatures,
        }
    }

    /// Prints it, for people or as JSON.
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::print_json(self);
        }
        let one = |value: &str| vec![value.to_owned()];
        let priority = |value: u64| match value {
            0 => Vec::new(),
            value => vec![value.to_string()],
        };
        print_labelled(&[
            ("package", one(&format!("{}-{}", self.name, self.version))),
            ("arch", one(&self.arch)),
            ("description", one(&self.description)),
            ("url", one(&self.url)),
            ("license", one(&self.license)),
            ("origin", one(&self.origin)),
            ("maintainer", one(&self.maintainer)),
            ("packager", one(&self.packager)),
            ("commit", one(&self.commit)),
            ("built", self.built_at.iter().cloned().collect()),
            ("depends", self.depends.clone()),
            ("provides", self.provides.clone()),
            ("install if", self.install_if.clone()),
            ("replaces", self.replaces.clone()),
            ("triggers", self.triggers.clone()),
            ("scripts", one(&self.scripts.join(", "))),
            ("provider prio", priority(self.provider_priority)),
            ("replaces prio", priority(self.replaces_priority)),
            ("signed by", signature_lines(&self.signatures)),
            ("identity", one(&self.identity)),
            ("datahash", one(&self.datahash)),
            (
                "size",
                one(&format!(
                    "{} bytes: signature {}, control {}, data {}; {} entries take {} bytes once installed",
                    self.size,
                    self.signature_size,
                    self.control_size,
                    self.data_size,
                    self.entries,
                    self.installed_size
                )),
            ),
        ])
    }
}
