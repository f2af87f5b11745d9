//! `/{owner}`: what an owner has, and the keys that sign it.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;

use super::{
    home::newest_of_each,
    links::OfOwner,
    page::{Frame, Keep, Visit},
    redirect,
    shown::{Bytes, Count, Time, short},
};
use crate::{error::ApiError, packages::path::Segments};
use tarn_core::{Registry, access::Action, keys::ListedKey, publish::Allowance};
use tarn_store::metadata::{
    CatalogRepository, CatalogVersion, KeyState, Owner, OwnerKind, Visibility, Window,
};

/// How many repositories a page has.
const REPOSITORIES: u32 = 50;

/// Up to so many numbers of packages are links to those packages.
const LINKS: usize = 200;

/// The most architectures that have a column of their own.
const COLUMNS: usize = 24;

/// How many packages are named that were published last, and at how many versions of theirs is looked for that.
const RECENT: usize = 10;
const RECENT_VERSIONS: u32 = 40;

#[derive(Template)]
#[template(path = "owner.html")]
struct OwnerPage {
    frame: Frame,
    links: OfOwner,
    owner: Owner,
    matrix: Matrix,
    recent: Vec<CatalogVersion>,
    page: u32,
    pages: u64,
    keys: Vec<ListedKey>,
    allowance: Option<Allowance>,
    may_publish: bool,
}

/// Repositories by architectures.
struct Matrix {
    /// Those that any repository has packages for, `noarch` last.
    architectures: Vec<String>,
    rows: Vec<Row>,
    /// How many further architectures have no column.
    more: usize,
    /// How many repositories there are in all.
    total: u64,
}

/// A repository.
struct Row {
    branch: String,
    name: String,
    changed_at: Time,
    /// How many packages of each architecture.
    packages: Vec<Option<Count>>,
}

impl Matrix {
    fn of(repositories: &[CatalogRepository], total: u64) -> Self {
        let mut architectures: Vec<String> = repositories
            .iter()
            .flat_map(|repository| &repository.architectures)
            .map(|(arch, _)| arch.as_str().to_owned())
            .collect();
        architectures.sort_by_key(|arch| (arch != "noarch", arch.clone()));
        architectures.dedup();
        let more = architectures.len().saturating_sub(COLUMNS);
        architectures.truncate(COLUMNS);
        // Packages for every architecture have the last column, and always have one.
        if architectures.first().is_some_and(|first| first == "noarch") {
            architectures.rotate_left(1);
        }
        let rows = repositories.iter().map(|repository| {
            let packages = |arch: &String| {
                let found = repository
                    .architectures
                    .iter()
                    .find(|(a, _)| a.as_str() == arch);
                found.map(|(_, packages)| Count(*packages))
            };
            Row {
                branch: repository.branch.as_str().to_owned(),
                name: repository.name.as_str().to_owned(),
                changed_at: Time(repository.changed_at),
                packages: architectures.iter().map(packages).collect(),
            }
        });
        Self {
            total,
            rows: rows.collect(),
            architectures,
            more,
        }
    }

    /// Whether the numbers are links.
    const fn has_links(&self) -> bool {
        self.architectures.len() * self.rows.len() <= LINKS
    }
}

/// Which page of the repositories.
#[derive(Deserialize)]
pub(super) struct Paging {
    #[serde(default)]
    page: u32,
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

/// The page.
pub(super) async fn show(
    State(registry): State<Registry>,
    visit: Visit,
    segments: Segments,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Response, ApiError> {
    let viewer = &visit.viewer;
    let authorized = viewer.authorize(&registry, &segments, Action::Read).await?;
    let owner = authorized.owner;
    let page = paging.map_or(1, |Query(paging)| paging.page.max(1));
    let (metadata, access) = (registry.metadata(), registry.access());
    let scope = viewer.read_scope(&registry).await?;
    let window = Window {
        offset: (page - 1).saturating_mul(REPOSITORIES),
        limit: REPOSITORIES,
    };
    let repositories = metadata
        .listed_repositories(&scope, owner.id, window)
        .await?;
    let recent = metadata
        .newest_versions_of(&scope, owner.id, RECENT_VERSIONS)
        .await?;
    let administers = viewer.may(access, &owner, Action::Administer, None).await?;
    let allowance = if administers {
        let quotas = registry.administration().quotas();
        Some(quotas.allowance(owner.id).await?)
    } else {
        None
    };
    let page = OwnerPage {
        links: OfOwner::new(&visit.frame.base, &owner.name),
        frame: visit.frame.clone(),
        matrix: Matrix::of(&repositories.entries, repositories.total),
        recent: newest_of_each(recent, RECENT),
        page,
        pages: repositories.total.div_ceil(u64::from(REPOSITORIES)),
        keys: registry.keys().list(&owner).await?,
        allowance,
        may_publish: viewer.may(access, &owner, Action::Publish, None).await?,
        owner,
    };
    visit.show(&page, Keep::Revalidated)
}

/// Redirects `/{owner}/{branch}`, and `/{owner}/-/packages` of Gitea, to the owner's page, which has the repositories of all
/// branches.
pub(super) async fn show_elsewhere(
    State(registry): State<Registry>,
    visit: Visit,
    segments: Segments,
) -> Result<Response, ApiError> {
    let authorized = visit.viewer.authorize(&registry, &segments, Action::Read);
    let owner = authorized.await?.owner;
    let target = OfOwner::new(&visit.frame.base, &owner.name);
    redirect(StatusCode::FOUND, target.owner())
}
