//! `/{owner}/{branch}/{repository}/{name}`: what a package says of itself, its versions, and what it has to do with others.

pub(super) mod contents;
mod facts;
mod related;

use askama::Template;
use axum::{extract::Path, http::StatusCode, response::Response};
use serde::Deserialize;

use self::{
    facts::Facts,
    related::{Lack, Link, Provided, Wanted, Wanting, links_to, provided, wanted, wanting},
};
use super::{
    links::OfOwner,
    page::{Frame, Keep, Visit},
    redirect, repository,
    shown::{Bytes, Cut, Room, Time, escaped_length},
};
use crate::{authorize::AuthorizedPlace, code::Code, error::ApiError, packages::path::Segments};
use apk::{limits::Limits, name::PackageName, version::Version};
use tarn_core::access::{Action, Place};
use tarn_store::metadata::{
    CatalogFile, FileOfPackage, PackageFormat, PackageSigner, RepositoryState, Window,
};

/// How many files of a package a page knows of: those that came last.
const FILES: u32 = 300;

/// How many versions the table has, and how many of them are seen at once.
const ROWS: usize = 60;
const AT_ONCE: usize = 12;

/// How many bytes the lists of a page have: a package may name thousands of others.
const LISTS: usize = 40 << 10;

/// How many dependencies are warned of that are there in other versions only.
const UNMET: usize = 8;

/// What the tags of an entry in a list take, and those of a row in the table of versions.
const ENTRY: usize = 90;
const ROW: usize = 440;

/// In how many places one version is looked for.
const PLACES: u32 = 100;

#[derive(Template)]
#[template(path = "package.html")]
struct PackagePage {
    frame: Frame,
    links: OfOwner,
    owner: String,
    branch: String,
    repository: String,
    name: String,
    chosen: FileOfPackage,
    is_newest: bool,
    facts: Facts,
    rows: Cut<Row>,
    depends: Cut<Wanted>,
    install_if: Cut<Wanted>,
    replaces: Cut<Wanted>,
    provides: Cut<Provided>,
    recommends: Cut<Wanted>,
    triggers: Cut<String>,
    tags: Cut<String>,
    /// The signatures that the package itself has.
    signers: Cut<PackageSigner>,
    /// How many names it depends on that no package of the owner has.
    missing: usize,
    /// What it depends on in a version that the owner's packages do not have, and those that they have.
    unmet: Vec<(String, String)>,
    dependents: Cut<Wanting>,
    siblings: Cut<Link>,
    elsewhere: Cut<Link>,
    suggestion: Option<String>,
    may_delete: bool,
}

impl PackagePage {
    /// The files that the table of versions has at once.
    fn newest(&self) -> &[Row] {
        self.rows.shown.get(..AT_ONCE).unwrap_or(&self.rows.shown)
    }

    /// The others.
    fn older(&self) -> &[Row] {
        self.rows.shown.get(AT_ONCE..).unwrap_or_default()
    }

    fn is_chosen_older(&self) -> bool {
        self.older().iter().any(|row| row.is_chosen)
    }
}

/// One file in the table of versions.
struct Row {
    version: String,
    arch: String,
    link: String,
    download: String,
    size: Bytes,
    published: Time,
    uploader: Option<String>,
    is_chosen: bool,
    is_v3: bool,
}

/// The end of a package's path.
#[derive(Debug, Deserialize)]
pub(super) struct PackagePath {
    name: String,
    version: Option<String>,
    arch: Option<String>,
}

/// A file of a package that a page is about, and the others.
struct Found {
    place: AuthorizedPlace,
    state: RepositoryState,
    name: PackageName,
    /// By version, the newest first, and architecture.
    files: Vec<FileOfPackage>,
    chosen: FileOfPackage,
}

fn no_such_package() -> ApiError {
    let text = "no such package, version or architecture in this repository; its page lists the packages that are there";
    ApiError::Refused(Code::NoSuchPackage, text.to_owned())
}

