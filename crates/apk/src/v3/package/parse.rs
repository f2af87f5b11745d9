//! Reads the ADB block of a package.

use aws_lc_rs::digest;

use super::{
    PackageContents, PackageError,
    contents::{Contents, Paths},
};
use crate::{
    digest::Sha256Digest,
    facts::PackageFacts,
    limits::Limits,
    script::Script,
    v3::{
        error::FieldError,
        fields::Fields,
        index::PackageHash,
        reader::{Payload, Slots},
        schema::{Schema, package, package_file, scripts},
        signature::PayloadDigest,
    },
};

/// What the ADB block says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) facts: PackageFacts,
    pub(super) hash: PackageHash,
    pub(super) contents: Option<PackageContents>,
    pub(super) entries: u64,
    pub(super) digest: PayloadDigest,
    pub(super) size: u64,
}

/// Gives for a field, then for what is wrong with it, the error.
fn at(field: &'static str) -> impl Fn(FieldError) -> PackageError {
    move |problem| PackageError::Field { field, problem }
}

/// Reads the ADB block. With `keeps`, the paths and scripts are given too.
pub(super) fn parse(database: &[u8], limits: &Limits, keeps: bool) -> Result<Parsed, PackageError> {
    let payload = Payload::new(database).map_err(|error| at("header")(error.into()))?;
    let mut fields = Fields::new(payload, limits, limits.database_spelled_out);
    let root = fields.object(payload.root(), package_file::SLOTS);
    let root = root.map_err(at("root"))?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest::digest(&digest::SHA256, database).as_ref());
    let hash = PackageHash::Sha256(Sha256Digest::from_bytes(sha256));
    let row = fields.object(root.value(package_file::INFO), package::SLOTS);
    let info = fields.package(row.map_err(at("info"))?, Some(hash), at)?;
    let paths = Contents::new(&mut fields, keeps).read(root.value(package_file::PATHS))?;
    let Paths {
        directories,
        entries,
    } = paths;
    let scripts = read_scripts(&mut fields, root, limits)?;
    let triggers = fields.lines(root.value(package_file::TRIGGERS));
    let priority = fields.number(root.value(package_file::REPLACES_PRIORITY));
    // Such a package counts as virtual, none of its files would be unpacked, no script run (`src/commit.c`, `src/database.c`).
    if info.facts.installed_size == 0 && !(entries == 0 && scripts.is_empty()) {
        return Err(PackageError::NoInstalledSize);
    }
    let facts = PackageFacts {
        replaces_priority: priority.map_err(at("replaces-priority"))?,
        triggers: triggers.map_err(at("triggers"))?,
        scripts: scripts.iter().map(|(script, _)| *script).collect(),
        ..info.facts
    };
    facts.check(limits)?;
    Ok(Parsed {
        facts,
        hash,
        contents: keeps.then(|| PackageContents {
            directories,
            scripts: owned(&scripts),
        }),
        entries,
        digest: PayloadDigest::of(Schema::Package, database),
        size: database.len() as u64,
    })
}

fn owned(scripts: &[(Script, &[u8])]) -> Vec<(Script, Vec<u8>)> {
    let scripts = scripts.iter();
    scripts
        .map(|(script, text)| (*script, text.to_vec()))
        .collect()
}

fn read_scripts<'a>(
    fields: &mut Fields<'a>,
    root: Slots<'a>,
    limits: &Limits,
) -> Result<Vec<(Script, &'a [u8])>, PackageError> {
    let row = fields.object(root.value(package_file::SCRIPTS), scripts::SLOTS);
    let row = row.map_err(at("scripts"))?;
    let mut found = Vec::new();
    for (value, name) in row.iter().zip(scripts::ORDER) {
        let text = fields.payload.blob(value);
        let text = text.map_err(|error| at(name.as_str())(error.into()))?;
        let (size, limit) = (text.len() as u64, limits.script);
        if size > limit {
            return Err(PackageError::ScriptTooLarge { name, size, limit });
        }
        if !text.is_empty() {
            fields.spend(text.len()).map_err(at("scripts"))?;
            found.push((name, text));
        }
    }
    Ok(found)
}
