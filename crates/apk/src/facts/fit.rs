//! Whether a package fits into the buffers of apk, wherever it gets listed.
//!
//! The bounds are those of the v2 index and of the database that apk keeps of what is installed. apk 3 writes that database
//! through the same buffers, of v3 packages too (apk-tools 3.0 `src/package.c`, `apk_pkg_write_index_header`; `src/database.c`).

use super::{FactsError, Names, PackageFacts};
use crate::{
    arch::LONGEST_ARCH,
    dependency::{Dependency, Operator},
    limits::Limits,
    quoted::Quoted,
};

/// A letter, `:` and the line feed.
const LINE: usize = 3;
/// `Q2` and the base64 of 32 bytes would be longer: apk 3 writes the first 20 bytes of it, as those of a v2 package.
const IDENTITY: usize = 30;
/// The digits of the largest file size.
const FILE_SIZE: usize = 20;
/// The largest installed size, in bytes: 1 PiB, so that apk's sums over a transaction stay within 63 bits.
pub(crate) const LARGEST_SIZE: u64 = 1 << 50;
/// apk 2 reads every number into 32 bits (apk-tools 2.14 `src/blob.c`, `apk_blob_pull_uint`). As a date: the year 2106.
pub(crate) const LARGEST_DATE: u64 = u32::MAX as u64;
/// apk keeps priorities in 16 bits (apk-tools `src/apk_package.h`).
pub(crate) const LARGEST_PRIORITY: u64 = u16::MAX as u64;
/// apk 3 has two layers, and writes its database through an array of two (`src/database.c`, `apk_db_write_layers`).
const LAST_LAYER: u64 = 1;

/// How long the line is that a list makes.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Length {
    /// Entries.
    pub(crate) count: usize,
    /// Bytes of the entries, with one space between each.
    pub(crate) bytes: usize,
}

impl Length {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes + usize::from(self.count > 0);
        self.count += 1;
    }

    fn of<T: ToString>(list: &[T]) -> Self {
        let mut length = Self::default();
        for one in list {
            length.add(one.to_string().len());
        }
        length
    }
}

/// How long the lists are, what was not kept of them included.
pub(crate) struct Lengths {
    pub(crate) depends: Length,
    pub(crate) provides: Length,
    pub(crate) install_if: Length,
    pub(crate) replaces: Length,
    pub(crate) recommends: Length,
    pub(crate) tags: Length,
}

impl Lengths {
    pub(super) fn of(facts: &PackageFacts) -> Self {
        Self {
            depends: Length::of(&facts.depends),
            provides: Length::of(&facts.provides),
            install_if: Length::of(&facts.install_if),
            replaces: Length::of(&facts.replaces),
            recommends: Length::of(&facts.recommends),
            tags: Length::of(&facts.tags),
        }
    }
}

/// Refuses what the index, or the database that apk keeps of what is installed, can't hold.
pub(super) fn check(
    facts: &PackageFacts,
    lengths: &Lengths,
    limits: &Limits,
) -> Result<(), FactsError> {
    let names = facts.format.names();
    let length = facts.name.as_str().len() + facts.version.as_str().len();
    if length > limits.name_and_version {
        let (field, excess) = (names.name, length - limits.name_and_version);
        return Err(FactsError::NameAndVersionTooLong {
            field,
            length,
            excess,
        });
    }
    check_values(facts, names)?;
    if let Some(wrong) = facts.provides.iter().find(|&one| !can_provide(one)) {
        return Err(FactsError::Provides {
            field: names.provides,
            dependency: Quoted::new(&wrong.to_string()),
        });
    }
    let line = limits.index_line;
    check_line(names.depends, LINE, lengths.depends, line)?;
    check_line(names.provides, LINE, lengths.provides, line)?;
    check_line(names.install_if, LINE, lengths.install_if, line)?;
    check_line(names.recommends, LINE, lengths.recommends, line)?;
    check_line(names.tags, LINE, lengths.tags, line)?;
    // `r:` shares a buffer of 1024 + PATH_MAX bytes with the path of the first folder (apk-tools `src/database.c`,
    // `apk_db_fdb_write`): this leaves 3 KiB to the path.
    check_line(names.replaces, LINE, lengths.replaces, limits.index_header)?;
    // apk keeps the triggers of a package on one line behind its identity (`src/database.c`, `apk_db_triggers_write`).
    let triggers = Length::of(&facts.triggers);
    check_line(names.triggers, IDENTITY + " \n".len(), triggers, line)?;
    let header = check_header(facts, names, limits)?;
    check_record(header, names, lengths, limits)
}

