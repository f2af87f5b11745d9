//! `/{owner}/{branch}/{repository}`: how to use a repository and publish into it, and what it has.

mod list;

use askama::Template;
use axum::{
    extract::{Query, rejection::QueryRejection},
    response::Response,
};

use self::list::{Entry, Wanted};
use super::{
    links::{OfOwner, with_credentials},
    page::{Frame, Keep, Visit},
    shown::{Bytes, Count, FullTime, Room},
};
use crate::{authorize::AuthorizedPlace, code::Code, error::ApiError, packages::path::Segments};
use apk::{arch::Arch, sign::KeyName};
use tarn_core::{
    access::{Action, Place},
    index::{Format, Standing},
};
use tarn_store::metadata::{
    ArchitectureState, KeyState, PackageFormat, RepositoryState, Visibility,
};

/// How many bytes the packages of a page and the state of its indexes have: fewer packages are shown where their texts are long.
const LISTS: usize = 40 << 10;

/// What the tags of an index take.
const INDEX: usize = 620;

/// Of how many architectures the state of the indexes is shown.
const ARCHITECTURES: usize = 24;

#[derive(Template)]
#[template(path = "repository.html")]
struct RepositoryPage {
    frame: Frame,
    links: OfOwner,
    place: Named,
    /// The URL that goes into `/etc/apk/repositories`.
    url: String,
    /// The URL of what the owner has, which keys are below.
    owner_url: String,
    /// The host with its port, as `.netrc` and `HTTP_AUTH` name it.
    host: String,
    is_public: bool,
    key: KeyName,
    keys: Vec<(String, String)>,
    state: RepositoryState,
    indexes: Vec<Index>,
    /// What stands before its URL in `/etc/apk/repositories`: `v3 ` where the index of v2 has none of its packages.
    before: &'static str,
    /// An architecture that has packages, for what needs one.
    some_arch: String,
    /// The name of the tab that fits the packages best.
    tab: &'static str,
    entries: Vec<Entry>,
    /// The queries of the pages beside this one, where there are any.
    previous: Option<String>,
    next: Option<String>,
    wanted: Wanted,
    may_publish: bool,
}

impl RepositoryPage {
    /// How many package files it has.
    fn files(&self) -> u64 {
        let of_each = self.state.architectures.iter();
        of_each.map(|state| state.packages).sum()
    }

    /// Whether it has packages of `noarch`, on the page that shows its indexes.
    fn has_noarch(&self) -> bool {
        let mut of_each = self.state.architectures.iter();
        self.wanted.after.is_empty() && of_each.any(|state| state.arch.is_noarch())
    }

    /// Whether the address has a port. `HTTP_AUTH` of apko is cut at each colon, so it can't name one.
    fn has_port(&self) -> bool {
        self.host.contains(':')
    }

    /// A URL as the lines name it that clients run: where credentials are needed, with those in the variable `AUTH`.
    fn with_auth(&self, url: &str) -> String {
        match self.is_public {
            true => url.to_owned(),
            false => with_credentials(url, "$AUTH"),
        }
    }

    /// The host without its port.
    fn host_name(&self) -> &str {
        let port = self.host.rsplit_once(':');
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        port.filter(|(_, port)| is_port(port))
            .map_or(&self.host, |(name, _)| name)
    }
}

/// An index of the repository.
struct Index {
    arch: String,
    file: &'static str,
    link: String,
    /// The link to the list of the architecture's files.
    folder: String,
    /// The last generation that changed it.
    generation: i64,
    /// How many packages it lists.
    packages: u64,
    /// What this server has in memory of it.
    standing: Option<Standing>,
}

/// What the path says, as it is written.
struct Named {
    owner: String,
    branch: String,
    repository: String,
}

/// The repository in the path, that the viewer may read; 404 when it never had a package.
pub(super) async fn found(
    visit: &Visit,
    segments: &Segments,
) -> Result<(AuthorizedPlace, RepositoryState), ApiError> {
    let place = visit.authorize_place(segments, Action::Read).await?;
    let scope = visit.read_scope().await?;
    let (owner, branch, repository) = (place.authorized.owner.id, &place.branch, &place.repository);
    let metadata = visit.registry.metadata();
    let state = metadata
        .repository_state(&scope, owner, branch, repository)
        .await?;
    Ok((place, state.ok_or_else(no_such_repository)?))
}

pub(super) fn no_such_repository() -> ApiError {
    let text = "no such repository; the owner's page lists those there are";
    ApiError::Refused(Code::NoSuchRepository, text.to_owned())
}

