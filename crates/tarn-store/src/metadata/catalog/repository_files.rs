//! The files of one repository, a part at a time: by name or the newest first, all or those that are looked for.

use apk::{arch::Arch, name::PackageName, version::Version};

use super::{search::trigrams, versions::containing};
use crate::metadata::{
    Metadata, MetadataError, PackageFileId, PackageFormat, RepositoryId,
    engine::{Value, sql},
    rows::row,
};
use tarn_base::clock::Timestamp;

row! {
    /// A file in a list of a repository.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ListedFile {
        /// Which one.
        pub id: PackageFileId,
        /// Its place in the repository: later files have greater ones.
        pub sequence: i64,
        /// The package's own architecture; may be noarch.
        pub arch: Arch,
        /// The package's name.
        pub name: PackageName,
        /// The package's version.
        pub version: Version,
        /// The name of the file.
        pub file_name: String,
        /// Bytes.
        pub size: u64,
        /// When it was recorded.
        pub created_at: Timestamp,
        /// The format of the file.
        pub format: PackageFormat,
        /// `pkgdesc` of the file of this version that came last, whatever its repository.
        pub description: String,
    }
}

/// Which files of a repository are wanted, and where the part begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FilesWanted<'a> {
    /// What is in the name, in any letters' case (of `A` to `Z`). Empty: anything.
    pub text: &'a str,
    /// The architecture whose index lists them, those of `noarch` too; `None`: of all.
    pub arch: Option<&'a str>,
    /// The source package; `None`: of all.
    pub origin: Option<&'a str>,
}

impl FilesWanted<'_> {
    /// The pattern that the name has to be like.
    fn pattern(&self) -> Option<String> {
        (!self.text.is_empty()).then(|| containing(&self.text.to_ascii_lowercase()))
    }
}

/// The columns of [`ListedFile`] and where they come from. `$1` the repository, `$2` the architecture, `$3` the origin, `$5` the
/// pattern of the name. `$from` selects the files to look at: all of the repository, whose index of live files begins
/// with the name and is passed over without a look at the rows, or few of them, which are sorted then.
macro_rules! listed_files {
    ($from:literal, $where:literal, $rest:literal) => {
        concat!(
            "SELECT package_files.id, package_files.sequence, package_files.arch, package_files.name, \
             package_files.version, package_files.file_name, package_files.size, package_files.created_at, \
             package_files.format, COALESCE(package_versions.description, '') AS description FROM ",
            $from,
            " JOIN repositories ON repositories.id = package_files.repository_id \
             LEFT JOIN package_versions ON package_versions.owner_id = repositories.owner_id \
             AND package_versions.name = package_files.name AND package_versions.version = package_files.version \
             WHERE ",
            $where,
            "package_files.repository_id = $1 AND package_files.removed_at IS NULL \
             AND (CAST($2 AS TEXT) IS NULL OR package_files.arch IN ($2, 'noarch')) AND (CAST($3 AS TEXT) IS NULL OR EXISTS \
             (SELECT 1 FROM package_names WHERE package_names.file_id = package_files.id AND package_names.kind = 'origin' \
             AND package_names.name = $3)) \
             AND (CAST($5 AS TEXT) IS NULL OR LOWER(package_files.file_name) LIKE $5 ESCAPE '\\') \
             AND (CAST($5 AS TEXT) IS NULL OR LOWER(package_files.name) LIKE $5 ESCAPE '\\') AND ",
            $rest
        )
    };
}

/// The same, of all files, of those from one source, and of those of the versions whose identifiers are in the JSON `$7`. The latter
/// two take `$few`, whose condition no index fits: SQLite would read all files in the order of the list otherwise.
macro_rules! ways {
    ($rest:literal, $few:literal) => {
        [
            listed_files!("package_files", "", $rest),
            listed_files!(
                "package_names AS sourced CROSS JOIN package_files",
                "sourced.owner_id = (SELECT owner_id FROM repositories WHERE id = $1) AND sourced.repository_id = $1 AND sourced.kind = 'origin' AND sourced.name = $3 AND package_files.id = sourced.file_id AND ",
                $few
            ),
            listed_files!(
                "json_each($7) AS matched CROSS JOIN package_versions AS named CROSS JOIN package_files",
                "named.id = matched.value AND named.owner_id = repositories.owner_id AND package_files.file_name = named.name || '-' || named.version || '.apk' AND ",
                $few
            ),
        ]
    };
}

