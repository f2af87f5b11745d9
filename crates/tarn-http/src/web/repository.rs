//! `/{owner}/{branch}/{repository}`: how to use a repository and publish into it, and what it has.

use askama::Template;
use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;
use url::form_urlencoded;

use super::{
    links::{OfOwner, with_credentials},
    page::{Frame, Keep, Visit},
    shown::{Bytes, Count, FullTime, Room, Time, escaped_length, short},
};
use crate::{authorize::AuthorizedPlace, code::Code, error::ApiError, packages::path::Segments};
use apk::{arch::Arch, sign::KeyName};
use tarn_core::{
    Registry,
    access::{Action, Place},
    index::{Format, Standing},
};
use tarn_store::metadata::{
    ArchitectureState, FilesWanted, KeyState, ListedFile, PackageFormat, RepositoryState,
    Visibility,
};

/// How many files a page looks at. A package has one for each version and architecture.
const FILES: u32 = 200;

/// How many packages a page has.
const PACKAGES: usize = 100;

/// How many bytes the packages of a page and the state of its indexes have: fewer packages are shown where their texts are long.
const LISTS: usize = 40 << 10;

/// What the tags of a package in the list take, and those of an index.
const ENTRY: usize = 370;
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
    /// The query of the next page, if there is one.
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

/// A package in the list.
struct Entry {
    name: String,
    version: String,
    is_orderable: bool,
    /// Whether the index of v2 does not list it.
    is_v3: bool,
    /// How many versions of it this page has seen.
    versions: usize,
    description: String,
    architectures: Vec<String>,
    size: Bytes,
    published: Time,
}

/// What of the packages is wanted.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Wanted {
    /// What is in the name.
    #[serde(default)]
    name: String,
    /// Of this architecture.
    #[serde(default)]
    arch: String,
    /// From this source package.
    #[serde(default)]
    origin: String,
    /// `newest`, or by name.
    #[serde(default)]
    sort: String,
    /// Where the page begins: behind this file name, or before this sequence.
    #[serde(default)]
    after: String,
}

impl Wanted {
    fn is_by_age(&self) -> bool {
        self.sort == "newest"
    }

    /// Whether the list leaves anything out.
    fn filters(&self) -> bool {
        !(self.name.is_empty() && self.arch.is_empty() && self.origin.is_empty())
    }

    /// The query of the page that begins behind `after`.
    fn query(&self, sort: &str, after: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let pairs = [
            ("name", self.name.as_str()),
            ("arch", &self.arch),
            ("origin", &self.origin),
            ("sort", sort),
            ("after", after),
        ];
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.finish()
    }

    async fn files(
        &self,
        registry: &Registry,
        state: &RepositoryState,
    ) -> Result<Vec<ListedFile>, ApiError> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let (arch, origin) = (some(&self.arch), some(&self.origin));
        let wanted = FilesWanted {
            text: &self.name,
            arch: arch.as_deref(),
            origin: origin.as_deref(),
        };
        let metadata = registry.metadata();
        let files = if self.is_by_age() {
            let before = self.after.parse().unwrap_or(i64::MAX);
            metadata.files_by_age(state.id, wanted, before, FILES).await
        } else {
            metadata
                .files_by_name(state.id, wanted, &self.after, FILES)
                .await
        };
        Ok(files?)
    }
}

/// The packages of a page, and where the next one begins.
fn grouped(files: &[ListedFile], by_age: bool, room: &mut Room) -> (Vec<Entry>, Option<String>) {
    let is_cut = files.len() == FILES as usize;
    let mut shown = files;
    if is_cut && !by_age {
        // The next page begins behind a file name, and the last one may go on with other architectures.
        let last = files.last().map(|file| &file.file_name);
        let whole = |file: &ListedFile| Some(&file.file_name) != last;
        let end = files
            .iter()
            .rposition(whole)
            .map_or(files.len(), |at| at + 1);
        shown = files.get(..end).unwrap_or(files);
    }
    let mut groups: Vec<Vec<&ListedFile>> = Vec::new();
    let mut last = None;
    for file in shown {
        let same = |group: &Vec<&ListedFile>| {
            let first = group.first();
            first.is_some_and(|first| {
                first.name == file.name && (!by_age || first.version == file.version)
            })
        };
        // Between the files of one package may be those of another, whose name goes on with a number.
        let near = groups.len().saturating_sub(4);
        let found = groups.iter().skip(near).position(same);
        let is_full = groups.len() == PACKAGES;
        match found.and_then(|at| groups.get_mut(near + at)) {
            Some(group) => group.push(file),
            None if is_full => break,
            // One at least: the next page begins behind it.
            None if !room.take(size(file)) && last.is_some() => break,
            None => groups.push(vec![file]),
        }
        last = Some(file);
    }
    let is_all = !is_cut && last == files.last();
    let next = last.filter(|_| !is_all).map(|last| {
        if by_age {
            last.sequence.to_string()
        } else {
            last.file_name.clone()
        }
    });
    (
        groups.iter().filter_map(|group| Entry::of(group)).collect(),
        next,
    )
}

