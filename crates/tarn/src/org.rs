//! `tarn org`: organisations and their members.

use registry::{
    metadata::{Actor, Role, Visibility},
    names::OwnerName,
};
use serde::Serialize;

use crate::{failure::Failure, open, output, settings::RegistryFlags};

/// `tarn org …`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Add an organisation
    Add {
        /// The name, as in the URL of its packages
        #[arg(value_parser = OwnerName::parse_new)]
        name: OwnerName,
        /// The user who becomes its first admin
        #[arg(long, value_name = "USER", value_parser = OwnerName::parse)]
        owner: OwnerName,
        /// Who may read its packages: public, limited (whoever signs in) or private
        #[arg(long, value_name = "WHO", default_value = "public")]
        visibility: Visibility,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// List the organisations
    List {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// Make a user a member, change what a member may do, or take a member out
    #[command(group(clap::ArgGroup::new("what").required(true).args(["role", "remove"])))]
    Member {
        /// The organisation
        #[arg(value_name = "ORG", value_parser = OwnerName::parse)]
        organisation: OwnerName,
        /// The user
        #[arg(value_parser = OwnerName::parse)]
        user: OwnerName,
        /// What the member may do: read, write or admin
        #[arg(long)]
        role: Option<Role>,
        /// Take the member out
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// List the members of an organisation
    Members {
        /// The organisation
        #[arg(value_name = "ORG", value_parser = OwnerName::parse)]
        organisation: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: RegistryFlags,
    },
}

/// One organisation, in the JSON of `org list`.
#[derive(Serialize)]
struct ShownOrganisation {
    name: String,
    visibility: &'static str,
}

/// One member, in the JSON of `org members`.
#[derive(Serialize)]
struct ShownMember {
    user: String,
    role: &'static str,
    disabled: bool,
}

/// Does what the arguments say.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Add {
            name,
            owner,
            visibility,
            flags,
        } => {
            let registry = open::for_administration(&flags).await?;
            let organisation = registry
                .accounts()
                .add_organisation(&name, visibility, &owner, &Actor::COMMAND_LINE)
                .await
                .map_err(|error| Failure::told_by(&error))?;
            output::note(&format!(
                "added the {visibility} organisation {}, with {owner} as its admin",
                organisation.name
            ));
            Ok(())
        }
        Action::List { json, flags } => list(json, &flags).await,
        Action::Member {
            organisation,
            user,
            role,
            remove: _,
            flags,
        } => set_member(&organisation, &user, role, &flags).await,
        Action::Members {
            organisation,
            json,
            flags,
        } => members(&organisation, json, &flags).await,
    }
}

async fn list(json: bool, flags: &RegistryFlags) -> Result<(), Failure> {
    let registry = open::for_administration(flags).await?;
    let organisations = registry
        .accounts()
        .organisations()
        .await
        .map_err(|error| Failure::told_by(&error))?;
    let shown: Vec<ShownOrganisation> = organisations
        .into_iter()
        .map(|organisation| ShownOrganisation {
            visibility: organisation.visibility.as_str(),
            name: organisation.name,
        })
        .collect();
    if json {
        return output::print_json(&shown);
    }
    let rows: Vec<_> = shown
        .into_iter()
        .map(|organisation| [organisation.name, organisation.visibility.to_owned()])
        .collect();
    output::print_table("organisation", ["NAME", "VISIBILITY"], &rows)
}

async fn set_member(
    organisation: &OwnerName,
    user: &OwnerName,
    role: Option<Role>,
    flags: &RegistryFlags,
) -> Result<(), Failure> {
    let registry = open::for_administration(flags).await?;
    registry
        .accounts()
        .set_member(organisation, user, role, &Actor::COMMAND_LINE)
        .await
        .map_err(|error| Failure::told_by(&error))?;
    output::note(&match role {
        Some(role) => format!("{user} is a member of {organisation} now, with the role {role}"),
        None => format!("{user} is no member of {organisation} now"),
    });
    Ok(())
}

async fn members(
    organisation: &OwnerName,
    json: bool,
    flags: &RegistryFlags,
) -> Result<(), Failure> {
    let registry = open::for_administration(flags).await?;
    let members = registry
        .accounts()
        .members(organisation)
        .await
        .map_err(|error| Failure::told_by(&error))?;
    let shown: Vec<ShownMember> = members
        .into_iter()
        .map(|member| ShownMember {
            user: member.user.name,
            role: member.role.as_str(),
            disabled: member.user.disabled,
        })
        .collect();
    if json {
        return output::print_json(&shown);
    }
    let rows: Vec<_> = shown
        .into_iter()
        .map(|member| {
            let state = if member.disabled {
                "disabled"
            } else {
                "active"
            };
            [member.user, member.role.to_owned(), state.to_owned()]
        })
        .collect();
    output::print_table("member", ["USER", "ROLE", "STATE"], &rows)
}
