//! Uploading packages by a form, and deleting one.

use askama::Template;
use axum::{
    extract::{Path, Query, Request},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{
    form::{Form, Problem, must_say_where_from},
    page::{Frame, Keep, Visit},
    wants_page,
};
use crate::{
    authorize::AuthorizedPlace,
    error::ApiError,
    packages::path::Segments,
    transport::body::{self, PackageStream, Part},
};
use tarn_base::names::{Branch, RepositoryName};
use tarn_core::{
    access::{AccessError, Action, Denied, Place},
    publish::{Destination, IfExists, Published},
};
use tarn_store::metadata::{FileAddress, Owner};

/// Where a form begins to put packages.
#[derive(Deserialize)]
pub(super) struct Into {
    #[serde(default)]
    branch: String,
    #[serde(default)]
    repository: String,
}

#[derive(Template)]
#[template(path = "upload.html")]
struct UploadPage<'a> {
    frame: &'a Frame,
    owner: &'a str,
    branch: &'a str,
    repository: &'a str,
    /// What became of each file.
    files: &'a [Uploaded],
    problem: Option<&'a Problem>,
}

/// What became of a file.
struct Uploaded {
    name: String,
    result: Result<String, Problem>,
}

#[derive(Template)]
#[template(path = "delete.html")]
struct DeletePage<'a> {
    frame: &'a Frame,
    path: &'a str,
    file: &'a str,
    place: String,
    days: u64,
}

/// The form. It is shown to those who are signed in and may publish somewhere; whether they may where it says is asked when it is sent.
pub(super) async fn show_upload(
    visit: Visit,
    Path(owner): Path<String>,
    Query(into): Query<Into>,
) -> Result<Response, ApiError> {
    let owner = reading(&visit, &owner).await?;
    publishing(&visit, &owner).await?;
    let (branch, repository) = (&into.branch, &into.repository);
    upload_page(&visit, &owner, (branch, repository), &[], None)
}

async fn reading(visit: &Visit, owner: &str) -> Result<Owner, ApiError> {
    visit.presented.user_of(&visit.registry, &visit.caller)?;
    let segments = Segments::of_owner(owner);
    Ok(visit.authorize(&segments, Action::Read).await?.owner)
}

async fn publishing(visit: &Visit, owner: &Owner) -> Result<(), ApiError> {
    let (access, action) = (visit.registry.access(), Action::Publish);
    match access.allow(&visit.caller, owner, action, None).await {
        Ok(()) | Err(AccessError::Denied(Denied::OutsideTeamLimits)) => Ok(()),
        // Once more, for the records of who was refused what.
        Err(_) => visit.allow(owner, action, None).await,
    }
}

fn upload_page(
    visit: &Visit,
    owner: &Owner,
    (branch, repository): (&str, &str),
    files: &[Uploaded],
    problem: Option<&Problem>,
) -> Result<Response, ApiError> {
    let page = UploadPage {
        frame: &visit.frame,
        owner: &owner.name,
        branch,
        repository,
        files,
        problem,
    };
    let refused = files.iter().find_map(|file| file.result.as_ref().err());
    let status = problem
        .or(refused)
        .map_or(StatusCode::OK, |problem| problem.status);
    visit.show_as(status, &page, Keep::Never)
}

/// Takes the files of the form, one after the other. A script sends one at a time and gets a line rather than a page.
pub(super) async fn upload(
    visit: Visit,
    Path(owner): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    must_say_where_from(request.headers())?;
    let owner = reading(&visit, &owner).await?;
    let is_page = wants_page(request.headers());
    let mut form = body::form(request, &visit.registry.settings().connections)?;
    let (mut branch, mut repository) = (String::new(), String::new());
    let mut files = Vec::new();
    while let Some(part) = form.next().await? {
        match part {
            Part::Field { name, text } if name == "branch" => text.trim().clone_into(&mut branch),
            Part::Field { name, text } if name == "repository" => {
                text.trim().clone_into(&mut repository);
            }
            Part::Field { .. } => {}
            Part::File { name, package } => {
                let into = (branch.as_str(), repository.as_str());
                let taken = publish(&visit, &owner, into, package).await;
                if !is_page {
                    return taken
                        .map(|package| (StatusCode::CREATED, said(&package)).into_response());
                }
                let result = match taken {
                    Ok(package) => Ok(said(&package)),
                    Err(error) => Err(Problem::try_from(error)?),
                };
                files.push(Uploaded { name, result });
            }
        }
    }
    let into = (branch.as_str(), repository.as_str());
    if files.is_empty() {
        let problem = Problem::field("choose a package file first");
        return upload_page(&visit, &owner, into, &files, Some(&problem));
    }
    if files.iter().any(|file| file.result.is_err()) {
        return upload_page(&visit, &owner, into, &files, None);
    }
    let notice = match files.as_slice() {
        [
            Uploaded {
                result: Ok(said), ..
            },
        ] => said.clone(),
        files => format!("{} packages are published.", files.len()),
    };
    let path = format!("/{}/{branch}/{repository}", owner.name);
    visit.done(&path, &notice)
}

