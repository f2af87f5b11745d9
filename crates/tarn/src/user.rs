//! `tarn user`: the people who sign in.

mod factor;

use serde::Serialize;
use tarn_base::names::OwnerName;
use tarn_core::{Administration, access::Accounts};
use tarn_store::metadata::{OwnerKind, User, VersionRule, Visibility, Window};

use crate::{
    administration::{BY, when},
    failure::Failure,
    output::{self, moment},
    secret,
};

/// `tarn user …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// Add a user
    Add {
        /// The name, as in the URL of their packages
        #[arg(value_parser = OwnerName::parse_new)]
        name: OwnerName,
        /// Read the password from standard input: one line; the newline is stripped [default: ask for it at the terminal]
        #[arg(long)]
        password_stdin: bool,
        /// Set no password: the user signs in with tokens only
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
        /// Make the user an administrator of the whole registry
        #[arg(long)]
        admin: bool,
        /// Who may read their packages: public, limited (signed-in users) or private
        #[arg(long, value_name = "WHO", default_value = "public")]
        visibility: Visibility,
    },
    /// List the users
    List {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Show one user: names, teams, tokens
    Show {
        /// The user
        name: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Rename a user; the old name redirects to the new one
    Rename {
        /// The user
        name: OwnerName,
        /// The new name
        new: OwnerName,
    },
    /// Release a former name of a user or an organisation: it stops redirecting and can be registered again
    Release {
        /// The former name
        name: OwnerName,
    },
    /// Delete a user, with their tokens, memberships and keys
    Delete {
        /// The user
        name: OwnerName,
        /// Delete their packages too, for good
        #[arg(long)]
        with_packages: bool,
    },
    /// Change a user's password; the old one is refused from the next request on
    #[command(alias = "passwd")]
    Password {
        /// The user
        name: OwnerName,
        /// Read the password from standard input: one line; the newline is stripped [default: ask for it at the terminal]
        #[arg(long)]
        password_stdin: bool,
    },
    /// Show whether a user has a second factor (a code beside the password), or take it away
    Factor {
        /// The user
        name: OwnerName,
        /// Turn it off, for a user who lost the code generator and the recovery codes
        #[arg(long, conflicts_with = "json")]
        disable: bool,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Refuse a user's password and tokens from the next request on; their packages stay
    Disable {
        /// The user
        name: OwnerName,
    },
    /// Enable a disabled user again
    Enable {
        /// The user
        name: OwnerName,
    },
    /// Change who may read a user's packages
    Visibility {
        /// The user
        name: OwnerName,
        /// public, limited (signed-in users) or private
        #[arg(value_name = "WHO")]
        visibility: Visibility,
    },
    /// Change which versions a user's packages may have
    Versions {
        /// The user
        name: OwnerName,
        /// strict, lenient (also versions that apk cannot order) or default (the server's setting)
        rule: OwnVersions,
    },
    /// Make a user an administrator of the whole registry, or no longer one
    Admin {
        /// The user
        name: OwnerName,
        /// Remove the administrator's rights instead
        #[arg(long)]
        remove: bool,
    },
}

/// How the rule of an owner without one of its own is shown.
pub(crate) const SERVERS: &str = "the server's setting";

/// A rule about versions for one owner, or the server's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnVersions(Option<VersionRule>);

impl std::str::FromStr for OwnVersions {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "default" => Ok(Self(None)),
            _ => word
                .parse()
                .map(|rule| Self(Some(rule)))
                .map_err(|_| "write strict, lenient or default".to_owned()),
        }
    }
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

/// One user with all that belongs to them, in the JSON of `user show`.
#[derive(Serialize)]
struct ShownWhole {
    #[serde(flatten)]
    user: Shown,
    /// Which versions their packages may have; null: the server's setting.
    versions: Option<&'static str>,
    former_names: Vec<ShownFormerName>,
    teams: Vec<ShownTeam>,
    tokens: Vec<String>,
}

/// A name that an owner had, in JSON. The date is RFC 3339, UTC.
#[derive(Serialize)]
pub(crate) struct ShownFormerName {
    name: String,
    since: String,
}

#[derive(Serialize)]
struct ShownTeam {
    organisation: String,
    team: String,
    role: &'static str,
}

impl From<User> for Shown {
    fn from(user: User) -> Self {
        Self {
            visibility: user.visibility.as_str(),
            admin: user.admin,
            disabled: user.disabled,
            has_password: user.password_hash.is_some(),
            name: user.name,
        }
    }
}

impl Shown {
    fn role(&self) -> &'static str {
        if self.admin { "admin" } else { "user" }
    }

    fn state(&self) -> String {
        state(self.disabled)
    }
}

