//! `tarn org team`: what members of an organisation may do, and where.

use std::fmt;

use serde::Serialize;
use tarn_base::names::{OwnerName, TeamName};
use tarn_core::access::{Accounts, PlacePattern, TeamLimits};
use tarn_store::metadata::{Role, Team, Window};

use crate::{
    administration::{BY, parsed, when},
    failure::Failure,
    output,
    user::state,
};

/// `tarn org team …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Add a team
    Add {
        /// The organisation
        #[arg(value_name = "ORG")]
        organisation: OwnerName,
        /// The name of the team
        team: TeamName,
        /// What its members may do besides reading: read, write or admin
        #[arg(long)]
        role: Role,
        /// Where a team with the role write writes, such as edge/testing or v3.*/main; repeat the flag for each [default:
        /// everywhere]
        #[arg(long, value_name = "BRANCH/REPOSITORY")]
        limit: Vec<PlacePattern>,
    },
    /// List the teams of an organisation
    List {
        /// The organisation
        #[arg(value_name = "ORG")]
        organisation: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Change where a team writes
    #[command(group(clap::ArgGroup::new("what").required(true).args(["to", "everywhere"])))]
    Change {
        /// The organisation
        #[arg(value_name = "ORG")]
        organisation: OwnerName,
        /// The team
        team: TeamName,
        /// There and nowhere else, such as edge/testing or v3.*/main; repeat the flag for each
        #[arg(long, value_name = "BRANCH/REPOSITORY")]
        to: Vec<PlacePattern>,
        /// Without limits
        #[arg(long)]
        everywhere: bool,
    },
    /// Add a user to a team, or remove one
    Member {
        /// The organisation
        #[arg(value_name = "ORG")]
        organisation: OwnerName,
        /// The team
        team: TeamName,
        /// The user
        user: OwnerName,
        /// Remove the user
        #[arg(long)]
        remove: bool,
    },
    /// List the members of a team
    Members {
        /// The organisation
        #[arg(value_name = "ORG")]
        organisation: OwnerName,
        /// The team
        team: TeamName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Delete a team; its members lose what it granted
    Delete {
        /// The organisation
        #[arg(value_name = "ORG")]
        organisation: OwnerName,
        /// The team
        team: TeamName,
    },
}

/// One team, in JSON.
#[derive(Serialize)]
pub(super) struct Shown {
    name: String,
    role: &'static str,
    limits: Vec<String>,
    built_in: bool,
}

impl From<Team> for Shown {
    fn from(team: Team) -> Self {
        Self {
            role: team.role.as_str(),
            limits: team.limits.split_whitespace().map(str::to_owned).collect(),
            built_in: team.built_in,
            name: team.name,
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.role)?;
        if !self.limits.is_empty() {
            write!(f, " on {}", self.limits.join(" "))?;
        }
        f.write_str(")")
    }
}

/// One member of a team, in JSON.
#[derive(Serialize)]
struct ShownMember {
    user: String,
    disabled: bool,
}

/// Does what the arguments say.
pub(super) async fn run(action: Action, accounts: &Accounts) -> Result<(), Failure> {
    let said = match action {
        Action::Add {
            organisation,
            team,
            role,
            limit,
        } => {
            let limits = together(&limit)?;
            accounts
                .add_team(&organisation, &team, role, &limits, &BY)
                .await?;
            format!("added the team {team} to {organisation}, with the role {role}")
        }
        Action::List { organisation, json } => return list(accounts, &organisation, json).await,
        Action::Change {
            organisation,
            team,
            to,
            everywhere: _,
        } => {
            let limits = together(&to)?;
            let changed = accounts.set_team_limits(&organisation, &team, &limits, &BY);
            let when = when(changed.await?);
            let place = match limits.is_unlimited() {
                true => "everywhere".to_owned(),
                false => format!("on {limits} only"),
            };
            format!("the team {team} of {organisation} writes {place} {when}")
        }
        Action::Member {
            organisation,
            team,
            user,
            remove: true,
        } => {
            accounts
                .remove_team_member(&organisation, &team, &user, &BY)
                .await?;
            format!("{user} is not in the team {team} of {organisation} now")
        }
        Action::Member {
            organisation,
            team,
            user,
            remove: false,
        } => {
            accounts
                .add_team_member(&organisation, &team, &user, &BY)
                .await?;
            format!("{user} is in the team {team} of {organisation} now")
        }
        Action::Members {
            organisation,
            team,
            json,
        } => return members(accounts, &organisation, &team, json).await,
        Action::Delete { organisation, team } => {
            accounts.remove_team(&organisation, &team, &BY).await?;
            format!("deleted the team {team} of {organisation}")
        }
    };
    output::note(&said);
    Ok(())
}

/// Patterns that were given one by one.
fn together(patterns: &[PlacePattern]) -> Result<TeamLimits, Failure> {
    let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
    parsed(&patterns.join(" "))
}

async fn list(accounts: &Accounts, organisation: &OwnerName, json: bool) -> Result<(), Failure> {
    let teams = accounts.teams(organisation, Window::ALL).await?.entries;
    let teams = teams.into_iter();
    let shown: Vec<Shown> = teams.map(|(team, _)| Shown::from(team)).collect();
    output::print_list(json, "team", ["NAME", "ROLE", "WRITES"], shown, |team| {
        let limits = match (team.role, team.limits.is_empty()) {
            ("read", _) => "nowhere".to_owned(),
            (_, true) => "everywhere".to_owned(),
            (_, false) => team.limits.join(" "),
        };
        [team.name, team.role.to_owned(), limits]
    })
}

async fn members(
    accounts: &Accounts,
    organisation: &OwnerName,
    team: &TeamName,
    json: bool,
) -> Result<(), Failure> {
    let shown: Vec<ShownMember> = accounts
        .team_members(organisation, team, Window::ALL)
        .await?
        .entries
        .into_iter()
        .map(|user| ShownMember {
            user: user.name,
            disabled: user.disabled,
        })
        .collect();
    output::print_list(json, "member", ["USER", "STATE"], shown, |member| {
        [member.user, state(member.disabled)]
    })
}
