//! `/-/owners/{owner}/teams`: what members may do, and where.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::super::{
    form::{Form, words},
    links::segment,
    manage::{Managed, Shell, or_again, or_page},
    page::Frame,
    pager::{PAGE, Pager},
    shown::{Count, short},
};
use crate::{
    api::administer::{list, owner_name},
    error::ApiError,
};
use tarn_base::names::TeamName;
use tarn_core::access::TeamLimits;
use tarn_store::metadata::{Role, Team, User};

/// The owner and the team in a path.
pub(super) type OfTeam = Path<(String, String)>;

#[derive(Template)]
#[template(path = "owner/teams.html")]
struct TeamsPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    path: &'a str,
    /// Each with how many members it has.
    teams: &'a [(Team, u64)],
    pager: &'a Pager,
    form: &'a Form,
}

#[derive(Template)]
#[template(path = "owner/team.html")]
struct TeamPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    /// Where its forms begin.
    path: &'a str,
    team: &'a Team,
    members: &'a [User],
    pager: &'a Pager,
    form: &'a Form,
}

pub(super) async fn show(of: Managed) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let window = of.number.window(PAGE);
    let teams = accounts.teams(&of.name, window).await?;
    let path = of.path("/teams");
    let page = TeamsPage {
        frame: &of.frame,
        shell: of.shell("/teams", "Teams"),
        path: &path,
        teams: &teams.entries,
        pager: &of.pager(teams.total, ("team", "teams"), &path),
        form: &of.form,
    };
    of.answer(&page)
}

pub(super) async fn show_one(of: Managed, Path((_, team)): OfTeam) -> Result<Response, ApiError> {
    let name = named(&team)?;
    let accounts = of.registry.accounts();
    let team = accounts.find_team(&of.name, &name).await?;
    let window = of.number.window(PAGE);
    let members = accounts.team_members(&of.name, &name, window).await?;
    let path = path(&of, &name);
    let page = TeamPage {
        frame: &of.frame,
        shell: of.shell("/teams", "Team"),
        path: &path,
        team: &team,
        members: &members.entries,
        pager: &of.pager(members.total, ("member", "members"), &path),
        form: &of.form,
    };
    of.answer(&page)
}

/// Where the page of a team is.
fn path(of: &Managed, team: &TeamName) -> String {
    of.path(&format!("/teams/{}", segment(team.as_str())))
}

pub(super) async fn add(of: Managed, form: Form) -> Result<Response, ApiError> {
    let added = async {
        let team = TeamName::parse(form.text("name"));
        let team = team.map_err(|error| ApiError::invalid_field(&error))?;
        let role: Role = form.parsed("role")?;
        let limits: TeamLimits = list("limits", &words(form.text("limits")))?;
        let accounts = of.registry.accounts();
        accounts
            .add_team(&of.name, &team, role, &limits, &of.by)
            .await?;
        let notice = format!("The team {team} is added. Add its members now.");
        of.done(&path(&of, &team), &notice)
    };
    let added = added.await;
    or_again(added, of, form, show).await
}

pub(super) async fn set_limits(of: Managed, one: OfTeam, form: Form) -> Result<Response, ApiError> {
    let team = named(&one.0.1)?;
    let set = async {
        let limits: TeamLimits = list("limits", &words(form.text("limits")))?;
        let accounts = of.registry.accounts();
        accounts
            .set_team_limits(&of.name, &team, &limits, &of.by)
            .await?;
        let notice = format!("The limits of {team} are saved.");
        of.done(&path(&of, &team), &notice)
    };
    let set = set.await;
    or_again(set, of, form, |of| show_one(of, one)).await
}

pub(super) async fn remove(of: Managed, one: OfTeam, _: Form) -> Result<Response, ApiError> {
    let team = named(&one.0.1)?;
    let removed = async {
        let accounts = of.registry.accounts();
        accounts.remove_team(&of.name, &team, &of.by).await?;
        of.done(&of.path("/teams"), &format!("The team {team} is deleted."))
    };
    let removed = removed.await;
    or_again(removed, of, Form::default(), |of| show_one(of, one)).await
}

pub(super) async fn add_member(of: Managed, one: OfTeam, form: Form) -> Result<Response, ApiError> {
    let team = named(&one.0.1)?;
    let added = async {
        let user = owner_name(form.text("user"))?;
        let accounts = of.registry.accounts();
        accounts
            .add_team_member(&of.name, &team, &user, &of.by)
            .await?;
        of.done(&path(&of, &team), &format!("{user} is in {team}."))
    };
    let added = added.await;
    or_again(added, of, form, |of| show_one(of, one)).await
}

pub(super) async fn remove_member(
    of: Managed,
    one: OfTeam,
    form: Form,
) -> Result<Response, ApiError> {
    let team = named(&one.0.1)?;
    let removed = async {
        let user = owner_name(form.text("user"))?;
        let accounts = of.registry.accounts();
        accounts
            .remove_team_member(&of.name, &team, &user, &of.by)
            .await?;
        let path = of.number.of(&path(&of, &team));
        of.done(&path, &format!("{user} is no longer in {team}."))
    };
    let removed = removed.await;
    or_page(removed, of, |of| show_one(of, one)).await
}

fn named(team: &str) -> Result<TeamName, ApiError> {
    Ok(TeamName::parse(team)?)
}
