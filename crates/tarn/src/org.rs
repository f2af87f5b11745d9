//! `tarn org`: organisations and their members.

mod team;

use serde::Serialize;
use tarn_base::names::OwnerName;
use tarn_core::{Administration, access::Accounts};
use tarn_store::metadata::{Member, OwnerKind, Role, Visibility, Window};

use crate::{
    administration::BY,
    failure::Failure,
    output,
    user::{self, ShownFormerName},
};

/// `tarn org …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Add an organisation
    Add {
        /// The name, as in the URL of its packages
        #[arg(value_parser = OwnerName::parse_new)]
        name: OwnerName,
        /// The user who becomes its first admin
        #[arg(long, value_name = "USER")]
        owner: OwnerName,
        /// Who may read its packages: public, limited (signed-in users) or private
        #[arg(long, value_name = "WHO", default_value = "public")]
        visibility: Visibility,
    },
    /// List the organisations
    List {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Show one organisation: names, teams, members, tokens
    Show {
        /// The organisation
        #[arg(value_name = "ORG")]
        name: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Put a user into the built-in team of a role and out of the other two, or out of all teams
    #[command(group(clap::ArgGroup::new("what").required(true).args(["role", "remove"])))]
    Member {
        /// The organisation
        #[arg(value_name = "ORG")]
        organisation: OwnerName,
        /// The user
        user: OwnerName,
        /// What the member may do: read, write or admin
        #[arg(long)]
        role: Option<Role>,
        /// Remove the member
        #[arg(long)]
        remove: bool,
    },
    /// List the members of an organisation, with their teams
    Members {
        /// The organisation
        #[arg(value_name = "ORG")]
        organisation: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Rename an organisation; the old name redirects to the new one
    Rename {
        /// The organisation
        #[arg(value_name = "ORG")]
        name: OwnerName,
        /// The new name
        new: OwnerName,
    },
    /// Delete an organisation, with its teams, tokens and keys
    Delete {
        /// The organisation
        #[arg(value_name = "ORG")]
        name: OwnerName,
        /// Delete its packages too, for good
        #[arg(long)]
        with_packages: bool,
    },
    /// Change who may read an organisation's packages
    Visibility {
        /// The organisation
        #[arg(value_name = "ORG")]
        name: OwnerName,
        /// public, limited (signed-in users) or private
        #[arg(value_name = "WHO")]
        visibility: Visibility,
    },
    /// Change which versions an organisation's packages may have
    Versions {
        /// The organisation
        #[arg(value_name = "ORG")]
        name: OwnerName,
        /// strict, lenient (also versions that apk cannot order) or default (the server's setting)
        rule: user::OwnVersions,
    },
    /// Add, list and change the teams of an organisation
    #[command(subcommand)]
    Team(team::Action),
}

/// One organisation, in the JSON of `org list`.
#[derive(Serialize)]
struct ShownOrganisation {
    name: String,
    visibility: &'static str,
}

/// One organisation with all that belongs to it, in the JSON of `org show`.
#[derive(Serialize)]
struct ShownWhole {
    name: String,
    visibility: &'static str,
    /// Which versions its packages may have; null: the server's setting.
    versions: Option<&'static str>,
    former_names: Vec<ShownFormerName>,
    teams: Vec<team::Shown>,
    members: Vec<ShownMember>,
    tokens: Vec<String>,
}

/// One member, in the JSON of `org members`.
#[derive(Serialize)]
struct ShownMember {
    user: String,
    role: &'static str,
    teams: Vec<String>,
    disabled: bool,
}

impl From<Member> for ShownMember {
    fn from(member: Member) -> Self {
        Self {
            user: member.user.name,
            role: member.role.as_str(),
            teams: member.teams,
            disabled: member.user.disabled,
        }
    }
}

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    const KIND: OwnerKind = OwnerKind::Organisation;
    let accounts = registry.accounts();
    let said = match action {
        Action::Add {
            name,
            owner,
            visibility,
        } => {
            let added = accounts.add_organisation(&name, visibility, &owner, &BY);
            let name = added.await?.name;
            format!("added the {visibility} organisation {name}, with {owner} as its admin")
        }
        Action::List { json } => return list(accounts, json).await,
        Action::Show { name, json } => return show(accounts, &name, json).await,
        Action::Member {
            organisation,
            user,
            role,
            remove: _,
        } => {
            accounts.set_member(&organisation, &user, role, &BY).await?;
            match role {
                Some(role) => {
                    format!("{user} is a member of {organisation} now, with the role {role}")
                }
                None => format!("{user} is no longer a member of {organisation}"),
            }
        }
        Action::Members { organisation, json } => {
            return members(accounts, &organisation, json).await;
        }
        Action::Rename { name, new } => user::rename(accounts, KIND, &name, &new).await?,
        Action::Delete {
            name,
            with_packages,
        } => user::remove(accounts, KIND, &name, with_packages).await?,
        Action::Visibility { name, visibility } => {
            user::set_visibility(accounts, KIND, &name, visibility).await?
        }
        Action::Versions { name, rule } => user::set_versions(accounts, KIND, &name, rule).await?,
        Action::Team(action) => return team::run(action, accounts).await,
    };
    output::note(&said);
    Ok(())
}

async fn list(accounts: &Accounts, json: bool) -> Result<(), Failure> {
    let shown: Vec<ShownOrganisation> = accounts
        .organisations()
        .await?
        .into_iter()
        .map(|organisation| ShownOrganisation {
            visibility: organisation.visibility.as_str(),
            name: organisation.name,
        })
        .collect();
    output::print_list(
        json,
        "organisation",
        ["NAME", "VISIBILITY"],
        shown,
        |organisation| [organisation.name, organisation.visibility.to_owned()],
    )
}

async fn show(accounts: &Accounts, name: &OwnerName, json: bool) -> Result<(), Failure> {
    let organisation = accounts.find_organisation(name).await?;
    let members = accounts.members(name, Window::ALL).await?.entries;
    let teams = accounts.teams(name, Window::ALL).await?.entries;
    let tokens = accounts
        .tokens(OwnerKind::Organisation, name, Window::ALL)
        .await?
        .entries;
    let shown = ShownWhole {
        former_names: user::former_names(accounts, name).await?,
        visibility: organisation.visibility.as_str(),
        versions: user::versions(accounts, name).await?,
        name: organisation.name,
        teams: teams
            .into_iter()
            .map(|(team, _)| team::Shown::from(team))
            .collect(),
        members: members.into_iter().map(ShownMember::from).collect(),
        tokens: tokens.into_iter().map(|token| token.label).collect(),
    };
    if json {
        return output::print_json(&shown);
    }
    let teams: Vec<String> = shown.teams.iter().map(ToString::to_string).collect();
    let members: Vec<String> = shown
        .members
        .iter()
        .map(|member| format!("{} ({})", member.user, member.role))
        .collect();
    output::print_facts(&[
        ("name", shown.name),
        ("visibility", shown.visibility.to_owned()),
        (
            "versions",
            shown.versions.unwrap_or(user::SERVERS).to_owned(),
        ),
        ("former names", user::names(&shown.former_names)),
        ("teams", teams.join(", ")),
        ("members", members.join(", ")),
        ("tokens", shown.tokens.join(", ")),
    ])
}

async fn members(accounts: &Accounts, organisation: &OwnerName, json: bool) -> Result<(), Failure> {
    let members = accounts.members(organisation, Window::ALL).await?.entries;
    let shown: Vec<ShownMember> = members.into_iter().map(ShownMember::from).collect();
    output::print_list(
        json,
        "member",
        ["USER", "ROLE", "TEAMS", "STATE"],
        shown,
        |member| {
            let teams = member.teams.join(", ");
            let state = user::state(member.disabled);
            [member.user, member.role.to_owned(), teams, state]
        },
    )
}
