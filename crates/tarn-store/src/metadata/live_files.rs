//! What an owner has now, for lists and for expiry.

use apk::{arch::Arch, name::PackageName, version::Version};

use super::{
    Metadata, MetadataError, OwnerId, PackageFileId, RepositoryId, engine::sql, rows::row,
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

row! {
    /// A package file of the newest generation of its repository.
    #[derive(Debug, Clone)]
    pub struct LiveFile as live_columns {
        /// Which one.
        pub id: PackageFileId = package_files.id,
        /// Its place in the repository: later files have greater ones.
        pub sequence: i64 = package_files.sequence,
        /// Its branch.
        pub branch: Branch = repositories.branch,
        /// Its repository.
        pub repository: RepositoryName = repositories.name,
        /// The package's own architecture; may be noarch.
        pub arch: Arch = package_files.arch,
        /// The package's name.
        pub name: PackageName = package_files.name,
        /// The package's version.
        pub version: Version = package_files.version,
        /// Bytes.
        pub size: u64 = package_files.size,
        /// When it was recorded.
        pub created_at: Timestamp = package_files.created_at,
    }
}

/// A package of which there are more versions than a rule keeps, and an old one among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldPackage {
    /// In which repository.
    pub repository: RepositoryId,
    /// Its name.
    pub name: PackageName,
    /// Its architecture; may be noarch.
    pub arch: Arch,
}

/// The columns of [`LiveFile`], with the tables they come from.
macro_rules! live_files {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            live_columns!(),
            " FROM repositories JOIN package_files ON package_files.repository_id = repositories.id ",
            $rest
        )
    };
}

/// The question for a page of the files of repository `$1`: at most `$3`, behind the sequence `$2`.
const PAGE: &str = live_files!(
    "WHERE repositories.id = $1 AND package_files.removed_at IS NULL AND package_files.sequence > $2 \
     ORDER BY package_files.sequence LIMIT $3"
);

impl Metadata {
    /// The package files of a repository in the order in which they came, at most `most`: those behind the sequence
    /// `after`. The last one of a page is where the next goes on; 0 is before the first.
    pub async fn live_files(
        &self,
        repository: RepositoryId,
        after: i64,
        most: u32,
    ) -> Result<Vec<LiveFile>, MetadataError> {
        self.engine.rows(sql!(PAGE, repository, after, most)).await
    }

    /// The repositories of an owner that ever had a package.
    pub async fn repositories(
        &self,
        owner: OwnerId,
    ) -> Result<Vec<(RepositoryId, Branch, RepositoryName)>, MetadataError> {
        self.engine
            .rows(sql!(
                "SELECT id, branch, name FROM repositories WHERE owner_id = $1 ORDER BY branch, name",
                owner
            ))
            .await
    }

    /// The packages of a repository that have more than `keep` versions, one of them from before `end`.
    pub async fn old_packages(
        &self,
        repository: RepositoryId,
        end: Timestamp,
        keep: u32,
    ) -> Result<Vec<OldPackage>, MetadataError> {
        let found = self.engine
            .rows(sql!(
                "SELECT name, arch FROM package_files WHERE repository_id = $1 AND removed_at IS NULL \
                 GROUP BY name, arch HAVING COUNT(*) > $2 AND MIN(created_at) < $3 ORDER BY name, arch",
                repository,
                keep,
                end
            ))
            .await?;
        let old = |(name, arch)| OldPackage {
            repository,
            name,
            arch,
        };
        Ok(found.into_iter().map(old).collect())
    }

    /// All versions of a package, in the order in which they came.
    pub async fn versions(&self, package: &OldPackage) -> Result<Vec<LiveFile>, MetadataError> {
        // The range of file names lets the index of live files find them: `.` comes after `-`.
        self.engine
            .rows(sql!(
                live_files!(
                    "WHERE repositories.id = $1 AND package_files.removed_at IS NULL AND package_files.file_name > $4 \
                     AND package_files.file_name < $5 AND package_files.name = $2 AND package_files.arch = $3 \
                     ORDER BY package_files.sequence"
                ),
                package.repository,
                package.name.as_str(),
                package.arch.as_str(),
                format!("{}-", package.name),
                format!("{}.", package.name)
            ))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::engine::tests::plan;

    #[tokio::test]
    async fn a_page_of_a_list_begins_where_the_last_one_ended() {
        let question = format!("EXPLAIN QUERY PLAN {PAGE}");
        let statement = sql!(question.leak(), 1_i64, 1_i64, 1_i64);
        let steps = plan(statement).await;
        let [repository, files] = steps.as_slice() else {
            unreachable!("{steps:?}");
        };
        assert!(repository.contains("PRIMARY KEY (rowid=?)"), "{steps:?}");
        assert!(
            files.ends_with("(repository_id=? AND sequence>?)"),
            "{steps:?}"
        );
    }
}
