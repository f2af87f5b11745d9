//! `/-/owners/{owner}/teams`: what members may do, and where.

use askama::Template;
use axum::{extract::Path, response::Response};

use super::super::{
    form::{Form, Problem},
    links::segment,
    manage::{Managed, Shell, or_problem},
    page::Frame,
    pager::{PAGE, PageNumber, Pager},
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
    shell: &'a Shell,
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
    shell: &'a Shell,
    /// Where its forms begin.
    path: &'a str,
    team: &'a Team,
    members: &'a [User],
    pager: &'a Pager,
    form: &'a Form,
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
    let teams = accounts.teams(&of.name, number.window(PAGE)).await?;
    let shell = of.shell("/teams", "Teams", problem);
    let page = TeamsPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path("/teams"),
        teams: &teams.entries,
        pager: &of.pager(number, teams.total, ("team", "teams"), "/teams"),
        form,
    };
    of.show(&page, &shell)
}

pub(super) async fn show_one(
    of: Managed,
    Path((_, team)): OfTeam,
    number: PageNumber,
) -> Result<Response, ApiError> {
    one_page(&of, &named(&team)?, number, None, &Form::default()).await
}

async fn one_page(
    of: &Managed,
    name: &TeamName,
    number: PageNumber,
    problem: Option<Problem>,
    form: &Form,
) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let team = accounts.find_team(&of.name, name).await?;
    let window = number.window(PAGE);
    let members = accounts.team_members(&of.name, name, window).await?;
    let shell = of.shell("/teams", "Team", problem);
    let section = section(&team.name);
    let page = TeamPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path(&section),
        team: &team,
        members: &members.entries,
        pager: &of.pager(number, members.total, ("member", "members"), &section),
        form,
    };
    of.show(&page, &shell)
}

/// Where the page of a team is, below its owner's.
fn section(team: &str) -> String {
    format!("/teams/{}", segment(team))
}

pub(super) async fn add(of: Managed, form: Form) -> Result<Response, ApiError> {
    let added = async {
        let team = TeamName::parse(form.text("name"));
        let team = team.map_err(|error| ApiError::invalid_field(&error))?;
        let role: Role = form.parsed("role")?;
        let limits = limits(&form)?;
        let accounts = of.registry.accounts();
        accounts
            .add_team(&of.name, &team, role, &limits, &of.by)
            .await?;
        Ok::<_, ApiError>(team)
    };
    match or_problem(added.await)? {
        Ok(team) => {
            let notice = format!("The team {team} is added. Add its members now.");
            of.done(&of.path(&section(team.as_str())), &notice)
        }
        Err(problem) => page(&of, PageNumber::FIRST, Some(problem), &form).await,
    }
}

pub(super) async fn set_limits(
    of: Managed,
    Path((_, team)): OfTeam,
    form: Form,
) -> Result<Response, ApiError> {
    let team = named(&team)?;
    let set = async {
        let limits = limits(&form)?;
        let accounts = of.registry.accounts();
        accounts
            .set_team_limits(&of.name, &team, &limits, &of.by)
            .await?;
        Ok(format!("The limits of {team} are saved."))
    };
    let set = set.await;
    answer(of, &team, PageNumber::FIRST, set, &form).await
}

pub(super) async fn remove(
    of: Managed,
    Path((_, team)): OfTeam,
    _: Form,
) -> Result<Response, ApiError> {
    let team = named(&team)?;
    let accounts = of.registry.accounts();
    let removed = accounts.remove_team(&of.name, &team, &of.by).await;
    match or_problem(removed)? {
        Ok(()) => of.done(&of.path("/teams"), &format!("The team {team} is deleted.")),
        Err(problem) => {
            let (first, form) = (PageNumber::FIRST, Form::default());
            one_page(&of, &team, first, Some(problem), &form).await
        }
    }
}

pub(super) async fn add_member(
    of: Managed,
    Path((_, team)): OfTeam,
    form: Form,
) -> Result<Response, ApiError> {
    let team = named(&team)?;
    let added = async {
        let user = owner_name(form.text("user"))?;
        let accounts = of.registry.accounts();
        accounts
            .add_team_member(&of.name, &team, &user, &of.by)
            .await?;
        Ok(format!("{user} is in {team}."))
    };
    let added = added.await;
    answer(of, &team, PageNumber::FIRST, added, &form).await
}

pub(super) async fn remove_member(
    of: Managed,
    Path((_, team)): OfTeam,
    number: PageNumber,
    form: Form,
) -> Result<Response, ApiError> {
    let team = named(&team)?;
    let removed = async {
        let user = owner_name(form.text("user"))?;
        let accounts = of.registry.accounts();
        accounts
            .remove_team_member(&of.name, &team, &user, &of.by)
            .await?;
        Ok(format!("{user} is no longer in {team}."))
    };
    let removed = removed.await;
    answer(of, &team, number, removed, &Form::default()).await
}

/// Answers to a form of the page of a team.
async fn answer(
    of: Managed,
    team: &TeamName,
    number: PageNumber,
    done: Result<String, ApiError>,
    form: &Form,
) -> Result<Response, ApiError> {
    match or_problem(done)? {
        Ok(notice) => {
            let path = of.path(&section(team.as_str()));
            of.done(&number.of(&path), &notice)
        }
        Err(problem) => one_page(&of, team, number, Some(problem), form).await,
    }
}

fn named(team: &str) -> Result<TeamName, ApiError> {
    Ok(TeamName::parse(team)?)
}

fn limits(form: &Form) -> Result<TeamLimits, ApiError> {
    let words: Vec<String> = form
        .text("limits")
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    list("limits", &words)
}