/// The part behind the file name `$4`.
const BY_NAME: [&str; 3] = ways!(
    "package_files.file_name > $4 ORDER BY package_files.file_name, package_files.arch LIMIT $6",
    "package_files.file_name || '' > $4 ORDER BY package_files.file_name, package_files.arch LIMIT $6"
);

/// The part that came before the sequence `$4`, the newest first.
const NEWEST: [&str; 3] = ways!(
    "package_files.sequence < $4 ORDER BY package_files.sequence DESC LIMIT $6",
    "+package_files.sequence < $4 ORDER BY package_files.sequence DESC LIMIT $6"
);

/// The part up to the file name `$4`, the last first.
const BACK_BY_NAME: [&str; 3] = ways!(
    "package_files.file_name <= $4 ORDER BY package_files.file_name DESC, package_files.arch DESC LIMIT $6",
    "package_files.file_name || '' <= $4 ORDER BY package_files.file_name DESC, package_files.arch DESC LIMIT $6"
);

/// The part from the sequence `$4` on, the oldest first.
const OLDEST: [&str; 3] = ways!(
    "package_files.sequence >= $4 ORDER BY package_files.sequence LIMIT $6",
    "+package_files.sequence >= $4 ORDER BY package_files.sequence LIMIT $6"
);

/// Up to so many files of one source, or versions that a text finds, are looked at one by one. Where there are more, the first of a
/// page are soon found among all.
const FEW: usize = 1_000;

/// The versions of all owners that a text finds, some of them: by their trigrams `$1`, and on PostgreSQL by the pattern `$2`.
const FOUND_ON_SQLITE: &str = "SELECT rowid AS id FROM package_search WHERE package_search MATCH $1 AND $2 IS NOT NULL LIMIT $3";
const FOUND_ON_POSTGRES: &str = "SELECT id FROM package_versions WHERE $1 IS NOT NULL AND (LOWER(name) LIKE $2 ESCAPE '\\' \
     OR LOWER(description) LIKE $2 ESCAPE '\\') LIMIT $3";

/// Which files are looked at.
enum Way {
    All,
    Sourced,
    /// The identifiers of versions, as JSON.
    Named(String),
}

impl Metadata {
    /// The files of a repository by name, at most `most`: those behind the file name `after`.
    pub async fn files_by_name(
        &self,
        repository: RepositoryId,
        wanted: FilesWanted<'_>,
        after: &str,
        most: u32,
    ) -> Result<Vec<ListedFile>, MetadataError> {
        self.files(BY_NAME, repository, wanted, after.into(), most)
            .await
    }

    /// The files of a repository, the newest first, at most `most`: those from before the sequence `before`.
    pub async fn files_by_age(
        &self,
        repository: RepositoryId,
        wanted: FilesWanted<'_>,
        before: i64,
        most: u32,
    ) -> Result<Vec<ListedFile>, MetadataError> {
        self.files(NEWEST, repository, wanted, before.into(), most)
            .await
    }

    /// The files of a repository by name from the last to the first, at most `most`: those up to the file name `to`, which is one of them.
    pub async fn files_up_to_name(
        &self,
        repository: RepositoryId,
        wanted: FilesWanted<'_>,
        to: &str,
        most: u32,
    ) -> Result<Vec<ListedFile>, MetadataError> {
        self.files(BACK_BY_NAME, repository, wanted, to.into(), most)
            .await
    }

    /// The files of a repository, the oldest first, at most `most`: those from the sequence `from` on.
    pub async fn files_up_to_age(
        &self,
        repository: RepositoryId,
        wanted: FilesWanted<'_>,
        from: i64,
        most: u32,
    ) -> Result<Vec<ListedFile>, MetadataError> {
        self.files(OLDEST, repository, wanted, from.into(), most)
            .await
    }

