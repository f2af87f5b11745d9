//! From a generation to a signed index.
//!
//! An index is derived, never stored: a pure function of the packages of one branch, repository and architecture at
//! one generation, and of the owner's active keys. What is kept in memory could be made again, byte for byte.
//!
//! Every request asks the database for the newest generation first, so every reader sees what was committed before it
//! asked. The index of a generation is made once, by the request that needs it first, out of the one before it ([`engine`]); a
//! generation that is never asked for costs nothing, and many publishes between two readers make one index.

pub mod adb;
mod changes;
mod derive;
pub mod engine;
mod json;
mod made;
mod makers;
mod problem;
mod run;
mod segments;
mod signatures;
mod standing;
#[cfg(test)]
mod tests;
pub mod v2;
pub mod v3;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use apk::{arch::Arch, limits::Limits, v3::writer::PayloadFull};
use moka::future::Cache;
use tokio::{
    sync::{Mutex, Semaphore},
    task::{JoinError, spawn_blocking},
};

use self::{
    made::{Base, Made, etag},
    makers::Makers,
};
use crate::keys::{KeyError, Keys, OwnerKeys};
use tarn_base::names::{Branch, RepositoryName};
use tarn_store::metadata::{
    IndexHead, Metadata, MetadataError, Owner, PackageFormat, RepositoryId,
};

pub use self::{
    changes::{Changes, EngineError, Record},
    made::{IndexCounts, SignedIndex},
    problem::Problem,
    segments::Segments,
    standing::Standing,
};

/// How many indexes of architectures without packages of their own are made at once: see [`Place::is_of_a_guest`].
const GUESTS: usize = 1;

/// The part of the memory for indexes that is for those.
const GUEST_PART: u64 = 16;

/// The part of it that is for indexes as JSON, and for how long they are kept unasked.
const JSON_PART: u64 = 8;
const JSON_KEPT: Duration = Duration::from_secs(600);

/// For how many indexes it is known who makes them: the names that may be asked for are unlimited. With more, one may be made
/// by two at once, which costs what it costs.
const PLACES_IN_MAKING: u64 = 10_000;

/// In a burst, how long an index rests after it was made, in times of what making it took.
const REST: u32 = 3;

/// The longest rest.
const LONGEST_REST: Duration = Duration::from_millis(50);

/// The two forms in which apk reads an index. apk 2 reads the first only, which leaves v3 packages out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `APKINDEX.tar.gz`.
    V2,
    /// `Packages.adb`.
    V3,
}

impl Format {
    /// The file name that apk asks for.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::V2 => "APKINDEX.tar.gz",
            Self::V3 => "Packages.adb",
        }
    }

    /// Up to which format it lists packages.
    pub(crate) const fn of_packages(self) -> PackageFormat {
        match self {
            Self::V2 => PackageFormat::V2,
            Self::V3 => PackageFormat::V3,
        }
    }
}

/// Why there is no index to serve.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The facts cannot be read.
    #[error("cannot read the packages of the index")]
    Metadata(#[from] MetadataError),
    /// The signing keys cannot be had.
    #[error("cannot have the keys that sign the index")]
    Keys(#[from] KeyError),
    /// The index was not made, or is not one that apk would take. It is not served.
    #[error(
        "the index of {arch} in repository {repository:?} at generation {generation} is not served: {problem}"
    )]
    Refused {
        /// Of which repository.
        repository: RepositoryId,
        /// Of which architecture.
        arch: Arch,
        /// Of which generation.
        generation: i64,
        /// What is wrong with it.
        problem: Problem,
    },
    /// Its packages are too many for its format.
    #[error(transparent)]
    Full(PayloadFull),
    /// An index that was made cannot be read.
    #[error("a v3 index cannot be read again to be written as JSON")]
    Json,
    /// A worker thread of the server died.
    #[error("a worker of the index stopped")]
    Worker(#[from] JoinError),
}