/// The file that a path is about. Without a version it is the newest, as apk orders them; without an architecture the first.
async fn find(visit: &Visit, segments: &Segments, path: &PackagePath) -> Result<Found, ApiError> {
    let (place, state) = repository::found(visit, segments).await?;
    let name = PackageName::parse(&path.name).map_err(|_| no_such_package())?;
    let scope = visit.read_scope().await?;
    let metadata = visit.registry.metadata();
    let mut files = metadata
        .files_of_package(&scope, state.id, &name, FILES)
        .await?;
    // Of two that apk can't order, or of one version of two architectures, the order that they came in stays.
    files.sort_by(|a, b| b.version.compare(&a.version));
    let is_it = |file: &&FileOfPackage| {
        let version = path.version.as_deref();
        let arch = path.arch.as_deref();
        version.is_none_or(|version| version == file.version.as_str())
            && arch.is_none_or(|arch| arch == file.arch.as_str())
    };
    let chosen = files.iter().find(is_it).cloned();
    Ok(Found {
        place,
        state,
        name,
        chosen: chosen.ok_or_else(no_such_package)?,
        files,
    })
}

/// The page.
pub(super) async fn show(
    visit: Visit,
    segments: Segments,
    Path(path): Path<PackagePath>,
) -> Result<Response, ApiError> {
    let found = find(&visit, &segments, &path).await?;
    let (place, chosen) = (&found.place, &found.chosen);
    let owner = &place.authorized.owner;
    let (branch, repository) = (&place.branch, &place.repository);
    let scope = visit.read_scope().await?;
    let metadata = visit.registry.metadata();
    let window = Window {
        offset: 0,
        limit: PLACES,
    };
    let places = metadata
        .files_of_version(&scope, owner.id, &found.name, &chosen.version, window)
        .await?;
    let is_here = |file: &&CatalogFile| file.branch == *branch && file.repository == *repository;
    let this = places.entries.iter().find(|file| file.id == chosen.id);
    let facts = Facts::of(this.ok_or_else(no_such_package)?)?;
    let providers = metadata
        .providers_for(&scope, owner.id, chosen.id, &chosen.arch)
        .await?;
    let dependents = metadata.dependents_on(&scope, owner.id, chosen.id).await?;
    let siblings = match facts.said.origin.as_str() {
        "" => Vec::new(),
        origin => metadata.packages_from(found.state.id, origin).await?,
    };

    let links = OfOwner::new(&visit.frame.base, &owner.name);
    let here = (branch, repository);
    let list = |texts: &[_]| wanted(texts, &providers, here, &links);
    // What is recommended or replaced, and what a package is installed with, need not be there.
    let optional = |texts: &[_]| {
        let all = list(texts).into_iter();
        all.map(|wanted| Wanted {
            lack: Lack::None,
            ..wanted
        })
        .collect::<Vec<_>>()
    };
    let depends = list(&facts.said.depends);
    let at = Place { branch, repository };
    let may_delete = visit.may(owner, Action::Delete, Some(at)).await?;
    let elsewhere = places.entries.iter().filter(|file| !is_here(file));
    let mut elsewhere: Vec<Link> = elsewhere
        .map(|file| Link {
            text: format!("{}/{}", file.branch, file.repository),
            href: links.package(
                file.branch.as_str(),
                file.repository.as_str(),
                found.name.as_str(),
            ),
        })
        .collect();
    elsewhere.dedup();
    let siblings = links_to(&siblings, found.name.as_str(), here, &links);
    let provides = provided(
        &facts.said.provides,
        &dependents,
        found.name.as_str(),
        here,
        &links,
    );
    let dependents = wanting(&dependents, found.name.as_str(), here, &links);
    // In the order of what matters: the first have room before the others.
    let mut room = Room::of(LISTS);
    let of_link = |link: &Link| ENTRY + link.text.len() + link.href.len();
    let of_wanting = |wanting: &Wanting| {
        of_link(&wanting.link)
            + wanting
                .unmet
                .as_ref()
                .map_or(0, |text| ENTRY + escaped_length(text))
    };
    let of_text = |text: &String| ENTRY + escaped_length(text);
    let of_signer = |signer: &PackageSigner| {
        let owner = escaped_length(signer.verified_by.as_deref().unwrap_or(&owner.name));
        ENTRY + escaped_length(&signer.key) + owner
    };
    let page = PackagePage {
        missing: depends
            .iter()
            .filter(|wanted| wanted.lack == Lack::Name)
            .count(),
        unmet: depends
            .iter()
            .filter_map(Wanted::unmet)
            .take(UNMET)
            .collect(),
        depends: room.fill(depends, Wanted::size),
        rows: rows(&found, &links, &visit.frame, &mut room),
        provides: room.fill(provides, Provided::size),
        dependents: room.fill(dependents, of_wanting),
        siblings: room.fill(siblings, of_link),
        install_if: room.fill(optional(&facts.said.install_if), Wanted::size),
        replaces: room.fill(optional(&facts.said.replaces), Wanted::size),
        recommends: room.fill(optional(&facts.said.recommends), Wanted::size),
        elsewhere: room.fill(elsewhere, of_link),
        triggers: room.fill(facts.said.triggers.clone(), of_text),
        tags: room.fill(facts.said.tags.clone(), of_text),
        signers: room.fill(facts.signers.clone(), of_signer),
        facts,
        suggestion: chosen.version.suggestion(),
        is_newest: found
            .files
            .first()
            .is_some_and(|newest| newest.version == chosen.version),
        owner: owner.name.clone(),
        branch: branch.as_str().to_owned(),
        repository: repository.as_str().to_owned(),
        name: found.name.as_str().to_owned(),
        chosen: chosen.clone(),
        may_delete,
        frame: visit.frame.clone(),
        links,
    };
    visit.show(&page, Keep::Revalidated)
}

