//! Access tokens. The token itself is never here, only its SHA-256.

use super::{
    Act, Metadata, MetadataError, Owner, OwnerId, Page, TokenId, User, Window,
    audit::Done,
    engine::{Statement, Transaction, sql},
    owners::owner_columns,
    rows::{Columns, FromRow, Joined, row, select},
};
use tarn_base::clock::Timestamp;

row! {
    /// An access token, without what it is.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Token as token_columns {
        /// Which one.
        pub id: TokenId = tokens.id,
        /// Whose: a user's or an organisation's.
        pub owner: OwnerId = tokens.owner_id,
        /// What its owner calls it. Each of an owner's tokens has another label.
        pub label: String = tokens.label,
        /// What it lets its bearer do, as `access/` writes it.
        pub scopes: String = tokens.scopes,
        /// On what, as `access/` writes it; empty: no limit.
        pub limits: String = tokens.limits,
        /// From where, as `access/` writes it; empty: from anywhere.
        pub networks: String = tokens.networks,
        /// When it was made.
        pub created_at: Timestamp = tokens.created_at,
        /// From when on it counts no more. `None`: never.
        pub expires_at: Option<Timestamp> = tokens.expires_at,
        /// When it was last used, roughly. `None`: never.
        pub last_used_at: Option<Timestamp> = tokens.last_used_at,
    }
}

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// A user's.
    User(User),
    /// An organisation's, and no person's.
    Organisation(Owner),
}

/// A token to be kept.
#[derive(Clone, Copy)]
pub struct NewToken<'a> {
    /// Whose: a user's or an organisation's.
    pub owner: OwnerId,
    /// What its owner calls it.
    pub label: &'a str,
    /// SHA-256 of the token.
    pub hash: &'a [u8; 32],
    /// What it lets its bearer do.
    pub scopes: &'a str,
    /// On what; empty: no limit.
    pub limits: &'a str,
    /// From where; empty: from anywhere.
    pub networks: &'a str,
    /// From when on it counts no more. `None`: never.
    pub expires_at: Option<Timestamp>,
    /// How many an owner may have.
    pub at_most: u64,
}

impl<'a> NewToken<'a> {
    /// A token without limits, from anywhere, for ever, however many the owner has.
    pub const fn new(owner: OwnerId, label: &'a str, hash: &'a [u8; 32], scopes: &'a str) -> Self {
        Self {
            owner,
            label,
            hash,
            scopes,
            limits: "",
            networks: "",
            expires_at: None,
            at_most: u64::MAX,
        }
    }
}

/// Why a token was not kept.
#[derive(Debug, thiserror::Error)]
pub enum AddTokenError {
    /// The owner has a token with that label.
    #[error("the owner has a token with this label")]
    LabelTaken,
    /// The owner has as many as an owner may have, and none of them has expired.
    #[error("the owner has as many tokens as one may have")]
    TooMany,
    /// The database failed, or there is no such owner ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The columns of a [`Bearer`].
macro_rules! bearer_columns {
    () => {
        concat!(
            owner_columns!(),
            ", users.credential_version, users.admin, users.disabled, users.password_hash"
        )
    };
}

impl FromRow for Bearer {
    const COLUMNS: usize = Owner::COLUMNS + 4;

    fn take(left: &mut Columns) -> Result<Self, MetadataError> {
        let owner = Owner::take(left)?;
        let Joined(user) = FromRow::take(left)?;
        Ok(match user {
            None => Self::Organisation(owner),
            Some((credential_version, admin, disabled, password_hash)) => Self::User(User {
                id: owner.id,
                name: owner.name,
                visibility: owner.visibility,
                password_hash,
                credential_version,
                admin,
                disabled,
            }),
        })
    }
}

impl Metadata {
    /// Keeps a token. Where the owner has as many as one may have, those that have expired go first.
    ///
    /// # Errors
    ///
    /// When the owner has one with that label, or too many that still count, there is no such owner, or the database fails.
    pub async fn add_token(
        &self,
        new: NewToken<'_>,
        act: &Act<'_>,
    ) -> Result<Token, AddTokenError> {
        let mut transaction = self.engine.write().await?;
        transaction.lock_owner(new.owner).await?;
        if transaction.count(count_of(new.owner)).await? >= new.at_most {
            transaction
                .run(sql!(
                    "DELETE FROM tokens WHERE owner_id = $1 AND expires_at <= $2",
                    new.owner,
                    act.at
                ))
                .await?;
            if transaction.count(count_of(new.owner)).await? >= new.at_most {
                return Err(AddTokenError::TooMany);
            }
        }
        let made = (act.by.account_id(), act.at, None);
        let token = insert_token(&mut transaction, new, made).await?;
        let mut detail = new.scopes.to_owned();
        for (what, list) in [(" on ", new.limits), (" from ", new.networks)] {
            if !list.is_empty() {
                detail.push_str(what);
                detail.push_str(list);
            }
        }
        let done = Done::of(new.owner, "token.add", new.label).with(Some(&detail));
        transaction.note_and_commit(act, done).await?;
        Ok(token)
    }

