//! The search: what a text finds among the packages of all owners.
//!
//! Names that are the text, or begin with it, come out of an index of names, whatever their age. What contains it comes out of
//! an index of trigrams: `package_search` on SQLite, which FTS5 keeps by triggers, and one of `pg_trgm` on PostgreSQL, without which
//! all versions are looked through. It is the one thing here that is particular to an engine.

use super::{
    CatalogVersion, ReadScope,
    read_scope::{sql_in_scope, visible},
    versions::{containing, in_sight, versions_in_page},
};
use crate::metadata::{
    Metadata, MetadataError, Page, Window, engine::Statement, owners::owner_columns,
};

/// The trigrams of a text that are asked for. Each more costs a list of all rows that have it, and finds hardly fewer: the pattern looks
/// at the rest of the text.
const MOST_TRIGRAMS: usize = 12;

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The part of it that was asked for.
    pub page: Page<CatalogVersion>,
    /// Whether there may be more than all of its pages have: a longer text finds it.
    pub is_cut: bool,
}

/// The versions whose names begin with `$7`, which is in lower case, as far as a [`ReadScope`] of all repositories may know of
/// them: those of the very name first, which no other is less than.
macro_rules! named {
    () => {
        concat!(
            "named AS MATERIALIZED (SELECT package_versions.id AS id, package_versions.files AS files, \
             package_versions.created_at AS created_at, CASE WHEN LOWER(package_versions.name) = $7 THEN 0 ELSE 1 END AS place \
             FROM package_versions CROSS JOIN owners WHERE owners.id = package_versions.owner_id AND ",
            begins!(),
            " AND ",
            visible!("owners"),
            " ORDER BY LOWER(package_versions.name), package_versions.id DESC LIMIT $9)"
        )
    };
}

/// Whether the name of the row of `package_versions` begins with `$7`: it lies between that and `$8`.
macro_rules! begins {
    () => {
        "(LOWER(package_versions.name) >= $7 AND LOWER(package_versions.name) < $8)"
    };
}

/// The page of what is in `found`.
macro_rules! page_of_found {
    ($is_cut:literal) => {
        concat!(
            "page AS (SELECT id, files, created_at, CAST(NULL AS BIGINT) AS last_file, place, (SELECT COUNT(*) FROM found) AS total, ",
            $is_cut,
            " AS is_cut FROM found ORDER BY place, id DESC LIMIT $10 OFFSET $11) ",
            versions_in_page!(),
            " ORDER BY page.place, page.id DESC"
        )
    };
}

/// For a [`ReadScope`] of all repositories: `$from` joins the rows of `package_versions` that an index of trigrams finds, the newest of
/// which have the greatest `$newest`. `$6` has the trigrams of the text, `$12` the pattern of what contains it: a trigram may fold letters
/// that [`containing`] distinguishes.
macro_rules! containing {
    ($from:literal, $newest:literal) => {
        concat!(
            "WITH ",
            named!(),
            ", others AS MATERIALIZED (SELECT package_versions.id AS id, package_versions.files AS files, \
             package_versions.created_at AS created_at, 2 AS place FROM ",
            $from,
            " AND owners.id = package_versions.owner_id AND NOT ",
            begins!(),
            " AND (LOWER(package_versions.name) LIKE $12 ESCAPE '\\' OR LOWER(package_versions.description) LIKE $12 ESCAPE '\\') AND ",
            visible!("owners"),
            " ORDER BY ",
            $newest,
            " DESC LIMIT $9), \
             found AS MATERIALIZED (SELECT id, files, created_at, place FROM named \
             UNION ALL SELECT id, files, created_at, place FROM others), ",
            page_of_found!(
                "((SELECT COUNT(*) FROM named) >= $9 OR (SELECT COUNT(*) FROM others) >= $9)"
            )
        )
    };
}

/// Once enough names begin with the text, it matches an empty phrase, which finds nothing. A condition beside MATCH would be evaluated for
/// each row.
const CONTAINING_ON_SQLITE: &str = containing!(
    "package_search CROSS JOIN package_versions CROSS JOIN owners \
     WHERE package_search MATCH CASE WHEN (SELECT COUNT(*) FROM named) < $9 THEN $6 ELSE '\"\"' END \
     AND package_versions.id = package_search.rowid",
    "package_search.rowid"
);

/// `pg_trgm` takes the trigrams out of the pattern itself.
const CONTAINING_ON_POSTGRES: &str = containing!(
    "package_versions CROSS JOIN owners WHERE $6 IS NOT NULL AND (SELECT COUNT(*) FROM named) < $9",
    "package_versions.id"
);

