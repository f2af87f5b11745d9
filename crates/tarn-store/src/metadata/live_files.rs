//! What an owner has now, for lists and for expiry.

use apk::{arch::Arch, limits::Limits, name::PackageName, version::Version};

use super::{
    Metadata, MetadataError, OwnerId, PackageFileId, RepositoryId,
    engine::{Row, sql},
    packages::corrupt,
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// A package file of the newest generation of its repository.
#[derive(Debug, Clone)]
pub struct LiveFile {
    /// Which one.
    pub id: PackageFileId,
    /// Its place in the repository: later files have greater ones.
    pub sequence: i64,
    /// Its branch.
    pub branch: Branch,
    /// Its repository.
    pub repository: RepositoryName,
    /// The package's own architecture; may be noarch.
    pub arch: Arch,
    /// The package's name.
    pub name: PackageName,
    /// The package's version.
    pub version: Version,
    /// Bytes.
    pub size: u64,
    /// When it was recorded.
    pub created_at: Timestamp,
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
            "SELECT package_files.id AS id, package_files.sequence AS sequence, repositories.branch AS branch, repositories.name AS repository, \
             package_files.arch AS arch, package_files.name AS name, package_files.version AS version, \
             package_files.size AS size, package_files.created_at AS created_at \
             FROM repositories JOIN package_files ON package_files.repository_id = repositories.id ",
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
        self.engine
            .rows(sql!(PAGE, repository, after, i64::from(most)))
            .await?
            .iter()
            .map(LiveFile::from_row)
            .collect()
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
            .await?
            .iter()
            .map(|row| {
                Ok((
                    RepositoryId::from_row(row.value("id")?),
                    branch(row, "branch")?,
                    repository(row, "name")?,
                ))
            })
            .collect()
    }

    /// The packages of a repository that have more than `keep` versions, one of them from before `end`.
    pub async fn old_packages(
        &self,
        repository: RepositoryId,
        end: Timestamp,
        keep: u32,
    ) -> Result<Vec<OldPackage>, MetadataError> {
        self.engine
            .rows(sql!(
                "SELECT name, arch FROM package_files WHERE repository_id = $1 AND removed_at IS NULL \
                 GROUP BY name, arch HAVING COUNT(*) > $2 AND MIN(created_at) < $3 ORDER BY name, arch",
                repository,
                i64::from(keep),
                end
            ))
            .await?
            .iter()
            .map(|row| {
                Ok(OldPackage {
                    repository,
                    name: package_name(row)?,
                    arch: arch(row)?,
                })
            })
            .collect()
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
            .await?
            .iter()
            .map(LiveFile::from_row)
            .collect()
    }
}

impl LiveFile {
    fn from_row(row: &Row) -> Result<Self, MetadataError> {
        let version: &str = row.value("version")?;
        Ok(Self {
            id: PackageFileId::from_row(row.value("id")?),
            sequence: row.value("sequence")?,
            branch: branch(row, "branch")?,
            repository: repository(row, "repository")?,
            arch: arch(row)?,
            name: package_name(row)?,
            version: Version::parse_lenient(version, &Limits::default())
                .map_err(|_| corrupt("version", version))?,
            size: row.size("size")?,
            created_at: row.time("created_at")?,
        })
    }
}

pub(super) fn branch(row: &Row, column: &'static str) -> Result<Branch, MetadataError> {
    let branch: &str = row.value(column)?;
    Branch::parse(branch).map_err(|_| corrupt("branch", branch))
}

pub(super) fn repository(row: &Row, column: &'static str) -> Result<RepositoryName, MetadataError> {
    let repository: &str = row.value(column)?;
    RepositoryName::parse(repository).map_err(|_| corrupt("repository", repository))
}

pub(super) fn arch(row: &Row) -> Result<Arch, MetadataError> {
    let arch: &str = row.value("arch")?;
    Arch::parse(arch).map_err(|_| corrupt("architecture", arch))
}

pub(super) fn package_name(row: &Row) -> Result<PackageName, MetadataError> {
    let name: &str = row.value("name")?;
    PackageName::parse(name).map_err(|_| corrupt("package name", name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Database;

    #[tokio::test]
    async fn a_page_of_a_list_begins_where_the_last_one_ended() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(folder.path().join("tarn.db"));
        let metadata = Metadata::open(&database).await.unwrap();
        let question = format!("EXPLAIN QUERY PLAN {PAGE}");
        let statement = sql!(question.leak(), 1_i64, 1_i64, 1_i64);
        let plan = metadata.engine.rows(statement).await.unwrap();
        let steps: Vec<&str> = plan
            .iter()
            .map(|row| row.value("detail").unwrap())
            .collect();
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
