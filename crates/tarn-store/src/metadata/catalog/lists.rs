//! The lists of owners, of their repositories, and of the files of one version.

use apk::{name::PackageName, version::Version};

use super::{
    ArchitectureState, CatalogFile, CatalogOwner, CatalogPlace, CatalogRepository, OwnersWanted,
    ReadScope, VersionPlace, file_columns, place_columns,
    read_scope::{repository_in_sight, sql_in_scope, visible},
};
use crate::metadata::{
    Metadata, MetadataError, OwnerId, Page, User, Window,
    engine::sql,
    owners::owner_columns,
    packages::file_name,
    rows::{Joined, select},
    users::user_columns,
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// Whether the row of `owners` is one of the [`OwnersWanted`] in `$5` to `$8`.
macro_rules! wanted {
    () => {
        "name_lower >= $5 AND name_lower < $6 AND (CAST($7 AS TEXT) IS NULL OR kind = $7) \
         AND (CAST($8 AS BIGINT) IS NULL OR EXISTS (SELECT 1 FROM teams JOIN team_members \
         ON team_members.team_id = teams.id WHERE teams.organisation_id = owners.id AND team_members.user_id = $8)) AND "
    };
}

impl Metadata {
    /// The owners that are wanted, as far as `read_scope` may know of them; by name.
    pub async fn visible_owners(
        &self,
        read_scope: &ReadScope,
        wanted: OwnersWanted<'_>,
        window: Window,
    ) -> Result<Page<CatalogOwner>, MetadataError> {
        let from = wanted.prefix.to_ascii_lowercase();
        let to = format!("{from}{}", char::MAX);
        let count = sql_in_scope!(
            concat!(
                "SELECT COUNT(*) AS count FROM owners WHERE ",
                wanted!(),
                visible!("owners")
            ),
            read_scope,
            from.as_str(),
            to.as_str(),
            wanted.kind,
            wanted.member
        );
        let rows = sql_in_scope!(
            concat!(
                "SELECT ",
                owner_columns!(),
                ", owners.created_at FROM owners WHERE ",
                wanted!(),
                visible!("owners"),
                " ORDER BY name_lower LIMIT $9 OFFSET $10"
            ),
            read_scope,
            from,
            to,
            wanted.kind,
            wanted.member,
            window.limit,
            window.offset
        );
        self.page(count, rows).await
    }

    /// Every user, disabled ones too, with when the account was made; by name.
    pub async fn listed_users(
        &self,
        window: Window,
    ) -> Result<Page<(User, Timestamp)>, MetadataError> {
        let count = sql!("SELECT COUNT(*) AS count FROM users");
        let rows = sql!(
            select!(
                user_columns,
                ", owners.created_at AS created_at FROM owners JOIN users ON users.owner_id = owners.id \
                     ORDER BY owners.name_lower LIMIT $1 OFFSET $2"
            ),
            window.limit,
            window.offset
        );
        self.page(count, rows).await
    }

    /// When an owner was made.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when the database fails.
    pub async fn owner_created_at(&self, owner: OwnerId) -> Result<Timestamp, MetadataError> {
        let created_at = sql!("SELECT created_at FROM owners WHERE id = $1", owner);
        let created_at = self.engine.row(created_at).await?;
        created_at.ok_or(MetadataError::Missing("owner"))
    }

    /// The repositories of an owner, by branch and name.
    ///
    /// Those in `read_scope`; that the owner itself is, has been asked.
    pub async fn listed_repositories(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        window: Window,
    ) -> Result<Page<CatalogRepository>, MetadataError> {
        let total = self
            .count(sql!(
                concat!(
                    "SELECT COUNT(*) AS count FROM repositories WHERE owner_id = $1 AND ",
                    repository_in_sight!(2)
                ),
                owner,
                read_scope.repositories.as_deref()
            ))
            .await?;
        type Found = (
            (Branch, RepositoryName, i64, Timestamp),
            Joined<ArchitectureState>,
        );
        let rows: Vec<Found> = self
            .engine
            .list(sql!(
                concat!(
                    "SELECT page.branch, page.name, page.generation, page.changed_at, \
                     index_heads.arch, index_heads.live, index_heads.published_at FROM \
                     (SELECT id, branch, name, generation, changed_at FROM repositories WHERE owner_id = $1 AND ",
                    repository_in_sight!(2),
                    " ORDER BY branch, name LIMIT $3 OFFSET $4) AS page \
                     LEFT JOIN index_heads ON index_heads.repository_id = page.id AND index_heads.live > 0 \
                     ORDER BY page.branch, page.name, index_heads.arch"
                ),
                owner,
                read_scope.repositories.as_deref(),
                window.limit,
                window.offset
            ))
            .await?;
        let mut entries: Vec<CatalogRepository> = Vec::new();
        for ((branch, name, generation, changed_at), Joined(of_one)) in rows {
            let is_same = |last: &CatalogRepository| last.branch == branch && last.name == name;
            if !entries.last().is_some_and(is_same) {
                entries.push(CatalogRepository {
                    branch,
                    name,
                    generation,
                    changed_at,
                    architectures: Vec::new(),
                });
            }
            if let (Some(last), Some(of_one)) = (entries.last_mut(), of_one) {
                of_one.add_to(&mut last.architectures);
            }
        }
        Ok(Page { entries, total })
    }

    /// The files of one version, by branch, repository and architecture. One look-up for each repository of the owner.
    pub async fn files_of_version(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        name: &PackageName,
        version: &Version,
        window: Window,
    ) -> Result<Page<CatalogFile>, MetadataError> {
        let file_name = file_name(name, version);
        let count = sql!(
            concat!(
                "SELECT COUNT(*) AS count FROM repositories \
                     JOIN package_files ON package_files.repository_id = repositories.id \
                     WHERE repositories.owner_id = $1 AND package_files.file_name = $2 AND package_files.name = $3 \
                     AND package_files.version = $4 AND package_files.removed_at IS NULL AND ",
                repository_in_sight!(5)
            ),
            owner,
            file_name.as_str(),
            name.as_str(),
            version.as_str(),
            read_scope.repositories.as_deref()
        );
        let rows = sql!(
            select!(
                file_columns,
                "FROM repositories \
                 JOIN package_files ON package_files.repository_id = repositories.id \
                 WHERE repositories.owner_id = $1 AND package_files.file_name = $2 AND package_files.name = $3 \
                 AND package_files.version = $4 AND package_files.removed_at IS NULL AND ",
                repository_in_sight!(5),
                " ORDER BY repositories.branch, repositories.name, package_files.arch LIMIT $6 OFFSET $7"
            ),
            owner,
            file_name,
            name.as_str(),
            version.as_str(),
            read_scope.repositories.as_deref(),
            window.limit,
            window.offset
        );
        self.page(count, rows).await
    }

    /// Where the files of one version are, or of all versions: branch, repository and the package's own architecture, in that
    /// order.
    pub async fn places_of_package(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        name: &PackageName,
        version: Option<&Version>,
    ) -> Result<Vec<CatalogPlace>, MetadataError> {
        // The index is by file name; those of all versions stand between `name-` and `name.`, the next byte.
        let (first, last) = match version {
            Some(version) => (file_name(name, version), file_name(name, version)),
            None => (format!("{}-", name.as_str()), format!("{}.", name.as_str())),
        };
        self.engine
            .list(sql!(
                select!(
                    place_columns,
                    "FROM repositories JOIN package_files ON package_files.repository_id = repositories.id \
                     WHERE repositories.owner_id = $1 AND package_files.file_name >= $2 AND package_files.file_name <= $3 \
                     AND package_files.name = $4 AND ($5 IS NULL OR package_files.version = $5) \
                     AND package_files.removed_at IS NULL AND ",
                    repository_in_sight!(6),
                    " ORDER BY repositories.branch, repositories.name, package_files.arch"
                ),
                owner,
                first,
                last,
                name.as_str(),
                version.map(Version::as_str),
                read_scope.repositories.as_deref()
            ))
            .await
    }

    /// Of each of the versions with these numbers: the repository in `read_scope` that has its newest file, and how many others have files
    /// of it. None of a version that no repository in `read_scope` has.
    pub async fn repositories_of_versions(
        &self,
        read_scope: &ReadScope,
        versions: &[i64],
    ) -> Result<Vec<VersionPlace>, MetadataError> {
        if versions.is_empty() {
            return Ok(Vec::new());
        }
        let statement = sql!(
            concat!(
                // The names of packages say which repositories may have a version: an owner may have hundreds of others.
                "WITH named AS MATERIALIZED (SELECT DISTINCT package_versions.id AS version_id, package_versions.name AS name, \
                 package_versions.name || '-' || package_versions.version || '.apk' AS file_name, \
                 package_names.repository_id AS repository_id \
                 FROM json_each($1) AS wanted CROSS JOIN package_versions CROSS JOIN package_names \
                 WHERE package_versions.id = wanted.value AND package_names.owner_id = package_versions.owner_id \
                 AND package_names.kind = 'provides' AND package_names.name = package_versions.name), \
                 places AS (SELECT named.version_id AS version_id, repositories.branch AS branch, repositories.name AS repository, \
                 COUNT(*) OVER (PARTITION BY named.version_id) - 1 AS others, \
                 ROW_NUMBER() OVER (PARTITION BY named.version_id ORDER BY MAX(package_files.id) DESC) AS place \
                 FROM named CROSS JOIN repositories CROSS JOIN package_files \
                 WHERE repositories.id = named.repository_id AND package_files.repository_id = repositories.id \
                 AND package_files.file_name = named.file_name AND package_files.name = named.name \
                 AND package_files.removed_at IS NULL AND ",
                repository_in_sight!(2),
                " GROUP BY named.version_id, repositories.id, repositories.branch, repositories.name) \
                 SELECT version_id, branch, repository, others FROM places WHERE place = 1"
            ),
            format!("{versions:?}"),
            read_scope.repositories.as_deref()
        );
        self.engine.list(statement).await
    }
}
