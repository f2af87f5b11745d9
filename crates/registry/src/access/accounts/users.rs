//! Users: made, shut out, let in, made administrators.

use super::{AccountError, Accounts};
use crate::{
    access::secret::Secret,
    metadata::{Actor, NewUser, User, Visibility},
    names::OwnerName,
};

impl Accounts {
    /// Adds a user. Without a password they sign in by tokens alone, as those do whom an identity provider knows.
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
            .add_user(user, &by.at(self.clock.now()))
            .await
            .map_err(|error| AccountError::from_adding(error, name))
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
        by: &Actor,
    ) -> Result<(), AccountError> {
        let user = self.user(name).await?;
        let hash = self.hash(password).await?;
        let act = by.at(self.clock.now());
        Ok(self
            .metadata
            .change_password(user.id, Some(&hash), &act)
            .await?)
    }

    /// Disables a user, or lets them in again. Their packages stay where they are. Whether anything changed.
    ///
    /// # Errors
    ///
    /// When there is no such user, or it is the last administrator who is to be disabled.
    pub async fn set_disabled(
        &self,
        name: &OwnerName,
        disabled: bool,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let user = self.user(name).await?;
        self.metadata
            .set_disabled(user.id, disabled, &by.at(self.clock.now()))
            .await
            .map_err(|error| AccountError::from_changing(error, name))
    }

    /// Makes a user a site administrator, or takes that away. Whether anything changed.
    ///
    /// # Errors
    ///
    /// When there is no such user, or nobody else would be one.
    pub async fn set_admin(
        &self,
        name: &OwnerName,
        admin: bool,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let user = self.user(name).await?;
        self.metadata
            .set_admin(user.id, admin, &by.at(self.clock.now()))
            .await
            .map_err(|error| AccountError::from_changing(error, name))
    }

    /// Every user.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn users(&self) -> Result<Vec<User>, AccountError> {
        Ok(self.metadata.users().await?)
    }

    /// One user.
    ///
    /// # Errors
    ///
    /// When there is none of that name.
    pub async fn find_user(&self, name: &OwnerName) -> Result<User, AccountError> {
        self.user(name).await
    }
}
