//! `tarn.toml`: a flat list of settings.

use std::{collections::BTreeMap, fs, io, path::Path};

use strsim::levenshtein;
use toml::de::{DeTable, DeValue};

use super::table::{self, Setting};
use crate::failure::Failure;

/// The largest settings file that is read, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// One value of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The value as text.
    pub(super) value: String,
    /// The line it stands on, from 1.
    pub(super) line: usize,
}

/// The values of the file, by the names of their settings.
pub(super) type Entries = BTreeMap<&'static str, Entry>;

/// Reads the settings file at `path`; without one there are no entries when it is not `required`.
///
/// # Errors
///
/// When the file cannot be read. Lines that are not TOML or name no setting are returned beside the entries, each with its line number.
pub(super) fn read(path: &Path, required: bool) -> Result<(Entries, Vec<Failure>), Failure> {
    let shown = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {
            return Ok(Default::default());
        }
        Err(error) => {
            return Err(
                Failure::usage(format!("cannot read the settings file {shown}"))
                    .because(&error)
                    .hint(match error.kind() {
                        io::ErrorKind::PermissionDenied => {
                            "run this as the user that runs the server, or name another file with `--config`"
                        }
                        _ => "check the path given with `--config` or TARN_CONFIG",
                    }),
            );
        }
    };
    if text.len() > MAX_BYTES {
        return Err(Failure::usage(format!(
            "the settings file {shown} has {} bytes, more than {MAX_BYTES}",
            text.len()
        ))
        .hint("check that it is the right file"));
    }
    Ok(parse(&text, &shown.to_string()))
}

/// Parses the text of a settings file; `shown` is its name in errors. Gives what can be understood, and what is wrong with the rest, line
/// by line.
fn parse(text: &str, shown: &str) -> (Entries, Vec<Failure>) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut failures = BTreeMap::new();
    for error in errors {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        // The first of a line says most.
        failures.entry(line).or_insert_with(|| {
            Failure::usage(format!("{shown}:{line}: {}", error.message()))
                .hint(written(text.lines().nth(line - 1).unwrap_or_default()))
        });
    }
    let mut entries = BTreeMap::new();
    for (key, value) in document.get_ref() {
        let line = line_of(text, key.span().start);
        if failures.contains_key(&line) {
            continue;
        }
        match entry(key.get_ref(), value.get_ref(), &format!("{shown}:{line}")) {
            Ok((name, value)) => drop(entries.insert(name, Entry { value, line })),
            Err(failure) => drop(failures.insert(line, failure)),
        }
    }
    (entries, failures.into_values().collect())
}

/// The hint for a line that isn't TOML: the same line with its value in quotes, if it names a setting. A secret is never repeated.
fn written(line: &str) -> String {
    if let Some((name, value)) = line.split_once('=')
        && let (name, value) = (name.trim(), value.trim())
        && let Some(setting) = table::ALL.iter().find(|setting| setting.name == name)
    {
        if !setting.in_file() {
            return in_variable(setting);
        }
        if !value.is_empty() && !value.contains(['"', '\'', '\\', '#', '[', '{']) {
            return format!("put the value in quotes: {name} = \"{}\"", shown(value));
        }
    }
    "a line looks like this: listen = \"127.0.0.1:8080\"".to_owned()
}

/// The hint for a secret in the file.
fn in_variable(setting: &Setting) -> String {
    format!("give it in the variable {}", setting.variable)
}

/// A value as an error may show it: a URL may hold a password.
fn shown(value: &str) -> &str {
    match value.contains("://") {
        true => "…",
        false => value,
    }
}

/// The setting that a key names, and its value as text. `place` is the file and the line, for errors.
fn entry(name: &str, value: &DeValue<'_>, place: &str) -> Result<(&'static str, String), Failure> {
    let Some(setting) = table::ALL.iter().find(|setting| setting.name == name) else {
        return Err(
            Failure::usage(format!("{place}: there is no setting `{name}`")).hint(suggestion(name)),
        );
    };
    if !setting.in_file() {
        return Err(Failure::usage(format!(
            "{place}: `{name}` is a secret and does not belong in this file"
        ))
        .hint(in_variable(setting)));
    }
    let text = scalar(value).ok_or_else(|| {
        Failure::usage(format!(
            "{place}: `{name}` takes one value, not {}",
            match value.type_str() {
                "table" => "a table",
                "array" => "a list",
                other => other,
            }
        ))
        .hint(format!(
            "write it like this: {name} = \"{}\"",
            joined(value).unwrap_or_else(|| setting.value.to_owned())
        ))
    })?;
    Ok((setting.name, text))
}

