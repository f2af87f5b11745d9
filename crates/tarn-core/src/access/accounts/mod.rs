//! What is done with users, organisations, teams and tokens: the rules, for the command line and every other entry point.
//!
//! The caller asks [`super::policy`] for permission first; nothing here checks it. Each change says who makes it (`by`), and
//! is written down in the transaction that makes it.

mod error;
mod organisations;
mod owners;
mod teams;
mod tokens;
mod users;

pub(crate) use self::error::check_label;
pub use self::{
    error::{AccountError, MAX_LABEL, MAX_TEAMS, MAX_TOKENS},
    tokens::TokenRequest,
    users::UserOrder,
};
use super::passwords::{self, PasswordCost};
use tarn_base::{clock::Clock, names::OwnerName};
use tarn_base::{random::Random, secret::Secret};
use tarn_store::metadata::{Act, Actor, Metadata, Owner, OwnerKind, User, Visibility};

/// The user that the first run makes.
pub const FIRST_USER: &str = "admin";

/// Letters and digits that don't look alike, for passwords that people type.
const READABLE: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// 24 of 31 letters are 118 bits.
const GENERATED_PASSWORD: usize = 24;

/// What the first run made.
#[derive(Debug)]
pub struct FirstRun {
    /// The user's name.
    pub user: &'static str,
    /// Their password, to be shown once.
    pub password: Secret,
    /// Whether it was made here rather than given.
    pub generated: bool,
}

/// Users, organisations and tokens, for those who administer them.
#[derive(Debug, Clone)]
pub struct Accounts {
    metadata: Metadata,
    clock: Clock,
    random: Random,
    cost: PasswordCost,
}

impl Accounts {
    /// Accounts in `metadata`, with the password hashes and the random bytes of production.
    pub fn new(metadata: Metadata, clock: Clock) -> Self {
        Self::with(metadata, clock, Random::system(), PasswordCost::default())
    }

    /// Accounts with hashes of another cost, and random bytes from elsewhere.
    pub const fn with(
        metadata: Metadata,
        clock: Clock,
        random: Random,
        cost: PasswordCost,
    ) -> Self {
        Self {
            metadata,
            clock,
            random,
            cost,
        }
    }

    /// Makes the administrator account when there is no user at all, with the password given or one made here.
    /// `None` when there are users already.
    ///
    /// # Errors
    ///
    /// When the password given breaks a rule.
    pub async fn first_run(
        &self,
        password: Option<Secret>,
    ) -> Result<Option<FirstRun>, AccountError> {
        if self.metadata.user_count().await? > 0 {
            return Ok(None);
        }
        let generated = password.is_none();
        let password = match password {
            Some(password) => password,
            None => Secret::new(self.random.text(READABLE, GENERATED_PASSWORD)?),
        };
        // The name is reserved for paths of the server, and so that only the first run takes it.
        let Ok(name) = OwnerName::parse(FIRST_USER) else {
            return Ok(None);
        };
        let visibility = Visibility::Public;
        match self
            .make_user(&name, Some(&password), true, visibility, &Actor::SERVER)
            .await
        {
            Ok(_) => Ok(Some(FirstRun {
                user: FIRST_USER,
                password,
                generated,
            })),
            // Another process was faster.
            Err(AccountError::NameTaken(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is done now, by that actor.
    fn act<'a>(&self, by: &'a Actor) -> Act<'a> {
        by.at(self.clock.now())
    }

    async fn hash(&self, password: &Secret) -> Result<String, AccountError> {
        passwords::check_new(password)?;
        Ok(passwords::hash(password.clone(), self.cost, &self.random).await?)
    }

    /// One user.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub async fn find_user(&self, name: &OwnerName) -> Result<User, AccountError> {
        match self.metadata.user(name).await? {
            Some(user) => Ok(user),
            None => Err(self
                .renamed(name, OwnerKind::User)
                .await?
                .unwrap_or_else(|| AccountError::NoUser(name.clone()))),
        }
    }

    /// One organisation.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub async fn find_organisation(&self, name: &OwnerName) -> Result<Owner, AccountError> {
        self.owner_of(OwnerKind::Organisation, name).await
    }

    /// # Errors
    ///
    /// When there is no user, or no organisation, of that name.
    async fn owner_of(&self, kind: OwnerKind, name: &OwnerName) -> Result<Owner, AccountError> {
        let found = self.metadata.owner(name).await?;
        if let Some(owner) = found.filter(|owner| owner.kind == kind) {
            return Ok(owner);
        }
        if let Some(renamed) = self.renamed(name, kind).await? {
            return Err(renamed);
        }
        Err(match kind {
            OwnerKind::User => AccountError::NoUser(name.clone()),
            OwnerKind::Organisation => AccountError::NoOrganisation(name.clone()),
        })
    }

    /// Why no owner has that name, when one of that kind had it.
    async fn renamed(
        &self,
        name: &OwnerName,
        kind: OwnerKind,
    ) -> Result<Option<AccountError>, AccountError> {
        let owner = self.metadata.owner_formerly(name).await?;
        Ok(owner
            .filter(|owner| owner.kind == kind)
            .map(|owner| AccountError::Renamed(name.clone(), owner.name)))
    }
}
