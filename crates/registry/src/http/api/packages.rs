//! `/api/v1/packages/{owner}`: versions of packages and their files, as in Forgejo and Gitea.

use apk::{name::PackageName, version::Version};
use axum::{
    Json,
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    extract::{Path, Query},
    owners::OwnerPath,
    paging::{ListQuery, Number, Paging},
    versions::{Package, PackageFile, check_text},
};
use crate::{
    Registry,
    access::{Action, Caller, Denied, Place},
    http::{
        authorize::{Authorized, Presented},
        error::ApiError,
        path::Segments,
    },
    metadata::{CatalogVersion, PackageAddress, Page, Sight},
};

/// The kind of packages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PackageKind {
    /// The one there is here.
    Alpine,
}

/// Which packages.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PackagesQuery {
    /// Always `alpine`: there is no other kind here.
    #[serde(rename = "type")]
    #[param(required = false, value_type = PackageKind, inline)]
    _kind: Option<PackageKind>,
    /// Only packages whose name has this in it, in any letters' case; looked for among the owner's newest 50,000 versions.
    #[param(required = false, value_type = String, max_length = 100, example = "hell")]
    q: Option<String>,
    /// Which page, counted from 1; 0 is the first page too.
    #[param(required = false, value_type = u64, minimum = 0, example = 1)]
    page: Option<Number>,
    /// How many entries a page has at most; 0 or none is the usual number, more than 100 counts as 100.
    #[param(required = false, value_type = u64, minimum = 0, example = 30)]
    limit: Option<Number>,
}

/// The package in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct PackagePath {
    /// The name of a user or an organisation, in any letters' case.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "alice"
    )]
    owner: String,
    /// The package's name.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9_][A-Za-z0-9_+.-]*$",
        example = "hello"
    )]
    name: String,
}

/// The version in the path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct VersionPath {
    /// The name of a user or an organisation, in any letters' case.
    #[param(
        min_length = 1,
        max_length = 64,
        pattern = "^[A-Za-z0-9_+-][A-Za-z0-9_.+-]*$",
        example = "alice"
    )]
    owner: String,
    /// The package's name.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[A-Za-z0-9_][A-Za-z0-9_+.-]*$",
        example = "hello"
    )]
    name: String,
    /// The version, as written in the package.
    #[param(
        min_length = 1,
        max_length = 128,
        pattern = "^[0-9][0-9a-z._~-]*$",
        example = "1.0-r0"
    )]
    version: String,
}

impl VersionPath {
    fn owner(&self) -> Segments {
        Segments::of_owner(&self.owner)
    }

    /// A name or a version that breaks the grammar is one that no package has.
    fn package(&self) -> Result<(PackageName, Version), ApiError> {
        let name = PackageName::parse(&self.name).map_err(|_| no_such_version())?;
        let version = Version::parse(&self.version).map_err(|_| no_such_version())?;
        Ok((name, version))
    }
}

fn no_such_version() -> ApiError {
    ApiError::NotFound(
        "the owner has no such version of such a package; the list of packages names what there is"
            .to_owned(),
    )
}

/// List the packages of an owner
///
/// One entry for each version of a package, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/packages/{owner}",
    tag = "packages",
    operation_id = "listPackages",
    params(OwnerPath, PackagesQuery),
    responses((status = 200, description = "The packages", body = Vec<Package>))
)]
pub(in crate::http) async fn list(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<OwnerPath>,
    Query(query): Query<PackagesQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let text = query.q.as_deref().filter(|text| !text.is_empty());
    check_text(text.unwrap_or(""))?;
    let Authorized { owner, caller, .. } = presented
        .authorize(&registry, &path.segments(), Action::Read)
        .await?;
    let paging = Paging::new(query.page, query.limit, &registry.settings().api);
    let sight = registry.access().sight(&caller).await?;
    let metadata = registry.metadata();
    let page = match text {
        None => {
            metadata
                .listed_versions(&sight, owner.id, paging.window())
                .await
        }
        Some(text) => {
            metadata
                .versions_named_like(&sight, owner.id, text, paging.window())
                .await
        }
    }?;
    Ok(paging.answer(&uri, page, Package::from))
}

/// List the versions of a package
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/packages/{owner}/alpine/{name}",
    tag = "packages",
    operation_id = "listPackageVersions",
    params(PackagePath, ListQuery),
    responses((status = 200, description = "The versions", body = Vec<Package>))
)]
pub(in crate::http) async fn versions(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<PackagePath>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let owner = Segments::of_owner(&path.owner);
    let Authorized { owner, caller, .. } =
        presented.authorize(&registry, &owner, Action::Read).await?;
    let paging = query.paging(&registry.settings().api);
    // A name that breaks the grammar is one that no package has.
    let name = PackageName::parse(&path.name).map_err(|_| no_such_version())?;
    let page = registry
        .metadata()
        .versions_of(
            &registry.access().sight(&caller).await?,
            owner.id,
            &name,
            paging.window(),
        )
        .await?;
    if page.total == 0 {
        return Err(no_such_version());
    }
    Ok(paging.answer(&uri, page, Package::from))
}