async fn publish(
    visit: &Visit,
    owner: &Owner,
    (branch, repository): (&str, &str),
    package: PackageStream,
) -> Result<Published, ApiError> {
    let (branch, repository) = (Branch::parse(branch)?, RepositoryName::parse(repository)?);
    let place = Place {
        branch: &branch,
        repository: &repository,
    };
    visit.allow(owner, Action::Publish, Some(place)).await?;
    let destination = Destination {
        owner: owner.id,
        branch,
        repository,
        by: visit.by.clone(),
        announced: None,
        file_name: None,
        if_exists: IfExists::default(),
        past: None,
    };
    let published = visit
        .registry
        .publisher()
        .publish(destination, package)
        .await?;
    tracing::info!(
        owner = owner.name,
        file = published.file_name,
        arch = %published.arch,
        size = published.size,
        account = visit.account(),
        by = "a form",
        "package published"
    );
    Ok(published)
}

/// What a page says of a package that was published.
fn said(package: &Published) -> String {
    let notice = package
        .notice
        .as_deref()
        .map_or(String::new(), |notice| format!(" Note: {notice}."));
    format!(
        "{} ({}) is published.{notice}",
        package.file_name, package.arch
    )
}

/// Asks once more before a package is deleted.
pub(super) async fn show_delete(visit: Visit, segments: Segments) -> Result<Response, ApiError> {
    let place = deleting(&visit, &segments).await?;
    let file = segments.file();
    let page = DeletePage {
        frame: &visit.frame,
        path: &delete_path(&place, &segments)?,
        file,
        place: format!(
            "{}/{}/{}",
            place.authorized.owner.name, place.branch, place.repository
        ),
        days: visit.registry.settings().keep_deleted.as_secs() / 86_400,
    };
    visit.show(&page, Keep::Never)
}

fn delete_path(place: &AuthorizedPlace, segments: &Segments) -> Result<String, ApiError> {
    Ok(format!(
        "/-/delete/{}/{}/{}/{}/{}",
        place.authorized.owner.name,
        place.branch,
        place.repository,
        segments.architecture()?,
        super::links::segment(segments.file())
    ))
}

async fn deleting(visit: &Visit, segments: &Segments) -> Result<AuthorizedPlace, ApiError> {
    let place = visit.authorize_place(segments, Action::Delete).await?;
    let architecture = segments.architecture()?;
    let file = address(&place, &architecture, segments);
    let found = visit.registry.metadata().package_file(&file).await?;
    found.map(|_| place).ok_or(ApiError::NoSuchFile)
}

fn address<'a>(
    place: &'a AuthorizedPlace,
    arch: &'a apk::arch::Arch,
    segments: &'a Segments,
) -> FileAddress<'a> {
    FileAddress {
        owner: place.authorized.owner.id,
        branch: &place.branch,
        repository: &place.repository,
        arch,
        file_name: segments.file(),
    }
}

/// Deletes a package.
pub(super) async fn delete(
    visit: Visit,
    segments: Segments,
    _: Form,
) -> Result<Response, ApiError> {
    let place = deleting(&visit, &segments).await?;
    let architecture = segments.architecture()?;
    let file = address(&place, &architecture, &segments);
    let remover = visit.registry.remover();
    let removed = remover.remove(&file, &visit.by).await?;
    removed.ok_or(ApiError::NoSuchFile)?;
    let owner = &place.authorized.owner;
    tracing::info!(
        owner = owner.name,
        file = segments.file(),
        account = visit.account(),
        by = "a form",
        "package removed"
    );
    let path = if visit.may(owner, Action::Administer, None).await? {
        format!("/-/owners/{}/deleted", owner.name)
    } else {
        format!("/{}/{}/{}", owner.name, place.branch, place.repository)
    };
    let notice = format!("{} is deleted.", segments.file());
    visit.done(&path, &notice)
}
