//! `/-/owners/{owner}/expiry`: the rules by which packages go by themselves, and what they would take now.

use askama::Template;
use axum::{extract::Query, response::Response};
use serde::Deserialize;

use super::super::{
    form::{Form, Problem},
    manage::{Managed, Shell, or_problem},
    page::Frame,
    pager::{PAGE, PageNumber, Pager},
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
    shell: &'a Shell,
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

pub(super) async fn show(
    of: Managed,
    number: PageNumber,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    let preview = if wanted.preview.is_empty() {
        None
    } else {
        Some(preview(&of).await?)
    };
    page(&of, number, None, preview, &Form::default()).await
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

async fn page(
    of: &Managed,
    number: PageNumber,
    problem: Option<Problem>,
    preview: Option<Preview>,
    form: &Form,
) -> Result<Response, ApiError> {
    let expiry = of.registry.expiry();
    let rules = expiry.rules(Some(of.owner.id)).await?;
    let shell = of.shell("/expiry", "Expiry", problem);
    let page = ExpiryPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path("/expiry"),
        rules: number.part_of(&rules, PAGE),
        pager: &of.pager(number, rules.len() as u64, ("rule", "rules"), "/expiry"),
        preview,
        form,
    };
    of.show(&page, &shell)
}

/// Makes a rule, or gives the one for that pattern other numbers.
pub(super) async fn set(of: Managed, form: Form) -> Result<Response, ApiError> {
    let set = async {
        let pattern = pattern(&form)?;
        let days = form.number("days", "the number of days")?;
        let keep = form.number("keep", "the number of versions")?;
        let expiry = of.registry.expiry();
        Ok::<_, ApiError>(
            expiry
                .set(of.owner.id, &pattern, days, keep, &of.by)
                .await?,
        )
    };
    match or_problem(set.await)? {
        Ok(rule) => {
            let notice = format!("The rule for {} is saved.", rule.pattern);
            of.done(&of.path("/expiry?preview=yes"), &notice)
        }
        Err(problem) => page(&of, PageNumber::FIRST, Some(problem), None, &form).await,
    }
}

pub(super) async fn remove(of: Managed, form: Form) -> Result<Response, ApiError> {
    let removed = async {
        let pattern = pattern(&form)?;
        let expiry = of.registry.expiry();
        expiry.remove(of.owner.id, &pattern, &of.by).await?;
        Ok::<_, ApiError>(format!("The rule for {pattern} is deleted."))
    };
    match or_problem(removed.await)? {
        Ok(notice) => of.done(&of.path("/expiry"), &notice),
        Err(problem) => {
            page(
                &of,
                PageNumber::FIRST,
                Some(problem),
                None,
                &Form::default(),
            )
            .await
        }
    }
}

fn pattern(form: &Form) -> Result<PlacePattern, ApiError> {
    form.parsed("pattern")
}
