//! `tarn token`: access tokens, for machines.

use std::time::Duration;

use registry::{
    access::{Scopes, TokenRequest},
    metadata::Actor,
    names::OwnerName,
};
use serde::Serialize;

use crate::{
    failure::Failure,
    open,
    output::{self, moment},
    settings::{RegistryFlags, values},
};

/// `tarn token …`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token and print it; it cannot be shown again
    Add {
        /// Whose token
        #[arg(long, value_parser = OwnerName::parse)]
        user: OwnerName,
        /// What to call it, such as the machine that uses it
        #[arg(long, value_name = "LABEL")]
        name: String,
        /// What it may be used for: read:package or write:package (which includes read); with public-only, on public
        /// owners alone. Several are separated by commas, or the flag is given again
        #[arg(long, required = true, value_name = "SCOPE")]
        scope: Vec<String>,
        /// How long it is valid, such as 90d; without it, until it is removed
        #[arg(long, value_name = "TIME", value_parser = lifetime)]
        expires: Option<Duration>,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// List a user's tokens, without what they are
    List {
        /// Whose tokens
        #[arg(long, value_parser = OwnerName::parse)]
        user: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        flags: RegistryFlags,
    },
    /// Remove a token; it is refused from the next request on
    Remove {
        /// Whose token
        #[arg(long, value_parser = OwnerName::parse)]
        user: OwnerName,
        /// What it is called
        #[arg(long, value_name = "LABEL")]
        name: String,
        #[command(flatten)]
        flags: RegistryFlags,
    },
}

/// One token, in the JSON of `token list`. Dates are RFC 3339, UTC.
#[derive(Serialize)]
struct Shown {
    name: String,
    scopes: String,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

fn lifetime(text: &str) -> Result<Duration, String> {
    values::duration(text).map_err(|refused| format!("{}; {}", refused.problem, refused.hint))
}

/// Does what the arguments say.
pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.action {
        Action::Add {
            user,
            name,
            scope,
            expires,
            flags,
        } => {
            let scopes: Scopes = scope
                .join(",")
                .parse()
                .map_err(|error| Failure::told_by(&error).into_usage())?;
            let request = TokenRequest {
                lifetime: expires,
                ..TokenRequest::new(&name, scopes)
            };
            let registry = open::for_administration(&flags).await?;
            let (_, token) = registry
                .accounts()
                .add_token(&user, &request, None, &Actor::COMMAND_LINE)
                .await
                .map_err(|error| Failure::told_by(&error))?;
            output::print(&format!("{}\n", token.expose()))
        }
        Action::List { user, json, flags } => list(&user, json, &flags).await,
        Action::Remove { user, name, flags } => {
            let registry = open::for_administration(&flags).await?;
            let removed = registry
                .accounts()
                .remove_token(&user, &name, &Actor::COMMAND_LINE)
                .await
                .map_err(|error| Failure::told_by(&error))?;
            if !removed {
                return Err(
                    Failure::new(format!("{user} has no token called `{name}`")).hint(format!(
                        "`tarn token list --user {user}` shows those there are"
                    )),
                );
            }
            output::note(&format!("removed the token `{name}` of {user}"));
            Ok(())
        }
    }
}

async fn list(user: &OwnerName, json: bool, flags: &RegistryFlags) -> Result<(), Failure> {
    let registry = open::for_administration(flags).await?;
    let tokens = registry
        .accounts()
        .tokens(user)
        .await
        .map_err(|error| Failure::told_by(&error))?;
    let shown: Vec<Shown> = tokens
        .into_iter()
        .map(|token| Shown {
            name: token.label,
            scopes: token.scopes,
            created_at: moment(token.created_at),
            expires_at: token.expires_at.map(moment),
            last_used_at: token.last_used_at.map(moment),
        })
        .collect();
    if json {
        return output::print_json(&shown);
    }
    let never = || "never".to_owned();
    let rows: Vec<_> = shown
        .into_iter()
        .map(|token| {
            [
                token.name,
                token.scopes,
                token.created_at,
                token.expires_at.unwrap_or_else(never),
                token.last_used_at.unwrap_or_else(never),
            ]
        })
        .collect();
    output::print_table(
        "token",
        ["NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"],
        &rows,
    )
}
