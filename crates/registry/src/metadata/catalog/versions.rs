//! The lists of versions, and the search.

use apk::{name::PackageName, version::Version};

use super::{CatalogVersion, Page, SEARCHED_VERSIONS, Sight, Window, visible};
use crate::metadata::{Metadata, MetadataError, OwnerId, engine::sql};

/// The columns of [`CatalogVersion`], out of `package_versions`, `owners` and `creators`.
macro_rules! version_columns {
    () => {
        "package_versions.id AS version_id, package_versions.name AS package, package_versions.version AS version, \
         package_versions.description AS description, package_versions.created_at AS created_at, \
         package_versions.files AS files, owners.id AS id, owners.kind AS kind, owners.name AS name, \
         owners.visibility AS visibility, creators.id AS creator_id, creators.kind AS creator_kind, \
         creators.name AS creator_name, creators.visibility AS creator_visibility"
    };
}

/// The creators of versions, as far as the [`Sight`] in `$1` to `$3` may know of them.
macro_rules! join_creators {
    () => {
        concat!(
            " LEFT JOIN owners AS creators ON creators.id = package_versions.creator_id AND ",
            visible!("creators")
        )
    };
}

impl Metadata {
    /// The versions of an owner's packages whose name contains `text`, in any letters' case; the newest first.
    /// `sight` decides which creators are named.
    ///
    /// Without `text` the cost is that of the page and those before it; with one, that of all of the owner's versions.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn versions(
        &self,
        sight: &Sight,
        owner: OwnerId,
        text: Option<&str>,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let pattern = text.map(|text| format!("%{}%", escaped(text)));
        let total = self
            .count(sql!(
                "SELECT COUNT(*) AS count FROM package_versions WHERE owner_id = $1 \
                 AND ($2 IS NULL OR LOWER(name) LIKE $2 ESCAPE '\\')",
                owner,
                pattern.as_deref()
            ))
            .await?;
        let rows = self
            .engine
            .rows(sql!(
                concat!(
                    "SELECT ",
                    version_columns!(),
                    " FROM package_versions JOIN owners ON owners.id = package_versions.owner_id",
                    join_creators!(),
                    " WHERE package_versions.owner_id = $4 \
                     AND ($5 IS NULL OR LOWER(package_versions.name) LIKE $5 ESCAPE '\\') \
                     ORDER BY package_versions.id DESC LIMIT $6 OFFSET $7"
                ),
                sight.everything,
                sight.limited,
                sight.user,
                owner,
                pattern,
                i64::from(window.limit),
                i64::from(window.offset)
            ))
            .await?;
        CatalogVersion::page(&rows, total)
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
        let total = self
            .count(sql!(
                "SELECT COUNT(*) AS count FROM package_versions WHERE owner_id = $1 AND name = $2",
                owner,
                name.as_str()
            ))
            .await?;
        let rows = self
            .engine
            .rows(sql!(
                concat!(
                    "SELECT ",
                    version_columns!(),
                    " FROM package_versions JOIN owners ON owners.id = package_versions.owner_id",
                    join_creators!(),
                    " WHERE package_versions.owner_id = $4 AND package_versions.name = $5 \
                     ORDER BY package_versions.id DESC LIMIT $6 OFFSET $7"
                ),
                sight.everything,
                sight.limited,
                sight.user,
                owner,
                name.as_str(),
                i64::from(window.limit),
                i64::from(window.offset)
            ))
            .await?;
        CatalogVersion::page(&rows, total)
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
                    "SELECT ",
                    version_columns!(),
                    " FROM package_versions JOIN owners ON owners.id = package_versions.owner_id",
                    join_creators!(),
                    " WHERE package_versions.owner_id = $4 AND package_versions.name = $5 \
                     AND package_versions.version = $6"
                ),
                sight.everything,
                sight.limited,
                sight.user,
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
        // The semaphore is never closed, so there is always a turn in the end.
        let _turn = self.memory.searches.0.acquire().await.ok();
        let escaped = escaped(text);
        let contains = format!("%{escaped}%");
        let total = self
            .count(sql!(
                concat!(
                    "SELECT COUNT(*) AS count FROM (SELECT package_versions.name AS name, \
                     package_versions.description AS description FROM package_versions \
                     JOIN owners ON owners.id = package_versions.owner_id WHERE ",
                    visible!("owners"),
                    " ORDER BY package_versions.id DESC LIMIT $4) AS newest \
                     WHERE LOWER(newest.name) LIKE $5 ESCAPE '\\' OR LOWER(newest.description) LIKE $5 ESCAPE '\\'"
                ),
                sight.everything,
                sight.limited,
                sight.user,
                SEARCHED_VERSIONS,
                contains.as_str()
            ))
            .await?;
        let rows = self
            .engine
            .rows(sql!(
                concat!(
                    "SELECT ",
                    version_columns!(),
                    " FROM (SELECT package_versions.id AS id, package_versions.name AS name, \
                     package_versions.description AS description FROM package_versions \
                     JOIN owners ON owners.id = package_versions.owner_id WHERE ",
                    visible!("owners"),
                    " ORDER BY package_versions.id DESC LIMIT $4) AS newest \
                     JOIN package_versions ON package_versions.id = newest.id \
                     JOIN owners ON owners.id = package_versions.owner_id",
                    join_creators!(),
                    " WHERE LOWER(newest.name) LIKE $5 ESCAPE '\\' OR LOWER(newest.description) LIKE $5 ESCAPE '\\' \
                     ORDER BY CASE WHEN LOWER(newest.name) = $6 THEN 0 WHEN LOWER(newest.name) LIKE $7 ESCAPE '\\' THEN 1 \
                     ELSE 2 END, newest.id DESC LIMIT $8 OFFSET $9"
                ),
                sight.everything,
                sight.limited,
                sight.user,
                SEARCHED_VERSIONS,
                contains,
                text.to_ascii_lowercase(),
                format!("{escaped}%"),
                i64::from(window.limit),
                i64::from(window.offset)
            ))
            .await?;
        CatalogVersion::page(&rows, total)
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
