//! `/api/v1/packages/{owner}`: versions of packages and their files, as in Forgejo and Gitea.

use apk::version::Version;
use axum::{Json, http::StatusCode, response::Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    callers::Reading,
    extract::{Path, Query},
    paging::{ListQuery, ListUrl, Number, Pages},
    paths::{OwnerPath, PackagePath, VersionPath, no_such_version},
    versions::{Package, PackageFile, check_text},
};
use crate::error::ApiError;
use tarn_core::access::{Action, Caller, Denied, Place};
use tarn_store::metadata::{CatalogVersion, PackageAddress, Page, ReadScope, Window};

/// Which packages.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PackagesQuery {
    /// Only packages of this kind. There are those of kind `alpine`, and no others.
    #[serde(rename = "type")]
    #[param(required = false, value_type = String, max_length = 100, example = "alpine")]
    kind: Option<String>,
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

/// Which of the files.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FilesQuery {
    /// Which page, counted from 1; 0 is the first page too.
    #[param(required = false, value_type = u64, minimum = 0, example = 1)]
    page: Option<Number>,
    /// How many entries a page has at most; 0 is the usual number, more than 100 counts as 100. Where neither this nor `page`
    /// is said, it is 100: clients of the forges, whose list has no pages, expect all files.
    #[param(required = false, value_type = u64, minimum = 0, example = 30)]
    limit: Option<Number>,
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
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The packages", body = Vec<Package>))
)]
pub(crate) async fn list(
    reading: Reading<OwnerPath>,
    Query(query): Query<PackagesQuery>,
    url: ListUrl,
) -> Result<Response, ApiError> {
    let text = query.q.as_deref().filter(|text| !text.is_empty());
    check_text("q", text.unwrap_or(""))?;
    let pages = url.page(query.page, query.limit);
    let kind = query.kind.as_deref().map_or("", str::trim);
    check_text("type", query.kind.as_deref().unwrap_or(""))?;
    if !matches!(kind, "" | "alpine") {
        let none: Page<Package> = Page {
            entries: Vec::new(),
            total: 0,
        };
        return Ok(pages.answer(none, |package| package));
    }
    let read_scope = reading.read_scope().await?;
    let (metadata, owner, window) = (
        reading.registry.metadata(),
        reading.owner.id,
        pages.window(),
    );
    let page = match text {
        None => metadata.listed_versions(&read_scope, owner, window).await,
        Some(text) => {
            metadata
                .versions_named_like(&read_scope, owner, text, window)
                .await
        }
    }?;
    Ok(pages.answer(page, Package::from))
}

/// List the versions of a package
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/api/v1/packages/{owner}/alpine/{name}",
    tag = "packages",
    operation_id = "listPackageVersions",
    params(OwnerPath, PackagePath, ListQuery),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The versions", body = Vec<Package>))
)]
pub(crate) async fn versions(
    reading: Reading<OwnerPath>,
    Path(package): Path<PackagePath>,
    pages: Pages,
) -> Result<Response, ApiError> {
    let page = versions_of(&reading, &package, pages.window()).await?;
    if page.total == 0 {
        return Err(no_such_version());
    }
    Ok(pages.answer(page, Package::from))
}

async fn versions_of(
    reading: &Reading<OwnerPath>,
    package: &PackagePath,
    window: Window,
) -> Result<Page<CatalogVersion>, ApiError> {
    let name = package.parse()?;
    let read_scope = reading.read_scope().await?;
    let metadata = reading.registry.metadata();
    let versions = metadata.versions_of(&read_scope, reading.owner.id, &name, window);
    Ok(versions.await?)
}

/// Show the newest version of a package
///
/// The one whose first file came last, whatever its number.
#[utoipa::path(
    get,
    path = "/api/v1/packages/{owner}/alpine/{name}/-/latest",
    tag = "packages",
    operation_id = "getLatestPackageVersion",
    params(OwnerPath, PackagePath),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The version", body = Package))
)]
pub(crate) async fn latest(
    reading: Reading<OwnerPath>,
    Path(package): Path<PackagePath>,
) -> Result<Json<Package>, ApiError> {
    let first = Window {
        offset: 0,
        limit: 1,
    };
    let page = versions_of(&reading, &package, first).await?;
    let newest = page.entries.into_iter().next();
    Ok(Json(newest.ok_or_else(no_such_version)?.into()))
}

/// Show a version of a package
#[utoipa::path(
    get,
    path = "/api/v1/packages/{owner}/alpine/{name}/{version}",
    tag = "packages",
    operation_id = "getPackage",
    params(OwnerPath, PackagePath, VersionPath),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The version", body = Package))
)]
pub(crate) async fn show(
    reading: Reading<OwnerPath>,
    Path(package): Path<PackagePath>,
    Path(version): Path<VersionPath>,
) -> Result<Json<Package>, ApiError> {
    let read_scope = reading.read_scope().await?;
    let (name, version) = (package.parse()?, version.parse()?);
    let metadata = reading.registry.metadata();
    let found = metadata.version(&read_scope, reading.owner.id, &name, &version);
    Ok(Json(found.await?.ok_or_else(no_such_version)?.into()))
}

