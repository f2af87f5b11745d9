//! The path of a request, segment by segment, as values that cannot be wrong.

use apk::arch::Arch;
use axum::{
    extract::{FromRequestParts, Path},
    http::{Uri, request::Parts},
};
use serde::Deserialize;

use crate::error::ApiError;
use tarn_base::names::{Branch, OwnerName, RepositoryName};

/// The address of a request for packages with every run of slashes in its path written as one, and none at the end; `None` when
/// it is written so already, or is for something else. apk of Alpine 3.8 to 3.20 asks for `…/alpine//v3.20/main/…` where the line
/// in `/etc/apk/repositories` has a slash too many.
pub(crate) fn folded(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.contains("//") && !path.ends_with('/') {
        return None;
    }
    let mut folded = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        folded.push('/');
        folded.push_str(segment);
    }
    if !folded.starts_with(PACKAGES) {
        return None;
    }
    if let Some(query) = uri.query() {
        folded.push('?');
        folded.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(folded.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// That the path of a request ended with a slash, as an extension of it: [`folded`] takes it off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrailingSlash;

/// What stands before the owner in the paths of packages.
const PACKAGES: &str = "/api/packages/";

/// The segments behind `/api/packages/`, percent-decoded. A shorter route leaves the last ones empty.
///
/// Each is parsed when a handler asks for it, so that a caller learns of wrong credentials before a wrong path.
#[derive(Deserialize)]
pub(crate) struct Segments {
    owner: String,
    #[serde(default)]
    branch: String,
    #[serde(default)]
    repository: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    file: String,
}

impl Segments {
    /// Those of `/api/packages/{owner}/alpine/{branch}/{repository}/{architecture}/{file}`, if a path is one of these and has
    /// nothing to be decoded.
    pub(crate) fn of_file(path: &str) -> Option<Self> {
        let mut rest = path.strip_prefix(PACKAGES)?.split('/');
        let mut next = || rest.next().filter(|segment| !segment.is_empty());
        let owner = next()?;
        let ("alpine", branch, repository, architecture, file) =
            (next()?, next()?, next()?, next()?, next()?)
        else {
            return None;
        };
        if rest.next().is_some() || path.contains('%') {
            return None;
        }
        Some(Self {
            owner: owner.to_owned(),
            branch: branch.to_owned(),
            repository: repository.to_owned(),
            architecture: architecture.to_owned(),
            file: file.to_owned(),
        })
    }

    /// An owner's name alone.
    pub(crate) fn of_owner(owner: &str) -> Self {
        let empty = String::new;
        Self {
            owner: owner.to_owned(),
            branch: empty(),
            repository: empty(),
            architecture: empty(),
            file: empty(),
        }
    }

    /// The owner. A name that breaks the grammar belongs to no owner.
    pub(crate) fn owner(&self) -> Result<OwnerName, ApiError> {
        OwnerName::parse(&self.owner).map_err(|_| ApiError::UnknownOwner)
    }

    /// The branch and the repository.
    pub(crate) fn repository(&self) -> Result<(Branch, RepositoryName), ApiError> {
        Ok((
            Branch::parse(&self.branch)?,
            RepositoryName::parse(&self.repository)?,
        ))
    }

    /// The two segments behind the owner, as they came, where they are no branch and repository.
    pub(crate) fn folder_and_file(&self) -> (&str, &str) {
        (&self.branch, &self.repository)
    }

    /// The file name at the end of an upload's path, as it came, if the path has one.
    pub(crate) fn uploaded_name(&self) -> Option<&str> {
        Some(self.file.as_str()).filter(|file| !file.is_empty())
    }

    /// The architecture.
    pub(crate) fn architecture(&self) -> Result<Arch, ApiError> {
        Ok(Arch::parse(&self.architecture)?)
    }

    /// The file name, as it came.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Segments {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(segments) = Path::<Self>::from_request_parts(parts, state).await.map_err(|rejection| {
            ApiError::BadRequest(format!(
                "the path cannot be read: {}; write it as UTF-8, with percent signs where needed",
                rejection.body_text()
            ))
        })?;
        Ok(segments)
    }
}
