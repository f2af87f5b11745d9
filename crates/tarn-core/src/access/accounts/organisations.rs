//! Organisations and who is in them.

use super::{AccountError, Accounts};
use tarn_base::names::OwnerName;
use tarn_store::metadata::{Actor, Member, Owner, Page, Role, Team, TeamError, Visibility, Window};

impl Accounts {
    /// Adds an organisation, with a user as its first admin.
    ///
    /// # Errors
    ///
    /// When the name is taken or reserved, or there is no such user.
    pub async fn add_organisation(
        &self,
        name: &OwnerName,
        visibility: Visibility,
        owner: &OwnerName,
        by: &Actor,
    ) -> Result<Owner, AccountError> {
        if name.is_reserved() {
            return Err(AccountError::Reserved(name.clone()));
        }
        let owner = self.find_user(owner).await?;
        self.metadata
            .add_organisation(name, visibility, owner.id, &self.act(by))
            .await
            .map_err(|error| AccountError::from_adding(error, name))
    }

    /// Puts a user into the built-in team of a role and out of the other two, or with `None` out of all teams. Whether
    /// anything changed.
    ///
    /// # Errors
    ///
    /// When one of them does not exist, or the organisation would have no admin left.
    pub async fn set_member(
        &self,
        organisation: &OwnerName,
        user: &OwnerName,
        role: Option<Role>,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let found = self.find_organisation(organisation).await?;
        let member = self.find_user(user).await?;
        self.metadata
            .set_member(found.id, member.id, role, &self.act(by))
            .await
            .map_err(|error| match error {
                TeamError::Metadata(error) => error.into(),
                // Neither a name nor a built-in team is in question here.
                TeamError::LastAdmin
                | TeamError::NameTaken
                | TeamError::TooMany
                | TeamError::BuiltIn => AccountError::LastAdmin {
                    organisation: organisation.clone(),
                    user: user.clone(),
                },
            })
    }

    /// The members of an organisation, with their teams and the greatest of their roles.
    ///
    /// # Errors
    ///
    /// When there is no such organisation.
    pub async fn members(
        &self,
        organisation: &OwnerName,
        window: Window,
    ) -> Result<Page<Member>, AccountError> {
        let organisation = self.find_organisation(organisation).await?;
        Ok(self.metadata.members(organisation.id, window).await?)
    }

    /// The teams in which a user is, with their organisations.
    ///
    /// # Errors
    ///
    /// When there is no such user.
    pub async fn teams_of(
        &self,
        user: &OwnerName,
        window: Window,
    ) -> Result<Page<(Owner, Team)>, AccountError> {
        let user = self.find_user(user).await?;
        Ok(self.metadata.teams_of_user(user.id, window).await?)
    }
}