/// How the state of an account is shown.
pub(crate) fn state(disabled: bool) -> String {
    if disabled { "disabled" } else { "active" }.to_owned()
}

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    const KIND: OwnerKind = OwnerKind::User;
    let accounts = registry.accounts();
    let said = match action {
        Action::Add {
            name,
            password_stdin,
            no_password,
            admin,
            visibility,
        } => {
            let command = format!("tarn user add {name}");
            let password = match no_password {
                true => None,
                false => Some(secret::password(password_stdin, &command)?),
            };
            let user = accounts
                .add_user(&name, password.as_ref(), admin, visibility, &BY)
                .await?;
            format!("added the {visibility} user {}", user.name)
        }
        Action::List { json } => return list(accounts, json).await,
        Action::Show { name, json } => return show(accounts, &name, json).await,
        Action::Rename { name, new } => rename(accounts, KIND, &name, &new).await?,
        Action::Release { name } => {
            if !accounts.release_name(&name, &BY).await? {
                return Err(Failure::new(format!("{name} is not a former name"))
                    .hint("`tarn user show` and `tarn org show` list the former names"));
            }
            format!("released {name}: it no longer redirects and can be registered again")
        }
        Action::Delete {
            name,
            with_packages,
        } => remove(accounts, KIND, &name, with_packages).await?,
        Action::Password {
            name,
            password_stdin,
        } => {
            let password = secret::password(password_stdin, &format!("tarn user password {name}"))?;
            accounts.change_password(&name, &password, &BY).await?;
            format!("changed the password of {name}")
        }
        Action::Factor {
            name,
            disable: false,
            json,
        } => return factor::show(registry.second_factors(), &name, json).await,
        Action::Factor { name, .. } => factor::disable(registry.second_factors(), &name).await?,
        Action::Disable { name } => {
            let changed = accounts.set_disabled(&name, true, &BY).await?;
            changed_or_not("disabled", &name, changed)
        }
        Action::Enable { name } => {
            let changed = accounts.set_disabled(&name, false, &BY).await?;
            changed_or_not("enabled", &name, changed)
        }
        Action::Visibility { name, visibility } => {
            set_visibility(accounts, KIND, &name, visibility).await?
        }
        Action::Versions { name, rule } => set_versions(accounts, KIND, &name, rule).await?,
        Action::Admin { name, remove } => {
            let when = when(accounts.set_admin(&name, !remove, &BY).await?);
            let article = if remove { "no" } else { "an" };
            format!("{name} is {article} administrator of this registry {when}")
        }
    };
    output::note(&said);
    Ok(())
}

/// What was done to the user, or that it was so before.
fn changed_or_not(done: &str, name: &OwnerName, changed: bool) -> String {
    if changed {
        format!("{done} {name}")
    } else {
        format!("{name} is {done} already")
    }
}

/// Gives a user or an organisation another name, and says so.
pub(crate) async fn rename(
    accounts: &Accounts,
    kind: OwnerKind,
    name: &OwnerName,
    new: &OwnerName,
) -> Result<String, Failure> {
    Ok(match accounts.rename(kind, name, new, &BY).await? {
        true => format!("renamed {name} to {new}; the old name redirects to the new one"),
        false => format!("{name} has that name already"),
    })
}

/// Removes a user or an organisation, and says so.
pub(crate) async fn remove(
    accounts: &Accounts,
    kind: OwnerKind,
    name: &OwnerName,
    with_packages: bool,
) -> Result<String, Failure> {
    let packages = accounts.remove(kind, name, with_packages, &BY).await?;
    Ok(match packages {
        0 => format!("deleted the {kind} {name}"),
        1 => format!("deleted the {kind} {name} with 1 package"),
        _ => format!("deleted the {kind} {name} with {packages} packages"),
    })
}

