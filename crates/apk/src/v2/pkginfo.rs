//! `.PKGINFO`: what a v2 package says of itself.
//!
//! The format is a text of lines `key = value`, with one space on each side of the first `=` that has them. Lines that start with
//! `#` are comments, and lines with an unknown key, or without ` = `, mean nothing to apk (apk-tools `src/package.c`,
//! `read_info_line`). The writers are abuild's `prepare_metafiles` and melange's and nfpm's templates.
//!
//! apk itself checks next to nothing here: what is wrong shows when a client reads the index that the package is
//! listed in. So this reader is stricter, and refuses:
//!
//! - what is not UTF-8, and control characters (a line feed ends an index line; a NUL ends apk's strings; an escape
//!   reaches the terminal that runs `apk search`);
//! - `pkgname`, `pkgver`, `arch` or `datahash` twice with different values, and a known key that apk would overlook for
//!   its spaces;
//! - relations with itself that no apk installs, and what does not fit into an index ([`PackageFacts::check`]);
//! - names, versions, architectures and dependencies that are none ([`PackageName`], [`Version`], [`Arch`],
//!   [`Dependency`]), and no `pkgname`, `pkgver`, `arch` or `datahash` at all;
//! - numbers that some apk reads as another number;
//! - values too long for the buffers of apk (see [`Limits`]).
//!
//! # Keys that stand there twice
//!
//! Where apk keeps one value, each line replaces what the one before gave, in every apk from 2.10 to 3.0
//! (`src/package.c`, `apk_pkg_add_info`; for `replaces_priority`, `triggers` and `datahash` `src/database.c`,
//! `read_info_line`). So the last one counts here too: melange writes one `license` line for each entry of `copyright:`.
//! Only what says which package this is must not differ, for other tools take the first line.
//!
//! # `size`
//!
//! apk unpacks nothing of a package whose `I:` is 0: it takes it for a virtual one (apk-tools `src/database.c`,
//! `apk_db_install_pkg`; `src/commit.c`). `size = 0`, or no such line, is right for a package without files, such as a
//! meta package; that it has none only the reader of the data section can tell.

use crate::{
    arch::Arch,
    digest::Sha256Digest,
    facts::{Format, LARGEST_DATE, LARGEST_PRIORITY, LARGEST_SIZE, Length, Lengths, PackageFacts},
    limits::Limits,
    name::PackageName,
    quoted::Quoted,
    version::Version,
};

pub use error::PkginfoError;

mod error;
mod list;

use list::List;

/// The keys and their words, from one list: a key that is not in it would be overlooked.
macro_rules! keys {
    ($($key:ident = $word:literal,)+) => {
        /// A key that this reader knows.
        #[derive(Clone, Copy)]
        enum Key {
            $($key,)+
        }

        impl Key {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$key),+];

            fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$key),)+
                    _ => None,
                }
            }

            const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$key => $word,)+
                }
            }
        }
    };
}

keys! {
    Name = "pkgname",
    Version = "pkgver",
    Arch = "arch",
    Description = "pkgdesc",
    Url = "url",
    License = "license",
    Origin = "origin",
    Maintainer = "maintainer",
    Packager = "packager",
    Commit = "commit",
    BuildDate = "builddate",
    Size = "size",
    ProviderPriority = "provider_priority",
    ReplacesPriority = "replaces_priority",
    Depend = "depend",
    Provides = "provides",
    InstallIf = "install_if",
    Replaces = "replaces",
    Triggers = "triggers",
    DataHash = "datahash",
}

