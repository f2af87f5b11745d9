//! Reads an `APKINDEX.tar.gz` as a test wants to look at it.

use super::tar;

/// What an index says, without judging it: judging is what the real apk is for.
pub(crate) struct Index {
    /// The names of the signature members, such as `.SIGN.RSA256.admin@….rsa.pub`.
    pub(crate) signatures: Vec<String>,
    /// The `APKINDEX` entry.
    pub(crate) text: String,
}

impl Index {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let members = tar::gunzip_members(bytes);
        assert_eq!(
            members.len(),
            2,
            "a signature member and one member after it"
        );
        let names = tar::entries(&members[0]).into_iter().map(|(name, _)| name);
        let text = tar::entries(&members[1])
            .into_iter()
            .find_map(|(name, content)| (name == "APKINDEX").then_some(content))
            .expect("an entry APKINDEX");
        Self {
            signatures: names.collect(),
            text: String::from_utf8(text).expect("an index in UTF-8"),
        }
    }

    /// `name-version` of every record, in the order of the index.
    pub(crate) fn packages(&self) -> Vec<String> {
        let records = self
            .text
            .split("\n\n")
            .filter(|record| !record.trim().is_empty());
        records
            .map(|record| format!("{}-{}", field(record, "P:"), field(record, "V:")))
            .collect()
    }

    /// The values of one field, such as `A:`, in the order of the records.
    pub(crate) fn values(&self, key: &str) -> Vec<&str> {
        self.text
            .lines()
            .filter_map(|line| line.strip_prefix(key))
            .collect()
    }
}

fn field<'a>(record: &'a str, key: &str) -> &'a str {
    record
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap_or_else(|| panic!("no {key} in {record:?}"))
}
