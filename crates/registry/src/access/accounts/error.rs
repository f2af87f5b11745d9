//! Why something was not done with an account.

use crate::{
    access::{
        passwords::{PasswordError, WeakPassword},
        random::RandomError,
    },
    metadata::{AddOwnerError, ChangeUserError, MAX_FORMER_NAMES, MetadataError, Role},
    names::{OwnerName, TeamName},
};

/// The longest label of a token, in bytes.
pub const MAX_LABEL: usize = 64;

/// How many tokens an owner may have.
pub const MAX_TOKENS: u64 = 1_000;

/// How many teams an organisation may have, the built-in ones among them.
pub const MAX_TEAMS: u64 = 1_000;

/// Why something was not done with an account. The texts are fit for the administrator who asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Users and organisations share their names, whatever the case.
    #[error(
        "there is already a user or an organisation called `{0}`, or one was called so; choose another name"
    )]
    NameTaken(OwnerName),
    /// Nobody by that name, or an organisation.
    #[error("there is no user called `{0}`; add one with `tarn user add {0}`")]
    NoUser(OwnerName),
    /// Nothing by that name, or a user.
    #[error("there is no organisation called `{0}`; add one with `tarn org add {0} --owner USER`")]
    NoOrganisation(OwnerName),
    /// Neither a user nor an organisation.
    #[error("there is no user or organisation called `{0}`; check the name")]
    NoOwner(OwnerName),
    /// The server needs the name, or it would mislead.
    #[error("nobody can be called `{0}`: the server needs this name itself; choose another name")]
    Reserved(OwnerName),
    /// It was looked for under a name that it has no more.
    #[error("`{0}` is called `{1}` now; use that name")]
    Renamed(OwnerName, String),
    /// Each former name keeps others from it.
    #[error(
        "`{0}` has {MAX_FORMER_NAMES} former names, the most there may be; have an administrator of this server release \
         one with `tarn user release NAME`"
    )]
    TooManyFormerNames(OwnerName),
    /// Packages would be lost.
    #[error(
        "`{owner}` has {count} package{}; remove what is there first, or say that it may go too (`--with-packages`)",
        if *.count == 1 { "" } else { "s" }
    )]
    HasPackages {
        /// Whose.
        owner: OwnerName,
        /// How many.
        count: u64,
    },
    /// Somebody has to be able to look after the registry.
    #[error("`{0}` is the last administrator of this server; make another user one first")]
    LastSiteAdmin(OwnerName),
    /// Teams of an organisation share their names, whatever the case.
    #[error("`{organisation}` already has a team called `{team}`; choose another name")]
    TeamTaken {
        /// Whose.
        organisation: OwnerName,
        /// Which.
        team: TeamName,
    },
    /// Nobody can look after more.
    #[error("`{0}` has {MAX_TEAMS} teams, the most there can be; delete some first")]
    TooManyTeams(OwnerName),
    /// None by that name.
    #[error(
        "`{organisation}` has no team called `{team}`; `tarn org team list {organisation}` shows those there are"
    )]
    NoTeam {
        /// Whose.
        organisation: OwnerName,
        /// Which.
        team: TeamName,
    },
    /// It came with the organisation.
    #[error("the team `{0}` is built in and stays as it is; make another one beside it")]
    BuiltInTeam(TeamName),
    /// Reading is never limited, and an admin can lift every limit.
    #[error("a team of role {0} has no limits; give it the role write, or leave the limits out")]
    LimitsForRole(Role),
    /// Nobody could administer it any more.
    #[error("`{0}` would be left without an admin; make another member its admin first")]
    NoAdminLeft(OwnerName),
    /// Somebody has to be able to look after it.
    #[error("`{user}` is the last admin of `{organisation}`; make another member its admin first")]
    LastAdmin {
        /// The organisation.
        organisation: OwnerName,
        /// Its last admin.
        user: OwnerName,
    },
    /// The new password breaks a rule.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// A label tells an owner's tokens apart.
    #[error(
        "`{user}` already has a token called `{label}`; choose another name, or remove that one"
    )]
    LabelTaken {
        /// Whose.
        user: OwnerName,
        /// Which.
        label: String,
    },
    /// Nobody can look after more.
    #[error("`{0}` has {MAX_TOKENS} tokens, the most there can be; revoke some first")]
    TooManyTokens(OwnerName),
    /// Empty, too long, or with characters that cannot be shown.
    #[error(
        "the name of a token has 1 to {MAX_LABEL} bytes and no characters that do not show; choose another"
    )]
    BadLabel,
    /// A token that has expired before it was made.
    #[error("a token has to last at least a second; give a longer time, or none for ever")]
    NoLifetime,
    /// It would administer where its limits do not reach.
    #[error(
        "a token with the scope admin can be limited to owners alone, not to branches or repositories; write OWNER/*/*"
    )]
    AdminWithLimits,
    /// Administering is for people.
    #[error(
        "a token of an organisation cannot have the scope admin; make one for a user who is its admin"
    )]
    AdminOfOrganisation,
    /// It would do what the token by which it is made cannot do.
    #[error(
        "the new token would have wider {0} than the one it is made with; narrow them, or sign in with a password"
    )]
    WiderThanMaker(&'static str),
    /// The password could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The database did not do it.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

impl AccountError {
    pub(super) fn from_adding(error: AddOwnerError, name: &OwnerName) -> Self {
        match error {
            AddOwnerError::NameTaken => Self::NameTaken(name.clone()),
            AddOwnerError::Metadata(error) => error.into(),
        }
    }

    pub(super) fn from_changing(error: ChangeUserError, name: &OwnerName) -> Self {
        match error {
            ChangeUserError::LastSiteAdmin => Self::LastSiteAdmin(name.clone()),
            ChangeUserError::Metadata(error) => error.into(),
        }
    }
}
