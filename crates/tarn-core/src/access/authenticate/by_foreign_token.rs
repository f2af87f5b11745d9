//! Who a token of a forge belongs to.
//!
//! The forge kept a slow hash of it. The first time the token comes it is compared with those that end in the same eight
//! characters, which takes milliseconds, in the queue of the passwords. From then on its SHA-256 is known, and it costs what every
//! other token costs.

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use super::{Access, AuthError, by_password::QUEUE_WAIT};
use crate::access::{caller::Caller, foreign, tokens::TokenHash};
use tarn_base::secret::Secret;

impl Access {
    /// Whose token of a forge `text` is; `None` when it is none that is known here.
    pub(super) async fn by_foreign_token(
        &self,
        text: &str,
        peer: IpAddr,
    ) -> Result<Option<Caller>, AuthError> {
        if !foreign::is_token(text) {
            return Ok(None);
        }
        let hash: TokenHash = Sha256::digest(text.as_bytes()).into();
        match self.by_token(&hash, peer).await {
            Err(AuthError::WrongCredentials) => {}
            known => return known.map(Some),
        }
        let Some(last_eight) = text.get(text.len() - 8..) else {
            return Ok(None);
        };
        let candidates = self.metadata.foreign_tokens_ending(last_eight).await?;
        if candidates.is_empty() {
            return Ok(None);
        }
        let checker = &self.passwords.checker;
        let place = checker.place().ok_or(AuthError::TooManyAttempts {
            retry_after: QUEUE_WAIT,
        })?;
        let text = Secret::new(text.to_owned());
        match checker.foreign_token(place, candidates, text).await {
            Ok(None) => Ok(None),
            Ok(Some(token)) => {
                self.metadata.know_foreign_token(token, &hash).await?;
                self.by_token(&hash, peer).await.map(Some)
            }
            Err(error) => Err(AuthError::Password(error)),
        }
    }
}
