//! `/{owner}`: what an owner has, and the keys that sign it.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};

use super::{
    links::OfOwner,
    page::{Frame, Keep, Visit},
    redirect,
    shown::{Bytes, Count, Time},
};
use crate::{error::ApiError, packages::path::Segments};
use tarn_core::{Registry, access::Action, keys::ListedKey, publish::Allowance};
use tarn_store::metadata::{
    CatalogRepository, CatalogVersion, KeyState, Owner, OwnerKind, Visibility, Window,
};

/// How many repositories a page has.
const REPOSITORIES: u32 = 200;

/// How many new versions.
const RECENT: u32 = 10;

#[derive(Template)]
#[template(path = "owner.html")]
struct OwnerPage {
    frame: Frame,
    links: OfOwner,
    owner: Owner,
    matrix: Matrix,
    recent: Vec<CatalogVersion>,
    keys: Vec<ListedKey>,
    allowance: Option<Allowance>,
    may_publish: bool,
}

/// Repositories by architectures.
struct Matrix {
    /// Those that any repository has packages for, `noarch` last.
    architectures: Vec<String>,
    rows: Vec<Row>,
    /// How many repositories there are beyond these.
    more: u64,
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
        architectures.sort_by_key(|arch| (arch == "noarch", arch.clone()));
        architectures.dedup();
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
        let rows: Vec<Row> = rows.collect();
        Self {
            more: total.saturating_sub(rows.len() as u64),
            rows,
            architectures,
        }
    }
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
) -> Result<Response, ApiError> {
    let viewer = &visit.viewer;
    let authorized = viewer.authorize(&registry, &segments, Action::Read).await?;
    let owner = authorized.owner;
    let (metadata, access) = (registry.metadata(), registry.access());
    let scope = viewer.read_scope(&registry).await?;
    let first = |limit| Window { offset: 0, limit };
    let repositories = metadata
        .listed_repositories(&scope, owner.id, first(REPOSITORIES))
        .await?;
    let recent = metadata
        .listed_versions(&scope, owner.id, first(RECENT))
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
        recent: recent.entries,
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
