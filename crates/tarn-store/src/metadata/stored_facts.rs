//! What a package says of itself, as the row of its file has it: JSON, whatever the format of the file. `apk::facts` says how it looks.

use std::borrow::Cow;

use apk::facts::PackageFacts;
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
        Self(serde_json::to_string(facts).unwrap_or_default())
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
        serde_json::from_str(&self.0).map_err(wrong)
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
    use apk::{
        arch::Arch, dependency::Dependency, facts::Format, name::PackageName, version::Version,
    };
    use apk_testkit::facts::{full_v2, full_v3};

    use super::*;

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
        let odd = PackageFacts {
            depends: Dependency::parse_list("d=~2 e><Q19UI7UxyiUywG6aew9c3lCBPshsE=").unwrap(),
            ..full_v2()
        };
        for facts in [full_v2(), full_v3(), odd, least(Format::V3)] {
            let stored = StoredFacts::of(&facts);
            assert_eq!(stored.read(), Ok(facts.clone()));
            assert_eq!(stored.description(), Ok(facts.description));
        }
        assert_eq!(
            StoredFacts::of(&least(Format::V3)).as_str(),
            r#"{"format":"v3","name":"full","version":"1.0-r0","arch":"x86_64"}"#
        );
    }

    /// Rows have what a package said when it was uploaded. The reader takes a missing field for an empty one, and refuses one that it does
    /// not know.
    #[test]
    fn the_names_in_stored_facts_are_those_that_rows_have() {
        let mut stored: serde_json::Map<String, serde_json::Value> = serde_json::Map::new();
        for facts in [full_v2(), full_v3()] {
            let facts = StoredFacts::of(&facts);
            stored.append(&mut serde_json::from_str(facts.as_str()).unwrap());
        }
        let names: Vec<&str> = stored.keys().map(String::as_str).collect();
        assert_eq!(
            names.join(" "),
            "arch build_date commit depends description format install_if installed_size layer license maintainer name origin packager \
             provider_priority provides recommends replaces replaces_priority scripts tags triggers url version",
            "the rows of packages that are there already have the fields above on the right. A new field is empty in them: either \
             read their blobs again in a job, store what they say and raise the rendering version of the indexes, or say in \
             CHANGELOG.md that only packages uploaded from now on have it. A field that was renamed or is gone makes them \
             unreadable: rename or remove it in a migration. Servers of the version before can't read a row with a new \
             field: say in CHANGELOG.md that they have to be stopped first. Then write the names here."
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
                r#"{"format":{"v2":{"data_hash":"00"}},"name":"a","version":"1","arch":"x"}"#,
                "SHA-256",
            ),
            (
                r#"{"format":"v3","name":"a","version":"1","arch":"x","more":1}"#,
                "more",
            ),
            (
                r#"{"format":"v3","name":"a","version":"1","arch":"x","scripts":["y"]}"#,
                "`y` is not a script",
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
