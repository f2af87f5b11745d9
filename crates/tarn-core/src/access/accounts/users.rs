//! Users: added and changed.

use super::{AccountError, Accounts};
use tarn_base::{names::OwnerName, secret::Secret};
use tarn_store::metadata::{Actor, NewUser, User, UserChange, Visibility};

/// What is to change of a user; `None` stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserOrder<'a> {
    /// A new password.
    pub password: Option<&'a Secret>,
    /// Who may read what the user has.
    pub visibility: Option<Visibility>,
    /// Whether the user is a site administrator.
    pub admin: Option<bool>,
    /// Whether the account is disabled.
    pub disabled: Option<bool>,
}

impl Accounts {
    /// Adds a user. Without a password, the user signs in with tokens or through an identity provider.
    ///
    /// # Errors
    ///
    /// When the name is taken or reserved, or the password breaks a rule.
    pub async fn add_user(
        &self,
        name: &OwnerName,
        password: Option<&Secret>,
        admin: bool,
        visibility: Visibility,
        by: &Actor,
    ) -> Result<User, AccountError> {
        if name.is_reserved() {
            return Err(AccountError::Reserved(name.clone()));
        }
        self.make_user(name, password, admin, visibility, by).await
    }

    /// The same, under a name that may be reserved.
    pub(super) async fn make_user(
        &self,
        name: &OwnerName,
        password: Option<&Secret>,
        admin: bool,
        visibility: Visibility,
        by: &Actor,
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
            .add_user(user, &self.act(by))
            .await
            .map_err(|error| AccountError::from_adding(error, name))
    }

    /// Changes a user: all that is asked for, or nothing. Whether anything changed.
    ///
    /// Running servers forget an old password with their next request. The packages of a user who is disabled stay where they
    /// are.
    ///
    /// # Errors
    ///
    /// When there is no such user, the password breaks a rule, or no site administrator would be left.
    pub async fn change_user(
        &self,
        name: &OwnerName,
        order: UserOrder<'_>,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let user = self.find_user(name).await?;
        let hash = match order.password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        let change = UserChange {
            password_hash: hash.as_deref().map(Some),
            visibility: order.visibility,
            admin: order.admin,
            disabled: order.disabled,
        };
        self.metadata
            .change_user(user.id, change, &self.act(by))
            .await
            .map_err(|error| AccountError::from_changing(error, name))
    }

    /// [`Accounts::change_user`] of the password.
    pub async fn change_password(
        &self,
        name: &OwnerName,
        password: &Secret,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let order = UserOrder {
            password: Some(password),
            ..UserOrder::default()
        };
        self.change_user(name, order, by).await.map(drop)
    }

    /// [`Accounts::change_user`] of whether they are disabled.
    pub async fn set_disabled(
        &self,
        name: &OwnerName,
        disabled: bool,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let order = UserOrder {
            disabled: Some(disabled),
            ..UserOrder::default()
        };
        self.change_user(name, order, by).await
    }

    /// [`Accounts::change_user`] of whether they are a site administrator.
    pub async fn set_admin(
        &self,
        name: &OwnerName,
        admin: bool,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let order = UserOrder {
            admin: Some(admin),
            ..UserOrder::default()
        };
        self.change_user(name, order, by).await
    }

    /// Every user.
    pub async fn users(&self) -> Result<Vec<User>, AccountError> {
        Ok(self.metadata.users().await?)
    }
}