/// Which index.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    repository: RepositoryId,
    arch: Arch,
    format: Format,
    /// The repository has no packages of this very architecture, and neither Alpine nor OpenWrt is built for it: one of the names
    /// without number for which a repository with noarch packages has an index. A stranger can ask for all of them.
    /// So they take turns, and have their own part of the memory: the other indexes never wait for them.
    is_of_a_guest: bool,
}

impl Place {
    fn new(head: &IndexHead, arch: &Arch, format: Format) -> Self {
        Self {
            repository: head.repository,
            arch: arch.clone(),
            format,
            is_of_a_guest: !head.has_architecture && !arch.is_of_a_distribution(),
        }
    }

    /// The packages that are in it.
    const fn which(&self) -> (&Arch, PackageFormat) {
        (&self.arch, self.format.of_packages())
    }
}

/// Signed indexes, made when they are asked for.
#[derive(Debug, Clone)]
pub struct Indexes {
    metadata: Metadata,
    keys: Keys,
    limits: Limits,
    made: Cache<Place, Arc<Made>>,
    made_for_guests: Cache<Place, Arc<Made>>,
    /// By the ETag of the index; nothing where that can't be read.
    json: Cache<Arc<str>, Option<json::Json>>,
    /// One maker at a time for each index; the others wait, and find it made.
    making: Cache<Place, Arc<Mutex<()>>>,
    makers: Makers,
    guests: Arc<Semaphore>,
    counts: Arc<IndexCounts>,
}

impl Indexes {
    /// Indexes over the packages of `metadata`, signed by `keys`; at most `cache` bytes of them are kept in memory.
    pub fn new(metadata: Metadata, keys: Keys, cache: u64, limits: Limits) -> Self {
        // moka weighs in 32 bits, so the weights are in KiB.
        let kept = |bytes: u64| {
            Cache::builder()
                .max_capacity(bytes / 1024)
                .weigher(|_, made: &Arc<Made>| made.weight())
                .build()
        };
        let (for_guests, for_json) = (cache / GUEST_PART, cache / JSON_PART);
        let making = Cache::builder()
            .max_capacity(PLACES_IN_MAKING)
            .time_to_idle(Duration::from_secs(60))
            .build();
        Self {
            metadata,
            keys,
            limits,
            made: kept(cache - for_guests - for_json),
            made_for_guests: kept(for_guests),
            json: Cache::builder()
                .max_capacity(for_json / 1024)
                .weigher(|_, json: &Option<json::Json>| json.as_ref().map_or(1, json::Json::weight))
                .time_to_idle(JSON_KEPT)
                .build(),
            making,
            makers: Makers::new(),
            guests: Arc::new(Semaphore::new(GUESTS)),
            counts: Arc::default(),
        }
    }

    /// What was done so far.
    pub fn counts(&self) -> &IndexCounts {
        &self.counts
    }

    /// How many bytes of indexes are in memory, roughly, and how many indexes.
    pub async fn cached(&self) -> (u64, u64) {
        let (mut weight, mut count) = (0, 0);
        for cache in [&self.made, &self.made_for_guests] {
            cache.run_pending_tasks().await;
            weight += cache.weighted_size();
            count += cache.entry_count();
        }
        self.json.run_pending_tasks().await;
        weight += self.json.weighted_size();
        count += self.json.entry_count();
        (weight * 1024, count)
    }

    /// What is in memory of an index, if anything is.
    const fn cache(&self, place: &Place) -> &Cache<Place, Arc<Made>> {
        if place.is_of_a_guest {
            &self.made_for_guests
        } else {
            &self.made
        }
    }

