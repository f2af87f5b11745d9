//! The lists of versions.

use apk::{name::PackageName, version::Version};

use super::{
    CatalogVersion, Found, ReadScope,
    read_scope::{sql_in_scope, visible},
};
use crate::metadata::{
    Metadata, MetadataError, OwnerId, Page, Window, engine::Statement, owners::owner_columns,
};

/// The versions that the files in repositories of the [`ReadScope`] in `$5` make, with what those files say of them. It begins
/// with those repositories and looks at the files in them: beginning with the versions would ask each of them about each
/// repository. Comparing the name of the file makes SQLite take the index of live files; the others have the removed ones too.
macro_rules! in_sight {
    ($repositories:literal, $files:literal) => {
        concat!(
            "in_sight AS MATERIALIZED (SELECT package_versions.id AS id, COUNT(*) AS files, \
             MIN(package_files.created_at) AS created_at, MAX(package_files.id) AS last_file \
             FROM json_each($5) AS sighted CROSS JOIN repositories CROSS JOIN package_files CROSS JOIN package_versions \
             WHERE repositories.id = sighted.value",
            $repositories,
            " AND package_files.repository_id = repositories.id AND package_files.removed_at IS NULL \
             AND package_files.file_name > ''",
            $files,
            " AND package_versions.owner_id = repositories.owner_id \
             AND package_versions.name = package_files.name AND package_versions.version = package_files.version \
             GROUP BY package_versions.id)"
        )
    };
}
pub(super) use in_sight;

/// The columns of a [`Listed`] and where they come from: the versions in `page`, whose creators are named as far
/// as the [`ReadScope`] in `$1` to `$4` may know of them. Where it leaves some repositories only, a page has the last file of
/// each version there, and what a version says of itself is what that file says.
macro_rules! versions_in_page {
    () => {
        concat!(
            "SELECT package_versions.id, ",
            owner_columns!(),
            ", package_versions.name, package_versions.version, package_versions.description, last_files.facts, \
             creators.id, creators.kind, creators.name, creators.visibility, page.created_at, page.files, \
             page.total, page.is_cut",
            " FROM page JOIN package_versions ON package_versions.id = page.id \
             JOIN owners ON owners.id = package_versions.owner_id \
             LEFT JOIN package_files AS last_files ON last_files.id = page.last_file \
             LEFT JOIN owners AS creators ON creators.id = package_versions.creator_id AND page.last_file IS NULL AND ",
            visible!("creators")
        )
    };
}
pub(super) use versions_in_page;

/// The question for a page of an owner's versions, the newest first: in `$6` whose, in `$7` and `$8` the window, in `$9` what
/// `$versions` and `$files` compare with. One text for a [`ReadScope`] of all repositories, one for some of them.
macro_rules! page_of_owner {
    (all, $versions:literal) => {
        concat!(
            "WITH page AS (SELECT id, files, created_at, CAST(NULL AS BIGINT) AS last_file, \
             (SELECT COUNT(*) FROM package_versions WHERE owner_id = $6",
            $versions,
            ") AS total, FALSE AS is_cut FROM package_versions WHERE owner_id = $6",
            $versions,
            " ORDER BY id DESC LIMIT $7 OFFSET $8) ",
            versions_in_page!(),
            " ORDER BY page.id DESC"
        )
    };
    (some, $files:literal) => {
        concat!(
            "WITH ",
            in_sight!(" AND repositories.owner_id = $6", $files),
            ", page AS (SELECT id, files, created_at, last_file, (SELECT COUNT(*) FROM in_sight) AS total, FALSE AS is_cut FROM in_sight \
             ORDER BY id DESC LIMIT $7 OFFSET $8) ",
            versions_in_page!(),
            " ORDER BY page.id DESC"
        )
    };
}

/// A version in a list, how long that list is, and whether there may be more than it has.
type Listed = (CatalogVersion, u64, bool);

/// The text of a question for a [`ReadScope`] of all repositories, or of some of them.
type Texts = (&'static str, &'static str);

