//! What every step of an import needs: the registry, who is here, and what came earlier.
//!
//! What is there already is left as it is, and nothing that was deleted here comes back by itself: what came or was found is
//! remembered, and what was remembered and is not there is in the report.

use std::collections::{HashMap, HashSet};

use tarn_base::names::OwnerName;
use tarn_core::Registry;
use tarn_store::metadata::{Actor, Imported, ImportedKind, MetadataError, Owner, OwnerId};

use crate::{ImportError, plan::Plan, report::Ended};

/// An import under way.
pub(crate) struct Run<'a> {
    pub(crate) registry: &'a Registry,
    pub(crate) by: &'a Actor,
    /// Whether what was deleted here comes again.
    pub(crate) again: bool,
    /// The accounts here that are those of the same name in the forge.
    pub(crate) merge: &'a [String],
    pub(crate) known: Known,
}

/// Who is here, by their identifiers in the forge.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Users.
    pub(crate) users: HashMap<i64, (OwnerId, OwnerName)>,
    /// Users and organisations.
    pub(crate) owners: HashMap<i64, Owner>,
    /// Those who came with this run.
    pub(crate) new: HashSet<i64>,
    /// Those who came with an earlier one.
    pub(crate) earlier: HashSet<i64>,
}

impl Known {
    /// What an owner is called.
    pub(crate) fn name_of(&self, plan: &Plan, owner: i64) -> String {
        let known = self.owners.get(&owner).map(|owner| owner.name.clone());
        known.unwrap_or_else(|| plan.name_of(owner))
    }
}

impl Run<'_> {
    pub(crate) async fn remember(&self, thing: Imported) -> Result<(), MetadataError> {
        let imports = self.registry.administration().imports();
        match imports.knows(&thing).await? {
            true => Ok(()),
            false => imports.remember(&[thing]).await,
        }
    }

    /// Whether something that is not here came earlier, and is not to come again.
    pub(crate) async fn is_deleted(&self, thing: &Imported) -> Result<bool, MetadataError> {
        let imports = self.registry.administration().imports();
        Ok(!self.again && imports.knows(thing).await?)
    }

    /// Leaves a thing that is here, skips one that was deleted here, and calls `make` for any other. What exists afterwards is remembered.
    pub(crate) async fn settle(
        &self,
        thing: Imported,
        is_there: bool,
        make: impl AsyncFnOnce() -> Result<Ended, ImportError>,
    ) -> Result<Ended, ImportError> {
        let ended = match is_there {
            true => Ended::There,
            false if self.is_deleted(&thing).await? => Ended::Deleted,
            false => make().await?,
        };
        if ended.is_here() {
            self.remember(thing).await?;
        }
        Ok(ended)
    }
}

pub(crate) fn thing(kind: ImportedKind, name: &str, owner: OwnerId) -> Imported {
    Imported {
        kind,
        name: name.to_owned(),
        owner,
    }
}
