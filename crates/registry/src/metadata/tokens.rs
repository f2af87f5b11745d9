//! Access tokens. The token itself is never here, only its SHA-256.

use super::{
    Metadata, MetadataError, OwnerId, TokenId, User,
    engine::{Row, sql},
    owners::user_columns,
};
use crate::clock::Timestamp;

/// An access token, without what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Which one.
    pub id: TokenId,
    /// Whose.
    pub user_id: OwnerId,
    /// What its user calls it. Each of a user's tokens has another label.
    pub label: String,
    /// What it lets its bearer do, as `access/` writes it.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it counts no more. `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, roughly. `None`: never.
    pub last_used_at: Option<Timestamp>,
}

/// A token to be kept.
#[derive(Clone, Copy)]
pub struct NewToken<'a> {
    /// Whose.
    pub user: OwnerId,
    /// What its user calls it.
    pub label: &'a str,
    /// SHA-256 of the token.
    pub hash: &'a [u8; 32],
    /// What it lets its bearer do.
    pub scopes: &'a str,
    /// From when on it counts no more. `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// Why a token was not kept.
#[derive(Debug, thiserror::Error)]
pub enum AddTokenError {
    /// The user has a token with that label.
    #[error("the user has a token with this label")]
    LabelTaken,
    /// The database failed, or there is no such user ([`MetadataError::Missing`]).
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// The columns of [`Token`], as a piece of a SELECT beside those of a user.
macro_rules! token_columns {
    () => {
        "tokens.id AS token_id, tokens.user_id AS user_id, tokens.label AS label, tokens.scopes AS scopes, \
         tokens.created_at AS created_at, tokens.expires_at AS expires_at, tokens.last_used_at AS last_used_at"
    };
}

impl Token {
    fn from_row(row: &Row) -> Result<Self, MetadataError> {
        Ok(Self {
            id: TokenId::from_row(row.value("token_id")?),
            user_id: OwnerId::from_row(row.value("user_id")?),
            label: row.value("label")?,
            scopes: row.value("scopes")?,
            created_at: row.time("created_at")?,
            expires_at: row.time_if_any("expires_at")?,
            last_used_at: row.time_if_any("last_used_at")?,
        })
    }
}

impl Metadata {
    /// Keeps a token.
    ///
    /// # Errors
    ///
    /// When the user has one with that label, there is no such user, or the database fails.
    pub async fn add_token(
        &self,
        new: NewToken<'_>,
        now: Timestamp,
    ) -> Result<Token, AddTokenError> {
        let mut transaction = self.engine.write().await?;
        let row = transaction
            .row(sql!(
                "INSERT INTO tokens (user_id, label, hash, scopes, created_at, expires_at) \
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, label) DO NOTHING RETURNING id",
                new.user,
                new.label,
                new.hash,
                new.scopes,
                now,
                new.expires_at
            ))
            .await
            .map_err(|error| match error {
                error if error.is_dangling_reference() => MetadataError::Missing("user"),
                error => error,
            })?
            .ok_or(AddTokenError::LabelTaken)?;
        let id = TokenId::from_row(row.value("id")?);
        transaction.commit().await?;
        Ok(Token {
            id,
            user_id: new.user,
            label: new.label.to_owned(),
            scopes: new.scopes.to_owned(),
            created_at: now,
            expires_at: new.expires_at,
            last_used_at: None,
        })
    }

    /// The token with that SHA-256 and whose it is. Whether it has expired, or the user is disabled, is for the
    /// caller to see.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn token(&self, hash: &[u8; 32]) -> Result<Option<(Token, User)>, MetadataError> {
        let ask = async |hash: &[u8; 32]| {
            self.engine
                .row(sql!(
                    concat!(
                        "SELECT ",
                        token_columns!(),
                        ", ",
                        user_columns!(),
                        " FROM tokens JOIN users ON users.owner_id = tokens.user_id \
                         JOIN owners ON owners.id = users.owner_id WHERE tokens.hash = $1"
                    ),
                    hash
                ))
                .await?
                .map(|row| Ok((Token::from_row(&row)?, User::from_row(&row)?)))
                .transpose()
        };
        self.memory.tokens.get(&self.memory.watch, *hash, ask).await
    }

    /// The tokens of a user, oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn tokens(&self, user: OwnerId) -> Result<Vec<Token>, MetadataError> {
        self.engine
            .rows(sql!(
                concat!(
                    "SELECT ",
                    token_columns!(),
                    " FROM tokens WHERE tokens.user_id = $1 ORDER BY tokens.id"
                ),
                user
            ))
            .await?
            .iter()
            .map(Token::from_row)
            .collect()
    }

    /// Forgets the token of a user with that label, which counts no more from then on. `false` when there was none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn remove_token(&self, user: OwnerId, label: &str) -> Result<bool, MetadataError> {
        let removed = self
            .engine
            .run(sql!(
                "DELETE FROM tokens WHERE user_id = $1 AND label = $2",
                user,
                label
            ))
            .await?;
        Ok(removed == 1)
    }

    /// Notes that a token was used. Nothing happens when it has been removed meanwhile, or was used later.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn touch_token(&self, id: TokenId, now: Timestamp) -> Result<(), MetadataError> {
        self.engine
            .run(sql!(
                "UPDATE tokens SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
                id,
                now
            ))
            .await?;
        Ok(())
    }
}
