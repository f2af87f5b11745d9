//! What an index is made from: the packages of one architecture of one repository at one generation.

use apk::{arch::Arch, digest::PackageHash};

use super::{
    Metadata, MetadataError, OwnerId, PackageFormat, RepositoryId, StoredFacts,
    engine::{Purpose, sql},
    rows::{row, select},
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

row! {
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
    /// How many bytes their records have together.
    pub bytes: u64,
    /// Whether the repository has or had packages of this very architecture.
    pub has_architecture: bool,
    /// When the owner's signing keys last changed, at the moment at which the rest was so; 1970 when there is none.
    pub keys_changed_at: Timestamp,
    /// How the newest server renders indexes: see [`Metadata::note_rendering`]. 0 when none noted that.
    pub rendering: i64,
    /// Since when; 1970 when that is how the first one did.
    pub rendered_since: Timestamp,
}
}

impl IndexHead {
    /// Whether there is such an index: it has packages. Where there are noarch packages, that is so for every architecture.
    pub const fn is_served(&self) -> bool {
        self.live > 0
    }
}

/// Which index, as a question of it is remembered.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    owner: OwnerId,
    branch: Branch,
    repository: RepositoryName,
    arch: Arch,
    format: PackageFormat,
}

/// What happened to an index between two generations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexChanges {
    /// Sequences of packages that were there and are gone.
    pub removed: Vec<i64>,
    /// Packages that were not there and are, in the order of the index.
    pub added: Vec<IndexedPackage>,
}

row! {
    /// One package as an index is made from it.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct IndexedPackage as indexed_columns {
        /// Its place: ever-growing in a repository, and never given to another package.
        pub sequence: i64 = package_files.sequence,
        /// What it says of itself. Its own architecture may be noarch.
        pub facts: StoredFacts = package_files.facts,
        /// What apk checks a download with.
        pub identity: PackageHash = package_files.identity,
        /// Bytes of the file.
        pub size: u64 = package_files.size,
    }
}

/// The columns of the packages of repository `$1` and the architectures `$2` and `$3` at generation `$4` that an index of format
/// `$7` lists, in the order of the index, at most `$6` of them from behind the sequence `$5` on.
///
/// Two halves rather than `arch IN ($2, $3)`: both come out of an index in order and are merged. The `+` keeps SQLite from the
/// index over `added_at`, which has every architecture, and removed packages too, in another order.
macro_rules! in_order {
    () => {
        concat!(
            "SELECT ",
            indexed_columns!(),
            " FROM package_files WHERE repository_id = $1 AND arch = $2 AND (format = 'v2' OR $7 = 'v3') \
             AND sequence > $5 AND +added_at <= $4 AND (removed_at IS NULL OR removed_at > $4) \
             UNION ALL SELECT ",
            indexed_columns!(),
            " FROM package_files WHERE repository_id = $1 AND arch = $3 AND $2 <> $3 AND (format = 'v2' OR $7 = 'v3') \
             AND sequence > $5 AND +added_at <= $4 AND (removed_at IS NULL OR removed_at > $4) \
             ORDER BY sequence LIMIT $6"
        )
    };
}

/// So many rows are a lookup. Each may be hundreds of KiB.
const FEW: i64 = 4;

impl Metadata {
    /// The newest state of the index of an architecture and format: its own packages and the noarch ones. `None` when there is
    /// no such repository.
    pub async fn index_head(
        &self,
        owner: OwnerId,
        branch: &Branch,
        repository: &RepositoryName,
        arch: &Arch,
        format: PackageFormat,
    ) -> Result<Option<IndexHead>, MetadataError> {
        let place = Place {
            owner,
            branch: branch.clone(),
            repository: repository.clone(),
            arch: arch.clone(),
            format,
        };
        let ask = async |place: &Place| {
            self.engine
            .look_up(sql!(
                "SELECT repositories.id, COALESCE(MAX(index_heads.generation), 0) AS generation, \
                 COALESCE(MAX(index_heads.changed_at), 0) AS changed_at, \
                 CAST(COALESCE(SUM(index_heads.live), 0) AS BIGINT) AS live, \
                 CAST(COALESCE(SUM(index_heads.bytes), 0) AS BIGINT) AS bytes, \
                 COALESCE(MAX(CASE WHEN index_heads.arch = $4 THEN 1 END), 0) AS has_architecture, \
                 COALESCE((SELECT MAX(signing_keys.changed_at) FROM signing_keys WHERE signing_keys.owner_id = $1), 0) \
                 AS keys_changed_at, COALESCE((SELECT MAX(version) FROM index_rendering), 0) AS rendering, \
                 COALESCE((SELECT MAX(since) FROM index_rendering), 0) AS rendered_since \
                 FROM repositories LEFT JOIN index_heads ON index_heads.repository_id = repositories.id \
                 AND index_heads.arch IN ($4, $5) AND (index_heads.format = 'v2' OR $6 = 'v3') \
                 WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 \
                 GROUP BY repositories.id",
                place.owner,
                place.branch.as_str(),
                place.repository.as_str(),
                place.arch.as_str(),
                Arch::noarch().as_str(),
                place.format.as_str()
            ))
            .await
        };
        self.memory.index_heads.get(place, ask).await
    }

