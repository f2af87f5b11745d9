//! `/-/owners/{owner}/members`: who is in an organisation.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::{Form, Problem},
    manage::{Managed, Shell, or_problem},
    page::Frame,
    pager::{PAGE, PageNumber, Pager},
};
use crate::{api::administer::owner_name, error::ApiError};
use tarn_store::metadata::{Member, Role};

#[derive(Template)]
#[template(path = "owner/members.html")]
struct MembersPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    path: &'a str,
    members: &'a [Member],
    pager: &'a Pager,
    form: &'a Form,
}

/// How many teams of a member are named.
const TEAMS: usize = 4;

/// The teams of a member, in words.
fn teams(member: &Member) -> String {
    let named = member.teams.iter().take(TEAMS).map(String::as_str);
    let named = named.collect::<Vec<_>>().join(", ");
    match member.teams.len().saturating_sub(TEAMS) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

pub(super) async fn show(of: Managed, number: PageNumber) -> Result<Response, ApiError> {
    page(&of, number, None, &Form::default()).await
}

async fn page(
    of: &Managed,
    number: PageNumber,
    problem: Option<Problem>,
    form: &Form,
) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let members = accounts.members(&of.name, number.window(PAGE)).await?;
    let shell = of.shell("/members", "Members", problem);
    let page = MembersPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path("/members"),
        members: &members.entries,
        pager: &of.pager(number, members.total, ("member", "members"), "/members"),
        form,
    };
    of.show(&page, &shell)
}

/// Adds a member, or gives one another role.
pub(super) async fn set(of: Managed, form: Form) -> Result<Response, ApiError> {
    let set = async {
        let user = owner_name(form.text("user"))?;
        let role: Role = form.parsed("role")?;
        let accounts = of.registry.accounts();
        accounts
            .set_member(&of.name, &user, Some(role), &of.by)
            .await?;
        Ok::<_, ApiError>(format!("{user} has the role {role}."))
    };
    match or_problem(set.await)? {
        Ok(notice) => of.done(&of.path("/members"), &notice),
        Err(problem) => page(&of, PageNumber::FIRST, Some(problem), &form).await,
    }
}

pub(super) async fn remove(
    of: Managed,
    number: PageNumber,
    form: Form,
) -> Result<Response, ApiError> {
    let removed = async {
        let user = owner_name(form.text("user"))?;
        let accounts = of.registry.accounts();
        accounts.set_member(&of.name, &user, None, &of.by).await?;
        Ok::<_, ApiError>(format!("{user} is no longer a member."))
    };
    match or_problem(removed.await)? {
        Ok(notice) => of.done(&number.of(&of.path("/members")), &notice),
        Err(problem) => page(&of, number, Some(problem), &Form::default()).await,
    }
}
