//! Who a token belongs to, and what it leaves of what they may do.

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use super::{Access, AuthError, TokenRefusal};
use crate::access::{
    caller::{By, Caller, OrganisationToken, SignedIn, UsedToken},
    tokens::TokenHash,
};
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{Bearer, Token, TokenId};

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
        let used = used(&token)?;
        // Taken apart without `..`: what bounds a token is asked here or in the policy.
        let UsedToken {
            id: _,
            label: _,
            scopes: _,
            limits: _,
            networks,
            expires_at,
        } = &used;
        let refusal = if expires_at.is_some_and(|end| end <= now) {
            Some(TokenRefusal::Expired)
        } else if matches!(&bearer, Bearer::User(user) if user.disabled) {
            Some(TokenRefusal::Disabled)
        } else if !networks.allow(peer) {
            Some(TokenRefusal::OutsideNetworks)
        } else {
            None
        };
        if refusal.is_none() {
            self.note_use(token.id, token.last_used_at, now);
        }
        let caller = match bearer {
            Bearer::User(user) => Caller::User(SignedIn {
                user,
                by: By::Token(used),
            }),
            Bearer::Organisation(organisation) => Caller::Organisation(OrganisationToken {
                organisation,
                token: used,
            }),
        };
        match refusal {
            None => Ok(caller),
            Some(why) => Err(AuthError::Token {
                why,
                bearer: Box::new(caller.actor(peer)),
            }),
        }
    }

    /// Has it written down that a token was used, now and then, and not while the request waits.
    fn note_use(&self, token: TokenId, last_used_at: Option<Timestamp>, now: Timestamp) {
        if !self.token_uses.note(token, last_used_at, now) {
            return;
        }
        let (metadata, uses) = (self.metadata.clone(), Arc::clone(&self.token_uses));
        let interval = self.write_interval;
        tokio::spawn(async move {
            while uses.goes_on() {
                // Those of the next moments go with it.
                tokio::time::sleep(interval).await;
                if let Err(error) = uses.write(&metadata).await {
                    tracing::warn!(%error, "the last uses of some tokens were not written down");
                }
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
    // Taken apart without `..`: a new field that bounds what the token may do has to be among what is used.
    let Token {
        id,
        owner: _,
        label,
        scopes,
        limits,
        networks,
        created_at: _,
        expires_at,
        last_used_at: _,
    } = token;
    Ok(UsedToken {
        id: *id,
        label: label.clone(),
        scopes: read(*id, scopes)?,
        limits: read(*id, limits)?,
        networks: read(*id, networks)?,
        expires_at: *expires_at,
    })
}
