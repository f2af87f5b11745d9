//! Deleted packages that can be restored.

use axum::{Json, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    callers::{Deleting, Reading},
    extract::Path,
    moment::Moment,
    paging::{ListQuery, Pages},
    paths::{DeletedPath, OwnerPath},
};
use crate::error::ApiError;
use tarn_core::{
    Registry,
    access::{Action, Place},
    publish::RestoreError,
};
use tarn_store::metadata::{Deleted, DeletedFile};

/// A deleted package file whose bytes are kept.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedPackage {
    /// Which one. Never given out twice.
    #[schema(example = 1021)]
    id: i64,
    /// The package's name.
    #[schema(example = "hello")]
    name: String,
    /// The version, as written in the package.
    #[schema(example = "1.0-r0")]
    version: String,
    /// Its branch.
    #[schema(example = "v3.23")]
    branch: String,
    /// Its repository.
    #[schema(example = "main")]
    repository: String,
    /// The package's own architecture.
    #[schema(example = "x86_64")]
    architecture: String,
    /// Bytes of the file.
    #[schema(example = 509_600)]
    size: u64,
    /// SHA-256 of the file, in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
    /// The path under which the server had it, and has it again once it is restored.
    #[schema(example = "/api/packages/alice/alpine/v3.23/main/x86_64/hello-1.0-r0.apk")]
    path: String,
    /// When it was deleted.
    deleted_at: Moment,
    /// Until when it can be restored, at least.
    kept_until: Moment,
}

impl DeletedPackage {
    fn new(registry: &Registry, owner: &str, file: &DeletedFile) -> Self {
        let kept_until = registry.remover().kept_until(file.deleted_at);
        Self {
            id: file.id.number(),
            path: format!(
                "/api/packages/{owner}/alpine/{}/{}/{}/{}-{}.apk",
                file.branch, file.repository, file.arch, file.name, file.version
            ),
            name: file.name.to_string(),
            version: file.version.to_string(),
            branch: file.branch.to_string(),
            repository: file.repository.to_string(),
            architecture: file.arch.to_string(),
            size: file.size,
            sha256: file.sha256.to_string(),
            deleted_at: file.deleted_at.into(),
            kept_until: kept_until.into(),
        }
    }
}

/// List the deleted packages of an owner that can be restored
///
/// The one deleted last first. For callers who may delete packages in every repository of the owner.
#[utoipa::path(
    get,
    path = "/api/v1/owners/{owner}/deleted-packages",
    tag = "packages",
    operation_id = "listDeletedPackages",
    params(OwnerPath, ListQuery),
    responses((status = 200, description = "The deleted packages", body = Vec<DeletedPackage>))
)]
pub(crate) async fn list(
    Deleting(deleting): Deleting<OwnerPath>,
    pages: Pages,
) -> Result<Response, ApiError> {
    let owner = &deleting.owner;
    let registry = &deleting.registry;
    let metadata = registry.metadata();
    let page = metadata.deleted_files(owner.id, pages.window()).await?;
    Ok(pages.answer(page, |file| {
        DeletedPackage::new(registry, &owner.name, &file)
    }))
}

/// Restore a deleted package
///
/// It is in the indexes once this is answered, as a new file in the repository's next generation. For callers who may publish to
/// its repository. Webhooks are sent `published`. Refused with 409 when another file has its place or the bytes are gone, and
/// with 413 when the owner's quota does not hold it.
#[utoipa::path(
    post,
    path = "/api/v1/owners/{owner}/deleted-packages/{id}/restore",
    tag = "packages",
    operation_id = "restorePackage",
    params(OwnerPath, DeletedPath),
    responses((status = 200, description = "What was restored", body = DeletedPackage))
)]
pub(crate) async fn restore(
    reading: Reading<OwnerPath>,
    Path(path): Path<DeletedPath>,
) -> Result<Json<DeletedPackage>, ApiError> {
    let (registry, owner) = (&reading.registry, &reading.owner);
    let remover = registry.remover();
    let found = match path.number().map(Deleted::numbered) {
        Some(wanted) => remover.find_deleted(owner.id, wanted).await,
        None => Err(RestoreError::NotKept),
    };
    let place = found.as_ref().ok().map(|file| Place {
        branch: &file.branch,
        repository: &file.repository,
    });
    reading.allow(Action::Publish, place).await?;
    let file = found?;
    remover.restore(owner.id, &file, &reading.actor()).await?;
    tracing::info!(
        owner = owner.name,
        package = file.name.as_str(),
        version = file.version.as_str(),
        account = reading.account_name(),
        by = reading.credential_kind(),
        "package restored"
    );
    Ok(Json(DeletedPackage::new(registry, &owner.name, &file)))
}
