//! What lists and searches show: what the rules let the caller read, and nothing else.

use std::collections::BTreeSet;

use apk::{
    arch::Arch,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    name::PackageName,
    version::Version,
};
use proptest::{prelude::*, test_runner::TestCaseError};
use tarn_base::names::{Branch, RepositoryName};
use tarn_core::access::{AccessError, Action, Caller};
use tarn_store::metadata::{
    Act, NewBlob, NewPackageFile, OwnerId, OwnersWanted, ReadScope, Window,
};

use super::{BY, OWNERS, PLACES, facts::Who, world::World};

/// An owner, and a number of one of the places, or `None` for the owner itself.
type Seen = (usize, Option<usize>);

/// Everything there is.
const ALL: Window = Window {
    offset: 0,
    limit: 1_000,
};

/// What the package of an owner in a place is called.
fn called((owner, place): (usize, usize)) -> String {
    format!("probe-{owner}-{place}")
}

impl World {
    /// Puts a package into each place of an owner.
    pub(crate) async fn fill(&self, owner: usize) {
        for (place, (branch, repository)) in PLACES.into_iter().enumerate() {
            let name = called((owner, place));
            let mut digest = [0; 32];
            digest[..name.len()].copy_from_slice(name.as_bytes());
            let facts = PackageFacts::new(
                Format::V2 {
                    data_hash: Sha256Digest::from_bytes([0; 32]),
                },
                PackageName::parse(&name).unwrap(),
                Version::parse("1.0-r0").unwrap(),
                Arch::parse("x86_64").unwrap(),
            );
            let package = NewPackageFile::new(
                self.id(owner),
                Branch::parse(branch).unwrap(),
                RepositoryName::parse(repository).unwrap(),
                &facts,
                PackageHash::Identity(Identity::from_bytes([0; 20])),
                NewBlob {
                    place: 0,
                    sha256: Sha256Digest::from_bytes(digest),
                    size: 7,
                },
            );
            let act = Act {
                by: &BY,
                at: crate::START,
            };
            let metadata = self.registry.metadata();
            metadata.record_package(&package, &act).await.unwrap();
        }
    }

    /// Compares what a caller is shown with what the rules let them read. Who may read any place of an owner may know of it.
    pub(crate) async fn compare_lists(
        &self,
        who: Who<'_>,
        caller: Option<&Caller>,
    ) -> Result<(), TestCaseError> {
        let there = (0..OWNERS).filter(|owner| self.facts.names[*owner].is_some());
        let places = there.flat_map(|owner| (0..PLACES.len()).map(move |place| (owner, place)));
        let readable: BTreeSet<_> = places
            .filter(|(owner, place)| self.facts.allow(who, *owner, Action::Read, PLACES[*place]))
            .collect();
        let expected: BTreeSet<Seen> = readable
            .iter()
            .flat_map(|(owner, place)| [(*owner, None), (*owner, Some(*place))])
            .collect();
        let names: BTreeSet<String> = readable.into_iter().map(called).collect();
        let (listed, found) = match self.read_scope(caller).await {
            Some(read_scope) => (
                self.listed(&read_scope).await,
                self.found(&read_scope).await,
            ),
            None => Default::default(),
        };
        prop_assert_eq!(listed, expected, "lists for {}", self.shown(who));
        prop_assert_eq!(found, names, "a search for {}", self.shown(who));
        Ok(())
    }

    async fn read_scope(&self, caller: Option<&Caller>) -> Option<ReadScope> {
        match self.registry.access().read_scope(caller?).await {
            Ok(read_scope) => Some(read_scope),
            Err(AccessError::Denied(_)) => None,
            Err(AccessError::Auth(error)) => unreachable!("{error}"),
        }
    }

    /// The owners that a list shows, and the places in the list of each.
    async fn listed(&self, read_scope: &ReadScope) -> BTreeSet<Seen> {
        let metadata = self.registry.metadata();
        let owners = metadata
            .visible_owners(read_scope, OwnersWanted::default(), ALL)
            .await
            .unwrap();
        let mut seen = BTreeSet::new();
        for listed in owners.entries {
            let owner = self.number(listed.owner.id);
            seen.insert((owner, None));
            let repositories = metadata.listed_repositories(read_scope, listed.owner.id, ALL);
            for repository in repositories.await.unwrap().entries {
                let place = (repository.branch.as_str(), repository.name.as_str());
                let place = PLACES.iter().position(|known| *known == place);
                seen.insert((owner, Some(place.unwrap())));
            }
        }
        seen
    }

    /// The names of the packages that a search finds.
    async fn found(&self, read_scope: &ReadScope) -> BTreeSet<String> {
        let metadata = self.registry.metadata();
        let found = metadata
            .search(read_scope, "probe", 100, ALL)
            .await
            .unwrap()
            .page;
        let found = found.entries.into_iter();
        found.map(|version| version.name.to_string()).collect()
    }

    fn number(&self, id: OwnerId) -> usize {
        self.ids.iter().position(|known| *known == id).unwrap()
    }

    fn id(&self, owner: usize) -> OwnerId {
        self.ids[owner]
    }
}
