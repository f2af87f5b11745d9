//! `GET …/APKINDEX.tar.gz` and `GET …/Packages.adb`: the signed index of what is there now. `GET …/index.json`: the second as JSON.

use axum::{
    extract::{Request, State},
    response::Response,
};

use super::{conditional::dated, download::File, path::Segments};
use crate::{
    authorize::{Authorized, AuthorizedPlace, Presented},
    error::ApiError,
};
use tarn_core::{Registry, access::Action, index::Format};

/// The files that say which packages there are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IndexFile {
    /// An index that apk reads.
    Index(Format),
    /// The v3 index for other programs.
    Json,
}

impl IndexFile {
    /// Which file has that name: the index of apk 3 has two spellings, of which the second is OpenWrt's.
    pub(crate) fn called(name: &str) -> Option<Self> {
        match name {
            "APKINDEX.tar.gz" => Some(Self::Index(Format::V2)),
            "Packages.adb" | "packages.adb" => Some(Self::Index(Format::V3)),
            "index.json" => Some(Self::Json),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Index(format) => format.file_name(),
            Self::Json => "index.json",
        }
    }
}

/// The index that apk 2 and apk 3 ask for.
pub(crate) async fn show_v2(
    state: State<Registry>,
    presented: Presented,
    segments: Segments,
    request: Request,
) -> Result<Response, ApiError> {
    let file = IndexFile::Index(Format::V2);
    show(&state, &presented, &segments, request, file).await
}

/// The index that apk 3 asks for when the repository line says `v3`.
pub(crate) async fn show_v3(
    state: State<Registry>,
    presented: Presented,
    segments: Segments,
    request: Request,
) -> Result<Response, ApiError> {
    let file = IndexFile::Index(Format::V3);
    show(&state, &presented, &segments, request, file).await
}

/// The same as JSON, which OpenWrt's tools ask for.
pub(crate) async fn show_json(
    state: State<Registry>,
    presented: Presented,
    segments: Segments,
    request: Request,
) -> Result<Response, ApiError> {
    show(&state, &presented, &segments, request, IndexFile::Json).await
}

/// 200, 206 or 304 with that file.
pub(crate) async fn show(
    registry: &Registry,
    presented: &Presented,
    segments: &Segments,
    request: Request,
    file: IndexFile,
) -> Result<Response, ApiError> {
    let began = registry.clock().now();
    let AuthorizedPlace {
        authorized: Authorized { owner, .. },
        branch,
        repository,
    } = presented
        .authorize_place(registry, segments, Action::Read)
        .await?;
    let architecture = segments.architecture()?;
    let indexes = registry.indexes();
    let index = match file {
        IndexFile::Index(format) => {
            let index = indexes.current(&owner, &branch, &repository, &architecture, format);
            index.await?
        }
        IndexFile::Json => {
            let index = indexes.json(&owner, &branch, &repository, &architecture);
            Box::pin(index).await?
        }
    };
    let index = index.ok_or(ApiError::NoSuchIndex)?;
    let file = File {
        name: file.name(),
        etag: index.etag(),
        changed_at: index.changed_at(),
        may_settle: index.is_of_the_newest(),
        visibility: owner.visibility,
        size: index.segments().length(),
    };
    let answer = file.answer(&request, began, index.segments())?;
    Ok(dated(answer, began))
}
