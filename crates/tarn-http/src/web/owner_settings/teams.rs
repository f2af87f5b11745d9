//! `/-/owners/{owner}/teams`: what members may do, and where.

use askama::Template;
use axum::response::Response;

use super::super::{
    form::{Form, Problem},
    manage::{Managed, Shell, or_problem},
    page::Frame,
};
use crate::{
    api::administer::{list, owner_name},
    error::ApiError,
};
use tarn_base::names::TeamName;
use tarn_core::access::TeamLimits;
use tarn_store::metadata::{Member, Role, Team};

#[derive(Template)]
#[template(path = "owner/teams.html")]
struct TeamsPage<'a> {
    frame: &'a Frame,
    shell: &'a Shell,
    path: &'a str,
    teams: &'a [Team],
    members: &'a [Member],
    form: &'a Form,
}

impl TeamsPage<'_> {
    /// The names of those in a team.
    fn of_team<'a>(&'a self, team: &'a Team) -> impl Iterator<Item = &'a str> {
        let is_in = |member: &&Member| member.teams.contains(&team.name);
        self.members
            .iter()
            .filter(is_in)
            .map(|member| member.user.name.as_str())
    }
}

pub(super) async fn show(of: Managed) -> Result<Response, ApiError> {
    page(&of, None, &Form::default()).await
}

async fn page(of: &Managed, problem: Option<Problem>, form: &Form) -> Result<Response, ApiError> {
    let accounts = of.registry.administration().accounts();
    let teams = accounts.teams(&of.name).await?;
    let members = accounts.members(&of.name).await?;
    let shell = of.shell("/teams", "Teams", problem);
    let page = TeamsPage {
        frame: of.frame(),
        shell: &shell,
        path: &of.path("/teams"),
        teams: &teams,
        members: &members,
        form,
    };
    of.show(&page, &shell)
}

async fn answer(
    of: Managed,
    done: Result<String, ApiError>,
    form: &Form,
) -> Result<Response, ApiError> {
    match or_problem(done)? {
        Ok(notice) => of.done(&of.path("/teams"), &notice),
        Err(problem) => page(&of, Some(problem), form).await,
    }
}

pub(super) async fn add(of: Managed, form: Form) -> Result<Response, ApiError> {
    let added = async {
        let team = team(&form, "name")?;
        let role: Role = form
            .text("role")
            .parse()
            .map_err(|error| ApiError::invalid_field(&error))?;
        let limits = limits(&form)?;
        let accounts = of.registry.administration().accounts();
        accounts
            .add_team(&of.name, &team, role, &limits, &of.by)
            .await?;
        Ok(format!("The team {team} is added."))
    };
    let added = added.await;
    answer(of, added, &form).await
}

pub(super) async fn set_limits(of: Managed, form: Form) -> Result<Response, ApiError> {
    let set = async {
        let (team, limits) = (team(&form, "team")?, limits(&form)?);
        let accounts = of.registry.administration().accounts();
        accounts
            .set_team_limits(&of.name, &team, &limits, &of.by)
            .await?;
        Ok(format!("The limits of {team} are saved."))
    };
    let set = set.await;
    answer(of, set, &Form::default()).await
}

pub(super) async fn remove(of: Managed, form: Form) -> Result<Response, ApiError> {
    let removed = async {
        let team = team(&form, "team")?;
        let accounts = of.registry.administration().accounts();
        accounts.remove_team(&of.name, &team, &of.by).await?;
        Ok(format!("The team {team} is deleted."))
    };
    let removed = removed.await;
    answer(of, removed, &Form::default()).await
}

pub(super) async fn add_member(of: Managed, form: Form) -> Result<Response, ApiError> {
    let added = async {
        let (team, user) = (team(&form, "team")?, owner_name(form.text("user"))?);
        let accounts = of.registry.administration().accounts();
        accounts
            .add_team_member(&of.name, &team, &user, &of.by)
            .await?;
        Ok(format!("{user} is in {team}."))
    };
    let added = added.await;
    answer(of, added, &Form::default()).await
}

pub(super) async fn remove_member(of: Managed, form: Form) -> Result<Response, ApiError> {
    let removed = async {
        let (team, user) = (team(&form, "team")?, owner_name(form.text("user"))?);
        let accounts = of.registry.administration().accounts();
        accounts
            .remove_team_member(&of.name, &team, &user, &of.by)
            .await?;
        Ok(format!("{user} is no longer in {team}."))
    };
    let removed = removed.await;
    answer(of, removed, &Form::default()).await
}

fn team(form: &Form, field: &str) -> Result<TeamName, ApiError> {
    TeamName::parse(form.text(field)).map_err(|error| ApiError::invalid_field(&error))
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