/// The versions of all owners that a [`ReadScope`] of all repositories may know of which were published last, `$5` of them.
const NEWEST: &str = concat!(
    "WITH page AS (SELECT package_versions.id AS id, package_versions.files AS files, \
     package_versions.created_at AS created_at, CAST(NULL AS BIGINT) AS last_file, 0 AS total, FALSE AS is_cut FROM package_versions \
     JOIN owners ON owners.id = package_versions.owner_id WHERE ",
    visible!("owners"),
    " ORDER BY package_versions.created_at DESC, package_versions.id DESC LIMIT $5) ",
    versions_in_page!(),
    " ORDER BY page.created_at DESC, page.id DESC"
);

/// The same of one owner, whatever a [`ReadScope`] of all repositories knows of others: `$5` is the owner.
const NEWEST_OF_OWNER: &str = concat!(
    "WITH page AS (SELECT id, files, created_at, CAST(NULL AS BIGINT) AS last_file, 0 AS total, FALSE AS is_cut FROM package_versions \
     WHERE owner_id = $5 ORDER BY created_at DESC, id DESC LIMIT $6) ",
    versions_in_page!(),
    " ORDER BY page.created_at DESC, page.id DESC"
);

/// The same where a [`ReadScope`] leaves some repositories only: `$6` is the owner.
const NEWEST_OF_OWNER_IN_SIGHT: &str = concat!(
    "WITH ",
    in_sight!(" AND repositories.owner_id = $6", ""),
    ", page AS (SELECT id, files, created_at, last_file, 0 AS total, FALSE AS is_cut FROM in_sight ORDER BY created_at DESC, id DESC LIMIT $7) ",
    versions_in_page!(),
    " ORDER BY page.created_at DESC, page.id DESC"
);

impl Metadata {
    /// The versions of all owners that `read_scope` may know of which were published last, the last first, at most `most`. None where it
    /// leaves some repositories only: which of the newest are in them is not known without looking at all.
    pub async fn newest_versions(
        &self,
        read_scope: &ReadScope,
        most: u32,
    ) -> Result<Vec<CatalogVersion>, MetadataError> {
        if read_scope.repositories.is_some() {
            return Ok(Vec::new());
        }
        self.versions_in(sql_in_scope!(NEWEST, read_scope, most))
            .await
    }

    /// The versions of an owner's packages that were published last, the last first, at most `most`. Other than
    /// [`Metadata::listed_versions`] it does not count all of them.
    pub async fn newest_versions_of(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        most: u32,
    ) -> Result<Vec<CatalogVersion>, MetadataError> {
        let statement = match read_scope.repositories.as_deref() {
            None => sql_in_scope!(NEWEST_OF_OWNER, read_scope, owner, most),
            Some(repositories) => sql_in_scope!(
                NEWEST_OF_OWNER_IN_SIGHT,
                read_scope,
                repositories,
                owner,
                most
            ),
        };
        self.versions_in(statement).await
    }

    /// The versions of an owner's packages, the newest first. `read_scope` decides which creators are named.
    pub async fn listed_versions(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let texts = (page_of_owner!(all, ""), page_of_owner!(some, ""));
        self.page_of_owner(texts, read_scope, owner, "", window)
            .await
    }

    /// Those of them whose name contains `text`, in any letters' case.
    pub async fn versions_named_like(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        text: &str,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let texts = (
            page_of_owner!(all, " AND LOWER(name) LIKE $9 ESCAPE '\\'"),
            page_of_owner!(some, " AND LOWER(package_files.name) LIKE $9 ESCAPE '\\'"),
        );
        let contains = containing(text);
        self.page_of_owner(texts, read_scope, owner, &contains, window)
            .await
    }

    /// The versions of one package of an owner, the newest first.
    pub async fn versions_of(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        name: &PackageName,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        // The range of file names lets the index of live files find them: `.` comes after `-`.
        let texts = (
            page_of_owner!(all, " AND name = $9"),
            page_of_owner!(
                some,
                " AND package_files.file_name > $9 || '-' AND package_files.file_name < $9 || '.' AND package_files.name = $9"
            ),
        );
        self.page_of_owner(texts, read_scope, owner, name.as_str(), window)
            .await
    }

