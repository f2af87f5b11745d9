//! Whether package files may be recorded, as one transaction sees it: one that goes in counts for those behind it.
//!
//! All is asked before anything is written, in one round trip for a whole batch, and no other transaction writes meanwhile. So a refusal
//! touches no other package of the batch, and what is decided here holds until the commit.

use std::collections::{BTreeMap, HashMap};

use apk::{arch::Arch, digest::Sha256Digest};

use super::{
    Act, BlobFacts, BlobStanding, MetadataError, NewPackageFile, OwnerId, RecordError,
    RepositoryId, blob_facts,
    change_times::next_change,
    given::{Answer, Given, given},
    outbox::Listeners,
    packages::{Origin, file_name},
    quotas::{Holding, usage_columns, usage_joins},
    rows::{Joined, corrupt, read_all, size_in_row},
};
use tarn_base::{
    clock::Timestamp,
    names::{Branch, RepositoryName},
};

/// A package file that is to be recorded: what, by whom and when, and where it comes from.
pub(super) struct Publish<'p> {
    pub(super) new: &'p NewPackageFile,
    pub(super) act: Act<'p>,
    pub(super) origin: Origin,
}

/// A package file that goes in, and what its repository comes to by that.
pub(super) struct Admitted<'p> {
    pub(super) publish: &'p Publish<'p>,
    /// The place of its repository in [`Admission::repositories`].
    pub(super) repository: usize,
    pub(super) file_name: String,
    pub(super) size: i64,
    pub(super) index_bytes: i64,
    pub(super) generation: i64,
    pub(super) sequence: i64,
    pub(super) changed_at: Timestamp,
}

/// A repository that files are published into, with all that went in so far.
pub(super) struct Repository<'p> {
    pub(super) owner: OwnerId,
    pub(super) branch: &'p Branch,
    pub(super) name: &'p RepositoryName,
    /// None while it is to be made.
    pub(super) id: Option<RepositoryId>,
    pub(super) generation: i64,
    pub(super) last_sequence: i64,
    pub(super) changed_at: Timestamp,
    /// Which package of the batch was the first that went in.
    pub(super) first_file: Option<usize>,
    /// An index takes the later of its head and the last change of the keys that sign it, so both count.
    keys_changed_at: Timestamp,
    /// Bytes of the records of each architecture.
    index_bytes: BTreeMap<String, u64>,
    /// The architectures that have a file of that name.
    files: HashMap<String, Vec<Arch>>,
}

/// The questions for all that `publishes` are judged by, whatever the time is.
pub(super) fn questions(publishes: &[Publish<'_>]) -> Vec<Given> {
    let mut owners: Vec<OwnerId> = publishes.iter().map(|publish| publish.new.owner).collect();
    owners.sort_unstable();
    owners.dedup();
    vec![
        repositories(&Admission::unasked(publishes).repositories),
        files(publishes),
        blob_facts::known(publishes.iter().map(|publish| &publish.new.blob)),
        Listeners::of(&owners),
    ]
}

/// What packages are judged by.
pub(super) struct Admission<'p> {
    pub(super) repositories: Vec<Repository<'p>>,
    /// The webhooks that may be sent what happens.
    pub(super) listeners: Listeners,
    /// Only the owners that exist.
    owners: HashMap<OwnerId, Holding>,
    blobs: HashMap<Sha256Digest, BlobFacts>,
    /// Of each package: the place of its repository, and whether the account that acts is there.
    packages: Vec<(usize, bool)>,
}