/// Reads a `.PKGINFO`. What it accepts can stand in the index of any branch, whichever apk from 2.12.11 on reads it.
///
/// # Errors
///
/// [`PkginfoError`], whose text names the key and says what to do.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<PackageFacts, PkginfoError> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limits.pkginfo) {
        return Err(PkginfoError::TooLarge {
            limit: limits.pkginfo,
        });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| PkginfoError::NotUtf8 {
        line: line_at(bytes, error.valid_up_to()),
    })?;
    let mut draft = Draft::default();
    for (number, line) in (1..).zip(text.split('\n')) {
        if let Some((key, value)) = read_line(line, number, limits)? {
            draft.add(key, value, limits)?;
        }
    }
    let lengths = draft.lengths();
    let facts = draft.finish()?;
    facts.check_with(&lengths, limits)?;
    Ok(facts)
}

/// The number of the line that holds byte `at`, from 1 on.
fn line_at(bytes: &[u8], at: usize) -> usize {
    let before = bytes.get(..at).unwrap_or(bytes);
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// The key and the value of a line, if it has any that this reader knows.
fn read_line<'text>(
    line: &'text str,
    number: usize,
    limits: &Limits,
) -> Result<Option<(Key, &'text str)>, PkginfoError> {
    if let Some(control) = line.chars().find(|character| character.is_control()) {
        return Err(PkginfoError::Control {
            place: place(line, number),
            code: u32::from(control),
        });
    }
    if line.len() >= limits.index_line {
        return Err(PkginfoError::LineTooLong {
            place: place(line, number),
            length: line.len(),
            limit: limits.index_line - 1,
        });
    }
    if line.starts_with('#') {
        return Ok(None);
    }
    let Some((key, value)) = line.split_once(" = ") else {
        return match line.split_once('=') {
            Some((key, value)) if !value.trim().is_empty() => overlooked(key),
            _ => Ok(None),
        };
    };
    match Key::parse(key) {
        Some(key) => Ok(Some((key, value))),
        None => overlooked(key),
    }
}

/// A key that apk does not know, or would know but for its spaces.
fn overlooked<T>(key: &str) -> Result<Option<T>, PkginfoError> {
    match Key::parse(key.trim()) {
        Some(key) => Err(PkginfoError::Spaces {
            field: key.as_str(),
        }),
        None => Ok(None),
    }
}

/// How a message calls a line: by its key if that is a known one, else by its number.
fn place(line: &str, number: usize) -> String {
    line.split_once('=')
        .and_then(|(key, _)| Key::parse(key.trim()))
        .map_or_else(|| format!("line {number}"), |key| key.as_str().to_owned())
}

/// What has been read so far.
#[derive(Default)]
struct Draft {
    name: Option<PackageName>,
    version: Option<Version>,
    arch: Option<Arch>,
    description: Option<String>,
    url: Option<String>,
    license: Option<String>,
    origin: Option<String>,
    maintainer: Option<String>,
    packager: Option<String>,
    commit: Option<String>,
    build_date: Option<u64>,
    installed_size: Option<u64>,
    provider_priority: Option<u64>,
    replaces_priority: Option<u64>,
    depends: List,
    provides: List,
    install_if: List,
    replaces: List,
    triggers: Option<Vec<String>>,
    data_hash: Option<Sha256Digest>,
}

impl Draft {
    fn add(&mut self, key: Key, value: &str, limits: &Limits) -> Result<(), PkginfoError> {
        let field = key.as_str();
        let text = || Some(value.to_owned());
        let read_version = if limits.lenient_versions {
            Version::parse_lenient
        } else {
            Version::parse_within
        };
        match key {
            Key::Name => same(
                &mut self.name,
                field,
                PackageName::parse_within(value, limits)?,
            )?,
            Key::Version => same(&mut self.version, field, read_version(value, limits)?)?,
            Key::Arch => same(&mut self.arch, field, Arch::parse_of_package(value)?)?,
            Key::DataHash => same(&mut self.data_hash, field, Sha256Digest::parse_hex(value)?)?,
            Key::Description => self.description = text(),
            Key::Url => self.url = text(),
            Key::License => self.license = text(),
            Key::Origin => self.origin = text(),
            Key::Maintainer => self.maintainer = text(),
            Key::Packager => self.packager = text(),
            Key::Commit => self.commit = text(),
            Key::BuildDate => self.build_date = Some(number(field, value, LARGEST_DATE)?),
            Key::Size => self.installed_size = Some(size(field, value)?),
            Key::ProviderPriority => {
                self.provider_priority = Some(number(field, value, LARGEST_PRIORITY)?);
            }
            Key::ReplacesPriority => {
                self.replaces_priority = Some(number(field, value, LARGEST_PRIORITY)?);
            }
            Key::Depend => self.depends.add(field, value, limits)?,
            Key::Provides => self.provides.add(field, value, limits)?,
            Key::InstallIf => self.install_if.add(field, value, limits)?,
            Key::Replaces => self.replaces.add(field, value, limits)?,
            Key::Triggers => self.triggers = Some(words(value)),
        }
        Ok(())
    }

