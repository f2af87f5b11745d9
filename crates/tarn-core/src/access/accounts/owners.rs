//! What is done with users and organisations alike: names, visibility, the end.

use super::{AccountError, Accounts};
use crate::access::TokenLimits;
use tarn_base::names::OwnerName;
use tarn_store::metadata::{
    Actor, FormerName, Owner, OwnerId, OwnerKind, RemoveOwnerError, RenameError, VersionRule,
    Visibility,
};

impl Accounts {
    /// Changes who may read what a user or an organisation has. Whether anything changed.
    ///
    /// # Errors
    ///
    /// When there is none of that kind and name.
    pub async fn set_visibility(
        &self,
        kind: OwnerKind,
        name: &OwnerName,
        visibility: Visibility,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let owner = self.owner_of(kind, name).await?;
        let act = self.act(by);
        let changed = self.metadata.set_visibility(owner.id, visibility, &act);
        Ok(changed.await?)
    }

    /// Changes which versions the packages of a user or an organisation may have; with `None` the server's rule holds.
    /// What is there stays. Whether anything changed.
    ///
    /// # Errors
    ///
    /// When there is none of that kind and name.
    pub async fn set_version_rule(
        &self,
        kind: OwnerKind,
        name: &OwnerName,
        rule: Option<VersionRule>,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let owner = self.owner_of(kind, name).await?;
        let act = self.act(by);
        Ok(self.metadata.set_version_rule(owner.id, rule, &act).await?)
    }

    /// The rule about versions that is an owner's own. `None`: the server's holds.
    pub async fn version_rule(&self, owner: OwnerId) -> Result<Option<VersionRule>, AccountError> {
        Ok(self.metadata.version_rule(owner).await?)
    }

    /// Gives a user or an organisation another name. Reads under the old one are led to the new one from then on, and
    /// no other owner can take the old one. Tokens that are limited to the old name are limited to the new one; patterns with
    /// a `*` in the place of the owner stay. The file names of keys stay as they are. Whether anything changed.
    ///
    /// # Errors
    ///
    /// When there is none of that kind and name, or the new name is taken or reserved.
    pub async fn rename(
        &self,
        kind: OwnerKind,
        name: &OwnerName,
        new: &OwnerName,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let owner = self.owner_of(kind, name).await?;
        if new.is_reserved() {
            // The first run's name is reserved, and only the owner that had it may take it back.
            let had = self.metadata.owner_formerly(new).await?;
            if had.is_none_or(|had| had.id != owner.id) {
                return Err(AccountError::Reserved(new.clone()));
            }
        }
        let relimit = |limits: &str, old: &str| {
            let limits = limits.parse::<TokenLimits>().ok()?;
            let renamed = limits.renamed(old, &new.lower())?;
            Some(renamed.to_string())
        };
        self.metadata
            .rename_owner(owner.id, new, &relimit, &self.act(by))
            .await
            .map_err(|error| match error {
                RenameError::NameTaken => AccountError::NameTaken(new.clone()),
                RenameError::TooManyFormerNames => AccountError::TooManyFormerNames(name.clone()),
                RenameError::Metadata(error) => error.into(),
            })
    }

    /// The names that an owner had and still leads from.
    pub async fn former_names(&self, owner: &Owner) -> Result<Vec<FormerName>, AccountError> {
        Ok(self.metadata.former_names(owner.id).await?)
    }

    /// Lets a former name go: it is free for everybody. Whether it was one. For administrators of the server: who relies
    /// on the old name gets whatever its next owner has.
    pub async fn release_name(&self, name: &OwnerName, by: &Actor) -> Result<bool, AccountError> {
        let act = self.act(by);
        Ok(self.metadata.release_name(name, &act).await?)
    }

    /// Removes a user or an organisation with all that belongs to it. Gives how many packages went.
    ///
    /// # Errors
    ///
    /// When there is none of that kind and name; when it has packages and `with_packages` is not set; when a user is the
    /// last admin of an organisation or of the server.
    pub async fn remove(
        &self,
        kind: OwnerKind,
        name: &OwnerName,
        with_packages: bool,
        by: &Actor,
    ) -> Result<u64, AccountError> {
        let owner = self.owner_of(kind, name).await?;
        let removed = self
            .metadata
            .remove_owner(owner.id, with_packages, &self.act(by))
            .await;
        removed.map_err(|error| match error {
            RemoveOwnerError::HasPackages(count) => AccountError::HasPackages {
                owner: name.clone(),
                count,
            },
            RemoveOwnerError::LastAdminOf(organisation) => match OwnerName::parse(&organisation) {
                Ok(organisation) => AccountError::LastAdmin {
                    organisation,
                    user: name.clone(),
                },
                Err(_) => AccountError::NoAdminLeft(name.clone()),
            },
            RemoveOwnerError::LastSiteAdmin => AccountError::LastSiteAdmin(name.clone()),
            RemoveOwnerError::Metadata(error) => error.into(),
        })
    }

    /// The user or organisation of that name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn find_owner(&self, name: &OwnerName) -> Result<Owner, AccountError> {
        if let Some(owner) = self.metadata.owner(name).await? {
            return Ok(owner);
        }
        Err(match self.metadata.owner_formerly(name).await? {
            Some(owner) => AccountError::Renamed(name.clone(), owner.name),
            None => AccountError::NoOwner(name.clone()),
        })
    }

    /// Every organisation.
    pub async fn organisations(&self) -> Result<Vec<Owner>, AccountError> {
        let mut owners = self.metadata.owners().await?;
        owners.retain(|owner| owner.kind == OwnerKind::Organisation);
        Ok(owners)
    }
}
