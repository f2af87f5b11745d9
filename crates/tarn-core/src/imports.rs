//! What comes from another registry: accounts with the secrets they sign in with, tokens, and a record of what was imported.
//!
//! For imports only. Everything else that an import makes (organisations, teams, keys, packages, rules) takes the way that it takes
//! when it is made here. What a package was elsewhere is published with it ([`crate::publish::Destination`]).

pub use crate::access::foreign::{is_token_hash, is_verifiable};
use crate::access::{
    AccountError, Scopes,
    accounts::{MAX_TOKENS, check_label},
    second_factor::SEALED_AS,
    totp::TotpSecret,
};
use crate::resources::Resources;
use tarn_base::{clock::Timestamp, names::OwnerName, secret::Secret};
use tarn_store::metadata::{
    Actor, ForeignHash, Imported, ImportedUser, MetadataError, NewForeignToken, NewUser, Owner,
    OwnerId, Visibility,
};

/// An account to be imported.
#[derive(Debug, Clone)]
pub struct UserImport<'a> {
    /// The name, still free.
    pub name: &'a OwnerName,
    /// What the account is at the source, the same in every run and at no other source.
    pub known_as: &'a str,
    /// The hash of the password, of a form that [`is_verifiable`] knows. `None`: signs in by tokens only.
    pub password_hash: Option<&'a str>,
    /// Whether the account passes every check.
    pub admin: bool,
    /// Whether it passes none.
    pub disabled: bool,
    /// Who may read what the user has.
    pub visibility: Visibility,
    /// The secret of the code generator in base32, of a form that [`is_generator_secret`] knows. `None`: no second factor.
    pub generator: Option<&'a Secret>,
}

/// A token to be imported.
#[derive(Debug, Clone)]
pub struct TokenImport<'a> {
    /// Whose, and their name.
    pub owner: (OwnerId, &'a OwnerName),
    /// What its owner calls it.
    pub label: &'a str,
    /// What the forge keeps of it.
    pub kept: &'a ForeignHash,
    /// Its last eight characters.
    pub last_eight: &'a str,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When the forge gave it out.
    pub created_at: Timestamp,
    /// When it was last used there. `None`: never.
    pub last_used_at: Option<Timestamp>,
}

/// Whether a text is the secret of a code generator in base32.
pub fn is_generator_secret(text: &Secret) -> bool {
    TotpSecret::from_base32(text.expose()).is_some()
}

/// The way in for imports. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Imports(Resources);

impl Imports {
    pub(crate) const fn new(resources: Resources) -> Self {
        Self(resources)
    }

    /// Makes an account.
    ///
    /// # Errors
    ///
    /// When the name is taken or reserved.
    pub async fn user(&self, user: &UserImport<'_>, by: &Actor) -> Result<OwnerId, AccountError> {
        let name = user.name;
        if name.is_reserved() {
            return Err(AccountError::Reserved(name.clone()));
        }
        let generator = user.generator;
        let seal = |id: OwnerId| {
            let secret = generator?.expose();
            self.0.sealer.seal(id.number(), SEALED_AS, secret).ok()
        };
        let new = ImportedUser {
            user: NewUser {
                name,
                password_hash: user.password_hash,
                admin: user.admin,
                visibility: user.visibility,
            },
            known_as: user.known_as,
            disabled: user.disabled,
            second_factor: generator.is_some().then_some(&seal),
        };
        self.0
            .metadata
            .import_user(new, &self.0.act(by))
            .await
            .map_err(|error| AccountError::from_adding(error, name))
    }

    /// Makes an organisation with its first admin. `known_as`: as for a user.
    ///
    /// # Errors
    ///
    /// When the name is taken or reserved.
    pub async fn organisation(
        &self,
        (name, visibility): (&OwnerName, Visibility),
        known_as: &str,
        first_admin: OwnerId,
        by: &Actor,
    ) -> Result<Owner, AccountError> {
        if name.is_reserved() {
            return Err(AccountError::Reserved(name.clone()));
        }
        let act = self.0.act(by);
        self.0
            .metadata
            .import_organisation((name, visibility), known_as, first_admin, &act)
            .await
            .map_err(|error| AccountError::from_adding(error, name))
    }

    /// Keeps a token. `false` when an earlier import did, also when it was revoked since.
    ///
    /// # Errors
    ///
    /// When the label is taken or cannot be used, or the owner has too many tokens.
    pub async fn token(&self, token: &TokenImport<'_>, by: &Actor) -> Result<bool, AccountError> {
        let label = token.label;
        check_label(label)?;
        let (owner, name) = token.owner;
        let new = NewForeignToken {
            owner,
            label,
            kept: token.kept,
            last_eight: token.last_eight,
            scopes: &token.scopes.to_string(),
            created_at: token.created_at,
            last_used_at: token.last_used_at,
            at_most: MAX_TOKENS,
        };
        let added = self
            .0
            .metadata
            .add_foreign_token(new, &self.0.act(by))
            .await;
        added.map_err(|error| AccountError::from_adding_token(error, name, label))
    }

    /// The account that one of a forge became in an earlier import, also when it was deleted since.
    pub async fn known_account(&self, known_as: &str) -> Result<Option<OwnerId>, MetadataError> {
        self.0.metadata.imported_account(known_as).await
    }

    /// Whether an earlier import brought this, or found it here.
    pub async fn knows(&self, thing: &Imported) -> Result<bool, MetadataError> {
        self.0.metadata.was_imported(thing).await
    }

    /// Remembers what came or was found.
    pub async fn remember(&self, things: &[Imported]) -> Result<(), MetadataError> {
        self.0.metadata.remember_imported(things).await
    }
}
