//! `tarn token`: access tokens, for machines.

use std::time::Duration;

use serde::Serialize;
use tarn_base::names::OwnerName;
use tarn_core::{
    Administration,
    access::{Accounts, OwnerPattern, TokenRequest},
};
use tarn_store::metadata::{OwnerKind, Token, Window};

use crate::{
    administration::{BY, parsed},
    failure::Failure,
    output::{self, moment},
    settings::values,
};

/// `tarn token …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Make a token and print it; it cannot be shown again
    Add {
        #[command(flatten)]
        whose: Whose,
        /// What to call it, such as the machine that uses it
        #[arg(long, value_name = "LABEL")]
        name: String,
        /// What it may be used for: read:package, write:package (which includes read and delete), delete:package (which
        /// includes read) or admin (the JSON API); with no-delete, write:package does not delete; with public-only, it
        /// works on public owners only. Separate several by commas, or repeat the flag
        #[arg(long, required = true, value_name = "SCOPE")]
        scope: Vec<String>,
        /// What it may be used on, such as acme/*/* or acme/edge/testing; repeat the flag for each [default: everything]
        #[arg(long, value_name = "OWNER/BRANCH/REPOSITORY")]
        limit: Vec<OwnerPattern>,
        /// Where it may be used from, such as 192.0.2.0/24; repeat the flag for each [default: anywhere]
        #[arg(long, value_name = "CIDR")]
        network: Vec<String>,
        /// How long it is valid, such as 90d; without it, until it is revoked
        #[arg(long, value_name = "TIME", value_parser = values::duration)]
        expires: Option<Duration>,
    },
    /// List the tokens of a user or an organisation (never their secrets)
    List {
        #[command(flatten)]
        whose: Whose,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token; it is refused from the next request on
    Revoke {
        #[command(flatten)]
        whose: Whose,
        /// What it is called
        #[arg(long, value_name = "LABEL")]
        name: String,
    },
}

/// Whose token it is.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whose {
    /// The user whose token it is
    #[arg(long)]
    user: Option<OwnerName>,
    /// The organisation whose token it is; it belongs to no user and stays when members leave
    #[arg(long)]
    org: Option<OwnerName>,
}

/// One token, in the JSON of `token list`. Dates are RFC 3339, UTC.
#[derive(Serialize)]
struct Shown {
    name: String,
    scopes: String,
    limits: Vec<String>,
    networks: Vec<String>,
    created_at: String,
    expires_at: Option<String>,
    last_used_at: Option<String>,
}

impl Whose {
    /// A user's or an organisation's, and the name. The parser has made sure that there is one of them.
    fn owner(self) -> Result<(OwnerKind, OwnerName), Failure> {
        match (self.user, self.org) {
            (Some(user), _) => Ok((OwnerKind::User, user)),
            (None, Some(organisation)) => Ok((OwnerKind::Organisation, organisation)),
            (None, None) => Err(Failure::usage("no user or organisation was named")
                .hint("give `--user NAME` or `--org NAME`")),
        }
    }
}

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    let accounts = registry.accounts();
    match action {
        Action::Add {
            whose,
            name,
            scope,
            limit,
            network,
            expires,
        } => {
            let (kind, owner) = whose.owner()?;
            let limits: Vec<String> = limit.iter().map(ToString::to_string).collect();
            let request = TokenRequest {
                label: &name,
                scopes: parsed(&scope.join(","))?,
                limits: parsed(&limits.join(" "))?,
                networks: parsed(&network.join(" "))?,
                lifetime: expires,
            };
            let (_, token) = accounts
                .add_token(kind, &owner, &request, None, &BY)
                .await?;
            output::print_line(token.expose())
        }
        Action::List { whose, json } => list(accounts, whose.owner()?, json).await,
        Action::Revoke { whose, name } => {
            let (kind, owner) = whose.owner()?;
            if !accounts.remove_token(kind, &owner, &name, &BY).await? {
                let flag = match kind {
                    OwnerKind::User => "--user",
                    OwnerKind::Organisation => "--org",
                };
                return Err(
                    Failure::new(format!("{owner} has no token called `{name}`")).hint(format!(
                        "`tarn token list {flag} {owner}` shows those there are"
                    )),
                );
            }
            output::note(&format!("revoked the token `{name}` of {owner}"));
            Ok(())
        }
    }
}

async fn list(
    accounts: &Accounts,
    (kind, owner): (OwnerKind, OwnerName),
    json: bool,
) -> Result<(), Failure> {
    let words = |list: &str| list.split_whitespace().map(str::to_owned).collect();
    let shown: Vec<Shown> = accounts
        .tokens(kind, &owner, Window::ALL)
        .await?
        .entries
        .into_iter()
        .map(|token| {
            // Without `..`, so that a new field must be handled here.
            let Token {
                id: _,
                owner: _,
                label,
                scopes,
                limits,
                networks,
                created_at,
                expires_at,
                last_used_at,
            } = token;
            Shown {
                name: label,
                scopes,
                limits: words(&limits),
                networks: words(&networks),
                created_at: moment(created_at),
                expires_at: expires_at.map(moment),
                last_used_at: last_used_at.map(moment),
            }
        })
        .collect();
    let never = || "never".to_owned();
    let or = |list: Vec<String>, without: &str| match list.as_slice() {
        [] => without.to_owned(),
        list => list.join(" "),
    };
    output::print_list(
        json,
        "token",
        [
            "NAME",
            "SCOPES",
            "ON",
            "FROM",
            "CREATED",
            "EXPIRES",
            "LAST USED",
        ],
        shown,
        |token| {
            [
                token.name,
                token.scopes,
                or(token.limits, "everything"),
                or(token.networks, "anywhere"),
                token.created_at,
                token.expires_at.unwrap_or_else(never),
                token.last_used_at.unwrap_or_else(never),
            ]
        },
    )
}