/// Changes who may read what a user or an organisation has, and says so.
pub(crate) async fn set_visibility(
    accounts: &Accounts,
    kind: OwnerKind,
    name: &OwnerName,
    visibility: Visibility,
) -> Result<String, Failure> {
    let changed = accounts.set_visibility(kind, name, visibility, &BY).await?;
    Ok(format!("{name} is {visibility} {}", when(changed)))
}

/// Changes which versions the packages of a user or an organisation may have, and says so.
pub(crate) async fn set_versions(
    accounts: &Accounts,
    kind: OwnerKind,
    name: &OwnerName,
    OwnVersions(rule): OwnVersions,
) -> Result<String, Failure> {
    let when = when(accounts.set_version_rule(kind, name, rule, &BY).await?);
    Ok(match rule {
        Some(rule) => format!("the versions of {name} are {rule} {when}"),
        None => format!("the versions of {name} follow the server's setting {when}"),
    })
}

/// The rule about versions that is an owner's own, as it is shown.
pub(crate) async fn versions(
    accounts: &Accounts,
    name: &OwnerName,
) -> Result<Option<&'static str>, Failure> {
    let owner = accounts.find_owner(name).await?;
    Ok(accounts
        .version_rule(owner.id)
        .await?
        .map(VersionRule::as_str))
}

async fn list(accounts: &Accounts, json: bool) -> Result<(), Failure> {
    let users = accounts.users().await?;
    let users: Vec<Shown> = users.into_iter().map(Shown::from).collect();
    output::print_list(
        json,
        "user",
        ["NAME", "ROLE", "VISIBILITY", "STATE"],
        users,
        |user| {
            let (role, state) = (user.role().to_owned(), user.state());
            [user.name, role, user.visibility.to_owned(), state]
        },
    )
}

async fn show(accounts: &Accounts, name: &OwnerName, json: bool) -> Result<(), Failure> {
    let user = accounts.find_user(name).await?;
    let former_names = former_names(accounts, name).await?;
    let teams = accounts.teams_of(name, Window::ALL).await?.entries;
    let teams = teams.into_iter().map(|(organisation, team)| ShownTeam {
        organisation: organisation.name,
        team: team.name,
        role: team.role.as_str(),
    });
    let tokens = accounts
        .tokens(OwnerKind::User, name, Window::ALL)
        .await?
        .entries;
    let shown = ShownWhole {
        user: user.into(),
        versions: versions(accounts, name).await?,
        former_names,
        teams: teams.collect(),
        tokens: tokens.into_iter().map(|token| token.label).collect(),
    };
    if json {
        return output::print_json(&shown);
    }
    let teams: Vec<String> = shown
        .teams
        .iter()
        .map(|team| format!("{}/{} ({})", team.organisation, team.team, team.role))
        .collect();
    output::print_facts(&[
        ("name", shown.user.name.clone()),
        ("role", shown.user.role().to_owned()),
        ("visibility", shown.user.visibility.to_owned()),
        ("state", shown.user.state()),
        ("versions", shown.versions.unwrap_or(SERVERS).to_owned()),
        ("former names", names(&shown.former_names)),
        ("teams", teams.join(", ")),
        ("tokens", shown.tokens.join(", ")),
    ])
}

/// The names that an owner had.
pub(crate) async fn former_names(
    accounts: &Accounts,
    name: &OwnerName,
) -> Result<Vec<ShownFormerName>, Failure> {
    let owner = accounts.find_owner(name).await?;
    let names = accounts.former_names(&owner).await?.into_iter();
    Ok(names
        .map(|former| ShownFormerName {
            name: former.name,
            since: moment(former.since),
        })
        .collect())
}

/// Former names on one line.
pub(crate) fn names(names: &[ShownFormerName]) -> String {
    let names: Vec<&str> = names.iter().map(|former| former.name.as_str()).collect();
    names.join(", ")
}