/// Both indexes of each architecture, as far as this server has them in memory.
async fn indexes(visit: &Visit, place: &AuthorizedPlace, state: &RepositoryState) -> Vec<Index> {
    let owner = &place.authorized.owner.name;
    let folder = format!(
        "{}/api/packages/{owner}/alpine/{}/{}",
        visit.frame.base, place.branch, place.repository
    );
    let architectures = state.architectures.iter().map(|state| &state.arch);
    let architectures = architectures.filter(|arch| **arch != Arch::noarch());
    let mut indexes = Vec::new();
    for arch in architectures.take(ARCHITECTURES) {
        for (format, packages) in [
            (Format::V2, PackageFormat::V2),
            (Format::V3, PackageFormat::V3),
        ] {
            let standing = visit.registry.indexes().in_memory(state.id, arch, format);
            let generation = state.index_generation(arch, packages);
            // There never was one.
            if generation == 0 {
                continue;
            }
            indexes.push(Index {
                link: format!("{folder}/{arch}/{}", format.file_name()),
                arch: arch.as_str().to_owned(),
                file: format.file_name(),
                folder: format!("{folder}/{arch}/"),
                generation,
                packages: state.index_packages(arch, packages),
                standing: standing.await,
            });
        }
    }
    indexes
}

impl Index {
    /// Bytes that it takes on the page, roughly.
    fn size(&self) -> usize {
        let keys = self
            .standing
            .iter()
            .flat_map(|standing| &standing.signed_by);
        INDEX
            + self.link.len()
            + self.folder.len()
            + keys.map(|key| key.as_str().len() + 20).sum::<usize>()
    }
}

/// The page.
pub(super) async fn show(
    visit: Visit,
    segments: Segments,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ApiError> {
    let registry = &visit.registry;
    let (place, state) = found(&visit, &segments).await?;
    let owner = &place.authorized.owner;
    let wanted = wanted.map_or_else(|_| Wanted::default(), |Query(wanted)| wanted);
    let files = wanted.files(registry, &state).await?;
    let mut room = Room::of(LISTS);
    // On the first page of the packages.
    let indexes = match wanted.after.is_empty() {
        true => indexes(&visit, &place, &state).await,
        false => Vec::new(),
    };
    room.take(indexes.iter().map(Index::size).sum());
    let (entries, next) = wanted.entries(&files, &mut room);
    let previous = match wanted.after.is_empty() {
        true => None,
        false => wanted.before(registry, &state, Room::of(LISTS)).await?,
    };
    let query = |after: String| wanted.query(&wanted.sort, &after);
    let (previous, next) = (previous.map(query), next.map(query));
    let (key, _) = registry.keys().public_key(owner).await?;
    let keys = registry.keys().list(owner).await?;
    let keys = keys.into_iter().filter(|key| key.state == KeyState::Active);
    let at = Place {
        branch: &place.branch,
        repository: &place.repository,
    };
    let may_publish = visit.may(owner, Action::Publish, Some(at)).await?;
    let frame = visit.frame.clone();
    let owner_url = format!("{}/api/packages/{}/alpine", frame.origin, owner.name);
    let host = frame.origin.split_once("://").map_or("", |(_, rest)| rest);
    let some_arch = state.architectures.iter().map(|state| state.arch.as_str());
    let of_alpine: Vec<Arch> = Arch::of_alpine().collect();
    let is_of_alpine =
        |state: &ArchitectureState| state.arch.is_noarch() || of_alpine.contains(&state.arch);
    let tab = match (
        state.is_v3_only(),
        state.architectures.iter().any(is_of_alpine),
    ) {
        (false, _) => "alpine",
        (true, true) => "v3",
        (true, false) => "openwrt",
    };
    let page = RepositoryPage {
        links: OfOwner::new(&frame.base, &owner.name),
        url: format!("{owner_url}/{}/{}", place.branch, place.repository),
        owner_url,
        host: host.split('/').next().unwrap_or_default().to_owned(),
        is_public: owner.visibility == Visibility::Public,
        key,
        keys: keys
            .map(|key| (key.name.to_string(), key.fingerprint))
            .collect(),
        some_arch: some_arch
            .filter(|arch| *arch != "noarch")
            .max()
            .unwrap_or("x86_64")
            .to_owned(),
        tab,
        before: if state.is_v3_only() { "v3 " } else { "" },
        place: Named {
            owner: owner.name.clone(),
            branch: place.branch.as_str().to_owned(),
            repository: place.repository.as_str().to_owned(),
        },
        state,
        indexes,
        entries,
        previous,
        next,
        wanted,
        may_publish,
        frame,
    };
    visit.show(&page, Keep::Revalidated)
}
