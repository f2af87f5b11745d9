//! `/-/owners/{owner}/deleted`: deleted packages, and how long they can be restored.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::Form,
    manage::{Managed, Shell, or_page},
    page::Frame,
    pager::{PAGE, Pager},
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
    shell: Shell,
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

pub(super) async fn show(of: Managed) -> Result<Response, ApiError> {
    let metadata = of.registry.metadata();
    let window = of.number.window(PAGE);
    let found = metadata.deleted_files(of.owner.id, window).await?;
    let path = of.path("/deleted");
    let page = DeletedPage {
        frame: &of.frame,
        shell: of.shell("/deleted", "Deleted packages"),
        path: &path,
        files: &found.entries,
        remover: of.registry.remover(),
        now: of.registry.clock().now(),
        pager: &of.pager(found.total, ("package", "packages"), &path),
    };
    of.answer(&page)
}

/// Puts one back.
pub(super) async fn restore(of: Managed, form: Form) -> Result<Response, ApiError> {
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
        of.allow(&of.owner, Action::Publish, Some(place)).await?;
        remover.restore(of.owner.id, &file, &of.by).await?;
        let notice = format!("{} {} is restored.", file.name, file.version);
        of.done(&of.number.of(&of.path("/deleted")), &notice)
    };
    let restored = restored.await;
    or_page(restored, of, show).await
}
