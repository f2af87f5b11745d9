//! What a package says of itself, as the row of its file has it: JSON, whatever the format of the file.
//!
//! It is written of facts that were checked, and read by a reader that checks less: a later version may be stricter about
//! new packages, and what was taken in stays readable. A field that was not known when a row was written is as in a package
//! that says nothing of it.

use std::borrow::Cow;

use apk::{
    arch::Arch,
    dependency::Dependency,
    digest::Sha256Digest,
    facts::{Format, PackageFacts},
    limits::Limits,
    name::PackageName,
    script::Script,
    version::Version,
};
use serde::{Deserialize, Serialize};

/// Facts as they are stored. Reading them costs some microseconds: not for an event loop where there are many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFacts(String);

/// Why stored facts cannot be read: they were not written by any version of this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored facts of a package cannot be read: {0}")]
pub struct StoredFactsError(String);

#[expect(clippy::needless_pass_by_value, reason = "map_err hands a value over")]
fn wrong(problem: impl ToString) -> StoredFactsError {
    StoredFactsError(problem.to_string())
}

impl StoredFacts {
    /// As facts are stored.
    pub fn of(facts: &PackageFacts) -> Self {
        // Strings and numbers always have a JSON.
        Self(serde_json::to_string(&Form::of(facts)).unwrap_or_default())
    }

    /// As they stand in a row.
    pub(super) fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The JSON.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The facts.
    ///
    /// # Errors
    ///
    /// [`StoredFactsError`] when something else was put there.
    pub fn read(&self) -> Result<PackageFacts, StoredFactsError> {
        let form: Form<'_> = serde_json::from_str(&self.0).map_err(wrong)?;
        form.read()
    }

    /// Only the description.
    ///
    /// # Errors
    ///
    /// As [`StoredFacts::read`].
    pub fn description(&self) -> Result<String, StoredFactsError> {
        /// One field of them.
        #[derive(Deserialize)]
        struct Described<'a> {
            #[serde(default, borrow)]
            description: Cow<'a, str>,
        }
        let described: Described<'_> = serde_json::from_str(&self.0).map_err(wrong)?;
        Ok(described.description.into_owned())
    }
}

