//! `/-/owners/{owner}/members`: who is in an organisation.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::Form,
    manage::{Managed, Shell, or_again, or_page},
    page::Frame,
    pager::{PAGE, Pager},
};
use crate::{api::administer::owner_name, error::ApiError};
use tarn_store::metadata::{Member, Role};

#[derive(Template)]
#[template(path = "owner/members.html")]
struct MembersPage<'a> {
    frame: &'a Frame,
    shell: Shell,
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

pub(super) async fn show(of: Managed) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let window = of.number.window(PAGE);
    let members = accounts.members(&of.name, window).await?;
    let path = of.path("/members");
    let page = MembersPage {
        frame: &of.frame,
        shell: of.shell("/members", "Members"),
        path: &path,
        members: &members.entries,
        pager: &of.pager(members.total, ("member", "members"), &path),
        form: &of.form,
    };
    of.answer(&page)
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
        let notice = format!("{user} has the role {role}.");
        of.done(&of.path("/members"), &notice)
    };
    let set = set.await;
    or_again(set, of, form, show).await
}

pub(super) async fn remove(of: Managed, form: Form) -> Result<Response, ApiError> {
    let removed = async {
        let user = owner_name(form.text("user"))?;
        let accounts = of.registry.accounts();
        accounts.set_member(&of.name, &user, None, &of.by).await?;
        let path = of.number.of(&of.path("/members"));
        of.done(&path, &format!("{user} is no longer a member."))
    };
    let removed = removed.await;
    or_page(removed, of, show).await
}
