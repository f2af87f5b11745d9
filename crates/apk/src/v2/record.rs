//! Records of `APKINDEX`: one package each, a line a field, a blank line at the end.
//!
//! [`render`] makes the record of a package, and [`Record::parse`] reads one. They share nothing but the value types, on
//! purpose: an index is checked with the reader before it is served.

use std::{borrow::Cow, fmt::Write as _};

use crate::{arch::Arch, dependency::Dependency, digest::Identity, package_info::PackageInfo};

pub use error::RecordError;
pub use reader::Record;

mod error;
mod reader;

/// The record of a package: the fields in apk's order `C P V A S I T U L o m t c k D p i`, each there or not as
/// apk itself decides it (apk-tools `src/package.c`, `apk_pkg_write_index_header`), with the blank line at the end.
///
/// `size` is that of the whole package file in bytes. `arch` is the architecture of the index, which for a `noarch`
/// package is not the package's own.
#[must_use]
pub fn render(info: &PackageInfo, identity: &Identity, size: u64, arch: &Arch) -> String {
    let mut record = String::with_capacity(512);
    line(&mut record, 'C', &identity.to_index_field());
    line(&mut record, 'P', info.name.as_str());
    line(&mut record, 'V', info.version.as_str());
    line(&mut record, 'A', arch.as_str());
    line(&mut record, 'S', &size.to_string());
    line(&mut record, 'I', &info.installed_size.to_string());
    line(&mut record, 'T', &info.description);
    line(&mut record, 'U', &info.url);
    line(&mut record, 'L', &info.license);
    text(&mut record, 'o', &info.origin);
    text(&mut record, 'm', &info.maintainer);
    number(&mut record, 't', info.build_date);
    text(&mut record, 'c', &info.commit);
    number(&mut record, 'k', info.provider_priority);
    list(&mut record, 'D', &info.depends);
    list(&mut record, 'p', &info.provides);
    list(&mut record, 'i', &info.install_if);
    record.push('\n');
    record
}

fn line(record: &mut String, field: char, value: &str) {
    record.push(field);
    record.push(':');
    record.push_str(value);
    record.push('\n');
}

fn text(record: &mut String, field: char, value: &str) {
    if !value.is_empty() {
        line(record, field, value);
    }
}

fn number(record: &mut String, field: char, value: u64) {
    if value != 0 {
        line(record, field, &value.to_string());
    }
}

fn list(record: &mut String, field: char, dependencies: &[Dependency]) {
    let Some((first, rest)) = dependencies.split_first() else {
        return;
    };
    let mut value = first.to_string();
    for dependency in rest {
        // Writing to a string cannot fail.
        let _ = write!(value, " {dependency}");
    }
    line(record, field, &value);
}

/// The same record for the index of another architecture: the value of `A:` replaced, everything else as it was.
///
/// A `noarch` package is kept once and listed everywhere. A record without `A:` is given back as it is.
#[must_use]
pub fn with_arch<'record>(record: &'record str, arch: &Arch) -> Cow<'record, str> {
    let mut before = 0;
    for line in record.split_inclusive('\n') {
        let Some(value) = line.strip_prefix("A:") else {
            before += line.len();
            continue;
        };
        let value = value.strip_suffix('\n').unwrap_or(value);
        if value == arch.as_str() {
            break;
        }
        let start = before + "A:".len();
        let (Some(head), Some(tail)) = (record.get(..start), record.get(start + value.len()..))
        else {
            break;
        };
        return Cow::Owned([head, arch.as_str(), tail].concat());
    }
    Cow::Borrowed(record)
}

#[cfg(test)]
mod tests;
