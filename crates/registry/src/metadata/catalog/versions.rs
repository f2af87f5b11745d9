//! The lists of versions, and the search.

use apk::{name::PackageName, version::Version};

use tokio::sync::SemaphorePermit;

use super::{CatalogVersion, Page, SEARCHED_VERSIONS, Sight, Window, repository_in_sight, visible};
use crate::metadata::{
    Metadata, MetadataError, OwnerId,
    engine::{Row, Statement, sql},
};

/// The live files of the row of `package_versions` that are in repositories of the [`Sight`] in `$5`: one look-up for each
/// repository of the owner.
macro_rules! files_in_sight {
    ($wanted:literal) => {
        concat!(
            "SELECT ",
            $wanted,
            " FROM repositories JOIN package_files ON package_files.repository_id = repositories.id \
             AND package_files.file_name = package_versions.name || '-' || package_versions.version || '.apk' \
             AND package_files.name = package_versions.name AND package_files.removed_at IS NULL \
             WHERE repositories.owner_id = package_versions.owner_id AND ",
            repository_in_sight!(5)
        )
    };
}

/// Whether the [`Sight`] in `$5` leaves any file of the row of `package_versions`.
macro_rules! version_in_sight {
    () => {
        concat!(
            "(CAST($5 AS TEXT) IS NULL OR EXISTS (",
            files_in_sight!("1"),
            "))"
        )
    };
}

/// The columns of [`CatalogVersion`] and where they come from: the identifiers in `page`, whose creators are named as far
/// as the [`Sight`] in `$1` to `$5` may know of
/// them. Where that leaves some repositories alone, what a version says of itself is what its files there say.
macro_rules! versions_in_page {
    () => {
        concat!(
            "SELECT package_versions.id AS version_id, package_versions.name AS package, \
             package_versions.version AS version, package_versions.description AS description, \
             package_versions.created_at AS created_at, CASE WHEN CAST($5 AS TEXT) IS NULL THEN package_versions.files ELSE (",
            files_in_sight!("COUNT(*)"),
            ") END AS files, CASE WHEN CAST($5 AS TEXT) IS NULL THEN NULL ELSE (",
            files_in_sight!("MIN(package_files.created_at)"),
            ") END AS first_came_at, CASE WHEN CAST($5 AS TEXT) IS NULL THEN NULL ELSE (",
            files_in_sight!("package_files.pkginfo"),
            " ORDER BY package_files.id DESC LIMIT 1) END AS last_pkginfo, owners.id AS id, \
             owners.kind AS kind, owners.name AS name, owners.visibility AS visibility, creators.id AS creator_id, \
             creators.kind AS creator_kind, creators.name AS creator_name, creators.visibility AS creator_visibility, \
             page.total AS total FROM page JOIN package_versions ON package_versions.id = page.id \
             JOIN owners ON owners.id = package_versions.owner_id \
             LEFT JOIN owners AS creators ON creators.id = package_versions.creator_id \
             AND CAST($5 AS TEXT) IS NULL AND ",
            visible!("creators")
        )
    };
}