impl<'p> Admission<'p> {
    /// By the answers to [`questions`].
    pub(super) fn of(
        publishes: &'p [Publish<'p>],
        answers: Vec<Answer>,
    ) -> Result<Self, MetadataError> {
        let mut admission = Self::unasked(publishes);
        let mut answers = answers.into_iter().map(|answer| answer.rows);
        let mut next = || answers.next().unwrap_or_default();
        for seen in read_all(next())? {
            admission.see_repository(seen)?;
        }
        for seen in read_all(next())? {
            admission.see_file(seen, publishes)?;
        }
        let blobs = read_all(next())?.into_iter();
        admission.blobs = blobs
            .map(|blob: BlobFacts| (blob.key.sha256, blob))
            .collect();
        admission.listeners = Listeners::from_rows(next())?;
        Ok(admission)
    }

    fn unasked(publishes: &'p [Publish<'p>]) -> Self {
        let mut repositories: Vec<Repository<'p>> = Vec::new();
        let mut places = HashMap::new();
        let mut packages = Vec::with_capacity(publishes.len());
        for Publish { new, .. } in publishes {
            let name = (new.owner, &new.branch, &new.repository);
            let place = *places.entry(name).or_insert_with(|| {
                repositories.push(Repository::unknown(new));
                repositories.len() - 1
            });
            packages.push((place, false));
        }
        Self {
            repositories,
            listeners: Listeners::default(),
            owners: HashMap::new(),
            blobs: HashMap::new(),
            packages,
        }
    }

    /// Takes in what a row of [`repositories`] says.
    fn see_repository(
        &mut self,
        (number, keys_changed_at, holding, Joined(known), Joined(head)): SeenRepository,
    ) -> Result<(), MetadataError> {
        let repository = at(&mut self.repositories, number)?;
        self.owners.insert(repository.owner, holding);
        repository.keys_changed_at = keys_changed_at;
        if let Some((id, generation, last_sequence, changed_at)) = known {
            repository.id = Some(id);
            repository.generation = generation;
            repository.last_sequence = last_sequence;
            repository.changed_at = changed_at;
        }
        if let Some((arch, index_bytes)) = head {
            repository.has_record(&arch, index_bytes);
        }
        Ok(())
    }

    /// Takes in what a row of [`files`] says.
    fn see_file(
        &mut self,
        (number, has_account, there): SeenFile,
        publishes: &[Publish<'_>],
    ) -> Result<(), MetadataError> {
        let seen = publishes.iter().zip(&mut self.packages);
        let (publish, (repository, of_account)) = at(seen, number)?;
        *of_account = has_account;
        let Some(repository) = self.repositories.get_mut(*repository) else {
            return Ok(());
        };
        for arch in there.unwrap_or_default().split_ascii_whitespace() {
            let arch = Arch::parse(arch).map_err(|_| corrupt("architecture", arch))?;
            let name = file_name(&publish.new.name, &publish.new.version);
            repository.has_file(name, arch);
        }
        Ok(())
    }

    /// Whether the package of that number in the batch may be recorded. It is counted from then on.
    ///
    /// # Errors
    ///
    /// The refusal. Nothing of it is counted then.
    pub(super) fn admit(
        &mut self,
        number: usize,
        publish: &'p Publish<'p>,
    ) -> Result<Admitted<'p>, RecordError> {
        let Publish { new, act, .. } = publish;
        let unknown = || MetadataError::Missing("package of the batch");
        let &(place, has_account) = self.packages.get(number).ok_or_else(unknown)?;
        let repository = self.repositories.get_mut(place).ok_or_else(unknown)?;
        let owner = self.owners.get_mut(&new.owner);
        let owner = owner.ok_or(RecordError::OwnerGone)?;
        let file_name = file_name(&new.name, &new.version);
        repository.refuse_beside(&file_name, &new.arch)?;
        owner.admit(new.blob.size, new.default_quota)?;
        repository.refuse_in_full_index(new)?;
        let known = self.blobs.get(&new.blob.sha256);
        if known.is_some_and(|known| !known.may_be_put_to(new.blob.place)) {
            return Err(RecordError::PlaceGone);
        }
        if !has_account {
            return Err(RecordError::UploaderGone);
        }
        let size = size_in_row(new.blob.size)?;
        let index_bytes = size_in_row(new.index_bytes)?;

        owner.take(new.blob.size);
        let live = BlobFacts {
            key: new.blob.key(),
            size: new.blob.size,
            standing: BlobStanding::Live,
        };
        self.blobs.insert(new.blob.sha256, live);
        repository.move_on(number, act.at);
        repository.has_record(new.arch.as_str(), new.index_bytes);
        repository.has_file(file_name.clone(), new.arch.clone());
        Ok(Admitted {
            publish,
            repository: place,
            file_name,
            size,
            index_bytes,
            generation: repository.generation,
            sequence: repository.last_sequence,
            changed_at: repository.changed_at,
        })
    }
}

impl<'p> Repository<'p> {
    /// The repository of a package, before the database was asked.
    fn unknown(new: &'p NewPackageFile) -> Self {
        Self {
            owner: new.owner,
            branch: &new.branch,
            name: &new.repository,
            id: None,
            generation: 0,
            last_sequence: 0,
            changed_at: Timestamp::from_micros(0),
            first_file: None,
            keys_changed_at: Timestamp::from_micros(0),
            index_bytes: BTreeMap::new(),
            files: HashMap::new(),
        }
    }

    fn has_record(&mut self, arch: &str, index_bytes: u64) {
        let bytes = self.index_bytes.entry(arch.to_owned()).or_default();
        *bytes = bytes.saturating_add(index_bytes);
    }

    fn has_file(&mut self, file_name: String, arch: Arch) {
        let architectures = self.files.entry(file_name).or_default();
        if !architectures.contains(&arch) {
            architectures.push(arch);
            architectures.sort_unstable();
        }
    }

