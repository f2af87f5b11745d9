//! Reads the ADB block of a package.

use aws_lc_rs::digest;

use super::{
    Directory, PackageError,
    contents::{Contents, FileKind, join},
};
use crate::{
    digest::Sha256Digest,
    facts::{PackageFacts, V3Facts},
    limits::Limits,
    quoted::Quoted,
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
    pub(super) directories: Vec<Directory>,
    pub(super) scripts: Vec<(Script, Vec<u8>)>,
    pub(super) digest: PayloadDigest,
    pub(super) size: u64,
}

/// Gives for a field, then for what is wrong with it, the error.
fn at(field: &'static str) -> impl Fn(FieldError) -> PackageError {
    move |problem| PackageError::Field { field, problem }
}

/// Reads the ADB block.
pub(super) fn parse(database: &[u8], limits: &Limits) -> Result<Parsed, PackageError> {
    let payload = Payload::new(database).map_err(|error| at("header")(error.into()))?;
    let mut fields = Fields::new(payload, limits, limits.database_spelled_out);
    let root = fields.object(payload.root(), package_file::SLOTS);
    let root = root.map_err(at("root"))?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(digest::digest(&digest::SHA256, database).as_ref());
    let hash = PackageHash::Sha256(Sha256Digest::from_bytes(sha256));
    let row = fields.object(root.value(package_file::INFO), package::SLOTS);
    let info = fields.package(row.map_err(at("info"))?, Some(hash), at)?;
    let directories = Contents::new(&mut fields).read(root.value(package_file::PATHS))?;
    check_empty_files(&directories)?;
    let scripts = read_scripts(&mut fields, root, limits)?;
    let triggers = fields.lines(root.value(package_file::TRIGGERS));
    let priority = fields.number(root.value(package_file::REPLACES_PRIORITY));
    // Such a package counts as virtual, none of its files would be unpacked, no script run (`src/commit.c`, `src/database.c`).
    if info.installed_size == 0 && !(directories.is_empty() && scripts.is_empty()) {
        return Err(PackageError::NoInstalledSize);
    }
    let facts = PackageFacts::of_v3(
        info,
        V3Facts {
            replaces_priority: priority.map_err(at("replaces-priority"))?,
            triggers: triggers.map_err(at("triggers"))?,
            scripts: scripts.iter().map(|(script, _)| *script).collect(),
        },
    );
    facts.check(limits)?;
    Ok(Parsed {
        facts,
        hash,
        directories,
        scripts,
        digest: PayloadDigest::of(Schema::Package, database),
        size: database.len() as u64,
    })
}

/// An empty file has no data block, so apk never compares its hash.
fn check_empty_files(directories: &[Directory]) -> Result<(), PackageError> {
    for directory in directories {
        for file in &directory.files {
            let Some(hash) = file.hash else { continue };
            let is_empty = file.kind == FileKind::Regular && file.size == 0;
            if is_empty && hash.hasher().finish().as_ref() != hash.as_bytes() {
                let path = Quoted::new(&join(&directory.path, &file.name));
                return Err(PackageError::Hash { path });
            }
        }
    }
    Ok(())
}

fn read_scripts(
    fields: &mut Fields<'_>,
    root: Slots<'_>,
    limits: &Limits,
) -> Result<Vec<(Script, Vec<u8>)>, PackageError> {
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
            found.push((name, text.to_vec()));
        }
    }
    Ok(found)
}
