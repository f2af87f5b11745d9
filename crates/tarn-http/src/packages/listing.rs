//! `GET …/{branch}/{repository}/{architecture}/`: the files that are there, as web servers list a folder. Renovate's html datasource
//! and `wget -r` read it.

use std::fmt::Write as _;

use axum::{
    body::Body,
    extract::State,
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::{
    discovery::{self, kept},
    index::IndexFile,
    path::{Segments, TrailingSlash},
    setup,
};
use crate::{
    api::paging::turn,
    authorize::Presented,
    code::Code,
    error::ApiError,
    web::{
        links::{OfOwner, segment},
        redirect,
    },
};
use apk::arch::Arch;
use tarn_core::{Registry, access::Action, turns::Turn};
use tarn_store::metadata::{MetadataError, ReadScope, RepositoryId};

/// How many files are looked for at once.
const FILES: u32 = 2_000;

/// The indexes of an architecture.
const INDEXES: [&str; 2] = ["APKINDEX.tar.gz", "Packages.adb"];

/// What is asked for by GET one segment below a repository: the script that sets it up, where its keys are, or the files of an
/// architecture.
pub(crate) async fn show(
    State(registry): State<Registry>,
    presented: Presented,
    segments: Segments,
    parts: Parts,
) -> Result<Response, ApiError> {
    match segments.file() {
        "setup" => setup::show(&registry, &presented, &segments, &parts).await,
        "apk-configuration" => {
            discovery::show_configuration(&registry, &presented, &segments, &parts).await
        }
        _ => list(&registry, &presented, &segments, &parts).await,
    }
}

async fn list(
    registry: &Registry,
    presented: &Presented,
    segments: &Segments,
    parts: &Parts,
) -> Result<Response, ApiError> {
    let place = presented
        .authorize_place(registry, segments, Action::Read)
        .await?;
    let owner = &place.authorized.owner;
    let arch = architecture(segments.file())?;
    let turn = turn(parts, registry).await?;
    // Whether the caller may see the repository has been asked.
    let everything = ReadScope::EVERYTHING;
    let state = registry
        .metadata()
        .repository_state(&everything, owner.id, &place.branch, &place.repository)
        .await?;
    let state = state.filter(|state| {
        let mut architectures = state.architectures.iter().map(|state| &state.arch);
        architectures.any(|found| *found == arch || found.is_noarch())
    });
    let state = state.ok_or(ApiError::NoSuchIndex)?;
    let base = registry.settings().base_path();
    let (branch, repository) = (&place.branch, &place.repository);
    let path = format!(
        "{base}/api/packages/{}/alpine/{branch}/{repository}/{arch}/",
        owner.name
    );
    if parts.extensions.get::<TrailingSlash>().is_none() {
        // The links are relative to the folder.
        return redirect(StatusCode::MOVED_PERMANENTLY, &path);
    }
    let links = OfOwner::new(base, &owner.name);
    let page = links.repository(branch.as_str(), repository.as_str());
    let head = Bytes::from(head(&path, &page, &arch));
    let files = Files {
        registry: registry.clone(),
        repository: state.id,
        after: Some(String::new()),
        arch,
        _turn: turn,
    };
    let whole =
        stream::iter([Ok::<_, MetadataError>(head)]).chain(stream::try_unfold(files, Files::next));
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    let response = (headers, Body::from_stream(whole)).into_response();
    Ok(kept(response, owner.visibility))
}

/// The architecture in the path. A client that asks for an index or package file here left out the architecture, and gets 404 as from any
/// web server.
fn architecture(segment: &str) -> Result<Arch, ApiError> {
    let below = format!("it is in the folder of an architecture: …/{{architecture}}/{segment}");
    if IndexFile::called(segment).is_some() {
        let text = format!("the repository has an index for each architecture; {below}");
        return Err(ApiError::Refused(Code::NoSuchIndex, text));
    }
    if segment.ends_with(".apk") {
        let text = format!("no such package file; if there is one, {below}");
        return Err(ApiError::Refused(Code::NoSuchFile, text));
    }
    Ok(Arch::parse(segment)?)
}

/// The beginning of a list. All names in it are of letters, digits and a few marks that HTML gives no meaning.
fn head(path: &str, page: &str, arch: &Arch) -> String {
    // A narrow window breaks the line behind a slash.
    let shown = path.replace('/', "/<wbr>");
    let mut head = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Index of {path}</title></head>\n<body><main>\n<h1>Index of {shown}</h1>\n<p><a href=\"{page}\">About this repository</a></p>\n<ul>\n"
    );
    if !arch.is_noarch() {
        for name in INDEXES {
            let _ = writeln!(head, "<li><a href=\"{name}\">{name}</a></li>");
        }
    }
    head
}

/// The files of a list that are still to come.
struct Files {
    registry: Registry,
    repository: RepositoryId,
    arch: Arch,
    /// Behind which name; `None` once the list is over.
    after: Option<String>,
    /// The list is one of those that its source gets one at a time.
    _turn: Turn,
}

impl Files {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, MetadataError> {
        let Some(after) = self.after.take() else {
            return Ok(None);
        };
        let metadata = self.registry.metadata();
        let files = metadata.files_in_index(self.repository, &self.arch, &after, FILES);
        let files = files.await?;
        let mut text = String::with_capacity(files.len() * 80);
        for (name, _, _) in &files {
            // A version that apk can't order may have other characters.
            let shown = name.replace('&', "&amp;").replace('<', "&lt;");
            let _ = writeln!(text, "<li><a href=\"{}\">{shown}</a></li>", segment(name));
        }
        if files.len() < FILES as usize {
            text.push_str("</ul>\n</main></body></html>\n");
        } else {
            self.after = files.into_iter().next_back().map(|(name, _, _)| name);
        }
        Ok(Some((Bytes::from(text), self)))
    }
}