    /// The token with that SHA-256 and whose it is. Whether it has expired, or the user is disabled, is for the
    /// caller to see.
    pub async fn token(&self, hash: &[u8; 32]) -> Result<Option<(Token, Bearer)>, MetadataError> {
        let ask = async |hash: &[u8; 32]| {
            self.engine
                .look_up(sql!(
                    select!(
                        token_columns,
                        ", ",
                        bearer_columns!(),
                        " FROM tokens JOIN owners ON owners.id = tokens.owner_id \
                         LEFT JOIN users ON users.owner_id = owners.id WHERE tokens.hash = $1"
                    ),
                    hash
                ))
                .await
        };
        self.memory.tokens.get(*hash, ask).await
    }

    /// The tokens of an owner, oldest first.
    pub async fn tokens(
        &self,
        owner: OwnerId,
        window: Window,
    ) -> Result<Page<Token>, MetadataError> {
        let count = count_of(owner);
        let rows = sql!(
            select!(
                token_columns,
                "FROM tokens WHERE tokens.owner_id = $1 ORDER BY tokens.id LIMIT $2 OFFSET $3"
            ),
            owner,
            window.limit,
            window.offset
        );
        self.page(count, rows).await
    }

    /// The token of an owner with that number; the one with that label, if none has the number.
    pub async fn token_of(
        &self,
        owner: OwnerId,
        number: Option<i64>,
        label: &str,
    ) -> Result<Option<Token>, MetadataError> {
        self.engine
            .row(sql!(
                select!(
                    token_columns,
                    "FROM tokens WHERE tokens.owner_id = $1 AND (tokens.id = CAST($2 AS BIGINT) OR tokens.label = $3) \
                     ORDER BY CASE WHEN tokens.label = $3 THEN 1 ELSE 0 END LIMIT 1"
                ),
                owner,
                number,
                label
            ))
            .await
    }

    /// Forgets the token of an owner with that label, which counts no more from then on. `false` when there was none.
    pub async fn remove_token(
        &self,
        owner: OwnerId,
        label: &str,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        let mut transaction = self.engine.write().await?;
        let removed = transaction
            .run(sql!(
                "DELETE FROM tokens WHERE owner_id = $1 AND label = $2",
                owner,
                label
            ))
            .await?;
        if removed == 0 {
            return Ok(false);
        }
        let done = Done::of(owner, "token.revoke", label);
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }

    /// Forgets tokens that expired before `end`, at most `most`. They counted no more anyway, so nothing is written down. Gives
    /// how many went.
    pub async fn forget_expired_tokens(
        &self,
        end: Timestamp,
        most: u32,
    ) -> Result<u64, MetadataError> {
        let statement = sql!(
            "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE expires_at < $1 LIMIT $2)",
            end,
            most
        );
        self.engine.run(statement).await
    }

    /// Notes when tokens were used, all in one transaction. Nothing happens to one that has been removed meanwhile, or was
    /// used later.
    pub async fn touch_tokens(&self, uses: &[(TokenId, Timestamp)]) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        for (id, at) in uses {
            transaction
                .run(sql!(
                    "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
                    *id,
                    *at
                ))
                .await?;
        }
        transaction.commit().await
    }
}

/// Inserts the row of a token. The tuple says who made it, when, and when it was last used.
///
/// # Errors
///
/// When the owner has one with that label, or the database fails.
pub(super) async fn insert_token(
    transaction: &mut Transaction,
    new: NewToken<'_>,
    (created_by, created_at, last_used_at): (Option<OwnerId>, Timestamp, Option<Timestamp>),
) -> Result<Token, AddTokenError> {
    // Without `..`: a field that is new must be kept, too.
    let NewToken {
        owner,
        label,
        hash,
        scopes,
        limits,
        networks,
        expires_at,
        at_most: _,
    } = new;
    transaction
        .row(sql!(
            concat!(
                "INSERT INTO tokens (owner_id, label, hash, scopes, limits, networks, created_by, created_at, expires_at, \
                 last_used_at) VALUES ($1, $2, $3, $4, $5, $6, (SELECT owner_id FROM users WHERE owner_id = $7), $8, $9, $10) \
                 ON CONFLICT (owner_id, label) DO NOTHING RETURNING ",
                token_columns!()
            ),
            owner,
            label,
            hash,
            scopes,
            limits,
            networks,
            created_by,
            created_at,
            expires_at,
            last_used_at
        ))
        .await?
        .ok_or(AddTokenError::LabelTaken)
}

/// The question for how many tokens an owner has, those that have expired among them.
pub(super) fn count_of(owner: OwnerId) -> Statement {
    sql!(
        "SELECT COUNT(*) AS count FROM tokens WHERE owner_id = $1",
        owner
    )
}
