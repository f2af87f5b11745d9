//! The migrations of both databases, from one list: each is written in both folders.

use refinery_core::{Migration, error::Kind};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::MetadataError;

/// The files of one database, in the order of their numbers: name and text.
pub(super) type Files = [(&'static str, &'static str)];

macro_rules! migrations {
    ($($file:literal),+ $(,)?) => {
        pub(super) const SQLITE: &Files =
            &[$(($file, include_str!(concat!("../../migrations/sqlite/", $file)))),+];
        pub(super) const POSTGRES: &Files =
            &[$(($file, include_str!(concat!("../../migrations/postgres/", $file)))),+];
    };
}

migrations! {
    "0001_registry.sql",
    "0002_audit.sql",
    "0003_access.sql",
    "0004_second_factors.sql",
    "0005_quotas.sql",
    "0006_webhooks.sql",
    "0007_catalog.sql",
    "0008_sessions.sql",
    "0009_certificates.sql",
}

/// Where refinery writes down which migrations were made.
pub(super) const HISTORY: &str = "refinery_schema_history";

/// The number of the newest migration that this program has.
pub(super) fn newest() -> i64 {
    i64::try_from(SQLITE.len()).unwrap_or(i64::MAX)
}

/// Migrations as refinery takes them: `0001_registry.sql` is `V1__registry`.
pub(super) fn read(files: &Files) -> Result<Vec<Migration>, refinery_core::Error> {
    let named = |(file, text): &(&str, &str)| {
        let (number, name) = file
            .trim_end_matches(".sql")
            .split_once('_')
            .unwrap_or_default();
        let name = format!("V{}__{name}", number.trim_start_matches('0'));
        Migration::unapplied(&name, text)
    };
    files.iter().map(named).collect()
}

/// A migration from the table of those that ran ([`HISTORY`]). A checksum that can't be read becomes 0, which no file has, so the
/// migration counts as one of another program.
pub(super) fn made(number: i32, name: String, at: &str, checksum: &str) -> Migration {
    let at = OffsetDateTime::parse(at, &Rfc3339).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    Migration::applied(number, name, at, checksum.parse().unwrap_or(0))
}

/// Why the tables could not be brought up to date.
pub(super) fn failed(database: String, error: refinery_core::Error) -> MetadataError {
    match error.kind() {
        Kind::DivergentVersion(made, _) => MetadataError::Unreleased {
            database,
            migration: made.version().into(),
        },
        _ => MetadataError::Migrate {
            database,
            source: error.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The files of a folder of migrations, in order.
    fn files(engine: &str) -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("migrations")
            .join(engine);
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| {
                let path = file.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read_to_string(path).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    /// What a migration lets a column hold: each list of words, and each condition that is no list.
    fn rules(text: &str) -> Vec<String> {
        let code: Vec<&str> = text
            .lines()
            .map(|line| line.split("--").next().unwrap_or_default())
            .collect();
        let code = code.join(" ").replace(" COLLATE \"C\"", "");
        let mut rules: Vec<String> = ["CHECK (", "UNIQUE (", "PRIMARY KEY ("]
            .into_iter()
            .flat_map(|word| {
                code.match_indices(word)
                    .map(|(at, _)| {
                        let mut depth = 0;
                        let rule = code.get(at..).unwrap_or_default();
                        rule.chars()
                            .take_while(|letter| {
                                depth += i32::from(*letter == '(') - i32::from(*letter == ')');
                                *letter != ')' || depth > 0
                            })
                            .collect()
                    })
                    .collect::<Vec<String>>()
            })
            .collect();
        rules.sort();
        rules
    }

    #[test]
    fn every_file_is_a_migration_and_both_databases_have_the_same_rules() {
        let (postgres, sqlite) = (files("postgres"), files("sqlite"));
        for (files, known) in [(&postgres, POSTGRES), (&sqlite, SQLITE)] {
            let known = known
                .iter()
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
            assert_eq!(*files, known.collect::<Vec<_>>());
        }
        for (number, migration) in (1..).zip(read(SQLITE).unwrap()) {
            assert_eq!(migration.version(), number);
        }
        for ((name, text), (_, other_text)) in postgres.iter().zip(&sqlite) {
            assert_eq!(rules(text), rules(other_text), "{name}");
        }
    }
}
