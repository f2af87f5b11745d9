//! Why something was not done with an account.

use crate::access::passwords::{PasswordError, WeakPassword};
use tarn_base::{
    hint::Hint,
    names::{OwnerName, TeamName},
    printable::is_printable,
    random::RandomError,
};
use tarn_store::metadata::{
    AddOwnerError, AddTokenError, ChangeUserError, MAX_FORMER_NAMES, MetadataError, Role,
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
    #[error("there is already a user or an organisation called `{0}`, or one was called so")]
    NameTaken(OwnerName),
    /// No user has that name; an organisation may.
    #[error("there is no user called `{0}`")]
    NoUser(OwnerName),
    /// Nothing by that name, or a user.
    #[error("there is no organisation called `{0}`")]
    NoOrganisation(OwnerName),
    /// Neither a user nor an organisation.
    #[error("there is no user or organisation called `{0}`")]
    NoOwner(OwnerName),
    /// The server needs the name, or it would mislead.
    #[error("the name `{0}` is reserved: the server uses it itself")]
    Reserved(OwnerName),
    /// It was looked for under a name that it has no more.
    #[error("`{0}` is called `{1}` now")]
    Renamed(OwnerName, String),
    /// Each former name keeps others from it.
    #[error("`{0}` has {MAX_FORMER_NAMES} former names, the most there may be")]
    TooManyFormerNames(OwnerName),
    /// Packages would be lost.
    #[error("`{owner}` has {count} package{}", if *.count == 1 { "" } else { "s" })]
    HasPackages {
        /// Whose.
        owner: OwnerName,
        /// How many.
        count: u64,
    },
    /// The registry would have no administrator left.
    #[error("`{0}` is the last administrator of this server")]
    LastSiteAdmin(OwnerName),
    /// Teams of an organisation share their names, whatever the case.
    #[error("`{organisation}` already has a team called `{team}`")]
    TeamTaken {
        /// Whose.
        organisation: OwnerName,
        /// Which.
        team: TeamName,
    },
    /// More could not be kept track of.
    #[error("`{0}` has {MAX_TEAMS} teams, the most there can be")]
    TooManyTeams(OwnerName),
    /// None by that name.
    #[error("`{organisation}` has no team called `{team}`")]
    NoTeam {
        /// Whose.
        organisation: OwnerName,
        /// Which.
        team: TeamName,
    },
    /// It came with the organisation.
    #[error("the team `{0}` is built in and stays as it is")]
    BuiltInTeam(TeamName),
    /// Reading is never limited, and an admin can lift every limit.
    #[error("a team of role {0} has no limits")]
    LimitsForRole(Role),
    /// It would have no administrator left.
    #[error("`{0}` would be left without an admin")]
    NoAdminLeft(OwnerName),
    /// It would have no administrator left.
    #[error("`{user}` is the last admin of `{organisation}`")]
    LastAdmin {
        /// The organisation.
        organisation: OwnerName,
        /// Its last admin.
        user: OwnerName,
    },
    /// The new password breaks a rule.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// A label distinguishes the tokens of an owner.
    #[error("`{user}` already has a token called `{label}`")]
    LabelTaken {
        /// Whose.
        user: OwnerName,
        /// Which.
        label: String,
    },
    /// More could not be kept track of.
    #[error("`{0}` has {MAX_TOKENS} tokens, the most there can be")]
    TooManyTokens(OwnerName),
    /// Empty, too long, or with characters that cannot be shown.
    #[error("the name of a token has 1 to {MAX_LABEL} bytes and no characters that do not show")]
    BadLabel,
    /// A token that has expired before it was made.
    #[error("a token has to last at least a second")]
    NoLifetime,
    /// It would administer where its limits do not reach.
    #[error(
        "a token with the scope admin can be limited to owners only, not to branches or repositories"
    )]
    AdminWithLimits,
    /// Administering is for people.
    #[error("a token of an organisation cannot have the scope admin")]
    AdminOfOrganisation,
    /// It would do what the token by which it is made cannot do.
    #[error("the new token would have wider {0} than the one it is made with")]
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

/// Refuses a label of a token that is empty, too long or not printable.
pub(crate) fn check_label(label: &str) -> Result<(), AccountError> {
    if label.is_empty() || label.len() > MAX_LABEL || !label.chars().all(is_printable) {
        return Err(AccountError::BadLabel);
    }
    Ok(())
}

impl AccountError {
    pub(crate) fn from_adding(error: AddOwnerError, name: &OwnerName) -> Self {
        match error {
            AddOwnerError::NameTaken => Self::NameTaken(name.clone()),
            AddOwnerError::Metadata(error) => error.into(),
        }
    }

    pub(crate) fn from_adding_token(error: AddTokenError, user: &OwnerName, label: &str) -> Self {
        match error {
            AddTokenError::LabelTaken => Self::LabelTaken {
                user: user.clone(),
                label: label.to_owned(),
            },
            AddTokenError::TooMany => Self::TooManyTokens(user.clone()),
            AddTokenError::Metadata(error) => error.into(),
        }
    }

    pub(super) fn from_changing(error: ChangeUserError, name: &OwnerName) -> Self {
        match error {
            ChangeUserError::LastSiteAdmin => Self::LastSiteAdmin(name.clone()),
            ChangeUserError::Metadata(error) => error.into(),
        }
    }
}

impl Hint for AccountError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NameTaken(..) => "choose another name".to_owned(),
            Self::NoUser(a0, ..) => format!("add one with `tarn user add {a0}`"),
            Self::NoOrganisation(a0, ..) => {
                format!("add one with `tarn org add {a0} --owner USER`")
            }
            Self::NoOwner(..) => "check the name".to_owned(),
            Self::Reserved(..) => "choose another name".to_owned(),
            Self::Renamed(..) => "use that name".to_owned(),
            Self::TooManyFormerNames(..) => {
                "have an administrator of this server release one with `tarn user release NAME`"
                    .to_owned()
            }
            Self::HasPackages { .. } => {
                "delete them first, or say that they may go too (`--with-packages`)".to_owned()
            }
            Self::LastSiteAdmin(..) => "make another user one first".to_owned(),
            Self::TeamTaken { .. } => "choose another name".to_owned(),
            Self::TooManyTeams(..) => "delete some first".to_owned(),
            Self::NoTeam { organisation, .. } => {
                format!("`tarn org team list {organisation}` shows those there are")
            }
            Self::BuiltInTeam(..) => "make another one beside it".to_owned(),
            Self::LimitsForRole(..) => "give it the role write, or leave the limits out".to_owned(),
            Self::NoAdminLeft(..) => "make another member its admin first".to_owned(),
            Self::LastAdmin { .. } => "make another member its admin first".to_owned(),
            Self::WeakPassword(error) => return error.hint(),
            Self::LabelTaken { .. } => "choose another name, or revoke that one".to_owned(),
            Self::TooManyTokens(..) => "revoke some first".to_owned(),
            Self::BadLabel => "choose another".to_owned(),
            Self::NoLifetime => "give a longer time, or none for ever".to_owned(),
            Self::AdminWithLimits => "write OWNER/*/*".to_owned(),
            Self::AdminOfOrganisation => "make one for a user who is its admin".to_owned(),
            Self::WiderThanMaker(..) => "narrow them, or sign in with a password".to_owned(),
            Self::Password(..) | Self::Random(..) | Self::Metadata(..) => return None,
        })
    }
}
