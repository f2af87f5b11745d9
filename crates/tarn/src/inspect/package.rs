//! Inspecting a package, in pieces: it may be larger than the memory.

use std::path::Path;

use apk::{
    facts::{Format, PackageFacts},
    package::Package,
    v2,
    v3::{self, container::Compression},
};
use serde::Serialize;
use tarn_base::clock::Timestamp;

use super::{
    Signature, TrustedKey, not_signed, not_signed_v3, open, print_labelled, refused,
    signature_lines, signatures, unreadable,
};
use crate::{
    failure::Failure,
    output::{self, moment},
    push::check,
};

/// What a package says. Sizes are in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    format: &'static str,
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
    datahash: Option<String>,
    size: u64,
    #[serde(flatten)]
    parts: Parts,
    installed_size: u64,
    entries: u64,
    provider_priority: u64,
    replaces_priority: u64,
    depends: Vec<String>,
    provides: Vec<String>,
    install_if: Vec<String>,
    replaces: Vec<String>,
    recommends: Vec<String>,
    layer: u64,
    tags: Vec<String>,
    triggers: Vec<String>,
    scripts: Vec<String>,
    signatures: Vec<Signature>,
}

/// What a file is made of. Sizes are in bytes.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Parts {
    V2 {
        signature_size: u64,
        control_size: u64,
        data_size: u64,
    },
    V3 {
        compression: &'static str,
        database_size: u64,
        unpacked_size: u64,
    },
}

/// Reads the package at `path`.
///
/// # Errors
///
/// When it cannot be read, apk would refuse it, or `trusted` is given and did not sign it.
pub(super) fn inspect(path: &Path, trusted: Option<&TrustedKey>) -> Result<Shown, Failure> {
    let package = check::read(open(path)?, false, |_| {})
        .map_err(|error| unreadable(path, &error))?
        .map_err(|error| refused(path, &error))?;
    let identity = package.hash().to_string();
    match package {
        Package::V2(package) => {
            if let Some(trusted) = trusted
                && !package.is_signed_by(&trusted.name, &trusted.key)
            {
                return Err(not_signed(path, trusted, &package.signatures));
            }
            Ok(Shown::of_v2(*package, identity, trusted))
        }
        Package::V3(package) => {
            if let Some(trusted) = trusted
                && !package.is_signed_by(&trusted.key)
            {
                let signed_by: Vec<_> = package.signed_by().collect();
                return Err(not_signed_v3(path, trusted, &signed_by));
            }
            Ok(Shown::of_v3(*package, identity, trusted))
        }
    }
}

fn texts<T: ToString>(list: &[T]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

impl Shown {
    fn of_v2(
        package: v2::package::Package,
        identity: String,
        trusted: Option<&TrustedKey>,
    ) -> Self {
        let signatures = signatures(&package.signatures, |member| {
            let trusted = trusted?;
            Some(member.is_by(&trusted.name, &trusted.key, &package.control_digests))
        });
        let parts = Parts::V2 {
            signature_size: package.signature_size,
            control_size: package.control_size,
            data_size: package.data_size,
        };
        Self {
            size: package.size,
            identity,
            entries: package.data_entries,
            signatures,
            ..Self::new(package.facts, parts)
        }
    }

    fn of_v3(
        package: v3::package::Package,
        identity: String,
        trusted: Option<&TrustedKey>,
    ) -> Self {
        let signatures = package.signatures().map(|signature| {
            let verified = trusted.map(|trusted| signature.is_by(&trusted.key, &package.digest));
            Signature::of_v3(signature.key, verified)
        });
        let signatures = signatures.collect();
        let parts = Parts::V3 {
            compression: match package.compression {
                Compression::None => "none",
                Compression::Deflate => "deflate",
                Compression::Zstd => "zstd",
            },
            database_size: package.database_size,
            unpacked_size: package.unpacked_size,
        };
        Self {
            size: package.size,
            identity,
            entries: package.entries,
            signatures,
            ..Self::new(package.facts, parts)
        }
    }

    /// What it says of itself; of the file nothing yet.
    fn new(facts: PackageFacts, parts: Parts) -> Self {
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
            packager,
            commit,
            build_date,
            installed_size,
            provider_priority,
            replaces_priority,
            depends,
            provides,
            replaces,
            install_if,
            recommends,
            layer,
            tags,
            triggers,
            scripts,
        } = facts;
        Self {
            format: format.as_str(),
            name: name.to_string(),
            version: version.to_string(),
            arch: arch.to_string(),
            description,
            url,
            license,
            origin,
            maintainer,
            packager,
            commit,
            built_at: i64::try_from(build_date)
                .ok()
                .filter(|date| *date > 0)
                .map(|date| moment(Timestamp::from_seconds(date))),
            identity: String::new(),
            datahash: match format {
                Format::V2 { data_hash } => Some(data_hash.to_hex()),
                Format::V3 => None,
            },
            size: 0,
            parts,
            installed_size,
            entries: 0,
            provider_priority,
            replaces_priority,
            depends: texts(&depends),
            provides: texts(&provides),
            install_if: texts(&install_if),
            replaces: texts(&replaces),
            recommends: texts(&recommends),
            layer,
            tags,
            triggers,
            scripts: texts(&scripts),
            signatures: Vec::new(),
        }
    }

    /// Prints it, for people or as JSON.
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::print_json(self);
        }
        // Without `..`: a new field has to be thought of here.
        let Self {
            format,
            name,
            version,
            arch,
            description,
            url,
            license,
            origin,
            maintainer,
            packager,
            commit,
            built_at,
            identity,
            datahash,
            size,
            parts,
            installed_size,
            entries,
            provider_priority,
            replaces_priority,
            depends,
            provides,
            install_if,
            replaces,
            recommends,
            layer,
            tags,
            triggers,
            scripts,
            signatures,
        } = self;
        let one = |value: &str| vec![value.to_owned()];
        let number = |value: u64| match value {
            0 => Vec::new(),
            value => vec![value.to_string()],
        };
        let parts = match parts {
            Parts::V2 {
                signature_size,
                control_size,
                data_size,
            } => format!("signature {signature_size}, control {control_size}, data {data_size}"),
            Parts::V3 {
                compression,
                database_size,
                unpacked_size,
            } => format!(
                "compression {compression}, {unpacked_size} unpacked, database {database_size}"
            ),
        };
        print_labelled(&[
            ("package", one(&format!("{}-{}", name, version))),
            ("format", one(format)),
            ("arch", one(arch)),
            ("description", one(description)),
            ("url", one(url)),
            ("license", one(license)),
            ("origin", one(origin)),
            ("maintainer", one(maintainer)),
            ("packager", one(packager)),
            ("commit", one(commit)),
            ("built", built_at.iter().cloned().collect()),
            ("depends", depends.clone()),
            ("provides", provides.clone()),
            ("install if", install_if.clone()),
            ("replaces", replaces.clone()),
            ("recommends", recommends.clone()),
            ("layer", number(*layer)),
            ("tags", one(&tags.join(" "))),
            ("triggers", triggers.clone()),
            ("scripts", one(&scripts.join(", "))),
            ("provider prio", number(*provider_priority)),
            ("replaces prio", number(*replaces_priority)),
            ("signed by", signature_lines(signatures)),
            ("identity", one(identity)),
            ("datahash", datahash.iter().cloned().collect()),
            (
                "size",
                one(&format!(
                    "{} bytes: {parts}; {} entries take {} bytes once installed",
                    size, entries, installed_size
                )),
            ),
        ])
    }
}
