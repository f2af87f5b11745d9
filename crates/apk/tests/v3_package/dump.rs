//! A package as `apk adbdump --format json` prints it, as far as what was read says: without the unique
//! identifier, which is not the package's hash, and without numbers that are 0.

use apk::{
    acl::Acl,
    digest::{Identity, PackageHash},
    facts::PackageFacts,
    v3::{
        index::{IndexedPackage, JsonDump},
        package::{Directory, File, FileKind, Package},
    },
};
use serde_json::{Map, Value, json};

/// What both sides of a comparison leave out.
pub(crate) fn normalize(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .into_iter()
                .filter(|(name, value)| name != "hashes" && *value != json!(0));
            kept.map(|(name, value)| (name, normalize(value)))
                .collect::<Map<_, _>>()
                .into()
        }
        Value::Array(items) => items.into_iter().map(normalize).collect(),
        other => other,
    }
}

/// The whole package, normalized.
pub(crate) fn package(package: &Package) -> Value {
    let mut scripts = Map::new();
    let Some(contents) = &package.contents else {
        return Value::Null;
    };
    for (script, text) in &contents.scripts {
        scripts.insert(script.to_string(), String::from_utf8_lossy(text).into());
    }
    let facts = &package.facts;
    let paths: Vec<Value> = contents.directories.iter().map(directory).collect();
    without_empty(json!({
        "info": info(facts),
        "paths": paths,
        "scripts": scripts,
        "triggers": facts.triggers,
        "replaces-priority": facts.replaces_priority,
    }))
}

/// What the package says of itself.
pub(crate) fn info_of(package: &Package) -> Value {
    info(&package.facts)
}

fn info(facts: &PackageFacts) -> Value {
    let mut dump = JsonDump::new("");
    dump.push(&IndexedPackage {
        facts: facts.clone(),
        hash: PackageHash::Identity(Identity::from_bytes([0; 20])),
        size: 0,
    });
    let dump: Value = serde_json::from_str(&dump.finish()).unwrap_or_default();
    normalize(dump.pointer("/packages/0").cloned().unwrap_or_default())
}

fn directory(directory: &Directory) -> Value {
    let files: Vec<Value> = directory.files.iter().map(file).collect();
    let name = String::from_utf8_lossy(&directory.path);
    without_empty(json!({"name": name, "acl": acl(&directory.acl), "files": files}))
}

fn file(file: &File) -> Value {
    let target = match &file.kind {
        FileKind::Regular => String::new(),
        FileKind::HardLink(target) => hex(&[b"\0\x80".as_slice(), target].concat()),
        FileKind::SymbolicLink(target) => hex(&[b"\0\xa0".as_slice(), target].concat()),
        FileKind::BlockDevice(number) => device(0x60, *number),
        FileKind::CharacterDevice(number) => device(0x20, *number),
        FileKind::Pipe => device(0x10, 0),
    };
    without_empty(json!({
        "name": String::from_utf8_lossy(&file.name),
        "acl": acl(&file.acl),
        "size": file.size,
        "mtime": file.mtime,
        "hash": file.hash.map(|hash| hash.to_string()).unwrap_or_default(),
        "target": target,
    }))
}

fn device(kind: u8, number: u64) -> String {
    hex(&[[0, kind].as_slice(), &number.to_le_bytes()].concat())
}

fn acl(acl: &Acl) -> Value {
    let xattrs = acl.xattrs.iter();
    let xattrs: Vec<String> = xattrs
        .map(|xattr| {
            format!(
                "{}={}",
                String::from_utf8_lossy(&xattr.name),
                hex(&xattr.value)
            )
        })
        .collect();
    without_empty(json!({"mode": acl.mode, "user": acl.user, "group": acl.group, "xattrs": xattrs}))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// apk prints no field that is absent.
fn without_empty(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| match value {
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            other => *other != json!(0),
        });
    }
    value
}
