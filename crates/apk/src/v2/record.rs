//! Records of `APKINDEX`: one package each, a line a field, a blank line at the end.
//!
//! [`render`] makes the record of a package, and [`Record::parse`] reads one. They share nothing but the value types, on
//! purpose: an index is checked with the reader before it is served.

use std::fmt::Write as _;

use crate::{arch::Arch, dependency::Dependency, digest::Identity, facts::PackageFacts};

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
pub fn render(facts: &PackageFacts, identity: &Identity, size: u64, arch: &Arch) -> String {
    // Taken apart without `..`: a new field has to be thought of here.
    let PackageFacts {
        format: _,
        name,
        version,
        // That of the index stands there.
        arch: _,
        description,
        url,
        license,
        origin,
        maintainer,
        commit,
        build_date,
        installed_size,
        provider_priority,
        depends,
        provides,
        install_if,
        // apk's v2 index has none of these.
        packager: _,
        replaces_priority: _,
        replaces: _,
        recommends: _,
        layer: _,
        tags: _,
        triggers: _,
        scripts: _,
    } = facts;
    let mut record = String::with_capacity(512);
    line(&mut record, 'C', &identity.to_index_field());
    line(&mut record, 'P', name.as_str());
    line(&mut record, 'V', version.as_str());
    line(&mut record, 'A', arch.as_str());
    line(&mut record, 'S', &size.to_string());
    line(&mut record, 'I', &installed_size.to_string());
    line(&mut record, 'T', description);
    line(&mut record, 'U', url);
    line(&mut record, 'L', license);
    text(&mut record, 'o', origin);
    text(&mut record, 'm', maintainer);
    number(&mut record, 't', *build_date);
    text(&mut record, 'c', commit);
    number(&mut record, 'k', *provider_priority);
    list(&mut record, 'D', depends);
    list(&mut record, 'p', provides);
    list(&mut record, 'i', install_if);
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

#[cfg(test)]
mod tests;