    fn lengths(&self) -> Lengths {
        Lengths {
            depends: self.depends.length,
            provides: self.provides.length,
            install_if: self.install_if.length,
            replaces: self.replaces.length,
            recommends: Length::default(),
            tags: Length::default(),
        }
    }

    fn finish(self) -> Result<PackageFacts, PkginfoError> {
        let missing = |key: Key, content| PkginfoError::Missing {
            field: key.as_str(),
            content,
        };
        Ok(PackageFacts {
            name: self
                .name
                .ok_or(missing(Key::Name, "the name of the package"))?,
            version: self
                .version
                .ok_or(missing(Key::Version, "its version, such as 1.0-r0"))?,
            arch: self
                .arch
                .ok_or(missing(Key::Arch, "x86_64, noarch or the like"))?,
            description: self.description.unwrap_or_default(),
            url: self.url.unwrap_or_default(),
            license: self.license.unwrap_or_default(),
            origin: self.origin.unwrap_or_default(),
            maintainer: self.maintainer.unwrap_or_default(),
            packager: self.packager.unwrap_or_default(),
            commit: self.commit.unwrap_or_default(),
            build_date: self.build_date.unwrap_or_default(),
            installed_size: self.installed_size.unwrap_or_default(),
            provider_priority: self.provider_priority.unwrap_or_default(),
            replaces_priority: self.replaces_priority.unwrap_or_default(),
            depends: self.depends.kept,
            provides: self.provides.kept,
            install_if: self.install_if.kept,
            replaces: self.replaces.kept,
            triggers: self.triggers.unwrap_or_default(),
            format: Format::V2 {
                data_hash: self.data_hash.ok_or(missing(
                    Key::DataHash,
                    "the SHA-256 of the data section as it is in the file",
                ))?,
            },
            recommends: Vec::new(),
            layer: 0,
            tags: Vec::new(),
            scripts: Vec::new(),
        })
    }
}

/// Keeps a value that may be given again, but no other.
fn same<T: PartialEq>(
    slot: &mut Option<T>,
    field: &'static str,
    value: T,
) -> Result<(), PkginfoError> {
    match slot.replace(value) {
        Some(before) if Some(&before) != slot.as_ref() => Err(PkginfoError::Twice { field }),
        _ => Ok(()),
    }
}

fn words(value: &str) -> Vec<String> {
    value
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A number of digits only, from 0 to `largest`.
fn number(field: &'static str, value: &str, largest: u64) -> Result<u64, PkginfoError> {
    value
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| value.parse().ok())
        .flatten()
        .filter(|&number| number <= largest)
        .ok_or_else(|| PkginfoError::Number {
            field,
            value: Quoted::new(value),
            largest,
        })
}

/// `size`: a number that apk 2 does not take for 0 either.
fn size(field: &'static str, value: &str) -> Result<u64, PkginfoError> {
    let size = number(field, value, LARGEST_SIZE)?;
    if size != 0 && size.trailing_zeros() >= u32::BITS {
        return Err(PkginfoError::SizeWraps { size });
    }
    Ok(size)
}

#[cfg(test)]
mod tests;
