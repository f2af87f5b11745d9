//! Tokens that a forge gave out, which clients go on using after an import.
//!
//! A forge keeps a slow hash of a token and its last eight characters. The text of the token is not known before its bearer sends
//! it. Until then the row in `tokens` has a placeholder for its SHA-256, and the row here what the text is compared with. Once the
//! text is known, its SHA-256 takes the placeholder's place, and the token is one like every other.

use sha2::{Digest as _, Sha256};

use super::{
    Act, AddTokenError, Metadata, MetadataError, NewToken, OwnerId, TokenId,
    audit::Done,
    engine::sql,
    tokens::{count_of, insert_token},
};
use tarn_base::clock::Timestamp;

/// The most tokens that are compared with one text. Of a million tokens, two share their last eight characters once in a
/// thousand registries.
const MOST_CANDIDATES: i64 = 8;

/// What a forge keeps of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignHash {
    /// PBKDF2-HMAC-SHA256 of the token: 10,000 rounds, 50 bytes, in lower-case hex.
    pub hash: String,
    /// The salt: these very characters.
    pub salt: String,
}

impl std::fmt::Debug for ForeignHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForeignHash(***)")
    }
}

/// A token of a forge to be kept.
#[derive(Debug, Clone, Copy)]
pub struct NewForeignToken<'a> {
    /// Whose.
    pub owner: OwnerId,
    /// What its owner calls it.
    pub label: &'a str,
    /// What the forge keeps of it.
    pub kept: &'a ForeignHash,
    /// The last eight characters of the token.
    pub last_eight: &'a str,
    /// What it lets its bearer do, as `access/` writes it.
    pub scopes: &'a str,
    /// When the forge gave it out.
    pub created_at: Timestamp,
    /// When it was last used there. `None`: never.
    pub last_used_at: Option<Timestamp>,
    /// How many an owner may have.
    pub at_most: u64,
}

impl Metadata {
    /// Keeps a token of a forge. `false` when an earlier import did, whatever became of the token since.
    ///
    /// # Errors
    ///
    /// When the owner has one with that label, or too many, there is no such owner, or the database fails.
    pub async fn add_foreign_token(
        &self,
        new: NewForeignToken<'_>,
        act: &Act<'_>,
    ) -> Result<bool, AddTokenError> {
        let mut transaction = self.engine.write().await?;
        transaction.lock_owner(new.owner).await?;
        let known = sql!(
            "SELECT hash FROM foreign_tokens WHERE hash = $1",
            new.kept.hash.as_str()
        );
        if transaction.any(known).await? {
            return Ok(false);
        }
        if transaction.count(count_of(new.owner)).await? >= new.at_most {
            return Err(AddTokenError::TooMany);
        }
        let token = NewToken {
            owner: new.owner,
            label: new.label,
            hash: &placeholder(&new.kept.hash),
            scopes: new.scopes,
            limits: "",
            networks: "",
            expires_at: None,
            at_most: new.at_most,
        };
        let made = (None, new.created_at, new.last_used_at);
        let token = insert_token(&mut transaction, token, made).await?;
        let statement = sql!(
            "INSERT INTO foreign_tokens (hash, salt, last_eight, token_id) VALUES ($1, $2, $3, $4)",
            new.kept.hash.as_str(),
            new.kept.salt.as_str(),
            new.last_eight,
            token.id
        );
        transaction.run_one("token of a forge", statement).await?;
        let detail = format!("{}, imported from a forge", new.scopes);
        let done = Done::of(new.owner, "token.add", new.label).with(Some(&detail));
        transaction.note_and_commit(act, done).await?;
        Ok(true)
    }

    /// The tokens of forges that end in these eight characters and whose text is not known yet.
    pub async fn foreign_tokens_ending(
        &self,
        last_eight: &str,
    ) -> Result<Vec<(TokenId, ForeignHash)>, MetadataError> {
        let found = self.engine
            .rows(sql!(
                "SELECT token_id, hash, salt FROM foreign_tokens WHERE last_eight = $1 AND token_id IS NOT NULL \
                 ORDER BY token_id LIMIT $2",
                last_eight,
                MOST_CANDIDATES
            ))
            .await?;
        let kept = |(token, hash, salt)| (token, ForeignHash { hash, salt });
        Ok(found.into_iter().map(kept).collect())
    }

    /// Notes the SHA-256 of the text of a forge's token, now that the text is known. Nothing happens to one that was revoked, or
    /// whose text another request showed meanwhile.
    pub async fn know_foreign_token(
        &self,
        token: TokenId,
        sha256: &[u8; 32],
    ) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        let changed = transaction
            .run(sql!(
                "UPDATE foreign_tokens SET token_id = NULL WHERE token_id = $1",
                token
            ))
            .await?;
        if changed == 0 {
            return Ok(());
        }
        let statement = sql!("UPDATE tokens SET hash = $2 WHERE id = $1", token, sha256);
        transaction.run_one("token", statement).await?;
        transaction.commit().await
    }
}

/// What stands in the place of a token's SHA-256 until its text is known: of 100 hex digits, which no token has.
fn placeholder(hash: &str) -> [u8; 32] {
    Sha256::digest(hash.as_bytes()).into()
}
