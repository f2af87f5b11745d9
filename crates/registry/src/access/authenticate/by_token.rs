//! Who a token belongs to, and what it leaves of what they may do.

use std::{fmt, net::IpAddr, str::FromStr, sync::PoisonError};

use super::{Access, AuthError};
use crate::{
    access::{
        caller::{By, Caller, OrganisationToken, SignedIn, UsedToken},
        tokens::TokenHash,
    },
    clock::Timestamp,
    metadata::{Bearer, Token, TokenId},
};

impl Access {
    pub(super) async fn by_token(
        &self,
        hash: &TokenHash,
        peer: IpAddr,
    ) -> Result<Caller, AuthError> {
        let Some((token, bearer)) = self.metadata.token(hash).await? else {
            return Err(AuthError::WrongCredentials);
        };
        let now = self.clock.now();
        if token.expires_at.is_some_and(|end| end <= now) {
            return Err(AuthError::TokenExpired);
        }
        if matches!(&bearer, Bearer::User(user) if user.disabled) {
            return Err(AuthError::Disabled);
        }
        let used = used(&token)?;
        if !used.networks.allow(peer) {
            return Err(AuthError::OutsideNetworks);
        }
        self.note_use(&token, now);
        Ok(match bearer {
            Bearer::User(user) => Caller::User(SignedIn {
                user,
                by: By::Token(used),
            }),
            Bearer::Organisation(organisation) => Caller::Organisation(OrganisationToken {
                organisation,
                token: used,
            }),
        })
    }

    /// Writes down that a token was used, now and then, and not while the request waits.
    fn note_use(&self, token: &Token, now: Timestamp) {
        let lately = |at: Timestamp| now.since(at) < self.token_use_interval;
        if token.last_used_at.is_some_and(lately) {
            return;
        }
        let mut uses = self
            .token_uses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if uses.entry(&token.id).copied().is_some_and(lately) {
            return;
        }
        uses.insert(token.id, now);
        drop(uses);
        let (metadata, id) = (self.metadata.clone(), token.id);
        tokio::spawn(async move {
            if let Err(error) = metadata.touch_token(id, now).await {
                tracing::warn!(token = %id, %error, "the last use of a token was not written down");
            }
        });
    }
}

/// What a token may do, read from its row.
fn used(token: &Token) -> Result<UsedToken, AuthError> {
    fn read<T: FromStr<Err: fmt::Display>>(id: TokenId, text: &str) -> Result<T, AuthError> {
        text.parse().map_err(|problem| AuthError::Stored {
            what: format!("token {id}"),
            problem: format!("{problem}"),
        })
    }
    Ok(UsedToken {
        id: token.id,
        label: token.label.clone(),
        scopes: read(token.id, &token.scopes)?,
        limits: read(token.id, &token.limits)?,
        networks: read(token.id, &token.networks)?,
        expires_at: token.expires_at,
    })
}