    async fn files(
        &self,
        [all, sourced, named]: [&'static str; 3],
        repository: RepositoryId,
        wanted: FilesWanted<'_>,
        cursor: Value,
        most: u32,
    ) -> Result<Vec<ListedFile>, MetadataError> {
        let way = self.way(repository, wanted).await?;
        let text = match &way {
            Way::All => all,
            Way::Sourced => sourced,
            Way::Named(_) => named,
        };
        let mut statement = sql!(
            text,
            repository,
            wanted.arch,
            wanted.origin,
            cursor,
            wanted.pattern(),
            most
        );
        if let Way::Named(versions) = way {
            statement.values.push(versions.into());
        }
        self.engine.list(statement).await
    }

    /// Which files have to be looked at to find those that are wanted.
    async fn way(
        &self,
        repository: RepositoryId,
        wanted: FilesWanted<'_>,
    ) -> Result<Way, MetadataError> {
        let more = i64::try_from(FEW + 1).unwrap_or(i64::MAX);
        if let Some(origin) = wanted.origin {
            let statement = sql!(
                "SELECT file_id AS id FROM package_names WHERE owner_id = (SELECT owner_id FROM repositories WHERE id = $1) \
                 AND repository_id = $1 AND kind = 'origin' AND name = $2 LIMIT $3",
                repository,
                origin,
                more
            );
            let is_few = self.engine.list::<i64>(statement).await?.len() <= FEW;
            return Ok(if is_few { Way::Sourced } else { Way::All });
        }
        let trigrams = trigrams(&wanted.text.to_ascii_lowercase());
        let (Some(trigrams), Some(pattern)) = (trigrams, wanted.pattern()) else {
            return Ok(Way::All);
        };
        let text = self.engine.text(FOUND_ON_SQLITE, FOUND_ON_POSTGRES);
        let found = sql!(text, trigrams, pattern, more);
        let ids: Vec<i64> = self.engine.list(found).await?;
        Ok(match ids.len() {
            ..=FEW => Way::Named(format!("{ids:?}")),
            _ => Way::All,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::engine::tests::plan;

    #[tokio::test]
    async fn a_part_of_a_repository_is_found_by_an_index() {
        for (question, expected) in [
            (
                BY_NAME,
                "package_files_live (repository_id=? AND file_name>?",
            ),
            (
                BACK_BY_NAME,
                "package_files_live (repository_id=? AND file_name<?",
            ),
            (NEWEST, "(repository_id=? AND sequence<?)"),
            (OLDEST, "(repository_id=? AND sequence>?)"),
        ] {
            let steps_of = async |question: &str| {
                let question = format!("EXPLAIN QUERY PLAN {question}").leak();
                let mut statement = sql!(question, 1_i64, "x86_64", "a", "0", "%a%", 1_i64);
                if question.contains("$7") {
                    statement.values.push("[1]".into());
                }
                plan(statement).await
            };
            let [all, few @ ..] = question;
            let steps = steps_of(all).await;
            assert!(
                steps.iter().any(|step| step.contains(expected)),
                "{steps:#?}"
            );
            let sorts = |step: &String| step.contains("B-TREE FOR ORDER BY");
            assert!(!steps.iter().any(sorts), "{steps:#?}");
            // Where few are looked at, no file is read that is not of them.
            for question in few {
                let steps = steps_of(question).await;
                let ranges = |step: &String| {
                    ["sequence<?", "sequence>?", "file_name>?", "file_name<?"]
                        .iter()
                        .any(|range| step.contains(range))
                };
                assert!(!steps.iter().any(ranges), "{steps:#?}");
                let files: Vec<_> = steps
                    .iter()
                    .filter(|step| step.contains("package_files"))
                    .collect();
                assert!(
                    files
                        .iter()
                        .all(|step| step.contains("file_name=?") || step.contains("PRIMARY KEY")),
                    "{steps:#?}"
                );
            }
        }
    }
}