    /// The index of the newest generation; none when no package is in it.
    ///
    /// # Errors
    ///
    /// When the database or the keys fail, and when the index fails its verification.
    pub async fn current(
        &self,
        owner: &Owner,
        branch: &Branch,
        repository: &RepositoryName,
        arch: &Arch,
        format: Format,
    ) -> Result<Option<SignedIndex>, IndexError> {
        let packages = format.of_packages();
        let newest = self
            .metadata
            .index_head(owner.id, branch, repository, arch, packages);
        let Some(head) = newest.await?.filter(IndexHead::is_served) else {
            return Ok(None);
        };
        let place = Place::new(&head, arch, format);
        self.counts.asked.one();
        if let Some(signed) = self.remembered(&place, &head).await {
            return Ok(Some(signed));
        }
        // In a box of its own: what is seldom done is not to be carried about with every request.
        Box::pin(self.made_anew(owner, branch, repository, place, &head)).await
    }

    /// An index of `head` or newer when it is not in memory: made here, or by another request while this one waits.
    async fn made_anew(
        &self,
        owner: &Owner,
        branch: &Branch,
        repository: &RepositoryName,
        place: Place,
        head: &IndexHead,
    ) -> Result<Option<SignedIndex>, IndexError> {
        let turn = self
            .making
            .get_with(place.clone(), async { Arc::default() })
            .await;
        let _turn = turn.lock().await;
        // One that was begun after this request came serves it, also when there are newer generations by now: everybody
        // who waited here is served by one index.
        if let Some(signed) = self.remembered(&place, head).await {
            return Ok(Some(signed));
        }
        self.rest(&place).await;
        // What is newest now, as late as can be.
        let Some((head, keys)) = self.head(owner, branch, repository, &place).await? else {
            return Ok(None);
        };
        if let Some(signed) = self.remembered(&place, &head).await {
            return Ok(Some(signed));
        }
        // The semaphores are never closed.
        let _guest = if place.is_of_a_guest {
            self.guests.acquire().await.ok()
        } else {
            None
        };
        // What is made out of the one before it costs the same whatever its size.
        let whole = self.cache(&place).get(&place).await.is_none();
        let _maker = self.makers.one(owner.id, whole.then_some(head.bytes)).await;
        let made = self.make(&place, head, keys).await;
        if let Err(IndexError::Refused { .. }) = made {
            // What it was made from may be what is wrong: the next request has it derived from the database.
            self.cache(&place).invalidate(&place).await;
        }
        let made = Arc::new(made?);
        let signed = made.signed(&head);
        self.cache(&place).insert(place, made).await;
        Ok(Some(signed))
    }

    /// Waits while the index rests. One that was made a moment ago and is out of date again because many publish at once
    /// would be made for every few of them, by the processors that they need; so it takes a part of the time and no more.
    async fn rest(&self, place: &Place) {
        let before = self.cache(place).get(place).await;
        if let Some(until) = before.and_then(|made| made.rests_until) {
            tokio::time::sleep_until(until.into()).await;
        }
    }

    /// The newest state of an index that has packages, and the keys that sign it in that very state.
    ///
    /// The date of an index is the later of its head's and its keys'. With a head from before a change of the keys and the
    /// keys from after it, older packages would get the date of a newer index, and a client that holds them would not
    /// get that one. So both have to be of one moment; where the keys changed in between, that is looked for again.
    async fn head(
        &self,
        owner: &Owner,
        branch: &Branch,
        repository: &RepositoryName,
        place: &Place,
    ) -> Result<Option<(IndexHead, Arc<OwnerKeys>)>, IndexError> {
        let packages = place.format.of_packages();
        loop {
            let head = self
                .metadata
                .index_head(owner.id, branch, repository, &place.arch, packages)
                .await?;
            let Some(head) = head.filter(IndexHead::is_served) else {
                return Ok(None);
            };
            let keys = self.keys.signing_keys(owner).await?;
            // Not the first time when the owner's first key had to be made.
            if keys.changed_at == head.keys_changed_at {
                return Ok(Some((head, keys)));
            }
        }
    }