/// The same for a text that has no trigram.
const BEGINNING: &str = concat!(
    "WITH ",
    named!(),
    ", found AS MATERIALIZED (SELECT id, files, created_at, place FROM named), ",
    page_of_found!("((SELECT COUNT(*) FROM named) >= $9)")
);

/// For a [`ReadScope`] of some repositories: the names of what they have.
const IN_SIGHT: &str = concat!(
    "WITH ",
    in_sight!("", " AND LOWER(package_files.name) LIKE $12 ESCAPE '\\'"),
    ", page AS (SELECT in_sight.id AS id, in_sight.files AS files, in_sight.created_at AS created_at, \
     in_sight.last_file AS last_file, CASE WHEN LOWER(package_versions.name) = $7 THEN 0 WHEN ",
    begins!(),
    " THEN 1 ELSE 2 END AS place, (SELECT COUNT(*) FROM in_sight) AS total, FALSE AS is_cut FROM in_sight \
     JOIN package_versions ON package_versions.id = in_sight.id ORDER BY place, in_sight.id DESC LIMIT $10 OFFSET $11) ",
    versions_in_page!(),
    " ORDER BY page.place, page.id DESC"
);

impl Metadata {
    /// The versions whose name or description contains `text`, in any letters' case (of `A` to `Z`), of all owners that
    /// `read_scope` may know of: those of the very name first, then of names that begin with it, then the others; each the newest
    /// first. A text of one or two characters finds names that begin with it; a `read_scope` of some repositories only finds names.
    ///
    /// Of those that `read_scope` may know of, at most `most` are found whose names begin with the text, and where they are fewer, at most
    /// `most` others. The work grows with `most`, whatever part of them is asked for.
    ///
    /// # Errors
    ///
    /// When the database fails, or it takes too long.
    pub async fn search(
        &self,
        read_scope: &ReadScope,
        text: &str,
        most: u32,
        window: Window,
    ) -> Result<Found, MetadataError> {
        let containing = self
            .engine
            .text(CONTAINING_ON_SQLITE, CONTAINING_ON_POSTGRES);
        let ask = |window| find(containing, read_scope, text, most, window);
        self.page_of_versions(ask, window).await
    }
}

/// The question for what a text finds; `trigrams_say` is the one of what contains it.
fn find(
    trigrams_say: &'static str,
    read_scope: &ReadScope,
    text: &str,
    most: u32,
    window: Window,
) -> Statement {
    let text = text.to_ascii_lowercase();
    let trigrams = trigrams(&text);
    let question = match (&read_scope.repositories, &trigrams) {
        (Some(_), _) => IN_SIGHT,
        (None, Some(_)) => trigrams_say,
        (None, None) => BEGINNING,
    };
    sql_in_scope!(
        question,
        read_scope,
        read_scope.repositories.as_deref(),
        trigrams,
        text.as_str(),
        format!("{text}{}", char::MAX),
        most,
        window.limit,
        window.offset,
        containing(&text)
    )
}

/// The text in pieces of three characters, the last of which may overlap, as FTS5 is asked for what has all of them ("FTS5 Phrases" in
/// SQLite's documentation). None for a shorter text.
pub(super) fn trigrams(text: &str) -> Option<String> {
    // The text of a question ends at a NUL, which no name has and no description.
    let characters: Vec<char> = text.replace('\0', "\u{fffd}").chars().collect();
    let last = characters.len().checked_sub(3)?;
    let starts = (0..last).step_by(3).chain([last]).take(MOST_TRIGRAMS);
    let pieces = starts.filter_map(|start| characters.get(start..start + 3));
    let quoted = pieces.map(|trigram| {
        let trigram: String = trigram.iter().collect();
        format!("\"{}\"", trigram.replace('"', "\"\""))
    });
    let all: Vec<String> = quoted.collect();
    Some(all.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_asked_for_by_its_trigrams() {
        for (text, expected) in [
            ("", None),
            ("0123456", Some("\"012\" \"345\" \"456\"")),
            ("012345", Some("\"012\" \"345\"")),
            ("ab", None),
            ("abc", Some("\"abc\"")),
            ("a\"bé", Some("\"a\"\"b\" \"\"\"bé\"")),
            ("a\0b", Some("\"a\u{fffd}b\"")),
        ] {
            assert_eq!(trigrams(text).as_deref(), expected, "{text:?}");
        }
        // Of a long text as many as are enough.
        let long = trigrams(&"abcd".repeat(100)).unwrap();
        assert_eq!(long.split(' ').count(), MOST_TRIGRAMS);
    }
}
