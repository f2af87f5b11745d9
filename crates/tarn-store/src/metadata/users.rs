//! Users: those who sign in.

use super::{
    Act, AddOwnerError, Metadata, MetadataError, OwnerId, OwnerKind, Visibility,
    audit::Done,
    engine::{Transaction, sql},
    owners::{change_visibility, insert_owner},
    rows::{row, select},
    webhooks::give_up_pending_of,
};
use tarn_base::{clock::Timestamp, names::OwnerName};

row! {
    /// A user account.
    #[derive(Clone, PartialEq, Eq)]
    pub struct User as user_columns {
        /// The same number as the [`Owner`]'s.
        pub id: OwnerId = owners.id,
        /// As the maker of the account wrote it.
        pub name: String = owners.name,
        /// Who may read what the user has.
        pub visibility: Visibility = owners.visibility,
        /// The password's hash in PHC form. `None`: signs in by tokens only.
        pub password_hash: Option<String> = users.password_hash,
        /// Moves on when what the user signs in with changes, so that what was verified before counts no more.
        pub credential_version: i64 = users.credential_version,
        /// A site administrator passes every check.
        pub admin: bool = users.admin,
        /// A disabled account passes none.
        pub disabled: bool = users.disabled,
    }
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
    /// The password's hash in PHC form. `None`: signs in by tokens only.
    pub password_hash: Option<&'a str>,
    /// Whether it passes every check.
    pub admin: bool,
    /// Who may read what the user has.
    pub visibility: Visibility,
}

/// What changes of a user; `None` stays as it is.
#[derive(Clone, Copy, Default)]
pub struct UserChange<'a> {
    /// The password's hash in PHC form. `Some(None)`: signs in by tokens only from now on.
    pub password_hash: Option<Option<&'a str>>,
    /// Who may read what the user has.
    pub visibility: Option<Visibility>,
    /// Whether the user is a site administrator.
    pub admin: Option<bool>,
    /// Whether the account is disabled.
    pub disabled: Option<bool>,
}

/// Why a user was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeUserError {
    /// The registry would have no administrator.
    #[error("there is no other site administrator")]
    LastSiteAdmin,
    /// The database failed, or there is no such user ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

pub(super) use user_columns;

impl Metadata {
    /// The user of that name, without regard to case. An organisation is none.
    pub async fn user(&self, name: &OwnerName) -> Result<Option<User>, MetadataError> {
        let ask = async |name: &String| {
            self.engine
                .look_up(sql!(
                    select!(
                        user_columns,
                        "FROM owners JOIN users ON users.owner_id = owners.id WHERE owners.name_lower = $1"
                    ),
                    name.as_str()
                ))
                .await
        };
        self.memory.users.get(name.lower(), ask).await
    }

    /// The user with that identifier.
    pub async fn user_by_id(&self, id: OwnerId) -> Result<Option<User>, MetadataError> {
        self.engine
            .row(sql!(
                select!(
                    user_columns,
                    "FROM owners JOIN users ON users.owner_id = owners.id WHERE owners.id = $1"
                ),
                id
            ))
            .await
    }

    /// All users, by name.
    pub async fn users(&self) -> Result<Vec<User>, MetadataError> {
        self.engine
            .rows(sql!(select!(
                user_columns,
                "FROM owners JOIN users ON users.owner_id = owners.id ORDER BY owners.name_lower"
            )))
            .await
    }

    /// How many users there are, disabled ones too. None means that this is the first run.
    pub async fn user_count(&self) -> Result<i64, MetadataError> {
        let count = sql!("SELECT COUNT(*) AS count FROM users");
        let count = self.engine.row(count).await?;
        count.ok_or(MetadataError::Missing("count"))
    }

