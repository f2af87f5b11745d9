//! `/{owner}`: what an owner has, and the keys that sign it.

use askama::Template;
use axum::{http::StatusCode, response::Response};

use super::{
    home::{self, newest_of_each},
    links::OfOwner,
    page::{Frame, Keep, Visit},
    pager::{PAGE, Pager},
    redirect,
    shown::{Bytes, Count, Cut, Time},
};
use crate::{error::ApiError, packages::path::Segments};
use tarn_core::{access::Action, keys::ListedKey, publish::Allowance};
use tarn_store::metadata::{CatalogRepository, KeyState, Owner, OwnerKind, Visibility};

/// How many retired keys are named.
const RETIRED: usize = 3;

/// How many architectures a page names, of all repositories together, and of how many bytes their links are at most: where there are
/// more, each repository has its share.
const ARCHITECTURES: usize = 150;
const LINKS: usize = 12 << 10;

/// How many packages are named that were published last, and at how many versions of theirs is looked for that.
const RECENT: usize = 10;
const RECENT_VERSIONS: u32 = 40;

#[derive(Template)]
#[template(path = "owner.html")]
struct OwnerPage {
    frame: Frame,
    links: OfOwner,
    owner: Owner,
    repositories: Vec<Row>,
    /// Whether each architecture is a link.
    has_links: bool,
    recent: Vec<home::Entry>,
    pager: Pager,
    keys: Vec<ListedKey>,
    /// How many retired keys are not among them.
    more_keys: usize,
    allowance: Option<Allowance>,
    may_publish: bool,
}

/// A repository.
struct Row {
    branch: String,
    name: String,
    link: String,
    architectures: Cut<OfArchitecture>,
}

/// What a repository has of an architecture.
struct OfArchitecture {
    arch: String,
    files: Count,
    published: Time,
}

impl Row {
    /// With `most` architectures.
    fn of(repository: &CatalogRepository, links: &OfOwner, most: usize) -> Self {
        let (branch, name) = (repository.branch.as_str(), repository.name.as_str());
        let of_each = repository.architectures.iter().take(most);
        let of_each = of_each.map(|state| OfArchitecture {
            arch: state.arch.as_str().to_owned(),
            files: Count(state.packages),
            published: Time(state.published_at),
        });
        Self {
            link: links.repository(branch, name),
            branch: branch.to_owned(),
            name: name.to_owned(),
            architectures: Cut {
                shown: of_each.collect(),
                more: repository.architectures.len().saturating_sub(most),
            },
        }
    }

    /// How many rows of the table it has: one for each architecture, one that says that there is none, and one for those left out.
    fn height(&self) -> usize {
        let is_cut = usize::from(self.architectures.more > 0);
        self.architectures.shown.len().max(1) + is_cut
    }
}

/// The repositories of a page.
fn rows(repositories: &[CatalogRepository], links: &OfOwner) -> Vec<Row> {
    let all: usize = repositories
        .iter()
        .map(|repository| repository.architectures.len())
        .sum();
    let most = match all <= ARCHITECTURES {
        true => all,
        false => (ARCHITECTURES / repositories.len().max(1)).max(1),
    };
    let row = |repository| Row::of(repository, links, most);
    repositories.iter().map(row).collect()
}

/// What an owner is, in words.
pub(super) const fn kind(owner: &Owner) -> &'static str {
    match owner.kind {
        OwnerKind::User => "user",
        OwnerKind::Organisation => "organisation",
    }
}

/// Who may see what an owner has, in words.
pub(super) const fn visibility(owner: &Owner) -> &'static str {
    match owner.visibility {
        Visibility::Public => "public",
        Visibility::Limited => "for everyone with an account here",
        Visibility::Private => "private",
    }
}

/// The keys that sign, and the last retired ones; and how many are left out. All of them are in the settings.
fn shown_keys(keys: Vec<ListedKey>) -> (Vec<ListedKey>, usize) {
    let is_active = |key: &ListedKey| key.state == KeyState::Active;
    let (mut keys, mut retired): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_active);
    let more = retired.len().saturating_sub(RETIRED);
    retired.truncate(RETIRED);
    keys.append(&mut retired);
    (keys, more)
}

/// The page.
pub(super) async fn show(visit: Visit, segments: Segments) -> Result<Response, ApiError> {
    let owner = visit.authorize(&segments, Action::Read).await?.owner;
    let (registry, window) = (&visit.registry, visit.number.window(PAGE));
    let metadata = registry.metadata();
    let scope = visit.read_scope().await?;
    let repositories = metadata
        .listed_repositories(&scope, owner.id, window)
        .await?;
    let recent = metadata
        .newest_versions_of(&scope, owner.id, RECENT_VERSIONS)
        .await?;
    let allowance = match visit.may(&owner, Action::Administer, None).await? {
        true => Some(registry.quotas().allowance(owner.id).await?),
        false => None,
    };
    let (keys, more_keys) = shown_keys(registry.keys().list(&owner).await?);
    let links = OfOwner::new(&visit.frame.base, &owner.name);
    let rows = rows(&repositories.entries, &links);
    let recent = newest_of_each(recent, RECENT);
    let recent = home::Entry::all(&visit, &scope, recent).await?;
    let nouns = ("repository", "repositories");
    let page = OwnerPage {
        pager: visit.pager(repositories.total, nouns, &format!("/{}", owner.name)),
        links,
        frame: visit.frame.clone(),
        has_links: rows
            .iter()
            .map(|row| row.architectures.shown.len() * row.link.len())
            .sum::<usize>()
            <= LINKS,
        repositories: rows,
        recent,
        keys,
        more_keys,
        allowance,
        may_publish: visit.may(&owner, Action::Publish, None).await?,
        owner,
    };
    visit.show(&page, Keep::Revalidated)
}

/// Redirects `/{owner}/{branch}`, and `/{owner}/-/packages` of Gitea, to the owner's page, which has the repositories of all
/// branches.
pub(super) async fn show_elsewhere(visit: Visit, segments: Segments) -> Result<Response, ApiError> {
    let owner = visit.authorize(&segments, Action::Read).await?.owner;
    let target = OfOwner::new(&visit.frame.base, &owner.name);
    redirect(StatusCode::FOUND, target.owner())
}
