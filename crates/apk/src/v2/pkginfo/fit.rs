//! Whether a package fits into the buffers of apk, wherever it gets listed.

use super::{PkginfoError, list::Length};
use crate::{
    arch::LONGEST_ARCH,
    dependency::{Dependency, Operator},
    limits::Limits,
    package_info::PackageInfo,
    quoted::Quoted,
};

/// A letter, `:` and the line feed.
const LINE: usize = 3;
/// `Q1` and the base64 of 20 bytes.
const IDENTITY: usize = 30;
/// The digits of the largest file size.
const FILE_SIZE: usize = 20;

/// How long the lists are, what was not kept of them included.
pub(super) struct Lengths {
    pub(super) depends: Length,
    pub(super) provides: Length,
    pub(super) install_if: Length,
    pub(super) replaces: Length,
}

/// Refuses what the index, or the database that apk keeps of what is installed, can't hold.
pub(super) fn check(
    info: &PackageInfo,
    lengths: &Lengths,
    limits: &Limits,
) -> Result<(), PkginfoError> {
    let length = info.name.as_str().len() + info.version.as_str().len();
    if length > limits.name_and_version {
        let excess = length - limits.name_and_version;
        return Err(PkginfoError::NameAndVersionTooLong { length, excess });
    }
    if let Some(wrong) = info.provides.iter().find(|&one| !can_provide(one)) {
        return Err(PkginfoError::Provides {
            dependency: Quoted::new(&wrong.to_string()),
        });
    }
    check_line("depend", LINE, lengths.depends, limits.index_line)?;
    check_line("provides", LINE, lengths.provides, limits.index_line)?;
    check_line("install_if", LINE, lengths.install_if, limits.index_line)?;
    // `r:` shares a buffer of 1024 + PATH_MAX bytes with the path of the first folder (apk-tools `src/database.c`,
    // `apk_db_fdb_write`): this leaves 3 KiB to the path.
    check_line("replaces", LINE, lengths.replaces, limits.index_header)?;
    check_triggers(&info.triggers, limits)?;
    let header = check_header(info, limits)?;
    check_record(header, lengths, limits)
}

/// Refuses what makes a record that is too long although each of its lines is short enough, or has too many entries.
fn check_record(header: usize, lengths: &Lengths, limits: &Limits) -> Result<(), PkginfoError> {
    let listed = [
        ("depend", lengths.depends),
        ("provides", lengths.provides),
        ("install_if", lengths.install_if),
    ];
    let all = listed
        .into_iter()
        .chain([("replaces", lengths.replaces)])
        .max_by_key(|(_, length)| length.count);
    let count =
        lengths.replaces.count + listed.iter().map(|(_, length)| length.count).sum::<usize>();
    if let Some((field, _)) = all
        && count > limits.dependencies
    {
        return Err(PkginfoError::TooManyDependencies {
            field,
            count,
            limit: limits.dependencies,
        });
    }
    let lines = listed.iter().filter(|(_, length)| length.count > 0);
    let lines: usize = lines.map(|(_, length)| LINE + length.bytes).sum();
    // The blank line at the end.
    let length = header + lines + 1;
    match listed.into_iter().max_by_key(|(_, length)| length.bytes) {
        Some((field, _)) if length > limits.index_record => Err(PkginfoError::RecordTooLong {
            field,
            length,
            limit: limits.index_record,
        }),
        _ => Ok(()),
    }
}

/// Whether a package can provide this. apk drops the operator, and would take `a>=2` for `a=2` (`src/apk_package.h`,
/// `APK_PROVIDER_FROM_PROVIDES`).
fn can_provide(provided: &Dependency) -> bool {
    !provided.conflict()
        && matches!(
            provided.operator(),
            Operator::Any | Operator::Equal | Operator::Fuzzy
        )
}

/// apk keeps the triggers of a package on one line behind its identity (`src/database.c`, `apk_db_triggers_write`).
fn check_triggers(triggers: &[String], limits: &Limits) -> Result<(), PkginfoError> {
    let mut length = Length::default();
    for trigger in triggers {
        length.add(trigger.len());
    }
    check_line(
        "triggers",
        IDENTITY + " \n".len(),
        length,
        limits.index_line,
    )
}

/// Refuses a list that makes too long a line with the `more` bytes of it that are no entries.
fn check_line(
    field: &'static str,
    more: usize,
    Length { count, bytes }: Length,
    limit: usize,
) -> Result<(), PkginfoError> {
    let length = more + bytes;
    if count > 0 && length > limit {
        return Err(PkginfoError::ListTooLong {
            field,
            count,
            length,
            limit,
        });
    }
    Ok(())
}

/// The lines `C:` to `k:` as they will be written, with the largest file size, and for a `noarch` package with the
/// longest architecture: it is listed in the index of every one. Gives how long they are.
fn check_header(info: &PackageInfo, limits: &Limits) -> Result<usize, PkginfoError> {
    let arch = if info.arch.is_noarch() {
        LONGEST_ARCH
    } else {
        info.arch.as_str().len()
    };
    let texts = [
        ("pkgdesc", info.description.len(), true),
        ("url", info.url.len(), true),
        ("license", info.license.len(), true),
        ("origin", info.origin.len(), false),
        ("maintainer", info.maintainer.len(), false),
        ("commit", info.commit.len(), false),
    ];
    let fixed: usize = [
        IDENTITY,
        info.name.as_str().len(),
        info.version.as_str().len(),
        arch,
        FILE_SIZE,
        info.installed_size.to_string().len(),
        info.build_date.to_string().len(),
        info.provider_priority.to_string().len(),
    ]
    .into_iter()
    .map(|length| LINE + length)
    .sum();
    let variable: usize = texts
        .into_iter()
        .filter(|&(_, length, always)| always || length > 0)
        .map(|(_, length, _)| LINE + length)
        .sum();
    let length = fixed + variable;
    let longest = texts.into_iter().max_by_key(|&(_, length, _)| length);
    match longest {
        Some((field, _, _)) if length > limits.index_header => Err(PkginfoError::HeaderTooLong {
            field,
            length,
            limit: limits.index_header,
            excess: length - limits.index_header,
        }),
        _ => Ok(length),
    }
}
