//! Users and organisations.

use super::{
    Act, Metadata, MetadataError, OwnerId, OwnerKind, Visibility,
    audit::Done,
    engine::{Row, Transaction, sql},
};
use crate::{clock::Timestamp, names::OwnerName};

/// Whoever packages belong to: a user or an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Stays the same for as long as the owner is there.
    pub id: OwnerId,
    /// A user or an organisation.
    pub kind: OwnerKind,
    /// As written by whoever made it; compare without regard to case.
    pub name: String,
    /// Who may read.
    pub visibility: Visibility,
}

/// Somebody who signs in.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The same number as the [`Owner`]'s.
    pub id: OwnerId,
    /// As written by whoever made the account.
    pub name: String,
    /// Who may read what the user has.
    pub visibility: Visibility,
    /// The password's hash in PHC form. `None`: signs in by tokens alone.
    pub password_hash: Option<String>,
    /// Moves on when what the user signs in with changes, so that what was verified before counts no more.
    pub credential_version: i64,
    /// A site administrator passes every check.
    pub admin: bool,
    /// A disabled account passes none.
    pub disabled: bool,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("admin", &self.admin)
            .field("disabled", &self.disabled)
            .finish_non_exhaustive()
    }
}

/// An account to be made.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// The name, still free.
    pub name: &'a OwnerName,
    /// The password's hash in PHC form. `None`: signs in by tokens alone.
    pub password_hash: Option<&'a str>,
    /// Whether it passes every check.
    pub admin: bool,
    /// Who may read what the user has.
    pub visibility: Visibility,
}

/// Why an owner was not made.
#[derive(Debug, thiserror::Error)]
pub enum AddOwnerError {
    /// A user or an organisation has that name, perhaps in other letters' case.
    #[error("the name is taken")]
    NameTaken,
    /// The database failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The columns of [`User`], as a piece of a SELECT.
macro_rules! user_columns {
    () => {
        "owners.id AS id, owners.name AS name, owners.visibility AS visibility, users.password_hash AS password_hash, \
         users.credential_version AS credential_version, users.admin AS admin, users.disabled AS disabled"
    };
}
pub(super) use user_columns;

impl Owner {
    pub(super) fn from_row(row: &Row) -> Result<Self, MetadataError> {
        Ok(Self {
            id: OwnerId::from_row(row.value("id")?),
            kind: row.word("kind of owner", "kind")?,
            name: row.value("name")?,
            visibility: row.word("visibility", "visibility")?,
        })
    }
}

impl User {
    pub(super) fn from_row(row: &Row) -> Result<Self, MetadataError> {
        Ok(Self {
            id: OwnerId::from_row(row.value("id")?),
            name: row.value("name")?,
            visibility: row.word("visibility", "visibility")?,
            password_hash: row.value("password_hash")?,
            credential_version: row.value("credential_version")?,
            admin: row.value("admin")?,
            disabled: row.value("disabled")?,
        })
    }
}

impl Metadata {
    /// The owner of that name, without regard to case.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn owner(&self, name: &OwnerName) -> Result<Option<Owner>, MetadataError> {
        let ask = async |name: &String| {
            self.engine
                .row(sql!(
                    "SELECT id, kind, name, visibility FROM owners WHERE name_lower = $1",
                    name.as_str()
                ))
                .await?
                .map(|row| Owner::from_row(&row))
                .transpose()
        };
        self.memory
            .owners
            .get(&self.memory.watch, name.lower(), ask)
            .await
    }