    /// Notes that there is a server which renders indexes by that version from now on. A version that is not newer than the one
    /// noted changes nothing.
    ///
    /// Where another one was noted, "from now on" is a second after every change so far: the same packages make another index, which must
    /// not have the date of the one before.
    pub async fn note_rendering(&self, version: i64, now: Timestamp) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        let noted = sql!("SELECT version FROM index_rendering");
        let noted: Option<i64> = transaction.row(noted).await?;
        let statement = match noted {
            Some(noted) if noted >= version => return Ok(()),
            Some(_) => {
                let last = transaction.row(sql!(
                    "SELECT MAX(at) AS at FROM (SELECT MAX(changed_at) AS at FROM index_heads \
                     UNION ALL SELECT MAX(changed_at) AS at FROM signing_keys \
                     UNION ALL SELECT MAX(since) AS at FROM index_rendering) AS changes"
                ));
                let last: Option<Option<Timestamp>> = last.await?;
                let next = last.flatten().map_or(now, |last| {
                    Timestamp::from_seconds(last.seconds().saturating_add(1))
                });
                sql!(
                    "UPDATE index_rendering SET version = $1, since = $2",
                    version,
                    next.max(now)
                )
            }
            None => sql!(
                "INSERT INTO index_rendering (version, since) VALUES ($1, 0)",
                version
            ),
        };
        transaction.run(statement).await?;
        transaction.commit().await
    }

    /// The packages in the index of an architecture and format at a generation, now or in the past, in the order of the index: its
    /// own and the noarch ones, at most `most` of them from behind the sequence `after` on. The same question has the same
    /// answer for as long as no package that the generation had is forgotten.
    pub async fn index_rows(
        &self,
        repository: RepositoryId,
        (arch, format): (&Arch, PackageFormat),
        generation: i64,
        after: i64,
        most: u32,
    ) -> Result<Vec<IndexedPackage>, MetadataError> {
        let rows = sql!(
            in_order!(),
            repository,
            arch.as_str(),
            Arch::noarch().as_str(),
            generation,
            after,
            most,
            format.as_str()
        );
        self.engine.ask(Purpose::Index, rows).await
    }

    /// What happened to the index of an architecture and format after the generation `since`, up to and with the generation `to`.
    /// Packages that came and went in between are left out. `None` when that is not known any more, because a package that
    /// went after `since` is forgotten.
    pub async fn index_changes(
        &self,
        repository: RepositoryId,
        (arch, format): (&Arch, PackageFormat),
        since: i64,
        to: i64,
    ) -> Result<Option<IndexChanges>, MetadataError> {
        let noarch = Arch::noarch();
        // Each generation brings or takes one package.
        let purpose = match to.saturating_sub(since) {
            ..=FEW => Purpose::Lookup,
            _ => Purpose::Index,
        };
        let added = sql!(
            select!(
                indexed_columns,
                "FROM package_files WHERE repository_id = $1 AND arch IN ($2, $3) AND (format = 'v2' OR $6 = 'v3') \
                 AND added_at > $4 AND added_at <= $5 AND (removed_at IS NULL OR removed_at > $5) ORDER BY sequence"
            ),
            repository,
            arch.as_str(),
            noarch.as_str(),
            since,
            to,
            format.as_str()
        );
        let removed = sql!(
            "SELECT sequence FROM package_files WHERE repository_id = $1 AND arch IN ($2, $3) \
             AND (format = 'v2' OR $6 = 'v3') AND removed_at > $4 AND removed_at <= $5 AND added_at <= $4",
            repository,
            arch.as_str(),
            noarch.as_str(),
            since,
            to,
            format.as_str()
        );
        let (added, removed) = (
            self.engine.ask(purpose, added).await?,
            self.engine.ask(purpose, removed).await?,
        );
        // Asked last: a package that is forgotten in between is noticed.
        let history: Option<Option<i64>> = self
            .engine
            .look_up(sql!(
                "SELECT MAX(history_from) AS history_from FROM index_heads WHERE repository_id = $1 AND arch IN ($2, $3) \
                 AND (format = 'v2' OR $4 = 'v3')",
                repository,
                arch.as_str(),
                noarch.as_str(),
                format.as_str()
            ))
            .await?;
        if history.flatten().is_some_and(|history| history > since) {
            return Ok(None);
        }
        Ok(Some(IndexChanges { removed, added }))
    }
}

#[cfg(test)]
mod tests {
    use crate::metadata::engine::{sql, tests::plan};

    #[tokio::test]
    async fn an_index_is_read_in_its_order() {
        let text = concat!("EXPLAIN QUERY PLAN ", in_order!());
        let question = sql!(text, 1_i64, "x86_64", "noarch", 1_i64, 0_i64, 10_i64, "v2");
        let plan = plan(question).await;
        let by_order = "package_files_index (repository_id=? AND arch=? AND sequence>?)";
        let halves = plan.iter().filter(|step| step.contains(by_order)).count();
        assert_eq!(halves, 2, "{plan:#?}");
        assert!(
            !plan.iter().any(|step| step.contains("TEMP B-TREE")),
            "{plan:#?}"
        );
    }
}