/// Bytes that a package takes in the list, roughly.
fn size(file: &ListedFile) -> usize {
    let names = 2 * file.name.as_str().len() + file.version.as_str().len();
    ENTRY + names + escaped_length(&short(&file.description))
}

impl Entry {
    /// Of the files of one package: what the newest version says, as apk orders them.
    fn of(files: &[&ListedFile]) -> Option<Self> {
        let newest = files.iter().max_by(|a, b| {
            a.version
                .compare(&b.version)
                .then(a.sequence.cmp(&b.sequence))
        })?;
        let of_newest = files.iter().filter(|file| file.version == newest.version);
        let mut versions: Vec<&str> = files.iter().map(|file| file.version.as_str()).collect();
        versions.sort_unstable();
        versions.dedup();
        Some(Self {
            name: newest.name.as_str().to_owned(),
            version: newest.version.as_str().to_owned(),
            is_orderable: newest.version.is_orderable(),
            is_v3: newest.format == PackageFormat::V3,
            versions: versions.len(),
            description: short(&newest.description).into_owned(),
            architectures: of_newest
                .map(|file| file.arch.as_str().to_owned())
                .collect(),
            size: Bytes(newest.size),
            published: Time(newest.created_at),
        })
    }
}

/// The repository in the path, that the viewer may read; 404 when it never had a package.
pub(super) async fn found(
    registry: &Registry,
    visit: &Visit,
    segments: &Segments,
) -> Result<(AuthorizedPlace, RepositoryState), ApiError> {
    let viewer = &visit.viewer;
    let place = viewer
        .authorize_place(registry, segments, Action::Read)
        .await?;
    let scope = viewer.read_scope(registry).await?;
    let state = registry
        .metadata()
        .repository_state(
            &scope,
            place.authorized.owner.id,
            &place.branch,
            &place.repository,
        )
        .await?;
    let state = state.ok_or_else(no_such_repository)?;
    Ok((place, state))
}

pub(super) fn no_such_repository() -> ApiError {
    let text = "no such repository; the owner's page lists those there are";
    ApiError::Refused(Code::NoSuchRepository, text.to_owned())
}

/// Both indexes of each architecture, as far as this server has them in memory.
async fn indexes(
    registry: &Registry,
    base: &str,
    place: &AuthorizedPlace,
    state: &RepositoryState,
) -> Vec<Index> {
    let owner = &place.authorized.owner.name;
    let folder = format!(
        "{base}/api/packages/{owner}/alpine/{}/{}",
        place.branch, place.repository
    );
    let architectures = state.architectures.iter().map(|state| &state.arch);
    let architectures = architectures.filter(|arch| **arch != Arch::noarch());
    let mut indexes = Vec::new();
    for arch in architectures.take(ARCHITECTURES) {
        for (format, packages) in [
            (Format::V2, PackageFormat::V2),
            (Format::V3, PackageFormat::V3),
        ] {
            let standing = registry.indexes().in_memory(state.id, arch, format);
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
    State(registry): State<Registry>,
    visit: Visit,
    segments: Segments,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (place, state) = found(&registry, &visit, &segments).await?;
    let owner = &place.authorized.owner;
    let wanted = wanted.map_or_else(|_| Wanted::default(), |Query(wanted)| wanted);
    let files = wanted.files(&registry, &state).await?;
    let mut room = Room::of(LISTS);
    // On the first page of the packages.
    let indexes = match wanted.after.is_empty() {
        true => indexes(&registry, &visit.frame.base, &place, &state).await,
        false => Vec::new(),
    };
    room.take(indexes.iter().map(Index::size).sum());
    let (entries, next) = grouped(&files, wanted.is_by_age(), &mut room);
    let next = next.map(|after| wanted.query(&wanted.sort, &after));
    let (key, _) = registry.keys().public_key(owner).await?;
    let keys = registry.keys().list(owner).await?;
    let keys = keys.into_iter().filter(|key| key.state == KeyState::Active);
    let at = Place {
        branch: &place.branch,
        repository: &place.repository,
    };
    let access = registry.access();
    let may_publish = visit
        .viewer
        .may(access, owner, Action::Publish, Some(at))
        .await?;
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
        next,
        wanted,
        may_publish,
        frame,
    };
    visit.show(&page, Keep::Revalidated)
}
