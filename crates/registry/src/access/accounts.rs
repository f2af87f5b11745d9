//! What an administrator does with users, organisations and tokens.

use std::time::Duration;

use super::{
    passwords::{self, PasswordCost, PasswordError, WeakPassword},
    random::{Random, RandomError},
    scopes::Scopes,
    secret::Secret,
    tokens,
};
use crate::{
    clock::Clock,
    metadata::{
        Act, Actor, AddOwnerError, AddTokenError, Metadata, MetadataError, NewToken, NewUser,
        Owner, OwnerId, OwnerKind, Role, Token, User, Visibility,
    },
    names::OwnerName,
};

/// The user that the first run makes.
pub const FIRST_USER: &str = "admin";

/// The longest label of a token, in bytes.
pub const MAX_LABEL: usize = 64;

/// Letters and digits that nobody mistakes for one another, for passwords that people type.
const READABLE: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// 24 of 31 letters are 118 bits.
const GENERATED_PASSWORD: usize = 24;

/// Why something was not done with an account. The texts are fit for the administrator who asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Users and organisations share their names, whatever the case.
    #[error("there is already a user or an organisation called `{0}`; choose another name")]
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
    /// A label tells a user's tokens apart.
    #[error(
        "`{user}` already has a token called `{label}`; choose another name, or remove that one"
    )]
    LabelTaken {
        /// Whose.
        user: OwnerName,
        /// Which.
        label: String,
    },
    /// Empty, too long, or with characters that cannot be shown.
    #[error(
        "the name of a token has 1 to {MAX_LABEL} bytes and no control characters; choose another"
    )]
    BadLabel,
    /// A token that has expired before it was made.
    #[error("a token has to last at least a second; give a longer time, or none for ever")]
    NoLifetime,
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

    /// Adds a user. Without a password they sign in by tokens alone, as those do whom an identity provider knows.
    ///
    /// # Errors
    ///
    /// When the name is taken or the password breaks a rule.
    pub async fn add_user(
        &self,
        name: &OwnerName,
        password: Option<&Secret>,
        admin: bool,
        visibility: Visibility,
    ) -> Result<User, AccountError> {
        let hash = match password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        let user = NewUser {
            name,
            password_hash: hash.as_deref(),
            admin,
            visibility,
        };
        self.metadata
            .add_user(user, self.clock.now())
            .await
            .map_err(|error| name_taken(name, error))
    }

    /// Adds an organisation, with a user as its first admin.
    ///
    /// # Errors
    ///
    /// When the name is taken or there is no such user.
    pub async fn add_organisation(
        &self,
        name: &OwnerName,
        visibility: Visibility,
        owner: &OwnerName,
    ) -> Result<Owner, AccountError> {
        let owner = self.user(owner).await?;
        self.metadata
            .add_organisation(name, visibility, owner.id, self.clock.now())
            .await
            .map_err(|error| name_taken(name, error))
    }

    /// Gives a user a role in an organisation, or with `None` takes it away. Whether they had or have one.
    ///
    /// # Errors
    ///
    /// When one of them does not exist, or the organisation would have no admin left.
    pub async fn set_member(
        &self,
        organisation: &OwnerName,
        user: &OwnerName,
        role: Option<Role>,
    ) -> Result<bool, AccountError> {
        let found = self.organisation(organisation).await?;
        let member = self.user(user).await?;
        if role != Some(Role::Admin) {
            let members = self.metadata.members(found.id).await?;
            let admins: Vec<OwnerId> = members
                .iter()
                .filter(|(_, role)| *role == Role::Admin)
                .map(|(user, _)| user.id)
                .collect();
            if admins == [member.id] {
                return Err(AccountError::LastAdmin {
                    organisation: organisation.clone(),
                    user: user.clone(),
                });
            }
        }
        Ok(self.metadata.set_member(found.id, member.id, role).await?)
    }

    /// Changes a user's password. Running servers forget the old one with their next request.
    ///
    /// # Errors
    ///
    /// When there is no such user or the password breaks a rule.
    pub async fn change_password(
        &self,
        name: &OwnerName,
        password: &Secret,
    ) -> Result<(), AccountError> {
        let user = self.user(name).await?;
        let hash = self.hash(password).await?;
        Ok(self.metadata.change_password(user.id, Some(&hash)).await?)
    }

    /// Disables a user, or lets them in again. Their packages stay where they are.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub async fn set_disabled(
        &self,
        name: &OwnerName,
        disabled: bool,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let user = self.user(name).await?;
        let at = self.clock.now();
        Ok(self
            .metadata
            .set_disabled(user.id, disabled, &Act { by, at })
            .await?)
    }

    /// Makes a user a site administrator, or takes that away.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub async fn set_admin(&self, name: &OwnerName, admin: bool) -> Result<(), AccountError> {
        let user = self.user(name).await?;
        Ok(self.metadata.set_admin(user.id, admin).await?)
    }

    /// Changes who may see an owner.
    ///
    /// # Errors
    ///
    /// When there is no such owner.
    pub async fn set_visibility(
        &self,
        name: &OwnerName,
        visibility: Visibility,
    ) -> Result<(), AccountError> {
        let owner = self
            .metadata
            .owner(name)
            .await?
            .ok_or_else(|| AccountError::NoOwner(name.clone()))?;
        Ok(self.metadata.set_visibility(owner.id, visibility).await?)
    }

    /// Makes a token for a user. It is in the answer and nowhere else: only its hash is kept.
    ///
    /// # Errors
    ///
    /// When there is no such user, or the label is taken or cannot be used.
    pub async fn add_token(
        &self,
        user: &OwnerName,
        label: &str,
        scopes: &Scopes,
        lifetime: Option<Duration>,
    ) -> Result<(Token, Secret), AccountError> {
        if label.is_empty() || label.len() > MAX_LABEL || label.chars().any(char::is_control) {
            return Err(AccountError::BadLabel);
        }
        if lifetime.is_some_and(|lifetime| lifetime < Duration::from_secs(1)) {
            return Err(AccountError::NoLifetime);
        }
        let found = self.user(user).await?;
        let now = self.clock.now();
        let (secret, hash) = tokens::generate(&self.random)?;
        let token = NewToken {
            user: found.id,
            label,
            hash: &hash,
            scopes: &scopes.to_string(),
            expires_at: lifetime.map(|lifetime| now.after(lifetime)),
        };
        let token = self
            .metadata
            .add_token(token, now)
            .await
            .map_err(|error| match error {
                AddTokenError::LabelTaken => AccountError::LabelTaken {
                    user: user.clone(),
                    label: label.to_owned(),
                },
                AddTokenError::Metadata(error) => error.into(),
            })?;
        Ok((token, secret))
    }

    /// Removes a user's token. It is refused from the next request on. Whether there was one.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub async fn remove_token(&self, user: &OwnerName, label: &str) -> Result<bool, AccountError> {
        let user = self.user(user).await?;
        Ok(self.metadata.remove_token(user.id, label).await?)
    }

    /// Every user.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn users(&self) -> Result<Vec<User>, AccountError> {
        Ok(self.metadata.users().await?)
    }

    /// Every organisation.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn organisations(&self) -> Result<Vec<Owner>, AccountError> {
        let mut owners = self.metadata.owners().await?;
        owners.retain(|owner| owner.kind == OwnerKind::Organisation);
        Ok(owners)
    }

    /// The members of an organisation.
    ///
    /// # Errors
    ///
    /// When there is no such organisation.
    pub async fn members(
        &self,
        organisation: &OwnerName,
    ) -> Result<Vec<(User, Role)>, AccountError> {
        let organisation = self.organisation(organisation).await?;
        Ok(self.metadata.members(organisation.id).await?)
    }

    /// A user's tokens, without their secrets.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub async fn tokens(&self, user: &OwnerName) -> Result<Vec<Token>, AccountError> {
        let user = self.user(user).await?;
        Ok(self.metadata.tokens(user.id).await?)
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
        // The name is reserved for paths of the server, and so that nobody but the first run takes it.
        let Ok(name) = OwnerName::parse(FIRST_USER) else {
            return Ok(None);
        };
        match self
            .add_user(&name, Some(&password), true, Visibility::Public)
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

    async fn hash(&self, password: &Secret) -> Result<String, AccountError> {
        passwords::check_new(password)?;
        Ok(passwords::hash(password.clone(), self.cost, &self.random).await?)
    }

    async fn user(&self, name: &OwnerName) -> Result<User, AccountError> {
        self.metadata
            .user(name)
            .await?
            .ok_or_else(|| AccountError::NoUser(name.clone()))
    }

    async fn organisation(&self, name: &OwnerName) -> Result<Owner, AccountError> {
        self.metadata
            .owner(name)
            .await?
            .filter(|owner| owner.kind == OwnerKind::Organisation)
            .ok_or_else(|| AccountError::NoOrganisation(name.clone()))
    }
}

fn name_taken(name: &OwnerName, error: AddOwnerError) -> AccountError {
    match error {
        AddOwnerError::NameTaken => AccountError::NameTaken(name.clone()),
        AddOwnerError::Metadata(error) => error.into(),
    }
}
