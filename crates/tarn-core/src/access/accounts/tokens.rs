//! Tokens of users and organisations.

use std::time::Duration;

use super::{AccountError, Accounts, MAX_TOKENS, check_label};
use crate::access::{
    caller::UsedToken,
    networks::Networks,
    patterns::TokenLimits,
    scopes::{Scope, Scopes},
    tokens,
};
use tarn_base::{clock::Timestamp, names::OwnerName, secret::Secret};
use tarn_store::metadata::{Actor, NewToken, OwnerKind, Page, Token, Window};

/// A token to be made.
#[derive(Debug, Clone)]
pub struct TokenRequest<'a> {
    /// What to call it.
    pub label: &'a str,
    /// What for.
    pub scopes: Scopes,
    /// On what.
    pub limits: TokenLimits,
    /// From where.
    pub networks: Networks,
    /// For how long. `None`: until it is removed.
    pub lifetime: Option<Duration>,
}

impl<'a> TokenRequest<'a> {
    /// A token without limits, from anywhere, for ever.
    pub fn new(label: &'a str, scopes: Scopes) -> Self {
        Self {
            label,
            scopes,
            limits: TokenLimits::default(),
            networks: Networks::default(),
            lifetime: None,
        }
    }
}

impl Accounts {
    /// Makes a token for a user or an organisation. It is in the answer and nowhere else: only its hash is kept.
    ///
    /// `maker` is the token by which it is made, if it is made by one: the new one is never wider.
    ///
    /// # Errors
    ///
    /// When there is none of that kind and name, the label is taken or cannot be used, or such a token is not given out.
    pub async fn add_token(
        &self,
        kind: OwnerKind,
        owner: &OwnerName,
        request: &TokenRequest<'_>,
        maker: Option<&UsedToken>,
        by: &Actor,
    ) -> Result<(Token, Secret), AccountError> {
        // Taken apart without `..`: a new field has to be checked, and kept, below.
        let &TokenRequest {
            label,
            scopes,
            ref limits,
            ref networks,
            lifetime,
        } = request;
        check_label(label)?;
        let short = |lifetime| lifetime < Duration::from_secs(1);
        if lifetime.is_some_and(short) {
            return Err(AccountError::NoLifetime);
        }
        let admin = scopes.has(Scope::Admin);
        if admin && !limits.are_of_owners_alone() {
            return Err(AccountError::AdminWithLimits);
        }
        let now = self.clock.now();
        let expires_at = lifetime.map(|lifetime| now.after(lifetime));
        if let Some(maker) = maker {
            refuse_wider(maker, request, expires_at)?;
        }
        if admin && kind == OwnerKind::Organisation {
            return Err(AccountError::AdminOfOrganisation);
        }
        let found = self.owner_of(kind, owner).await?;
        let (secret, hash) = tokens::generate(&self.random)?;
        let new = NewToken {
            owner: found.id,
            label,
            hash: &hash,
            scopes: &scopes.to_string(),
            limits: &limits.to_string(),
            networks: &networks.to_string(),
            expires_at,
            at_most: MAX_TOKENS,
        };
        let token = self.metadata.add_token(new, &by.at(now)).await;
        let token = token.map_err(|error| AccountError::from_adding_token(error, owner, label))?;
        Ok((token, secret))
    }

    /// Removes an owner's token. It is refused from the next request on. Whether there was one.
    ///
    /// # Errors
    ///
    /// When there is none of that kind and name.
    pub async fn remove_token(
        &self,
        kind: OwnerKind,
        owner: &OwnerName,
        label: &str,
        by: &Actor,
    ) -> Result<bool, AccountError> {
        let owner = self.owner_of(kind, owner).await?;
        let act = self.act(by);
        Ok(self.metadata.remove_token(owner.id, label, &act).await?)
    }

    /// The tokens of a user or an organisation, without their secrets.
    ///
    /// # Errors
    ///
    /// When there is none of that kind and name.
    pub async fn tokens(
        &self,
        kind: OwnerKind,
        owner: &OwnerName,
        window: Window,
    ) -> Result<Page<Token>, AccountError> {
        let owner = self.owner_of(kind, owner).await?;
        Ok(self.metadata.tokens(owner.id, window).await?)
    }
}

fn refuse_wider(
    maker: &UsedToken,
    request: &TokenRequest<'_>,
    expires_at: Option<Timestamp>,
) -> Result<(), AccountError> {
    // Both are taken apart without `..`: what bounds a token also bounds those that are made by it.
    let UsedToken {
        id: _,
        label: _,
        scopes,
        limits,
        networks,
        expires_at: ends_at,
    } = maker;
    let TokenRequest {
        label: _,
        scopes: new_scopes,
        limits: new_limits,
        networks: new_networks,
        lifetime: _, // `expires_at` is computed from it.
    } = request;
    let outlives = match (*ends_at, expires_at) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(maker), Some(new)) => new > maker,
    };
    let wider = if !scopes.cover(*new_scopes) {
        "scopes"
    } else if !limits.cover(new_limits) {
        "limits"
    } else if !networks.cover(new_networks) {
        "networks"
    } else if outlives {
        "bounds of time"
    } else {
        return Ok(());
    };
    Err(AccountError::WiderThanMaker(wider))
}