impl Metadata {
    /// The versions of an owner's packages, the newest first. `sight` decides which creators are named.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn listed_versions(
        &self,
        sight: &Sight,
        owner: OwnerId,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let ask = |window: Window| {
            sql!(
                concat!(
                    "WITH page AS (SELECT id, (SELECT COUNT(*) FROM package_versions WHERE owner_id = $6 AND ",
                    version_in_sight!(),
                    ") AS total FROM package_versions WHERE owner_id = $6 AND ",
                    version_in_sight!(),
                    " ORDER BY id DESC LIMIT $7 OFFSET $8) ",
                    versions_in_page!(),
                    " ORDER BY page.id DESC"
                ),
                sight.everything,
                sight.limited,
                sight.account,
                sight.owners.as_deref(),
                sight.repositories.as_deref(),
                owner,
                i64::from(window.limit),
                i64::from(window.offset)
            )
        };
        let _turn = self.turn_for(sight).await;
        self.page_of_versions(ask, window).await
    }

    /// Those of them whose name contains `text`, in any letters' case.
    ///
    /// It looks at the owner's newest [`SEARCHED_VERSIONS`] and no further, and takes its turn among the searches.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn versions_named_like(
        &self,
        sight: &Sight,
        owner: OwnerId,
        text: &str,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let contains = format!("%{}%", escaped(text));
        let ask = |window: Window| {
            sql!(
                concat!(
                    "WITH newest AS (SELECT id, name FROM package_versions WHERE owner_id = $6 AND ",
                    version_in_sight!(),
                    " ORDER BY id DESC LIMIT $7), \
                     page AS (SELECT id, COUNT(*) OVER () AS total FROM newest WHERE LOWER(name) LIKE $8 ESCAPE '\\' \
                     ORDER BY id DESC LIMIT $9 OFFSET $10) ",
                    versions_in_page!(),
                    " ORDER BY page.id DESC"
                ),
                sight.everything,
                sight.limited,
                sight.account,
                sight.owners.as_deref(),
                sight.repositories.as_deref(),
                owner,
                SEARCHED_VERSIONS,
                contains.as_str(),
                i64::from(window.limit),
                i64::from(window.offset)
            )
        };
        let _turn = self.memory.searches.take().await;
        self.page_of_versions(ask, window).await
    }

    /// The versions of one package of an owner, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn versions_of(
        &self,
        sight: &Sight,
        owner: OwnerId,
        name: &PackageName,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let ask = |window: Window| {
            sql!(
                concat!(
                    "WITH page AS (SELECT id, \
                     (SELECT COUNT(*) FROM package_versions WHERE owner_id = $6 AND name = $7 AND ",
                    version_in_sight!(),
                    ") AS total FROM package_versions WHERE owner_id = $6 AND name = $7 AND ",
                    version_in_sight!(),
                    " ORDER BY id DESC LIMIT $8 OFFSET $9) ",
                    versions_in_page!(),
                    " ORDER BY page.id DESC"
                ),
                sight.everything,
                sight.limited,
                sight.account,
                sight.owners.as_deref(),
                sight.repositories.as_deref(),
                owner,
                name.as_str(),
                i64::from(window.limit),
                i64::from(window.offset)
            )
        };
        let _turn = self.turn_for(sight).await;
        self.page_of_versions(ask, window).await
    }

    /// One version of a package of an owner.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn version(
        &self,
        sight: &Sight,
        owner: OwnerId,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<CatalogVersion>, MetadataError> {
        self.engine
            .row(sql!(
                concat!(
                    "WITH page AS (SELECT id, 1 AS total FROM package_versions \
                     WHERE owner_id = $6 AND name = $7 AND version = $8 AND ",
                    version_in_sight!(),
                    ") ",
                    versions_in_page!()
                ),
                sight.everything,
                sight.limited,
                sight.account,
                sight.owners.as_deref(),
                sight.repositories.as_deref(),
                owner,
                name.as_str(),
                version.as_str()
            ))
            .await?
            .map(|row| CatalogVersion::from_row(&row))
            .transpose()
    }

    /// The versions whose name or description contains `text`, in any letters' case, of all owners that `sight` may
    /// know of: those of the very name first, then of names that begin with it, then the others; each the newest
    /// first.
    ///
    /// It looks at the newest [`SEARCHED_VERSIONS`] and no further, and takes its turn.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn search(
        &self,
        sight: &Sight,
        text: &str,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let begins = format!("{}%", escaped(text));
        let contains = format!("%{begins}");
        let ask = |window: Window| {
            sql!(
                concat!(
                    "WITH newest AS (SELECT package_versions.id AS id, LOWER(package_versions.name) AS name, \
                     CASE WHEN CAST($5 AS TEXT) IS NULL \
                     THEN LOWER(package_versions.description) ELSE '' END AS description FROM package_versions \
                     JOIN owners ON owners.id = package_versions.owner_id WHERE ",
                    visible!("owners"),
                    " AND ",
                    version_in_sight!(),
                    " ORDER BY package_versions.id DESC LIMIT $6), \
                     found AS (SELECT id, CASE WHEN name = $8 THEN 0 WHEN name LIKE $9 ESCAPE '\\' THEN 1 ELSE 2 END AS place \
                     FROM newest WHERE name LIKE $7 ESCAPE '\\' OR description LIKE $7 ESCAPE '\\'), \
                     page AS (SELECT id, place, COUNT(*) OVER () AS total FROM found ORDER BY place, id DESC \
                     LIMIT $10 OFFSET $11) ",
                    versions_in_page!(),
                    " ORDER BY page.place, page.id DESC"
                ),
                sight.everything,
                sight.limited,
                sight.account,
                sight.owners.as_deref(),
                sight.repositories.as_deref(),
                SEARCHED_VERSIONS,
                contains.as_str(),
                text.to_ascii_lowercase(),
                begins.as_str(),
                i64::from(window.limit),
                i64::from(window.offset)
            )
        };
        let _turn = self.memory.searches.take().await;
        self.page_of_versions(ask, window).await
    }

    /// A narrowed sight is looked at row by row, as a search looks at its rows, so that takes a turn as well.
    async fn turn_for(&self, sight: &Sight) -> Option<SemaphorePermit<'_>> {
        match sight.repositories {
            Some(_) => self.memory.searches.take().await,
            None => None,
        }
    }

    /// The page that `ask` asks for. Each of its rows tells how long the whole list is.
    async fn page_of_versions(
        &self,
        ask: impl Fn(Window) -> Statement,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let rows = self.engine.rows(ask(window)).await?;
        let entries: Vec<CatalogVersion> = rows
            .iter()
            .map(CatalogVersion::from_row)
            .collect::<Result<_, _>>()?;
        // A page behind the last one has no row to tell it; the first page has.
        let first = match rows.into_iter().next() {
            None if window.offset > 0 => {
                let first = Window {
                    offset: 0,
                    limit: 1,
                };
                self.engine.row(ask(first)).await?
            }
            row => row,
        };
        let total = first.map_or(Ok(0), |row: Row| row.size("total"))?;
        Ok(Page { entries, total })
    }
}

/// The text in lower case, so that LIKE takes each of its characters for itself.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character.to_ascii_lowercase());
    }
    escaped
}