/// A text that is not copied where it has no escapes in it.
#[derive(Serialize, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The JSON. What is empty or 0 is left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    format: FormOfFormat,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_hash: Option<String>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    arch: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    description: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    url: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    license: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    origin: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    maintainer: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    packager: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "str::is_empty")]
    commit: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_0")]
    build_date: u64,
    #[serde(default, skip_serializing_if = "is_0")]
    installed_size: u64,
    #[serde(default, skip_serializing_if = "is_0")]
    provider_priority: u64,
    #[serde(default, skip_serializing_if = "is_0")]
    replaces_priority: u64,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    depends: Vec<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    provides: Vec<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    replaces: Vec<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    install_if: Vec<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    recommends: Vec<Text<'a>>,
    #[serde(default, skip_serializing_if = "is_0")]
    layer: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<String>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    scripts: Vec<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FormOfFormat {
    V2,
    V3,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn is_0(number: &u64) -> bool {
    *number == 0
}

impl<'a> Form<'a> {
    fn of(facts: &'a PackageFacts) -> Self {
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
        let (format, data_hash) = match format {
            Format::V2 { data_hash } => (FormOfFormat::V2, Some(data_hash.to_hex())),
            Format::V3 => (FormOfFormat::V3, None),
        };
        Self {
            format,
            data_hash,
            name: name.as_str().into(),
            version: version.as_str().into(),
            arch: arch.as_str().into(),
            description: description.into(),
            url: url.into(),
            license: license.into(),
            origin: origin.into(),
            maintainer: maintainer.into(),
            packager: packager.into(),
            commit: commit.into(),
            build_date: *build_date,
            installed_size: *installed_size,
            provider_priority: *provider_priority,
            replaces_priority: *replaces_priority,
            depends: texts(depends),
            provides: texts(provides),
            replaces: texts(replaces),
            install_if: texts(install_if),
            recommends: texts(recommends),
            layer: *layer,
            tags: tags.clone(),
            triggers: triggers.clone(),
            scripts: texts(scripts),
        }
    }

    fn read(self) -> Result<PackageFacts, StoredFactsError> {
        let limits = Limits::for_stored();
        let Self {
            format,
            data_hash,
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
        } = self;
        let list = |texts: &[Text<'_>]| -> Result<Vec<Dependency>, StoredFactsError> {
            let texts = texts.iter();
            texts
                .map(|text| Dependency::parse_stored(&text.0, &limits).map_err(wrong))
                .collect()
        };
        Ok(PackageFacts {
            format: match format {
                FormOfFormat::V2 => {
                    let data_hash = data_hash.unwrap_or_default();
                    Format::V2 {
                        data_hash: Sha256Digest::parse_hex(&data_hash).map_err(wrong)?,
                    }
                }
                FormOfFormat::V3 => Format::V3,
            },
            name: PackageName::parse_within(&name, &limits).map_err(wrong)?,
            version: Version::parse_lenient(&version, &limits).map_err(wrong)?,
            arch: Arch::parse(&arch).map_err(wrong)?,
            description: description.into_owned(),
            url: url.into_owned(),
            license: license.into_owned(),
            origin: origin.into_owned(),
            maintainer: maintainer.into_owned(),
            packager: packager.into_owned(),
            commit: commit.into_owned(),
            build_date,
            installed_size,
            provider_priority,
            replaces_priority,
            depends: list(&depends)?,
            provides: list(&provides)?,
            replaces: list(&replaces)?,
            install_if: list(&install_if)?,
            recommends: list(&recommends)?,
            layer,
            tags,
            triggers,
            scripts: scripts
                .iter()
                .map(|text| {
                    let mut all = Script::ALL.into_iter();
                    let script = all.find(|script| script.as_str() == text.0);
                    script.ok_or_else(|| wrong(format!("`{}` is no script", text.0)))
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

fn texts<T: ToString>(list: &[T]) -> Vec<Text<'static>> {
    let texts = list.iter().map(ToString::to_string);
    texts.map(|text| Text(text.into())).collect()
}

/// One signature that a package brought along, and whether it is by a key of its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageSigner {
    /// `RSA`, `RSA256` and the like in v2, the hash in v3.
    pub algorithm: String,
    /// The file name of the key in v2, its identifier in v3.
    pub key: String,
    /// The file name of the owner's key whose signature it is. `None` when the owner had no such key at the time of the upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
}

/// The signatures of a package as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSigners(String);

impl StoredSigners {
    /// As they are stored.
    pub fn of(signers: &[PackageSigner]) -> Self {
        // Strings always have a JSON.
        Self(serde_json::to_string(signers).unwrap_or_default())
    }

    /// As they stand in a row.
    pub(super) fn from_row(text: String) -> Self {
        Self(text)
    }

    /// The JSON.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The signatures, in the order of the file.
    ///
    /// # Errors
    ///
    /// [`StoredFactsError`] when something else was put there.
    pub fn read(&self) -> Result<Vec<PackageSigner>, StoredFactsError> {
        serde_json::from_str(&self.0).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> PackageFacts {
        let list = |text| Dependency::parse_list(text).unwrap();
        PackageFacts {
            description: "Ünïcode, `quotes` \"and\" \\escapes".to_owned(),
            url: "https://example.org/".to_owned(),
            license: "MIT".to_owned(),
            origin: "source".to_owned(),
            maintainer: "A B <a@example.org>".to_owned(),
            packager: "P".to_owned(),
            commit: "0123-dirty".to_owned(),
            build_date: 1_700_000_000,
            installed_size: 1 << 40,
            provider_priority: 10,
            replaces_priority: 2,
            depends: list("a b>=1 !c d=~2 e><Q19UI7UxyiUywG6aew9c3lCBPshsE="),
            provides: list("cmd:full=1.0-r0 so:libfull.so.1=1.2.3"),
            replaces: list("other<3"),
            install_if: list("docs full=1.0-r0"),
            recommends: list("more"),
            layer: 1,
            tags: vec!["tag".to_owned()],
            triggers: vec!["/usr/lib/*".to_owned()],
            scripts: Script::ALL.to_vec(),
            ..least(Format::V2 {
                data_hash: Sha256Digest::from_bytes([7; 32]),
            })
        }
    }

    fn least(format: Format) -> PackageFacts {
        PackageFacts::new(
            format,
            PackageName::parse("full").unwrap(),
            Version::parse("1.0-r0").unwrap(),
            Arch::parse("x86_64").unwrap(),
        )
    }

    #[test]
    fn facts_are_read_as_they_were_stored() {
        for facts in [full(), least(Format::V3)] {
            let stored = StoredFacts::of(&facts);
            assert_eq!(stored.read(), Ok(facts.clone()));
            assert_eq!(stored.description(), Ok(facts.description));
        }
        assert_eq!(
            StoredFacts::of(&least(Format::V3)).as_str(),
            r#"{"format":"v3","name":"full","version":"1.0-r0","arch":"x86_64"}"#
        );
    }

    #[test]
    fn what_a_stricter_upload_would_refuse_stays_readable() {
        let long = "n".repeat(4000);
        let text = format!(
            r#"{{"format":"v3","name":"{long}","version":"2024.a.b","arch":"all","depends":["{long}>{}.x"],"layer":9}}"#,
            "1".repeat(4000)
        );
        let facts = StoredFacts::from_row(text).read().unwrap();
        assert_eq!((facts.name.as_str(), facts.layer), (long.as_str(), 9));
        assert_eq!(facts.depends.len(), 1);
    }

    #[test]
    fn what_was_never_stored_is_an_error_in_words() {
        for (text, problem) in [
            ("", "EOF"),
            (r#"{"format":"v3","name":"a","version":"1"}"#, "arch"),
            (
                r#"{"format":"v2","name":"a","version":"1","arch":"x"}"#,
                "SHA-256",
            ),
            (
                r#"{"format":"v3","name":"a","version":"1","arch":"x","more":1}"#,
                "more",
            ),
            (
                r#"{"format":"v3","name":"a","version":"1","arch":"x","scripts":["y"]}"#,
                "`y` is no script",
            ),
        ] {
            let error = StoredFacts::from_row(text.to_owned()).read().unwrap_err();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn signers_are_read_as_they_were_stored() {
        let signers = [
            PackageSigner {
                algorithm: "RSA256".to_owned(),
                key: "a.rsa.pub".to_owned(),
                verified_by: Some("a.rsa.pub".to_owned()),
            },
            PackageSigner {
                algorithm: "SHA512".to_owned(),
                key: "0329c243f02b95edcc6b36bc77c0b6b2".to_owned(),
                verified_by: None,
            },
        ];
        assert_eq!(StoredSigners::of(&signers).read(), Ok(signers.to_vec()));
        assert_eq!(StoredSigners::of(&[]).as_str(), "[]");
    }
}