    /// The index in memory, when it is the one of that generation and those keys or, because this request read the head a
    /// moment ago, of newer ones.
    async fn remembered(&self, place: &Place, head: &IndexHead) -> Option<SignedIndex> {
        let made = self.cache(place).get(place).await?;
        if made.generation < head.generation || made.keys_changed_at < head.keys_changed_at {
            return None;
        }
        self.counts.from_memory.one();
        Some(made.signed(head))
    }

    /// Makes, signs and verifies one index, out of the one before it where that is in memory.
    async fn make(
        &self,
        place: &Place,
        head: IndexHead,
        keys: Arc<OwnerKeys>,
    ) -> Result<Made, IndexError> {
        let began = Instant::now();
        let before = self.cache(place).get(place).await;
        let before = before.filter(|before| before.generation <= head.generation);
        let refused = |problem| {
            self.counts.refused.one();
            match problem {
                Problem::Engine(EngineError::Full(full)) => IndexError::Full(full),
                problem => IndexError::Refused {
                    repository: place.repository,
                    arch: place.arch.clone(),
                    generation: head.generation,
                    problem,
                },
            }
        };
        let changed_at = head
            .changed_at
            .max(keys.changed_at)
            .max(head.rendered_since);
        let signed_by = keys
            .active
            .iter()
            .filter(|key| place.format == Format::V3 || key.key.signs_v2())
            .map(|key| key.name.clone())
            .collect();
        let (generation, keys_changed_at, limits, arch) = (
            head.generation,
            keys.changed_at,
            self.limits.clone(),
            place.arch.clone(),
        );
        // Publishes that came one at a time, between readers, are no burst.
        let in_a_burst = matches!(&before, Some(before) if generation > before.generation + 1);
        // Where a deleted package is forgotten, it is derived as the first one.
        let mut changed = None;
        if let Some((since, before)) = before.map(|made| (made.generation, made.base.clone())) {
            let changes =
                self.metadata
                    .index_changes(place.repository, place.which(), since, generation);
            changed = changes.await?.map(|changes| (before, changes));
        }
        let live = head.live;
        let of_v2 = |(base, segments, etag)| (Base::V2(base), segments, etag);
        let of_v3 = |(base, segments, etag)| (Base::V3(base), segments, etag);
        let (base, segments, etag) = match (place.format, changed) {
            (Format::V2, Some((Base::V2(before), changes))) => {
                let next =
                    move || v2::next(&before, changes, &arch, live, &keys, &limits).map(of_v2);
                spawn_blocking(next).await?
            }
            (Format::V3, Some((Base::V3(before), changes))) => {
                let next = move || v3::next(&before, changes, live, &keys, &limits).map(of_v3);
                spawn_blocking(next).await?
            }
            (Format::V2, _) => match self.derive_v2(place, &head).await? {
                Ok(state) => {
                    let first = move || v2::first(state, live, &keys, &limits).map(of_v2);
                    spawn_blocking(first).await?
                }
                Err(problem) => Err(problem),
            },
            (Format::V3, _) => match self.derive_v3(place, &head).await? {
                Ok(state) => {
                    let first = move || v3::first(state, live, &keys, &limits).map(of_v3);
                    spawn_blocking(first).await?
                }
                Err(problem) => Err(problem),
            },
        }
        .map_err(refused)?;
        self.counts.made(place.format).one();
        self.counts.signatures.add(base.signatures_made());
        let rest = (began.elapsed() * REST).min(LONGEST_REST);
        Ok(Made {
            generation,
            keys_changed_at,
            base,
            standing: Standing {
                generation,
                packages: live,
                bytes: segments.length(),
                signed_by,
                verified_at: self.keys.now(),
            },
            rests_until: in_a_burst.then(|| Instant::now() + rest),
            signed: SignedIndex {
                segments,
                etag: etag.into(),
                changed_at,
                is_of_the_newest: true,
            },
        })
    }
}
