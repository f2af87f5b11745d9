//! `/`: what there is to be read here, and a search over it.

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;

use super::{
    links::{OfOwner, segment},
    page::{Frame, Keep, Visit},
    pager::{PAGE, Pager},
    shown::{Count, Time, short},
};
use crate::error::ApiError;
use tarn_store::metadata::{
    CatalogOwner, CatalogVersion, OwnersWanted, ReadScope, VersionPlace, Window,
};

/// How many owners are named on the first page.
const OWNERS: u32 = 20;

/// How many packages are named that were published last, and at how many versions of theirs is looked for that.
const RECENT: usize = 15;
const RECENT_VERSIONS: u32 = 60;

/// How many results a page of a search has.
const RESULTS: u32 = 30;

/// A search finds at most so many versions whose names begin with the text, and as many others. A longer text narrows it down.
const MOST_FOUND: u32 = 300;

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

impl Home {
    /// The name in the lines that publish.
    fn user(&self) -> &str {
        self.frame.account.as_deref().unwrap_or("USER")
    }
}

#[derive(Template)]
#[template(path = "search.html")]
struct Results {
    frame: Frame,
    entries: Vec<Entry>,
    total: u64,
    is_cut: bool,
    pager: Pager,
}

#[derive(Template)]
#[template(path = "owners.html")]
struct OwnersPage {
    frame: Frame,
    owners: Vec<CatalogOwner>,
    pager: Pager,
    name: String,
}

/// A version in a list.
pub(super) struct Entry {
    /// To the page of that very version.
    pub(super) link: String,
    pub(super) owner_link: String,
    pub(super) owner: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) published: Time,
    /// A repository that has it: the link to its page, and `branch/repository`.
    pub(super) place: Option<(String, String)>,
    /// How many others have it.
    pub(super) more_places: u64,
}

impl Entry {
    /// Of versions, in that order, with the repositories that have them.
    pub(super) async fn all(
        visit: &Visit,
        scope: &ReadScope,
        versions: Vec<CatalogVersion>,
    ) -> Result<Vec<Self>, ApiError> {
        let ids: Vec<i64> = versions.iter().map(|version| version.id).collect();
        let metadata = visit.registry.metadata();
        let places = metadata.repositories_of_versions(scope, &ids).await?;
        let entry = |version| Self::of(&visit.frame.base, version, &places);
        Ok(versions.into_iter().map(entry).collect())
    }

    fn of(base: &str, version: CatalogVersion, places: &[VersionPlace]) -> Self {
        let links = OfOwner::new(base, &version.owner.name);
        let place = places.iter().find(|place| place.version == version.id);
        let name = version.name.as_str();
        let package = place.map_or_else(
            || links.anywhere(name),
            |place| links.package(place.branch.as_str(), place.repository.as_str(), name),
        );
        Self {
            link: format!("{package}/{}", segment(version.version.as_str())),
            place: place.map(|place| {
                let (branch, repository) = (place.branch.as_str(), place.repository.as_str());
                let link = links.repository(branch, repository);
                (link, format!("{branch}/{repository}"))
            }),
            more_places: place.map_or(0, |place| place.others),
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
}

/// Which owners are looked for.
#[derive(Default, Deserialize)]
pub(super) struct Named {
    #[serde(default)]
    name: String,
}

/// The page.
pub(super) async fn show(
    visit: Visit,
    search: Result<Query<Search>, QueryRejection>,
) -> Result<Response, ApiError> {
    if let Ok(Query(search)) = search
        && !search.q.trim().is_empty()
    {
        return show_results(visit, &search).await;
    }
    let scope = visit.read_scope().await?;
    let window = Window {
        offset: 0,
        limit: OWNERS,
    };
    let metadata = visit.registry.metadata();
    let wanted = OwnersWanted::default();
    let owners = metadata.visible_owners(&scope, wanted, window).await?;
    let recent = metadata.newest_versions(&scope, RECENT_VERSIONS).await?;
    let page = Home {
        recent: Entry::all(&visit, &scope, newest_of_each(recent, RECENT)).await?,
        more_owners: owners.total.saturating_sub(owners.entries.len() as u64),
        owners: owners.entries,
        frame: visit.frame.clone(),
    };
    visit.show(&page, Keep::Revalidated)
}

async fn show_results(mut visit: Visit, search: &Search) -> Result<Response, ApiError> {
    let text: String = search.q.trim().chars().take(LONGEST_TEXT).collect();
    let scope = visit.read_scope().await?;
    let window = visit.number.window(RESULTS);
    let metadata = visit.registry.metadata();
    let found = metadata.search(&scope, &text, MOST_FOUND, window).await?;
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", &text)
        .finish();
    visit.frame.search = text;
    let total = found.page.total;
    let pager = visit.pager(total, ("version", "versions"), "/");
    let page = Results {
        pager: pager.of_size(RESULTS).keeping(&query),
        entries: Entry::all(&visit, &scope, found.page.entries).await?,
        total,
        is_cut: found.is_cut,
        frame: visit.frame.clone(),
    };
    visit.show(&page, Keep::Revalidated)
}

/// `/-/owners`: every owner that the viewer may know of, or those whose names begin with a text.
pub(super) async fn show_owners(
    visit: Visit,
    named: Result<Query<Named>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Named { name } = named.map(|Query(named)| named).unwrap_or_default();
    let name: String = name.trim().chars().take(LONGEST_TEXT).collect();
    let scope = visit.read_scope().await?;
    let wanted = OwnersWanted {
        prefix: &name,
        ..OwnersWanted::default()
    };
    let metadata = visit.registry.metadata();
    let window = visit.number.window(PAGE);
    let owners = metadata.visible_owners(&scope, wanted, window).await?;
    let pager = visit.pager(owners.total, ("owner", "owners"), "/-/owners");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("name", &name)
        .finish();
    let page = OwnersPage {
        pager: if name.is_empty() {
            pager
        } else {
            pager.keeping(&query)
        },
        owners: owners.entries,
        name,
        frame: visit.frame.clone(),
    };
    visit.show(&page, Keep::Revalidated)
}
