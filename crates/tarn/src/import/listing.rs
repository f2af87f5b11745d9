//! What the index of an existing repository lists, read and verified.

use std::error::Error;

use apk::{
    arch::Arch,
    digest::PackageHash,
    limits::Limits,
    v2::index as index_v2,
    v3::{container::ContainerError, index as index_v3},
};
use tarn_base::clock::Timestamp;
use tarn_core::index::Format;

use crate::{failure::Failure, inspect::TrustedKey};

/// A package that an index lists.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// `{name}-{version}.apk`.
    pub(super) file_name: String,
    /// The architecture in the index, of which noarch packages may have that of the index.
    pub(super) arch: Option<Arch>,
    /// What it has to be.
    pub(super) hash: PackageHash,
    /// Bytes of the file; 0 where the index does not say.
    pub(super) size: u64,
    /// When it was built. `None`: the index does not say.
    pub(super) built_at: Option<Timestamp>,
    /// Where its file may be, from the folder of the index, in the order to look.
    pub(super) paths: Vec<String>,
}

/// Which of the two an index is: an ADB file begins with its letters, whatever it is called.
pub(super) fn format_of(bytes: &[u8]) -> Format {
    match bytes.starts_with(b"ADB") {
        true => Format::V3,
        false => Format::V2,
    }
}

/// Reads an index. With `keys` one of them has to have signed it.
///
/// # Errors
///
/// When it can't be read, or none of `keys` signed it.
pub(super) fn read(bytes: &[u8], keys: Option<&[TrustedKey]>) -> Result<Vec<Listed>, Failure> {
    let limits = Limits::default().with_lenient_versions(true);
    match format_of(bytes) {
        Format::V2 => read_v2(bytes, &limits, keys),
        Format::V3 => read_v3(bytes, &limits, keys),
    }
}

fn read_v2(
    bytes: &[u8],
    limits: &Limits,
    keys: Option<&[TrustedKey]>,
) -> Result<Vec<Listed>, Failure> {
    let trusted: Option<Vec<_>> = keys.map(|keys| {
        let pair = |key: &TrustedKey| (key.name.clone(), key.key.clone());
        keys.iter().map(pair).collect()
    });
    let mut listed = Vec::new();
    index_v2::for_each_record(bytes, limits, trusted.as_deref(), |record| {
        let file_name = format!("{}-{}.apk", record.name(), record.version());
        listed.push(Listed {
            paths: vec![file_name.clone(), format!("../noarch/{file_name}")],
            file_name,
            arch: record.arch().cloned(),
            hash: PackageHash::Identity(*record.identity()),
            size: record.size().unwrap_or_default(),
            built_at: built_at(record.build_date().unwrap_or_default()),
        });
    })
    .map_err(|error| {
        use index_v2::IndexError as Error;
        let hint = match error {
            Error::BadSignature(_) | Error::NotSigned | Error::Untrusted => OTHER_KEY,
            Error::SignatureSectionTooLarge(_)
            | Error::TooLarge(_)
            | Error::TooManyRecords(_)
            | Error::RecordTooLong { .. } => TOO_LARGE,
            _ => BROKEN,
        };
        refused(&error, hint)
    })?;
    Ok(listed)
}

/// The hint where another key may have signed it.
const OTHER_KEY: &str = "give the public key that signs it with `--key`; nothing was imported";

/// The hint where it may be good, and is too large.
const TOO_LARGE: &str = "that is more than Tarn reads; nothing was imported";

/// The hint where its content is broken.
const BROKEN: &str = "have the index made again (`apk index`, `apk mkndx`); nothing was imported";