fn rows(found: &Found, links: &OfOwner, frame: &Frame, room: &mut Room) -> Cut<Row> {
    let (branch, repository) = (found.place.branch.as_str(), found.place.repository.as_str());
    let owner = &found.place.authorized.owner.name;
    let base = format!(
        "{}/api/packages/{owner}/alpine/{branch}/{repository}",
        frame.base
    );
    let row = |file: &FileOfPackage| {
        let (version, arch) = (file.version.as_str(), file.arch.as_str());
        Row {
            link: links.file(branch, repository, found.name.as_str(), version, arch),
            download: format!("{base}/{arch}/{}", super::links::segment(&file.file_name)),
            version: version.to_owned(),
            arch: arch.to_owned(),
            size: Bytes(file.size),
            published: Time(file.created_at),
            uploader: file.uploader.clone(),
            is_chosen: file.id == found.chosen.id,
            is_v3: file.format == PackageFormat::V3,
        }
    };
    let rows = found.files.iter().take(ROWS).map(row).collect();
    let mut rows = room.fill(rows, |row| ROW + row.link.len() + row.download.len());
    rows.more = found.files.len() - rows.shown.len();
    rows
}

/// `/{owner}/-/packages/alpine/{name}` and `…/{version}`, as in Gitea: redirects to the package's page in the repository that its
/// newest file came into.
pub(super) async fn show_anywhere(
    visit: Visit,
    segments: Segments,
    Path(path): Path<PackagePath>,
) -> Result<Response, ApiError> {
    let owner = visit.authorize(&segments, Action::Read).await?.owner;
    let scope = visit.read_scope().await?;
    let name = PackageName::parse(&path.name).map_err(|_| no_such_package())?;
    let version = path.version.as_deref().map(|version| {
        Version::parse_lenient(version, &Limits::default()).map_err(|_| no_such_package())
    });
    let version = version.transpose()?;
    let metadata = visit.registry.metadata();
    let places = metadata
        .places_of_package(&scope, owner.id, &name, version.as_ref())
        .await?;
    let newest = places.into_iter().max_by_key(|place| place.id.number());
    let place = newest.ok_or_else(no_such_package)?;
    let links = OfOwner::new(&visit.frame.base, &owner.name);
    let mut target = links.package(
        place.branch.as_str(),
        place.repository.as_str(),
        name.as_str(),
    );
    if let Some(version) = version {
        target = format!("{target}/{}", super::links::segment(version.as_str()));
    }
    redirect(StatusCode::FOUND, &target)
}
