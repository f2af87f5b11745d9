//! What comes from another registry: accounts with a hash that another program made, and the memory of what came.

use super::{
    Act, AddOwnerError, Metadata, MetadataError, NewUser, Owner, OwnerId, Visibility,
    audit::Done,
    engine::{Transaction, sql},
    owners::insert_organisation,
    users::insert_user,
};
use tarn_base::{named, names::OwnerName};

/// Seals the secret of a second factor for the account with that identifier, which is known only inside the transaction.
/// `None`: it can't.
pub type SealFactor<'a> = dyn Fn(OwnerId) -> Option<Vec<u8>> + Send + Sync + 'a;

/// An account to be imported.
#[derive(Clone, Copy)]
pub struct ImportedUser<'a> {
    /// As for an account that is added. The hash may be of any form that `access/` verifies.
    pub user: NewUser<'a>,
    /// What the account is at the source: see [`Imported::name`].
    pub known_as: &'a str,
    /// Whether the account is disabled.
    pub disabled: bool,
    /// The second factor, in force from the start.
    pub second_factor: Option<&'a SealFactor<'a>>,
}

named! {
    /// What a row of `imported` is about.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum ImportedKind {
        /// A user or an organisation.
        Account = "account",
        /// A team of an organisation.
        Team = "team",
        /// That a user is in a team.
        Member = "member",
        /// A package file.
        Package = "package",
        /// The expiry rule of an owner.
        Rule = "rule",
        /// A webhook.
        Webhook = "webhook",
    }
}

/// Something that an import brought, or found here. It is remembered also when it is deleted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// What.
    pub kind: ImportedKind,
    /// Its name at the source, the same in every run. It is kept as it is: what is secret has to be hashed.
    pub name: String,
    /// Of an account, what it became; else whose it is.
    pub owner: OwnerId,
}

impl Metadata {
    /// Makes an account with all it signs in with, and remembers that it came, in one transaction.
    ///
    /// # Errors
    ///
    /// When the name is taken, or the database fails.
    pub async fn import_user(
        &self,
        new: ImportedUser<'_>,
        act: &Act<'_>,
    ) -> Result<OwnerId, AddOwnerError> {
        let NewUser {
            name,
            admin,
            visibility,
            password_hash: _,
        } = new.user;
        let mut transaction = self.engine.write().await?;
        let id = insert_user(&mut transaction, new.user, new.disabled, act.at).await?;
        if let Some(seal) = new.second_factor {
            let sealed = seal(id).ok_or(MetadataError::Missing("seal of a second factor"))?;
            let statement = sql!(
                "INSERT INTO second_factors (user_id, sealed, created_at, confirmed_at) VALUES ($1, $2, $3, $3)",
                id,
                sealed.as_slice(),
                act.at
            );
            transaction.run_one("second factor", statement).await?;
        }
        let mut detail = format!("{visibility}, imported from a forge");
        for (is_so, what) in [
            (admin, "a site administrator"),
            (new.disabled, "disabled"),
            (new.second_factor.is_some(), "with a second factor"),
        ] {
            if is_so {
                detail.push_str(", ");
                detail.push_str(what);
            }
        }
        let done = Done::of(id, "user.add", name.as_str()).with(Some(&detail));
        transaction.note(act, done).await?;
        remember(&mut transaction, &account(new.known_as, id)).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Makes an organisation as [`Metadata::add_organisation`] does, and remembers that it came, in one transaction. `known_as` is
    /// what it is at the source: see [`Imported::name`].
    ///
    /// # Errors
    ///
    /// When the name is taken, the user is not there ([`MetadataError::Missing`]), or the database fails.
    pub async fn import_organisation(
        &self,
        new: (&OwnerName, Visibility),
        known_as: &str,
        first_admin: OwnerId,
        act: &Act<'_>,
    ) -> Result<Owner, AddOwnerError> {
        let mut transaction = self.engine.write().await?;
        let made = insert_organisation(&mut transaction, new, first_admin, act).await?;
        remember(&mut transaction, &account(known_as, made.id)).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// The account that one of a source became in an earlier import, also when it is gone by now.
    pub async fn imported_account(&self, known_as: &str) -> Result<Option<OwnerId>, MetadataError> {
        let statement = sql!(
            "SELECT owner_id FROM imported WHERE kind = $1 AND name = $2 ORDER BY owner_id DESC LIMIT 1",
            ImportedKind::Account.as_str(),
            known_as
        );
        self.engine.row(statement).await
    }

    /// Whether an earlier import brought this, or found it here.
    pub async fn was_imported(&self, thing: &Imported) -> Result<bool, MetadataError> {
        let statement = sql!(
            "SELECT kind FROM imported WHERE kind = $1 AND name = $2 AND owner_id = $3",
            thing.kind.as_str(),
            thing.name.as_str(),
            thing.owner
        );
        self.engine.any(statement).await
    }

    /// Remembers what an import brought or found, in one transaction.
    pub async fn remember_imported(&self, things: &[Imported]) -> Result<(), MetadataError> {
        let mut transaction = self.engine.write().await?;
        for thing in things {
            remember(&mut transaction, thing).await?;
        }
        transaction.commit().await
    }
}

fn account(known_as: &str, owner: OwnerId) -> Imported {
    Imported {
        kind: ImportedKind::Account,
        name: known_as.to_owned(),
        owner,
    }
}

async fn remember(transaction: &mut Transaction, thing: &Imported) -> Result<(), MetadataError> {
    let Imported { kind, name, owner } = thing;
    transaction
        .run(sql!(
            "INSERT INTO imported (kind, name, owner_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            kind.as_str(),
            name.as_str(),
            *owner
        ))
        .await?;
    Ok(())
}
