//! An index as JSON: byte for byte what `apk adbdump --format json` prints of it (apk-tools `src/serialize_json.c`,
//! `src/adb_walk_adb.c`).

use data_encoding::HEXLOWER;

use super::IndexedPackage;
use crate::{dependency::Dependency, facts::PackageFacts};

/// The JSON of an index, package by package.
#[derive(Debug)]
pub struct JsonDump {
    text: String,
    packages: u64,
}

impl JsonDump {
    /// The beginning. `description` may be empty, as in the index.
    pub fn new(description: &str) -> Self {
        let mut text = "{".to_owned();
        if !description.is_empty() {
            text.push_str("\n  \"description\": ");
            quote(&mut text, description);
            text.push(',');
        }
        Self { text, packages: 0 }
    }

    /// One more package, in the order of the index.
    pub fn push(&mut self, package: &IndexedPackage) {
        // Taken apart without `..`: a new field has to be thought of here.
        let IndexedPackage { facts, hash, size } = package;
        let PackageFacts {
            name,
            version,
            description,
            arch,
            license,
            origin,
            maintainer,
            url,
            commit,
            build_date,
            installed_size,
            provider_priority,
            depends,
            provides,
            replaces,
            install_if,
            recommends,
            layer,
            tags,
            // Not in an index.
            format: _,
            packager: _,
            replaces_priority: _,
            triggers: _,
            scripts: _,
        } = facts;
        let opening = if self.packages == 0 {
            "\n  \"packages\": [\n    {"
        } else {
            ", {"
        };
        self.text.push_str(opening);
        self.packages += 1;
        let mut fields = Fields {
            text: &mut self.text,
            separator: "",
        };
        fields.string("name", name.as_str());
        fields.string("version", version.as_str());
        fields.string("hashes", &HEXLOWER.encode(hash.as_bytes()));
        fields.string("description", description);
        fields.string("arch", arch.as_str());
        fields.string("license", license);
        fields.string("origin", origin);
        fields.string("maintainer", maintainer);
        fields.string("url", url);
        fields.string("repo-commit", commit);
        fields.number("build-time", *build_date);
        // Where they are 0, `apk mkndx` and this crate write them all the same.
        fields.any_number("installed-size", *installed_size);
        fields.any_number("file-size", *size);
        fields.number("provider-priority", *provider_priority);
        fields.dependencies("depends", depends);
        fields.dependencies("provides", provides);
        fields.dependencies("replaces", replaces);
        fields.dependencies("install-if", install_if);
        fields.dependencies("recommends", recommends);
        fields.number("layer", *layer);
        fields.strings("tags", tags.iter().map(String::as_str));
        self.text.push_str("\n    }");
    }

    /// The whole text. An index without packages has no field for them.
    pub fn finish(mut self) -> String {
        if self.packages == 0 {
            let end = self.text.trim_end_matches(',').len();
            self.text.truncate(end);
        } else {
            self.text.push_str("\n  ]");
        }
        self.text.push_str("\n}\n");
        self.text
    }
}

/// The fields of one package. Empty texts and lists, and most zeros, are absent.
struct Fields<'a> {
    text: &'a mut String,
    separator: &'static str,
}

impl Fields<'_> {
    fn key(&mut self, key: &str) {
        self.text.push_str(self.separator);
        self.text.push_str("\n      \"");
        self.text.push_str(key);
        self.text.push_str("\": ");
        self.separator = ",";
    }

    fn string(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.key(key);
            quote(self.text, value);
        }
    }

    fn number(&mut self, key: &str, value: u64) {
        if value != 0 {
            self.any_number(key, value);
        }
    }

    fn any_number(&mut self, key: &str, value: u64) {
        self.key(key);
        self.text.push_str(&value.to_string());
    }

    fn dependencies(&mut self, key: &str, list: &[Dependency]) {
        let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
        self.strings(key, texts.iter().map(String::as_str));
    }

    fn strings<'b>(&mut self, key: &str, values: impl Iterator<Item = &'b str>) {
        let mut separator = "";
        for value in values {
            if separator.is_empty() {
                self.key(key);
                self.text.push('[');
            }
            self.text.push_str(separator);
            self.text.push_str("\n        ");
            quote(self.text, value);
            separator = ",";
        }
        if !separator.is_empty() {
            self.text.push_str("\n      ]");
        }
    }
}

/// apk escapes no more than this; other control characters are in no index.
fn quote(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            other => text.push(other),
        }
    }
    text.push('"');
}
