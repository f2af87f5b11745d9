//! `/-/owners/{owner}/usage`: what an owner has, and may have. Administrators of the server change the limits.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::Form,
    manage::{Managed, Shell, or_again},
    page::Frame,
    shown,
};
use crate::error::ApiError;
use tarn_base::{
    hint::Hint as _,
    size::{Size, SizeError},
};
use tarn_core::{access::decide_site, publish::Allowance};
use tarn_store::metadata::OwnQuota;

#[derive(Template)]
#[template(path = "owner/usage.html")]
struct UsagePage<'a> {
    frame: &'a Frame,
    shell: Shell,
    path: &'a str,
    allowance: &'a Allowance,
    is_site_admin: bool,
}

pub(super) async fn show(of: Managed) -> Result<Response, ApiError> {
    let quotas = of.registry.quotas();
    let allowance = quotas.allowance(of.owner.id).await?;
    let page = UsagePage {
        frame: &of.frame,
        shell: of.shell("/usage", "Usage"),
        path: &of.path("/usage"),
        allowance: &allowance,
        is_site_admin: decide_site(&of.caller).is_ok(),
    };
    of.answer(&page)
}

/// Gives the owner limits of its own. An empty field is the server's limit.
pub(super) async fn set(of: Managed, form: Form) -> Result<Response, ApiError> {
    let set = async {
        decide_site(&of.caller)?;
        let number = |field: &str| match form.text(field) {
            "" => Ok(None),
            _ => match form.number::<i64>(field, "a limit")? {
                number if number >= 0 => Ok(u64::try_from(number).ok()),
                _ => Err(ApiError::Unprocessable(
                    "a limit is not negative; leave it empty for the server's".to_owned(),
                )),
            },
        };
        let size = |field: &str| match form.text(field) {
            "" => Ok(None),
            // An owner who may have nothing.
            "0" => Ok(Some(0)),
            text => text
                .parse()
                .map(|Size(size)| Some(size))
                .map_err(|error: SizeError| ApiError::Unprocessable(error.line())),
        };
        let unlimited = form.has("unlimited", "yes");
        let own = OwnQuota {
            unlimited,
            bytes: size("bytes")?.filter(|_| !unlimited),
            packages: number("packages")?.filter(|_| !unlimited),
            upload: size("upload")?.filter(|upload| *upload > 0),
        };
        let own = (own != OwnQuota::default()).then_some(own);
        let quotas = of.registry.quotas();
        quotas.set(of.owner.id, own, &of.by).await?;
        of.done(&of.path("/usage"), "The limits are saved.")
    };
    let set = set.await;
    or_again(set, of, form, show).await
}
