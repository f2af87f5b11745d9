//! Atom feeds (RFC 4287) of what an owner publishes, and of one repository.

use askama::Template;
use axum::response::Response;

use super::{links::OfOwner, page::Visit, repository, shown::Time};
use crate::{error::ApiError, packages::path::Segments};
use tarn_base::clock::Timestamp;
use tarn_core::access::Action;
use tarn_store::metadata::{CatalogVersion, FilesWanted, ListedFile};

/// How many entries a feed has.
const ENTRIES: u32 = 50;

#[derive(Template)]
#[template(path = "feed.xml")]
struct Feed {
    title: String,
    author: String,
    /// The URLs of the feed and of the page beside it.
    own: String,
    page: String,
    updated: Time,
    entries: Vec<Entry>,
}

struct Entry {
    title: String,
    url: String,
    published: Time,
    summary: String,
}

impl Feed {
    fn new(title: &str, author: &str, (own, page): (String, String), entries: Vec<Entry>) -> Self {
        let newest = entries.iter().map(|entry| entry.published.0).max();
        Self {
            title: title.to_owned(),
            author: author.to_owned(),
            own,
            page,
            updated: Time(newest.unwrap_or(Timestamp::from_seconds(0))),
            entries,
        }
    }

    fn send(&self, visit: &Visit) -> Result<Response, ApiError> {
        let text = self
            .render()
            .map_err(|error| ApiError::Internal(error.into()))?;
        Ok(visit.send(text.into_bytes(), "application/atom+xml; charset=utf-8"))
    }
}

impl Entry {
    fn of_version(version: &CatalogVersion, links: &OfOwner) -> Self {
        Self {
            title: format!("{} {}", version.name, version.version),
            url: format!(
                "{}/{}",
                links.anywhere(version.name.as_str()),
                super::links::segment(version.version.as_str())
            ),
            published: Time(version.created_at),
            summary: xml_text(&version.description),
        }
    }

    fn of_file(file: &ListedFile, links: &OfOwner, (branch, repository): (&str, &str)) -> Self {
        let (name, version, arch) = (&file.name, &file.version, &file.arch);
        Self {
            title: format!("{name} {version} for {arch}"),
            url: links.file(
                branch,
                repository,
                name.as_str(),
                version.as_str(),
                arch.as_str(),
            ),
            published: Time(file.created_at),
            summary: xml_text(&file.description),
        }
    }
}

/// A text without the characters that XML has no way to write (XML 1.0, section 2.2).
fn xml_text(text: &str) -> String {
    let is_allowed = |character: &char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(is_allowed).collect()
}

/// `/{owner}/-/feed.atom`.
pub(super) async fn of_owner(visit: Visit, segments: Segments) -> Result<Response, ApiError> {
    let owner = visit.authorize(&segments, Action::Read).await?.owner;
    let scope = visit.read_scope().await?;
    let metadata = visit.registry.metadata();
    let versions = metadata
        .newest_versions_of(&scope, owner.id, ENTRIES)
        .await?;
    let links = OfOwner::new(&visit.frame.origin, &owner.name);
    let versions = versions.iter();
    let entries = versions.map(|version| Entry::of_version(version, &links));
    let urls = (links.feed(), links.owner().to_owned());
    Feed::new(&owner.name, &owner.name, urls, entries.collect()).send(&visit)
}

/// `/{owner}/{branch}/{repository}/-/feed.atom`.
pub(super) async fn of_repository(visit: Visit, segments: Segments) -> Result<Response, ApiError> {
    let (place, state) = repository::found(&visit, &segments).await?;
    let metadata = visit.registry.metadata();
    let files = metadata
        .files_by_age(state.id, FilesWanted::default(), i64::MAX, ENTRIES)
        .await?;
    let owner = &place.authorized.owner.name;
    let links = OfOwner::new(&visit.frame.origin, owner);
    let here = (place.branch.as_str(), place.repository.as_str());
    let entries = files.iter().map(|file| Entry::of_file(file, &links, here));
    let title = format!("{owner}/{}/{}", here.0, here.1);
    let urls = (
        links.repository_feed(here.0, here.1),
        links.repository(here.0, here.1),
    );
    Feed::new(&title, owner, urls, entries.collect()).send(&visit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_say_is_left_out() {
        assert_eq!(xml_text("a\u{0}b\u{7}<c>\té\u{ffff}😀"), "ab<c>\té😀");
    }
}
