//! `tarn user`: the people who sign in.

use registry::{
    access::{FactorState, Proof},
    metadata::{Actor, Visibility},
    names::OwnerName,
};
use serde::Serialize;

use crate::{failure::Failure, open, output, secret, settings::RegistryFlags};

/// `tarn user …`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Add a user
    Add {
        /// The name, as in the URL of their packages
        #[arg(value_parser = OwnerName::parse_new)]
        name: OwnerName,
        /// Read the password from standard input: one line, whose end is cut off
        #[arg(long)]
        password_stdin: bool,
        /// Give no password: the user signs in by tokens alone
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
        /// Make the user an administrator of the whole registry
        #[arg(long)]
        admin: bool,
        /// Who may read their packages: public, limited (whoever signs in) or private
        #[arg(long, value_name = "WHO", default_value = "public")]
        visibility: Visibility,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// List the users
    List {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// Change a user's password; the old one is refused from the next request on
    Passwd {
        /// Whose
        #[arg(value_parser = OwnerName::parse)]
        name: OwnerName,
        /// Read the password from standard input: one line, whose end is cut off
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// Show whether a user has a second factor (a code beside the password), or take it away
    Factor {
        /// Whose
        #[arg(value_parser = OwnerName::parse)]
        name: OwnerName,
        /// Turn it off, for a user who lost the code generator and the recovery codes
        #[arg(long, conflicts_with = "json")]
        disable: bool,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// Shut a user out, password and tokens, from the next request on; their packages stay
    Disable {
        /// Whom
        #[arg(value_parser = OwnerName::parse)]
        name: OwnerName,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// Let a disabled user in again
    Enable {
        /// Whom
        #[arg(value_parser = OwnerName::parse)]
        name: OwnerName,
        #[command(flatten)]
        flags: RegistryFlags,
    },
}

/// One user, in the JSON of `user list`.
#[derive(Serialize)]
struct Shown {
    name: String,
    visibility: &'static str,
    admin: bool,
    disabled: bool,
    has_password: bool,
}

/// How an account stands, in the JSON of `user factor`.
#[derive(Serialize)]
struct ShownFactor {
    name: String,
    second_factor: &'static str,
    since: Option<String>,
    recovery_codes_left: u64,
}

/// Does what the arguments say.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Add {
            name,
            password_stdin,
            no_password,
            admin,
            visibility,
            flags,
        } => {
            let password = if no_password {
                None
            } else {
                let command = format!("tarn user add {name}");
                Some(secret::password(password_stdin, &command)?)
            };
            let registry = open::for_administration(&flags).await?;
            let user = registry
                .accounts()
                .add_user(
                    &name,
                    password.as_ref(),
                    admin,
                    visibility,
                    &Actor::COMMAND_LINE,
                )
                .await
                .map_err(|error| Failure::told_by(&error))?;
            output::note(&format!("added the {visibility} user {}", user.name));
            Ok(())
        }
        Action::List { json, flags } => list(json, &flags).await,
        Action::Passwd {
            name,
            password_stdin,
            flags,
        } => {
            let password = secret::password(password_stdin, &format!("tarn user passwd {name}"))?;
            let registry = open::for_administration(&flags).await?;
            registry
                .accounts()
                .change_password(&name, &password, &Actor::COMMAND_LINE)
                .await
                .map_err(|error| Failure::told_by(&error))?;
            output::note(&format!("changed the password of {name}"));
            Ok(())
        }
        Action::Factor {
            name,
            disable: false,
            json,
            flags,
        } => show_factor(&name, json, &flags).await,
        Action::Factor { name, flags, .. } => disable_factor(&name, &flags).await,
        Action::Disable { name, flags } => set_disabled(&name, true, &flags).await,
        Action::Enable { name, flags } => set_disabled(&name, false, &flags).await,
    }
}

async fn list(json: bool, flags: &RegistryFlags) -> Result<(), Failure> {
    let registry = open::for_administration(flags).await?;
    let users = registry
        .accounts()
        .users()
        .await
        .map_err(|error| Failure::told_by(&error))?;
    let users: Vec<Shown> = users
        .into_iter()
        .map(|user| Shown {
            visibility: user.visibility.as_str(),
            admin: user.admin,
            disabled: user.disabled,
            has_password: user.password_hash.is_some(),
            name: user.name,
        })
        .collect();
    if json {
        return output::print_json(&users);
    }
    let rows: Vec<_> = users
        .into_iter()
        .map(|user| {
            let state = if user.disabled { "disabled" } else { "active" };
            let role = if user.admin { "admin" } else { "user" };
            [
                user.name,
                role.to_owned(),
                user.visibility.to_owned(),
                state.to_owned(),
            ]
        })
        .collect();
    output::print_table("user", ["NAME", "ROLE", "VISIBILITY", "STATE"], &rows)
}

async fn show_factor(name: &OwnerName, json: bool, flags: &RegistryFlags) -> Result<(), Failure> {
    let registry = open::for_administration(flags).await?;
    let state = registry
        .second_factors()
        .state(name)
        .await
        .map_err(|error| Failure::told_by(&error))?;
    let (second_factor, since, recovery_codes_left) = match state {
        FactorState::Off => ("off", None, 0),
        FactorState::Begun => ("begun", None, 0),
        FactorState::On {
            since,
            recovery_codes_left,
        } => ("on", Some(output::moment(since)), recovery_codes_left),
    };
    let shown = ShownFactor {
        name: name.to_string(),
        second_factor,
        since,
        recovery_codes_left,
    };
    if json {
        return output::print_json(&shown);
    }
    let row = [
        shown.name,
        shown.second_factor.to_owned(),
        shown.since.unwrap_or_else(|| "-".to_owned()),
        shown.recovery_codes_left.to_string(),
    ];
    output::print_table(
        "second factor",
        ["NAME", "SECOND FACTOR", "SINCE", "RECOVERY CODES LEFT"],
        &[row],
    )
}

/// Whoever may run this answers for the whole server, so no code is asked for.
async fn disable_factor(name: &OwnerName, flags: &RegistryFlags) -> Result<(), Failure> {
    let registry = open::for_administration(flags).await?;
    registry
        .second_factors()
        .disable(name, Proof::Administrator, &Actor::COMMAND_LINE)
        .await
        .map_err(|error| Failure::told_by(&error))?;
    output::note(&format!(
        "turned off the second factor of {name}; the password alone is taken from the next request on"
    ));
    Ok(())
}

async fn set_disabled(
    name: &OwnerName,
    disabled: bool,
    flags: &RegistryFlags,
) -> Result<(), Failure> {
    let registry = open::for_administration(flags).await?;
    registry
        .accounts()
        .set_disabled(name, disabled, &Actor::COMMAND_LINE)
        .await
        .map_err(|error| Failure::told_by(&error))?;
    let done = if disabled { "disabled" } else { "enabled" };
    output::note(&format!("{done} {name}"));
    Ok(())
}
