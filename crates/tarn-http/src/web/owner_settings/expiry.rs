//! `/-/owners/{owner}/expiry`: the rules by which packages go by themselves, and what they would take now.

use askama::Template;
use axum::{extract::Query, response::Response};
use serde::Deserialize;

use super::super::{
    form::Form,
    manage::{Managed, Shell, or_again},
    page::Frame,
    pager::{PAGE, Pager},
    shown,
};
use crate::error::ApiError;
use tarn_core::{access::PlacePattern, publish::expiry::Run};
use tarn_store::metadata::{ExpiryRule, LiveFile};

/// How many files a preview names.
const NAMED: usize = 50;

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    preview: String,
}

#[derive(Template)]
#[template(path = "owner/expiry.html")]
struct ExpiryPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    path: &'a str,
    rules: &'a [ExpiryRule],
    preview: Option<Preview>,
    pager: &'a Pager,
    form: &'a Form,
}

/// What the rules would take now.
struct Preview {
    count: u64,
    bytes: u64,
    named: Vec<LiveFile>,
}

pub(super) async fn show(of: Managed, Query(wanted): Query<Wanted>) -> Result<Response, ApiError> {
    let preview = if wanted.preview.is_empty() {
        None
    } else {
        Some(preview(&of).await?)
    };
    page(of, preview).await
}

async fn preview(of: &Managed) -> Result<Preview, ApiError> {
    let (mut bytes, mut named) = (0, Vec::new());
    let expiry = of.registry.expiry();
    let count = expiry
        .run(Some(of.owner.id), Run::Dry, |file| {
            bytes += file.size;
            if named.len() < NAMED {
                named.push(file.clone());
            }
        })
        .await?;
    Ok(Preview {
        count,
        bytes,
        named,
    })
}

async fn page(of: Managed, preview: Option<Preview>) -> Result<Response, ApiError> {
    let expiry = of.registry.expiry();
    let rules = expiry.rules(Some(of.owner.id)).await?;
    let path = of.path("/expiry");
    let page = ExpiryPage {
        frame: &of.frame,
        shell: of.shell("/expiry", "Expiry"),
        path: &path,
        rules: of.number.part_of(&rules, PAGE),
        pager: &of.pager(rules.len() as u64, ("rule", "rules"), &path),
        preview,
        form: &of.form,
    };
    of.answer(&page)
}

/// Makes a rule, or gives the one for that pattern other numbers.
pub(super) async fn set(of: Managed, form: Form) -> Result<Response, ApiError> {
    let set = async {
        let pattern = pattern(&form)?;
        let days = form.number("days", "the number of days")?;
        let keep = form.number("keep", "the number of versions")?;
        let expiry = of.registry.expiry();
        let rule = expiry.set(of.owner.id, &pattern, days, keep, &of.by);
        let notice = format!("The rule for {} is saved.", rule.await?.pattern);
        of.done(&of.path("/expiry?preview=yes"), &notice)
    };
    let set = set.await;
    or_again(set, of, form, |of| page(of, None)).await
}

pub(super) async fn remove(of: Managed, form: Form) -> Result<Response, ApiError> {
    let removed = async {
        let pattern = pattern(&form)?;
        let expiry = of.registry.expiry();
        expiry.remove(of.owner.id, &pattern, &of.by).await?;
        let notice = format!("The rule for {pattern} is deleted.");
        of.done(&of.path("/expiry"), &notice)
    };
    let removed = removed.await;
    or_again(removed, of, Form::default(), |of| page(of, None)).await
}

fn pattern(form: &Form) -> Result<PlacePattern, ApiError> {
    form.parsed("pattern")
}
