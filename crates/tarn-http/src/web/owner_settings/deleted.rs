//! `/-/owners/{owner}/deleted`: deleted packages, and how long they can be restored.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::{Form, Problem},
    manage::{Managed, Shell, or_problem},
    page::Frame,
    pager::{PAGE, PageNumber, Pager},
    shown,
};
use crate::error::ApiError;
use tarn_base::clock::Timestamp;
use tarn_core::{
    access::{Action, Place},
    publish::Remover,
};
use tarn_store::metadata::{Deleted, DeletedFile};

#[derive(Template)]
#[template(path = "owner/deleted.html")]
struct DeletedPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    path: &'a str,
    files: &'a [DeletedFile],
    remover: &'a Remover,
    now: Timestamp,
    pager: &'a Pager,
}

impl DeletedPage<'_> {
    fn until(&self, file: &DeletedFile) -> shown::FullTime {
        shown::FullTime(self.remover.kept_until(file.deleted_at))
    }

    /// How long that is, in words.
    fn left(&self, file: &DeletedFile) -> String {
        let until = self.remover.kept_until(file.deleted_at);
        let left = until.since(self.now).as_secs();
        let (number, unit) = match left {
            0 => return "until the next sweep".to_owned(),
            1..3_600 => (left.div_ceil(60), "minute"),
            3_600..172_800 => (left / 3_600, "hour"),
            _ => (left / 86_400, "day"),
        };
        let plural = if number == 1 { "" } else { "s" };
        format!("{number} {unit}{plural}")
    }
}

pub(super) async fn show(of: Managed, number: PageNumber) -> Result<Response, ApiError> {
    page(&of, number, None).await
}

async fn page(
    of: &Managed,
    number: PageNumber,
    problem: Option<Problem>,
) -> Result<Response, ApiError> {
    let found = of
        .registry
        .metadata()
        .deleted_files(of.owner.id, number.window(PAGE))
        .await?;
    let shell = of.shell("/deleted", "Deleted packages", problem);
    let page = DeletedPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path("/deleted"),
        files: &found.entries,
        remover: of.registry.remover(),
        now: of.registry.clock().now(),
        pager: &of.pager(number, found.total, ("package", "packages"), "/deleted"),
    };
    of.show(&page, &shell)
}

/// Puts one back.
pub(super) async fn restore(
    of: Managed,
    number: PageNumber,
    form: Form,
) -> Result<Response, ApiError> {
    let restored = async {
        let number = form.number("file", "the file")?;
        let remover = of.registry.remover();
        let file = remover
            .find_deleted(of.owner.id, Deleted::numbered(number))
            .await?;
        let place = Place {
            branch: &file.branch,
            repository: &file.repository,
        };
        let (viewer, registry) = (&of.visit.viewer, &of.registry);
        let action = Action::Publish;
        viewer
            .presented()
            .allow(registry, viewer.caller(), &of.owner, action, Some(place))
            .await?;
        remover.restore(of.owner.id, &file, &of.by).await?;
        Ok::<_, ApiError>(format!("{} {} is restored.", file.name, file.version))
    };
    match or_problem(restored.await)? {
        Ok(notice) => of.done(&number.of(&of.path("/deleted")), &notice),
        Err(problem) => page(&of, number, Some(problem)).await,
    }
}