/// Delete a package
///
/// All of its versions, as [`deletePackageVersion`](#/packages/deletePackageVersion) does it with one.
#[utoipa::path(
    delete,
    path = "/api/v1/packages/{owner}/alpine/{name}",
    tag = "packages",
    operation_id = "deletePackage",
    params(OwnerPath, PackagePath),
    responses((status = 204, description = "The package is deleted"))
)]
pub(crate) async fn remove_all(
    reading: Reading<OwnerPath>,
    Path(package): Path<PackagePath>,
) -> Result<StatusCode, ApiError> {
    delete(&reading, &package, None).await
}

/// Delete a version of a package
///
/// All of its files, in every repository and architecture, or none of them. They are out of the indexes once this is answered. A single
/// file is deleted with `DELETE` on the path that it is downloaded from.
#[utoipa::path(
    delete,
    path = "/api/v1/packages/{owner}/alpine/{name}/{version}",
    tag = "packages",
    operation_id = "deletePackageVersion",
    params(OwnerPath, PackagePath, VersionPath),
    responses((status = 204, description = "The version is deleted"))
)]
pub(crate) async fn remove(
    reading: Reading<OwnerPath>,
    Path(package): Path<PackagePath>,
    Path(version): Path<VersionPath>,
) -> Result<StatusCode, ApiError> {
    delete(&reading, &package, Some(&version)).await
}

/// Deletes the files of a version, or of all versions, in one transaction.
async fn delete(
    reading: &Reading<OwnerPath>,
    package: &PackagePath,
    version: Option<&VersionPath>,
) -> Result<StatusCode, ApiError> {
    // Where the files are decides who may delete them, so each place is asked about below, before any file is deleted.
    let (registry, owner) = (&reading.registry, &reading.owner);
    if let Caller::Anonymous = reading.caller {
        return Err(Denied::NeedsCredentials.into());
    }
    let name = package.parse()?;
    let version = version.map(VersionPath::parse).transpose()?;
    let metadata = registry.metadata();
    let places = async |read_scope: &ReadScope| {
        metadata
            .places_of_package(read_scope, owner.id, &name, version.as_ref())
            .await
    };
    // What the caller may not even list is not there for them.
    let read_scope = reading.read_scope().await?;
    if places(&read_scope).await?.is_empty() {
        reading.allow(Action::Delete, None).await?;
        return Err(no_such_version());
    }
    let files = places(&ReadScope::EVERYTHING).await?;
    let by_repository =
        files.chunk_by(|a, b| (&a.branch, &a.repository) == (&b.branch, &b.repository));
    for file in by_repository.filter_map(<[_]>::first) {
        let place = Place {
            branch: &file.branch,
            repository: &file.repository,
        };
        reading.allow(Action::Delete, Some(place)).await?;
    }
    let addressed: Vec<_> = files
        .iter()
        .map(|file| {
            let address = PackageAddress {
                owner: owner.id,
                branch: &file.branch,
                repository: &file.repository,
                arch: &file.arch,
                name: &name,
                version: &file.version,
            };
            (address, file.id)
        })
        .collect();
    let remover = registry.remover();
    let by = reading.actor();
    if remover.remove_package_files(&addressed, &by).await? == 0 {
        return Err(no_such_version());
    }
    tracing::info!(
        owner = owner.name,
        package = name.as_str(),
        version = version.as_ref().map_or("all", Version::as_str),
        account = reading.account_name(),
        by = reading.credential_kind(),
        "package version deleted"
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
    params(OwnerPath, PackagePath, VersionPath, FilesQuery),
    security((), ("basic" = []), ("bearer" = []), ("token" = [])),
    responses((status = 200, description = "The files", body = Vec<PackageFile>))
)]
pub(crate) async fn files(
    reading: Reading<OwnerPath>,
    Path(package): Path<PackagePath>,
    Path(version): Path<VersionPath>,
    Query(query): Query<FilesQuery>,
    url: ListUrl,
) -> Result<Response, ApiError> {
    let owner = &reading.owner;
    let (name, version) = (package.parse()?, version.parse()?);
    let read_scope = reading.read_scope().await?;
    let limit = match (query.page, query.limit) {
        (None, None) => Some(Number::MOST),
        (_, limit) => limit,
    };
    let pages = url.page(query.page, limit);
    let metadata = reading.registry.metadata();
    let page = metadata
        .files_of_version(&read_scope, owner.id, &name, &version, pages.window())
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
    Ok(pages.answer(page, |file| file))
}