    /// Makes an account.
    ///
    /// # Errors
    ///
    /// When the name is taken, or the database fails.
    pub async fn add_user(&self, new: NewUser<'_>, act: &Act<'_>) -> Result<User, AddOwnerError> {
        let mut transaction = self.engine.write().await?;
        let id = insert_user(&mut transaction, new, false, act.at).await?;
        let detail = match (new.visibility, new.admin) {
            (visibility, true) => format!("{visibility}, a site administrator"),
            (visibility, false) => visibility.to_string(),
        };
        let done = Done::of(id, "user.add", new.name.as_str()).with(Some(&detail));
        transaction.note_and_commit(act, done).await?;
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

    /// Changes a user: all that is asked for, in one transaction, or nothing. `false` when everything was so already; nothing was
    /// changed then.
    ///
    /// What was verified with an old password, or before the account was disabled or enabled, counts no more. The webhooks of one
    /// that is disabled get nothing, also not what is pending.
    ///
    /// # Errors
    ///
    /// When no site administrator would be left, there is no such user ([`MetadataError::Missing`]), or the database fails.
    pub async fn change_user(
        &self,
        user: OwnerId,
        change: UserChange<'_>,
        act: &Act<'_>,
    ) -> Result<bool, ChangeUserError> {
        let mut transaction = self.engine.write().await?;
        transaction.must_have_user(user).await?;
        let mut changed = false;
        if let Some(hash) = change.password_hash {
            change_password(&mut transaction, user, hash, act).await?;
            changed = true;
        }
        if let Some(visibility) = change.visibility {
            changed |= change_visibility(&mut transaction, user, visibility, act).await?;
        }
        if let Some(admin) = change.admin {
            changed |= change_admin(&mut transaction, user, admin, act).await?;
        }
        if let Some(disabled) = change.disabled {
            changed |= change_disabled(&mut transaction, user, disabled, act).await?;
        }
        if changed {
            transaction.commit().await?;
        }
        Ok(changed)
    }

    /// Puts another hash of the same password in the place of `old`. What was verified with it still counts. Nothing happens when
    /// the user has another hash by now.
    pub async fn replace_password_hash(
        &self,
        user: OwnerId,
        old: &str,
        new: &str,
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        let replaced = transaction
            .run(sql!(
                "UPDATE users SET password_hash = $3 WHERE owner_id = $1 AND password_hash = $2",
                user,
                old,
                new
            ))
            .await?;
        if replaced > 0 {
            transaction.commit().await?;
        }
        Ok(())
    }
}

/// Makes the rows of an account, as a part of a transaction.
pub(super) async fn insert_user(
    transaction: &mut Transaction,
    new: NewUser<'_>,
    disabled: bool,
    now: Timestamp,
) -> Result<OwnerId, AddOwnerError> {
    let kind = OwnerKind::User;
    let id = insert_owner(transaction, kind, new.name, new.visibility, now).await?;
    let statement = sql!(
        "INSERT INTO users (owner_id, password_hash, credential_version, admin, disabled) \
         VALUES ($1, $2, 1, $3, $4)",
        id,
        new.password_hash,
        new.admin,
        disabled
    );
    transaction.run_one("user", statement).await?;
    Ok(id)
}

async fn change_password(
    transaction: &mut Transaction,
    user: OwnerId,
    hash: Option<&str>,
    act: &Act<'_>,
) -> Result<(), MetadataError> {
    let statement = sql!(
        "UPDATE users SET password_hash = $2, credential_version = credential_version + 1 WHERE owner_id = $1",
        user,
        hash
    );
    transaction.run_one("user", statement).await?;
    let detail = hash.is_none().then_some("taken away");
    let done = Done::of(user, "user.password", "").with(detail);
    transaction.note(act, done).await
}

async fn change_disabled(
    transaction: &mut Transaction,
    user: OwnerId,
    disabled: bool,
    act: &Act<'_>,
) -> Result<bool, ChangeUserError> {
    if disabled && is_last_site_admin(transaction, user).await? {
        return Err(ChangeUserError::LastSiteAdmin);
    }
    let changed = transaction
        .run(sql!(
            "UPDATE users SET disabled = $2, credential_version = credential_version + 1 \
             WHERE owner_id = $1 AND disabled <> $2",
            user,
            disabled
        ))
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    let action = if disabled {
        give_up_pending_of(transaction, user, act.at).await?;
        "user.disable"
    } else {
        "user.enable"
    };
    transaction.note(act, Done::of(user, action, "")).await?;
    Ok(true)
}

async fn change_admin(
    transaction: &mut Transaction,
    user: OwnerId,
    admin: bool,
    act: &Act<'_>,
) -> Result<bool, ChangeUserError> {
    if !admin && is_last_site_admin(transaction, user).await? {
        return Err(ChangeUserError::LastSiteAdmin);
    }
    let changed = transaction
        .run(sql!(
            "UPDATE users SET admin = $2 WHERE owner_id = $1 AND admin <> $2",
            user,
            admin
        ))
        .await?;
    if changed == 0 {
        return Ok(false);
    }
    let action = if admin {
        "user.admin.add"
    } else {
        "user.admin.remove"
    };
    transaction.note(act, Done::of(user, action, "")).await?;
    Ok(true)
}

impl Transaction {
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when there is no such user.
    pub(super) async fn must_have_user(&mut self, user: OwnerId) -> Result<(), MetadataError> {
        let found = sql!("SELECT owner_id FROM users WHERE owner_id = $1", user);
        self.one::<OwnerId>("user", found).await.map(drop)
    }
}

/// Whether a user is the only site administrator who is not disabled. Two that ask this at once wait for each other: the
/// rows that it looks at are changed into themselves.
pub(super) async fn is_last_site_admin(
    transaction: &mut Transaction,
    user: OwnerId,
) -> Result<bool, MetadataError> {
    let admins: Vec<OwnerId> = transaction
        .rows(sql!(
            "UPDATE users SET admin = admin WHERE admin = TRUE AND disabled = FALSE RETURNING owner_id"
        ))
        .await?;
    Ok(admins == [user])
}
