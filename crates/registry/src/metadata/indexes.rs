//! What an index is made from: the packages of one architecture of one repository at one generation.

use apk::arch::Arch;

use super::{Metadata, MetadataError, OwnerId, RepositoryId, engine::sql};
use crate::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// The newest state of one index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexHead {
    /// Which repository.
    pub repository: RepositoryId,
    /// The last generation that changed a package in this index; 0 when none ever did.
    pub generation: i64,
    /// When that was. A later generation has a later time, always. 1970 when none ever did.
    pub changed_at: Timestamp,
    /// How many packages are in it now.
    pub live: u64,
}

/// One package in an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// Its place: ever-growing in a repository, and never given to another package.
    pub sequence: i64,
    /// The record, with the package's own architecture, which may be noarch.
    pub record: String,
}

impl Metadata {
    /// The newest state of the index of an architecture: its own packages and the noarch ones. `None` when there is no such
    /// repository.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn index_head(
        &self,
        owner: OwnerId,
        branch: &Branch,
        repository: &RepositoryName,
        arch: &Arch,
    ) -> Result<Option<IndexHead>, MetadataError> {
        self.engine
            .row(sql!(
                "SELECT repositories.id AS id, COALESCE(MAX(index_heads.generation), 0) AS generation, \
                 COALESCE(MAX(index_heads.changed_at), 0) AS changed_at, \
                 CAST(COALESCE(SUM(index_heads.live), 0) AS BIGINT) AS live \
                 FROM repositories LEFT JOIN index_heads \
                 ON index_heads.repository_id = repositories.id AND index_heads.arch IN ($4, $5) \
                 WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 \
                 GROUP BY repositories.id",
                owner,
                branch.as_str(),
                repository.as_str(),
                arch.as_str(),
                Arch::noarch().as_str()
            ))
            .await?
            .map(|row| {
                Ok(IndexHead {
                    repository: RepositoryId::from_row(row.value("id")?),
                    generation: row.value("generation")?,
                    changed_at: row.time("changed_at")?,
                    live: row.size("live")?,
                })
            })
            .transpose()
    }

    /// The packages in the index of an architecture at a generation, now or in the past, in the order of the index: its
    /// own and the noarch ones. The same question has the same answer for ever.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn index_rows(
        &self,
        repository: RepositoryId,
        arch: &Arch,
        generation: i64,
    ) -> Result<Vec<IndexRow>, MetadataError> {
        self.engine
            .rows(sql!(
                "SELECT sequence, record FROM package_files WHERE repository_id = $1 AND arch IN ($2, $3) \
                 AND added_at <= $4 AND (removed_at IS NULL OR removed_at > $4) ORDER BY sequence",
                repository,
                arch.as_str(),
                Arch::noarch().as_str(),
                generation
            ))
            .await?
            .iter()
            .map(|row| {
                Ok(IndexRow {
                    sequence: row.value("sequence")?,
                    record: row.value("record")?,
                })
            })
            .collect()
    }
}