/// The values of a list as one text, as settings have them.
fn joined(value: &DeValue<'_>) -> Option<String> {
    let DeValue::Array(values) = value else {
        return None;
    };
    let values: Option<Vec<String>> = values.iter().map(|value| scalar(value.get_ref())).collect();
    values
        .filter(|values| !values.is_empty())
        .map(|values| shown(&values.join(",")).to_owned())
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// The line of the byte at `offset`, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

/// What to do about a name that is none.
fn suggestion(name: &str) -> String {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-', '.'], "");
    let names = || {
        table::ALL
            .iter()
            .filter(|setting| setting.in_file())
            .map(|setting| setting.name)
    };
    let distances = names().map(|known| (levenshtein(&plain(known), &plain(name)), known));
    // A long name is close to none, and to find that out costs time.
    let nearest = if name.len() <= 64 {
        distances.min()
    } else {
        None
    };
    let near = nearest.filter(|(distance, _)| *distance <= 2);
    match near {
        Some((_, known)) => format!("did you mean `{known}`?"),
        None => format!(
            "the settings are {}",
            names()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let (_, failures) = parse(text, "tarn.toml");
        failures
            .into_iter()
            .reduce(Failure::and)
            .unwrap()
            .to_string()
    }

    #[test]
    fn takes_text_and_numbers_and_remembers_the_line() {
        let (entries, failures) = parse(
            "# mine\nlisten = \"127.0.0.1:1\"\n\nmax-upload-size = 1_000\n",
            "tarn.toml",
        );
        assert!(failures.is_empty());
        assert_eq!(
            entries["listen"],
            Entry {
                value: "127.0.0.1:1".to_owned(),
                line: 2
            }
        );
        assert_eq!(
            entries["max-upload-size"],
            Entry {
                value: "1000".to_owned(),
                line: 4
            }
        );
        assert_eq!(entries.len(), 2);
    }

    #[test]
    fn an_unknown_setting_is_refused_with_its_line_and_the_nearest_name() {
        assert_eq!(
            refusal("\nlisen = \"x\"\n"),
            "error: tarn.toml:2: there is no setting `lisen`\nhint: did you mean `listen`?"
        );
        assert_eq!(
            refusal("data_dir = \"x\"\n"),
            "error: tarn.toml:1: there is no setting `data_dir`\nhint: did you mean `data-dir`?"
        );
        assert!(refusal("colour = \"red\"").contains("hint: the settings are `data-dir`, "));
    }

    #[test]
    fn a_secret_is_refused_with_the_variable_to_use() {
        assert_eq!(
            refusal("secret-key = \"AAAA\""),
            "error: tarn.toml:1: `secret-key` is a secret and does not belong in this file\n\
             hint: give it in the variable TARN_SECRET_KEY"
        );
    }

    #[test]
    fn a_table_is_refused() {
        assert_eq!(
            refusal("[listen]\nport = 1\n"),
            "error: tarn.toml:1: `listen` takes one value, not a table\nhint: write it like this: listen = \"ADDRESS:PORT\""
        );
    }

    #[test]
    fn every_wrong_line_is_reported_with_the_value_that_was_meant() {
        assert_eq!(
            refusal(
                "listen = 127.0.0.1:21090\ntrusted-proxies = [\"10.0.0.0/8\", \"192.168.0.1\"]\nlog-level = \"debug\"\n\
                 base_url = \"https://x\"\n"
            ),
            "error: tarn.toml:1: invalid float, expected nothing\n\
             hint: put the value in quotes: listen = \"127.0.0.1:21090\"\n\
             error: tarn.toml:2: `trusted-proxies` takes one value, not a list\n\
             hint: write it like this: trusted-proxies = \"10.0.0.0/8,192.168.0.1\"\n\
             error: tarn.toml:4: there is no setting `base_url`\n\
             hint: did you mean `base-url`?"
        );
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        let text = refusal("database = postgres://tarn:hunter2@db/tarn\n");
        assert!(
            text.ends_with("hint: put the value in quotes: database = \"…\""),
            "{text}"
        );
        for secret in ["admin-password = hunter2", "secret-key = AbC="] {
            let text = refusal(secret);
            assert!(!text.contains("hunter2") && !text.contains("AbC"), "{text}");
            assert!(
                text.contains("hint: give it in the variable TARN_"),
                "{text}"
            );
        }
        let text = refusal("listen = \"a\"\nbase-url = \n");
        assert!(text.starts_with("error: tarn.toml:2: "), "{text}");
        let text = refusal("listen = \"a\"\nlisten = \"b\"\n");
        assert!(
            text.starts_with("error: tarn.toml:2: duplicate key"),
            "{text}"
        );
    }
}