/// An index that is not taken.
fn refused(error: &(dyn Error + 'static), hint: &str) -> Failure {
    Failure::from_error(error).into_refused().hint(hint)
}

fn read_v3(
    bytes: &[u8],
    limits: &Limits,
    keys: Option<&[TrustedKey]>,
) -> Result<Vec<Listed>, Failure> {
    let index = match keys {
        None => index_v3::read_unverified(bytes, limits),
        Some(keys) => {
            let keys: Vec<_> = keys.iter().map(|key| &key.key).collect();
            index_v3::read(bytes, limits, &keys)
        }
    }
    .map_err(|error| {
        use index_v3::IndexError as Error;
        let hint = match error {
            Error::Untrusted => OTHER_KEY,
            Error::SignatureSize(_)
            | Error::Packages { .. }
            | Error::Container(ContainerError::TooLarge(_)) => TOO_LARGE,
            _ => BROKEN,
        };
        refused(&error, hint)
    })?;
    let spec = index.pkgname_spec;
    index
        .packages
        .into_iter()
        .map(|package| {
            let file_name = format!("{}-{}.apk", package.facts.name, package.facts.version);
            let arch = &package.facts.arch;
            let paths = match spec.as_str() {
                "" => vec![file_name.clone(), format!("../{arch}/{file_name}")],
                spec => vec![filled(
                    spec,
                    package.facts.name.as_str(),
                    package.facts.version.as_str(),
                    arch,
                )?],
            };
            Ok(Listed {
                file_name,
                arch: Some(package.facts.arch),
                hash: package.hash,
                size: package.size,
                built_at: built_at(package.facts.build_date),
                paths,
            })
        })
        .collect()
}

/// A build date of an index, in seconds since 1970. 0 stands for none.
fn built_at(seconds: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    Some(Timestamp::from_seconds(seconds))
}

/// The path that a `pkgname-spec` gives (apk-tools `doc/apk-mkndx.8.scd`): `${name}`, `${version}`, `${arch}`, and `${name:3}`,
/// the first letters of it.
fn filled(spec: &str, name: &str, version: &str, arch: &Arch) -> Result<String, Failure> {
    let unknown = || {
        Failure::refused(format!(
            "the index names its files by `{spec}`, which is not understood"
        ))
        .hint("only ${name}, ${version}, ${arch} and a number of letters such as ${name:1} are")
    };
    let (mut path, mut rest) = (String::new(), spec);
    while let Some((before, after)) = rest.split_once("${") {
        // The path of each package may be many times as long as the spec.
        if path.len() > LONGEST_PATH {
            return Err(too_long());
        }
        let (variable, behind) = after.split_once('}').ok_or_else(unknown)?;
        let (variable, letters) = match variable.split_once(':') {
            None => (variable, usize::MAX),
            Some((variable, letters)) => (variable, letters.parse().map_err(|_| unknown())?),
        };
        let value = match variable {
            "name" => name,
            "version" => version,
            "arch" => arch.as_str(),
            _ => return Err(unknown()),
        };
        path.push_str(before);
        path.extend(value.chars().take(letters));
        rest = behind;
    }
    path.push_str(rest);
    if path.len() > LONGEST_PATH {
        return Err(too_long());
    }
    Ok(path)
}

/// The longest path of a file that an index may give, in bytes, as for Linux.
const LONGEST_PATH: usize = 4096;

fn too_long() -> Failure {
    let what = "the index names a file by a path of more than 4096 bytes";
    Failure::refused(what).hint(BROKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_of_file_names_is_filled_in() {
        let arch = Arch::parse("x86_64").unwrap();
        let filled = |spec: &str| filled(spec, "hello", "1.0-r0", &arch);
        assert_eq!(
            filled("${name}-${version}.apk").unwrap(),
            "hello-1.0-r0.apk"
        );
        assert_eq!(
            filled("${arch}/${name:3}/${name}_${version}.apk").unwrap(),
            "x86_64/hel/hello_1.0-r0.apk"
        );
        for spec in ["${name", "${hash}", "${name:x}"] {
            assert!(filled(spec).is_err(), "{spec}");
        }
        assert!(filled(&"${name}".repeat(800)).is_ok());
        for spec in ["${name}".repeat(900), "x".repeat(5_000)] {
            assert!(filled(&spec).is_err());
        }
    }
}
