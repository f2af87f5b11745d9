//! `/`: what there is to be read here, and a search over it.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;

use super::{
    links::OfOwner,
    page::{Frame, Keep, Visit},
    shown::{Count, Time, short},
};
use crate::error::ApiError;
use tarn_core::Registry;
use tarn_store::metadata::{CatalogOwner, CatalogVersion, OwnersWanted, Window};

/// How many owners are named.
const OWNERS: u32 = 60;

/// How many packages are named that were published last, and at how many versions of theirs is looked for that.
const RECENT: usize = 15;
const RECENT_VERSIONS: u32 = 60;

/// How many results a page of a search has.
const RESULTS: u32 = 30;

/// The longest text that is looked for, in characters.
const LONGEST_TEXT: usize = 100;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    frame: Frame,
    recent: Vec<Entry>,
    owners: Vec<CatalogOwner>,
    more_owners: u64,
}

#[derive(Template)]
#[template(path = "search.html")]
struct Results {
    frame: Frame,
    entries: Vec<Entry>,
    total: u64,
    is_cut: bool,
    page: u32,
    pages: u64,
    /// The query of a page, without its number.
    query: String,
}

/// A version in a list.
struct Entry {
    link: String,
    owner_link: String,
    owner: String,
    name: String,
    version: String,
    description: String,
    published: Time,
}

impl Entry {
    fn of(base: &str, version: CatalogVersion) -> Self {
        let links = OfOwner::new(base, &version.owner.name);
        Self {
            link: links.anywhere(version.name.as_str()),
            owner_link: links.owner().to_owned(),
            name: version.name.as_str().to_owned(),
            version: version.version.as_str().to_owned(),
            description: short(&version.description).into_owned(),
            published: Time(version.created_at),
            owner: version.owner.name,
        }
    }
}

/// The newest version of each package, at most so many: of one that is published again and again the others are left out.
pub(super) fn newest_of_each(versions: Vec<CatalogVersion>, most: usize) -> Vec<CatalogVersion> {
    let mut newest: Vec<CatalogVersion> = Vec::with_capacity(most);
    for version in versions {
        let is_it = |known: &CatalogVersion| {
            known.name == version.name && known.owner.name == version.owner.name
        };
        if newest.len() < most && !newest.iter().any(is_it) {
            newest.push(version);
        }
    }
    newest
}

/// What is looked for.
#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
}

/// The page.
pub(super) async fn show(
    State(registry): State<Registry>,
    visit: Visit,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Response, ApiError> {
    if let Ok(Query(search)) = search
        && !search.q.trim().is_empty()
    {
        return show_results(&registry, visit, &search).await;
    }
    let scope = visit.viewer.read_scope(&registry).await?;
    let window = Window {
        offset: 0,
        limit: OWNERS,
    };
    let metadata = registry.metadata();
    let wanted = OwnersWanted::default();
    let owners = metadata.visible_owners(&scope, wanted, window).await?;
    let recent = metadata.newest_versions(&scope, RECENT_VERSIONS).await?;
    let base = &visit.frame.base;
    let page = Home {
        recent: newest_of_each(recent, RECENT)
            .into_iter()
            .map(|version| Entry::of(base, version))
            .collect(),
        more_owners: owners.total.saturating_sub(owners.entries.len() as u64),
        owners: owners.entries,
        frame: visit.frame.clone(),
    };
    visit.show(&page, Keep::Revalidated)
}

async fn show_results(
    registry: &Registry,
    mut visit: Visit,
    search: &Search,
) -> Result<Response, ApiError> {
    let text: String = search.q.trim().chars().take(LONGEST_TEXT).collect();
    let number = search.page.parse::<u32>().unwrap_or(1).clamp(1, 1_000);
    let scope = visit.viewer.read_scope(registry).await?;
    let window = Window {
        offset: (number - 1) * RESULTS,
        limit: RESULTS,
    };
    let found = registry.metadata().search(&scope, &text, window).await?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", &text)
        .finish();
    visit.frame.search = text;
    let base = visit.frame.base.clone();
    let entries = found.page.entries.into_iter();
    let page = Results {
        entries: entries.map(|version| Entry::of(&base, version)).collect(),
        total: found.page.total,
        is_cut: found.is_cut,
        page: number,
        pages: found.page.total.div_ceil(u64::from(RESULTS)),
        query,
        frame: visit.frame.clone(),
    };
    visit.show(&page, Keep::Revalidated)
}