/// Show a version of a package
#[utoipa::path(
    get,
    path = "/api/v1/packages/{owner}/alpine/{name}/{version}",
    tag = "packages",
    operation_id = "getPackage",
    params(VersionPath),
    responses((status = 200, description = "The version", body = Package))
)]
pub(in crate::http) async fn show(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<VersionPath>,
) -> Result<Json<Package>, ApiError> {
    let authorized = presented
        .authorize(&registry, &path.owner(), Action::Read)
        .await?;
    let version = find(&registry, &authorized, &path).await?;
    Ok(Json(version.into()))
}

/// Delete a version of a package
///
/// All of its files, in every repository and architecture. They are out of the indexes once this is answered. A single
/// file is deleted with `DELETE` on the path that it is downloaded from.
#[utoipa::path(
    delete,
    path = "/api/v1/packages/{owner}/alpine/{name}/{version}",
    tag = "packages",
    operation_id = "deletePackage",
    params(VersionPath),
    security(("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 204, description = "The version is gone"))
)]
pub(in crate::http) async fn remove(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<VersionPath>,
) -> Result<StatusCode, ApiError> {
    // Where the files are decides who may delete them, so each place is asked about below, before any file is deleted.
    let authorized = presented
        .authorize(&registry, &path.owner(), Action::Read)
        .await?;
    let Authorized { owner, caller, .. } = &authorized;
    if let Caller::Anonymous = caller {
        return Err(Denied::NeedsCredentials.into());
    }
    let (name, version) = path.package()?;
    let metadata = registry.metadata();
    let places = async |sight: &Sight| {
        metadata
            .places_of_version(sight, owner.id, &name, &version)
            .await
    };
    // What the caller may not even list is not there for them.
    let sight = registry.access().sight(caller).await?;
    if places(&sight).await?.is_empty() {
        presented
            .allow(&registry, caller, owner, Action::Delete, None)
            .await?;
        return Err(no_such_version());
    }
    let files = places(&Sight::EVERYTHING).await?;
    let by_repository =
        files.chunk_by(|a, b| (&a.branch, &a.repository) == (&b.branch, &b.repository));
    for file in by_repository.filter_map(<[_]>::first) {
        let place = Place {
            branch: &file.branch,
            repository: &file.repository,
        };
        presented
            .allow(&registry, caller, owner, Action::Delete, Some(place))
            .await?;
    }
    let mut removed = false;
    for file in &files {
        let address = PackageAddress {
            owner: owner.id,
            branch: &file.branch,
            repository: &file.repository,
            arch: &file.arch,
            name: &name,
            version: &version,
        };
        let remover = registry.administration().remover();
        removed |= remover
            .remove_package(&address, &authorized.actor())
            .await?;
    }
    if !removed {
        return Err(no_such_version());
    }
    tracing::info!(
        owner = authorized.owner.name,
        package = name.as_str(),
        version = version.as_str(),
        account = authorized.account_name(),
        by = authorized.credential_kind(),
        "package version removed"
    );
    Ok(StatusCode::NO_CONTENT)
}

/// List the files of a version
///
/// By branch, repository and architecture, each with what its `.PKGINFO` says.
#[utoipa::path(
    get,
    path = "/api/v1/packages/{owner}/alpine/{name}/{version}/files",
    tag = "packages",
    operation_id = "listPackageFiles",
    params(VersionPath, ListQuery),
    responses((status = 200, description = "The files", body = Vec<PackageFile>))
)]
pub(in crate::http) async fn files(
    State(registry): State<Registry>,
    presented: Presented,
    Path(path): Path<VersionPath>,
    Query(query): Query<ListQuery>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let Authorized { owner, caller, .. } = presented
        .authorize(&registry, &path.owner(), Action::Read)
        .await?;
    let (name, version) = path.package()?;
    let sight = registry.access().sight(&caller).await?;
    let paging = query.paging(&registry.settings().api);
    let page = registry
        .metadata()
        .files_of_version(&sight, owner.id, &name, &version, paging.window())
        .await?;
    if page.total == 0 {
        return Err(no_such_version());
    }
    let entries = page.entries.into_iter();
    let page = Page {
        entries: entries
            .map(|file| PackageFile::new(&owner.name, file))
            .collect::<Result<Vec<_>, _>>()?,
        total: page.total,
    };
    Ok(paging.answer(&uri, page, |file| file))
}

async fn find(
    registry: &Registry,
    authorized: &Authorized,
    path: &VersionPath,
) -> Result<CatalogVersion, ApiError> {
    let (name, version) = path.package()?;
    registry
        .metadata()
        .version(
            &registry.access().sight(&authorized.caller).await?,
            authorized.owner.id,
            &name,
            &version,
        )
        .await?
        .ok_or_else(no_such_version)
}