    fn move_on(&mut self, file: usize, now: Timestamp) {
        self.first_file.get_or_insert(file);
        self.generation += 1;
        self.last_sequence += 1;
        self.changed_at = next_change(self.changed_at.max(self.keys_changed_at), now);
    }

    fn refuse_beside(&self, file_name: &str, arch: &Arch) -> Result<(), RecordError> {
        let Some(there) = self.files.get(file_name) else {
            return Ok(());
        };
        if there.contains(arch) {
            return Err(RecordError::AlreadyExists);
        }
        let excludes = |there: &&Arch| there.is_noarch() || arch.is_noarch();
        match there.iter().find(excludes) {
            Some(existing) => Err(RecordError::NoarchClash {
                existing: existing.clone(),
            }),
            None => Ok(()),
        }
    }

    /// An index lists the files of its architecture and those of noarch.
    fn refuse_in_full_index(&self, new: &NewPackageFile) -> Result<(), RecordError> {
        let noarch = Arch::noarch();
        let of = |arch: &Arch| self.index_bytes.get(arch.as_str()).copied();
        let of_architecture = if new.arch.is_noarch() {
            let others = self.index_bytes.iter();
            let others = others.filter(|(arch, _)| arch.as_str() != noarch.as_str());
            others.map(|(_, bytes)| *bytes).max()
        } else {
            of(&new.arch)
        };
        let used = of(&noarch).unwrap_or_default() + of_architecture.unwrap_or_default();
        let (added, limit) = (new.index_bytes, new.max_index);
        if used.saturating_add(added) > limit {
            return Err(RecordError::IndexFull { used, added, limit });
        }
        Ok(())
    }
}

/// The item that a row is about, by its number.
fn at<T>(items: impl IntoIterator<Item = T>, number: i64) -> Result<T, MetadataError> {
    let item = usize::try_from(number).ok();
    item.and_then(|number| items.into_iter().nth(number))
        .ok_or(MetadataError::Missing("row that was asked for"))
}

/// A row of [`repositories`]: its number, when the keys changed, what the owner has, the repository and one of its heads.
type SeenRepository = (
    i64,
    Timestamp,
    Holding,
    Joined<(RepositoryId, i64, i64, Timestamp)>,
    Joined<(String, u64)>,
);

/// A row of [`files`]: its number, whether the account is there, and the architectures.
type SeenFile = (i64, bool, Option<String>);

/// A row for each head of each repository, or one without: none only where the owner is gone.
fn repositories(repositories: &[Repository<'_>]) -> Given {
    given!(
        (0i64..).zip(repositories),
        |(number, repository)| {
            number: number,
            owner_id: repository.owner,
            branch: repository.branch.as_str(),
            name: repository.name.as_str(),
        },
        concat!(
            "SELECT given.number, COALESCE((SELECT MAX(signing_keys.changed_at) FROM signing_keys \
             WHERE signing_keys.owner_id = owners.id), 0) AS keys_changed_at, ",
            usage_columns!(),
            ", repositories.id, repositories.generation, repositories.last_sequence, repositories.changed_at, \
             index_heads.arch, index_heads.bytes FROM given JOIN owners ON owners.id = given.owner_id ",
            usage_joins!(),
            " LEFT JOIN repositories ON repositories.owner_id = given.owner_id AND repositories.branch = given.branch \
             AND repositories.name = given.name LEFT JOIN index_heads ON index_heads.repository_id = repositories.id"
        )
    )
}

/// A row for each package, with the architectures that have a file of its name. They are looked up for each: PostgreSQL would join with all
/// files of the repository where it thinks them few.
fn files(publishes: &[Publish<'_>]) -> Given {
    given!(
        (0i64..).zip(publishes),
        |(number, Publish { new, act, .. })| {
            number: number,
            owner_id: new.owner,
            branch: new.branch.as_str(),
            repository: new.repository.as_str(),
            file_name: file_name(&new.name, &new.version),
            account_id: act.by.account_id(),
        },
        "SELECT given.number, given.account_id IS NULL OR accounts.id IS NOT NULL AS has_account, \
         (SELECT STRING_AGG(package_files.arch, ' ') FROM package_files \
         WHERE package_files.repository_id = repositories.id AND package_files.file_name = given.file_name \
         AND package_files.removed_at IS NULL) AS architectures FROM given LEFT JOIN owners AS accounts ON accounts.id = given.account_id LEFT JOIN repositories ON repositories.owner_id = given.owner_id \
         AND repositories.branch = given.branch AND repositories.name = given.repository"
    )
}
