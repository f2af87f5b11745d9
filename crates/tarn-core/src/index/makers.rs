//! How many indexes are made at once, and of whom: what an index of one owner costs does not hold up those of others.
//!
//! Each owner has a share of the places, and queues for the others alone with the requests of that owner: so the owners take
//! turns. An index that takes long (a large one that is made whole) also needs one of the places for those, which are half of all: however many
//! owners have such indexes, the small ones find a place.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::turns::{Turn, TurnsOf};
use tarn_store::metadata::OwnerId;

/// How many indexes are made at once.
const ALL: usize = 4;

/// How many of them may be of one owner.
const OF_AN_OWNER: usize = 2;

/// How many of them may take long, and memory with it.
const LARGE: usize = 2;

/// From how many bytes of records on an index that is made whole takes long: some 10,000 packages.
const LARGE_FROM: u64 = 4 << 20;

#[derive(Debug, Clone)]
pub(super) struct Makers {
    all: Arc<Semaphore>,
    large: Arc<Semaphore>,
    owners: TurnsOf<OwnerId>,
}

/// A place, held while an index is made.
#[derive(Debug)]
pub(super) struct Maker {
    _of_owner: Turn,
    _held: [Option<OwnedSemaphorePermit>; 2],
}

impl Makers {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            large: Arc::new(Semaphore::new(LARGE)),
            owners: TurnsOf::new(OF_AN_OWNER),
        }
    }

    /// Waits for a place for an index of `owner`. `whole`: bytes of its records, where it is made of all of them.
    pub(super) async fn one(&self, owner: OwnerId, whole: Option<u64>) -> Maker {
        let is_large = whole.is_some_and(|bytes| bytes >= LARGE_FROM);
        // In this order: what waits for one of these holds nothing that others need. None of them is ever closed.
        let of_owner = self.owners.one(owner).await;
        let large = if is_large {
            Arc::clone(&self.large).acquire_owned().await.ok()
        } else {
            None
        };
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        Maker {
            _of_owner: of_owner,
            _held: [large, all],
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const SMALL: Option<u64> = Some(1_000);
    const WHOLE: Option<u64> = Some(30 << 20);

    fn owner(number: i64) -> OwnerId {
        OwnerId::from_row(number)
    }

    #[tokio::test]
    async fn one_owner_never_has_every_place() {
        let makers = Makers::new();
        let own = [
            makers.one(owner(1), SMALL).await,
            makers.one(owner(1), None).await,
        ];
        assert!(makers.one(owner(1), SMALL).now_or_never().is_none());
        let other = makers.one(owner(2), SMALL).await;
        let another = makers.one(owner(3), SMALL).await;
        // As many as there are places.
        assert!(makers.one(owner(4), SMALL).now_or_never().is_none());
        drop(other);
        drop(makers.one(owner(4), SMALL).await);
        drop((own, another));
        drop(makers.one(owner(1), WHOLE).await);
    }

    #[tokio::test]
    async fn large_indexes_of_many_owners_leave_places_for_small_ones() {
        let makers = Makers::new();
        let large = [
            makers.one(owner(1), WHOLE).await,
            makers.one(owner(2), WHOLE).await,
        ];
        let mut waiting: Vec<_> = (3..20)
            .map(|number| Box::pin(makers.one(owner(number), WHOLE)))
            .collect();
        for one in &mut waiting {
            assert!(one.now_or_never().is_none());
        }
        // Also one that is large, and made out of the one before it.
        let small = [
            makers.one(owner(30), SMALL).await,
            makers.one(owner(31), None).await,
        ];
        drop((large, small));
    }

    #[tokio::test]
    async fn owners_take_turns() {
        let makers = Makers::new();
        let first: Vec<_> = futures_util::future::join_all(
            [1, 1, 2, 2].map(|number| makers.one(owner(number), SMALL)),
        )
        .await;
        // One owner asks for a hundred more, and then another for one.
        let mut many: Vec<_> = (0..100)
            .map(|_| Box::pin(makers.one(owner(1), SMALL)))
            .collect();
        for one in &mut many {
            assert!(one.now_or_never().is_none());
        }
        let mut other = Box::pin(makers.one(owner(3), SMALL));
        assert!((&mut other).now_or_never().is_none());
        drop(first);
        let mut served = 0;
        while (&mut other).now_or_never().is_none() {
            served += 1;
            let mut next = many.remove(0);
            let maker = (&mut next).now_or_never();
            assert!(maker.is_some() && served <= 2, "{served}");
        }
    }
}