    /// All owners, by name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn owners(&self) -> Result<Vec<Owner>, MetadataError> {
        self.engine
            .rows(sql!(
                "SELECT id, kind, name, visibility FROM owners ORDER BY name_lower"
            ))
            .await?
            .iter()
            .map(Owner::from_row)
            .collect()
    }

    /// The user of that name, without regard to case. An organisation is none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn user(&self, name: &OwnerName) -> Result<Option<User>, MetadataError> {
        let ask = async |name: &String| {
            self.engine
                .row(sql!(
                    concat!(
                        "SELECT ",
                        user_columns!(),
                        " FROM owners JOIN users ON users.owner_id = owners.id WHERE owners.name_lower = $1"
                    ),
                    name.as_str()
                ))
                .await?
                .map(|row| User::from_row(&row))
                .transpose()
        };
        self.memory
            .users
            .get(&self.memory.watch, name.lower(), ask)
            .await
    }

    /// The user with that identifier.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn user_by_id(&self, id: OwnerId) -> Result<Option<User>, MetadataError> {
        self.engine
            .row(sql!(
                concat!(
                    "SELECT ",
                    user_columns!(),
                    " FROM owners JOIN users ON users.owner_id = owners.id WHERE owners.id = $1"
                ),
                id
            ))
            .await?
            .map(|row| User::from_row(&row))
            .transpose()
    }

    /// All users, by name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn users(&self) -> Result<Vec<User>, MetadataError> {
        self.engine
            .rows(sql!(concat!(
                "SELECT ",
                user_columns!(),
                " FROM owners JOIN users ON users.owner_id = owners.id ORDER BY owners.name_lower"
            )))
            .await?
            .iter()
            .map(User::from_row)
            .collect()
    }

    /// How many users there are, disabled ones too. None means that this is the first run.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn user_count(&self) -> Result<i64, MetadataError> {
        self.engine
            .row(sql!("SELECT COUNT(*) AS count FROM users"))
            .await?
            .ok_or(MetadataError::Missing("count"))?
            .value("count")
    }

    /// Makes an account.
    ///
    /// # Errors
    ///
    /// When the name is taken, or the database fails.
    pub async fn add_user(&self, new: NewUser<'_>, now: Timestamp) -> Result<User, AddOwnerError> {
        let mut transaction = self.engine.write().await?;
        let id = insert_owner(
            &mut transaction,
            OwnerKind::User,
            new.name,
            new.visibility,
            now,
        )
        .await?;
        transaction
            .run_one(
                "user",
                sql!(
                    "INSERT INTO users (owner_id, password_hash, credential_version, admin, disabled) \
                     VALUES ($1, $2, 1, $3, FALSE)",
                    id,
                    new.password_hash,
                    new.admin
                ),
            )
            .await?;
        transaction.commit().await?;
        Ok(User {
            id,
            name: new.name.as_str().to_owned(),
            visibility: new.visibility,
            password_hash: new.password_hash.map(str::to_owned),
            credential_version: 1,
            admin: new.admin,
            disabled: false,
        })
    }

    /// Makes an organisation with its first member, an admin of it.
    ///
    /// # Errors
    ///
    /// When the name is taken, the user is not there ([`MetadataError::Missing`]), or the database fails.
    pub async fn add_organisation(
        &self,
        name: &OwnerName,
        visibility: Visibility,
        first_admin: OwnerId,
        now: Timestamp,
    ) -> Result<Owner, AddOwnerError> {
        let mut transaction = self.engine.write().await?;
        let kind = OwnerKind::Organisation;
        let id = insert_owner(&mut transaction, kind, name, visibility, now).await?;
        transaction
            .run_one(
                "user",
                sql!(
                    "INSERT INTO memberships (organisation_id, user_id, role) \
                     SELECT $1, owner_id, 'admin' FROM users WHERE owner_id = $2",
                    id,
                    first_admin
                ),
            )
            .await?;
        transaction.commit().await?;
        Ok(Owner {
            id,
            kind,
            name: name.as_str().to_owned(),
            visibility,
        })
    }

    /// Changes a user's password, or takes it away. What was verified with the old one counts no more.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such user; when the database fails.
    pub async fn change_password(
        &self,
        user: OwnerId,
        password_hash: Option<&str>,
    ) -> Result<(), MetadataError> {
        self.change_one(
            "user",
            sql!(
                "UPDATE users SET password_hash = $2, credential_version = credential_version + 1 WHERE owner_id = $1",
                user,
                password_hash
            ),
        )
        .await
    }

    /// Disables an account, or lets it in again. What was verified before counts no more.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such user; when the database fails.
    pub async fn set_disabled(
        &self,
        user: OwnerId,
        disabled: bool,
        act: &Act<'_>,
    ) -> Result<(), MetadataError> {
        let statement = sql!(
            "UPDATE users SET disabled = $2, credential_version = credential_version + 1 WHERE owner_id = $1",
            user,
            disabled
        );
        let done = Done {
            action: if disabled {
                "user.disable"
            } else {
                "user.enable"
            },
            owner: Some(user),
            target: "",
            detail: None,
        };
        self.change_and_note("user", statement, act, done).await
    }

    /// Makes a user a site administrator, or no longer one.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such user; when the database fails.
    pub async fn set_admin(&self, user: OwnerId, admin: bool) -> Result<(), MetadataError> {
        self.change_one(
            "user",
            sql!(
                "UPDATE users SET admin = $2 WHERE owner_id = $1",
                user,
                admin
            ),
        )
        .await
    }

    /// Changes who may read what an owner has.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such owner; when the database fails.
    pub async fn set_visibility(
        &self,
        owner: OwnerId,
        visibility: Visibility,
    ) -> Result<(), MetadataError> {
        self.change_one(
            "owner",
            sql!(
                "UPDATE owners SET visibility = $2 WHERE id = $1",
                owner,
                visibility.as_str()
            ),
        )
        .await
    }
}

async fn insert_owner(
    transaction: &mut Transaction,
    kind: OwnerKind,
    name: &OwnerName,
    visibility: Visibility,
    now: Timestamp,
) -> Result<OwnerId, AddOwnerError> {
    let row = transaction
        .row(sql!(
            "INSERT INTO owners (kind, name, name_lower, visibility, created_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (name_lower) DO NOTHING RETURNING id",
            kind.as_str(),
            name.as_str(),
            name.lower(),
            visibility.as_str(),
            now
        ))
        .await?
        .ok_or(AddOwnerError::NameTaken)?;
    Ok(OwnerId::from_row(row.value("id")?))
}