    /// One version of a package of an owner.
    pub async fn version(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<CatalogVersion>, MetadataError> {
        let text = match &read_scope.repositories {
            None => concat!(
                "WITH page AS (SELECT id, files, created_at, CAST(NULL AS BIGINT) AS last_file, 1 AS total, FALSE AS is_cut FROM package_versions \
                 WHERE owner_id = $6 AND name = $7 AND version = $8) ",
                versions_in_page!()
            ),
            Some(_) => concat!(
                "WITH ",
                in_sight!(
                    " AND repositories.owner_id = $6",
                    " AND package_files.file_name = $7 || '-' || $8 || '.apk' AND package_files.name = $7 AND package_files.version = $8"
                ),
                ", page AS (SELECT id, files, created_at, last_file, 1 AS total, FALSE AS is_cut FROM in_sight) ",
                versions_in_page!()
            ),
        };
        let statement = sql_in_scope!(
            text,
            read_scope,
            read_scope.repositories.as_deref(),
            owner,
            name.as_str(),
            version.as_str()
        );
        let found = self.versions_in(statement).await?;
        Ok(found.into_iter().next())
    }

    async fn versions_in(
        &self,
        statement: Statement,
    ) -> Result<Vec<CatalogVersion>, MetadataError> {
        let listed: Vec<Listed> = self.engine.list(statement).await?;
        Ok(listed.into_iter().map(|(version, _, _)| version).collect())
    }

    async fn page_of_owner(
        &self,
        (all, some): Texts,
        read_scope: &ReadScope,
        owner: OwnerId,
        compared: &str,
        window: Window,
    ) -> Result<Page<CatalogVersion>, MetadataError> {
        let ask = |window: Window| {
            sql_in_scope!(
                if read_scope.repositories.is_none() {
                    all
                } else {
                    some
                },
                read_scope,
                read_scope.repositories.as_deref(),
                owner,
                window.limit,
                window.offset,
                compared
            )
        };
        Ok(self.page_of_versions(ask, window).await?.page)
    }

    /// The page that `ask` asks for. Each row says how long the list is, and whether it is cut.
    pub(super) async fn page_of_versions(
        &self,
        ask: impl Fn(Window) -> Statement,
        window: Window,
    ) -> Result<Found, MetadataError> {
        let listed: Vec<Listed> = self.engine.list(ask(window)).await?;
        let of_list =
            |listed: &[Listed]| listed.first().map(|(_, total, is_cut)| (*total, *is_cut));
        let of_list = match of_list(&listed) {
            // A page behind the last one has no row to tell it; the first page has.
            None if window.offset > 0 => {
                let first = Window {
                    offset: 0,
                    limit: 1,
                };
                of_list(&self.engine.list(ask(first)).await?)
            }
            said => said,
        };
        let (total, is_cut) = of_list.unwrap_or_default();
        let entries = listed.into_iter().map(|(version, _, _)| version).collect();
        Ok(Found {
            page: Page { entries, total },
            is_cut,
        })
    }
}

/// The pattern of LIKE for what contains the text, each of whose characters is taken for itself, in lower case.
pub(super) fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character.to_ascii_lowercase());
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::engine::{sql, tests::plan};

    #[tokio::test]
    async fn a_list_of_some_repositories_begins_with_them() {
        let question = concat!("EXPLAIN QUERY PLAN ", page_of_owner!(some, ""));
        let one = 1_i64;
        let statement = sql!(question, true, true, one, "[]", "[]", one, one, one, "");
        let steps = plan(statement).await;
        let first = steps.iter().position(|step| step.contains("sighted"));
        let files = [
            "SCAN sighted VIRTUAL TABLE INDEX 1:",
            "SEARCH repositories USING INTEGER PRIMARY KEY (rowid=?)",
            "SEARCH package_files USING INDEX package_files_live (repository_id=? AND file_name>?)",
            "SEARCH package_versions USING COVERING INDEX sqlite_autoindex_package_versions_1 \
             (owner_id=? AND name=? AND version=?)",
        ];
        let found = first.and_then(|first| steps.get(first..first + files.len()));
        assert!(found.is_some_and(|found| found == files), "{steps:#?}");
        let again = steps.iter().filter(|step| step.contains(" repositories "));
        assert_eq!(again.count(), 1, "{steps:#?}");
    }
}