/// Whether each text and each number is one that apk can keep.
fn check_values(facts: &PackageFacts, names: &Names) -> Result<(), FactsError> {
    // Taken apart without `..`: a new field has to be thought of here.
    let PackageFacts {
        // Neither these values nor the lists of dependencies can have a control character.
        format: _,
        name: _,
        version: _,
        arch: _,
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
        depends: _,
        provides: _,
        replaces: _,
        install_if: _,
        recommends: _,
        layer,
        tags,
        triggers,
        scripts: _,
    } = facts;
    let one = [
        (names.description, description),
        (names.url, url),
        (names.license, license),
        (names.origin, origin),
        (names.maintainer, maintainer),
        (names.packager, packager),
        (names.commit, commit),
    ];
    let tags = tags.iter().map(|tag| (names.tags, tag));
    let triggers = triggers.iter().map(|one| (names.triggers, one));
    check_texts(one.into_iter(), tags.chain(triggers))?;
    let numbers = [
        (names.build_date, build_date, LARGEST_DATE),
        (names.installed_size, installed_size, LARGEST_SIZE),
        (names.provider_priority, provider_priority, LARGEST_PRIORITY),
        (names.replaces_priority, replaces_priority, LARGEST_PRIORITY),
    ];
    let mut numbers = numbers.into_iter();
    if let Some((field, value, largest)) = numbers.find(|(_, value, largest)| *value > largest) {
        return Err(FactsError::Number {
            field,
            value: *value,
            largest,
        });
    }
    if *layer > LAST_LAYER {
        return Err(FactsError::Layer {
            field: names.layer,
            layer: *layer,
        });
    }
    Ok(())
}

/// The texts of one line. A line feed would end a line of the index, a NUL apk's string, and an escape reaches the terminal of
/// every user who runs `apk search`.
fn check_texts<'a>(
    one: impl Iterator<Item = (&'static str, &'a String)>,
    listed: impl Iterator<Item = (&'static str, &'a String)> + Clone,
) -> Result<(), FactsError> {
    // apk writes these with blanks in between (`src/database.c`, `apk_db_triggers_write`; `src/package.c`, `apk_pkg_write_index_entry`).
    if let Some((field, text)) = listed.clone().find(|(_, text)| text.contains(' ')) {
        let text = Quoted::new(text);
        return Err(FactsError::Blank { field, text });
    }
    one.chain(listed).try_for_each(|(field, text)| {
        match text.chars().find(|character| character.is_control()) {
            Some(control) => Err(FactsError::Control {
                field,
                code: u32::from(control),
            }),
            None => Ok(()),
        }
    })
}

/// Refuses what makes a record that is too long although each of its lines is short enough, or has too many entries.
fn check_record(
    header: usize,
    names: &Names,
    lengths: &Lengths,
    limits: &Limits,
) -> Result<(), FactsError> {
    let listed = [
        (names.depends, lengths.depends),
        (names.provides, lengths.provides),
        (names.install_if, lengths.install_if),
        (names.recommends, lengths.recommends),
        (names.tags, lengths.tags),
    ];
    let all = listed
        .into_iter()
        .chain([(names.replaces, lengths.replaces)])
        .max_by_key(|(_, length)| length.count);
    let count =
        lengths.replaces.count + listed.iter().map(|(_, length)| length.count).sum::<usize>();
    if let Some((field, _)) = all
        && count > limits.dependencies
    {
        return Err(FactsError::TooManyDependencies {
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
        Some((field, _)) if length > limits.index_record => Err(FactsError::RecordTooLong {
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

/// Refuses a list that makes too long a line with the `more` bytes of it that are no entries.
fn check_line(
    field: &'static str,
    more: usize,
    Length { count, bytes }: Length,
    limit: usize,
) -> Result<(), FactsError> {
    let length = more + bytes;
    if count > 0 && length > limit {
        return Err(FactsError::ListTooLong {
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
fn check_header(facts: &PackageFacts, names: &Names, limits: &Limits) -> Result<usize, FactsError> {
    // Taken apart without `..`: a new field has to be thought of here.
    let PackageFacts {
        format: _,
        name,
        version,
        arch,
        description,
        url,
        license,
        origin,
        maintainer,
        commit,
        build_date,
        installed_size,
        provider_priority,
        // Behind the header: `check_record`.
        depends: _,
        provides: _,
        replaces: _,
        install_if: _,
        recommends: _,
        tags: _,
        // Not in an index of v2.
        packager: _,
        replaces_priority: _,
        layer: _,
        triggers: _,
        scripts: _,
    } = facts;
    let arch = if arch.is_noarch() {
        LONGEST_ARCH
    } else {
        arch.as_str().len()
    };
    let texts = [
        (names.description, description.len(), true),
        (names.url, url.len(), true),
        (names.license, license.len(), true),
        (names.origin, origin.len(), false),
        (names.maintainer, maintainer.len(), false),
        (names.commit, commit.len(), false),
    ];
    let fixed: usize = [
        IDENTITY,
        name.as_str().len(),
        version.as_str().len(),
        arch,
        FILE_SIZE,
        installed_size.to_string().len(),
        build_date.to_string().len(),
        provider_priority.to_string().len(),
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
        Some((field, _, _)) if length > limits.index_header => Err(FactsError::HeaderTooLong {
            field,
            length,
            limit: limits.index_header,
            excess: length - limits.index_header,
        }),
        _ => Ok(length),
    }
}
