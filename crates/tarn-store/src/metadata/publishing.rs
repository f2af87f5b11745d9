//! All that publishing packages writes, for any number of them in one transaction.
//!
//! What is true of all of them is asked at once ([`super::admission`]); then each gets its answer in its turn, and what goes in is
//! written by one statement a table. What a statement says about its table is in the module of that table.

use std::collections::BTreeMap;

use super::{
    MetadataError, OwnerId, PackageFileId, PackageFormat, RecordError, Recorded, RepositoryId,
    admission::{Admission, Admitted, Publish, Repository, questions},
    audit::{Done, notes},
    blob_facts, catalog,
    engine::{Failure, Transaction},
    given::{Answer, Given, given},
    outbox::{self, Happened},
    packages::target,
    quotas, relations,
    rows::read_all,
};
use tarn_base::clock::Timestamp;

/// What became of packages that were to be recorded.
pub(super) struct Outcome {
    /// Of each, in their order. What was refused changed nothing.
    pub(super) results: Vec<Result<Recorded, RecordError>>,
    /// None when nothing went in.
    pub(super) committed: Option<Committed>,
}

/// A commit of packages.
pub(super) struct Committed {
    /// The snapshot after it; only PostgreSQL has one.
    pub(super) snapshot: Option<String>,
}

/// Records package files, as if one after the other: what one of them changes is there for those behind it. `answers` are those to
/// [`super::admission::questions`]. Commits where something goes in.
///
/// # Errors
///
/// When the database fails. Nothing was recorded then, unless it failed at the commit.
pub(super) async fn record_all(
    mut transaction: Transaction,
    publishes: &[Publish<'_>],
    answers: Vec<Answer>,
) -> Result<Outcome, Failure> {
    let mut judged = Judged::of(publishes, answers).map_err(Failure::Statement)?;
    let mut committed = None;
    if judged.files().next().is_some() {
        let statements = judged.statements(&mut transaction).await;
        let mut statements = statements.map_err(Failure::Statement)?;
        if judged.is_wanted() {
            let written = judged.write(&mut transaction, statements).await;
            written.map_err(Failure::Statement)?;
            statements = Vec::new();
        }
        let snapshot = transaction.commit_with(statements).await?;
        committed = Some(Committed { snapshot });
    }
    Ok(Outcome {
        results: judged.results(),
        committed,
    })
}

/// Records one package file.
///
/// # Errors
///
/// When it is refused, or the database fails. The transaction must not be committed then.
pub(super) async fn record(
    transaction: &mut Transaction,
    publish: Publish<'_>,
) -> Result<Recorded, RecordError> {
    let publishes = [publish];
    let answers = transaction.all(questions(&publishes)).await?;
    let mut judged = Judged::of(&publishes, answers)?;
    if judged.files().next().is_some() {
        let statements = judged.statements(transaction).await?;
        judged.write(transaction, statements).await?;
    }
    let result = judged.results().into_iter().next();
    result.ok_or(MetadataError::Missing("package file"))?
}

/// Package files of which it is decided whether they go in.
struct Judged<'p> {
    admission: Admission<'p>,
    admitted: Vec<Result<Admitted<'p>, RecordError>>,
}

impl<'p> Judged<'p> {
    fn of(publishes: &'p [Publish<'p>], answers: Vec<Answer>) -> Result<Self, MetadataError> {
        let mut admission = Admission::of(publishes, answers)?;
        let admitted = publishes
            .iter()
            .enumerate()
            .map(|(place, publish)| admission.admit(place, publish))
            .collect();
        Ok(Self {
            admission,
            admitted,
        })
    }

    /// Those that go in.
    fn files(&self) -> impl Iterator<Item = &Admitted<'p>> {
        self.admitted.iter().flatten()
    }

    /// Whether a webhook wants to know of one that goes in.
    fn is_wanted(&self) -> bool {
        let listeners = &self.admission.listeners;
        self.files()
            .map(|file| file.publish)
            .any(|publish| listeners.want(publish.new.owner, publish.origin.event))
    }

    /// Makes the repositories that are not there, and gives the statements that write all else but what webhooks are sent.
    async fn statements(
        &mut self,
        transaction: &mut Transaction,
    ) -> Result<Vec<Given>, MetadataError> {
        let repositories = &mut self.admission.repositories;
        make_repositories(transaction, repositories).await?;
        let files: Vec<&Admitted<'_>> = self.files().collect();
        statements(&self.admission.repositories, &files)
    }

    /// Runs these statements and writes what webhooks are sent.
    async fn write(
        &self,
        transaction: &mut Transaction,
        statements: Vec<Given>,
    ) -> Result<(), MetadataError> {
        let answers = transaction.all(statements).await?;
        let inserted = answers.into_iter().nth(PACKAGE_FILES).unwrap_or_default();
        let inserted = self.files().zip(read_all(inserted.rows)?);
        let happened: Vec<_> = inserted.map(|(file, id)| file.happened(id)).collect();
        outbox::enqueue(transaction, &self.admission.listeners, &happened).await
    }

    /// What became of each.
    fn results(self) -> Vec<Result<Recorded, RecordError>> {
        let repositories = &self.admission.repositories;
        let recorded = |file: Admitted<'_>| -> Result<Recorded, RecordError> {
            Ok(Recorded {
                repository: id(repositories, file.repository)?,
                generation: file.generation,
                sequence: file.sequence,
            })
        };
        let admitted = self.admitted.into_iter();
        admitted.map(|file| file.and_then(recorded)).collect()
    }
}

/// Makes the repositories that are not there, in the order of the first files that go into them.
async fn make_repositories(
    transaction: &mut Transaction,
    repositories: &mut [Repository<'_>],
) -> Result<(), MetadataError> {
    let mut missing: Vec<_> = repositories
        .iter_mut()
        .filter(|repository| repository.id.is_none() && repository.first_file.is_some())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_by_key(|repository| repository.first_file);
    let make = given!(
        (0i64..).zip(&missing),
        |(number, repository)| {
            number: number,
            owner_id: repository.owner,
            branch: repository.branch.as_str(),
            name: repository.name.as_str(),
        },
        "INSERT INTO repositories (owner_id, branch, name, generation, last_sequence, changed_at) \
         SELECT owner_id, branch, name, 0, 0, 0 FROM given ORDER BY number RETURNING id"
    );
    let make = make.returning().each_changes("repository");
    let made = transaction.given(make).await?;
    for (repository, id) in missing.iter_mut().zip(read_all(made.rows)?) {
        repository.id = Some(id);
    }
    Ok(())
}

/// The place of the statement that gives the identifiers of the files among [`statements`].
const PACKAGE_FILES: usize = 2;

/// All that is written of files before their identifiers are known, a statement for each table.
fn statements(
    repositories: &[Repository<'_>],
    files: &[&Admitted<'_>],
) -> Result<Vec<Given>, MetadataError> {
    let mut rows = Vec::with_capacity(files.len());
    let mut targets = Vec::with_capacity(files.len());
    for file in files {
        rows.push((id(repositories, file.repository)?, *file));
        targets.push(file.target());
    }
    let entries: Vec<_> = files
        .iter()
        .zip(&targets)
        .map(|(file, target)| (file.publish.act, file.done(target)))
        .collect();
    let blobs = files.iter();
    let blobs = blobs.map(|file| (file.publish.new.blob, file.size, file.publish.act.at));
    let sizes = files.iter();
    let sizes = sizes.map(|file| (file.publish.new.owner, file.size));
    // A row that another names comes before it.
    let mut statements = vec![
        moved_on(repositories),
        blob_facts::kept(blobs),
        package_files(&rows),
        index_heads(&rows),
        quotas::taken(sizes),
        catalog::added(files),
        relations::added(&rows),
        notes(&entries),
    ];
    // Few have one, so the others don't pay for the question.
    if files.iter().any(|file| file.publish.new.past.is_some()) {
        statements.push(catalog::dated(files));
    }
    Ok(statements)
}

fn id(repositories: &[Repository<'_>], place: usize) -> Result<RepositoryId, MetadataError> {
    repositories
        .get(place)
        .and_then(|repository| repository.id)
        .ok_or(MetadataError::Missing("repository"))
}

/// Moves repositories on to where the last of their new files has them.
fn moved_on(repositories: &[Repository<'_>]) -> Given {
    let moved = repositories
        .iter()
        .filter(|repository| repository.first_file.is_some())
        .filter_map(|repository| repository.id.map(|id| (id, repository)));
    given!(
        moved,
        |(id, repository)| {
            id: id,
            generation: repository.generation,
            last_sequence: repository.last_sequence,
            changed_at: repository.changed_at,
        },
        "UPDATE repositories SET generation = given.generation, last_sequence = given.last_sequence, \
         changed_at = given.changed_at FROM given WHERE repositories.id = given.id"
    )
    .each_changes("repository")
}

fn package_files(files: &[(RepositoryId, &Admitted<'_>)]) -> Given {
    given!(
        (0i64..).zip(files),
        |(number, (repository, file))| {
            number: number,
            repository_id: *repository,
            arch: file.publish.new.arch.as_str(),
            name: file.publish.new.name.as_str(),
            version: file.publish.new.version.as_str(),
            file_name: file.file_name.as_str(),
            sha256: file.publish.new.blob.sha256.as_bytes(),
            size: file.size,
            format: file.publish.new.format.as_str(),
            identity: file.publish.new.identity.as_bytes(),
            index_bytes: file.index_bytes,
            signers: file.publish.new.signers.as_str(),
            facts: file.publish.new.facts.as_str(),
            sequence: file.sequence,
            added_at: file.generation,
            uploader_id: file.creator(),
            created_at: file.created_at(),
            downloads: file.downloads(),
        },
        "INSERT INTO package_files (repository_id, arch, name, version, file_name, sha256, size, format, identity, \
         index_bytes, signers, facts, sequence, added_at, uploader_id, created_at, downloads) \
         SELECT repository_id, arch, name, version, file_name, sha256, size, format, identity, \
         index_bytes, signers, facts, sequence, added_at, uploader_id, created_at, downloads FROM given ORDER BY number RETURNING id"
    )
    .returning()
    .each_changes("package file")
}

/// What new files make of the head of an index.
struct Head {
    generation: i64,
    changed_at: Timestamp,
    published_at: Timestamp,
    live: i64,
    bytes: i64,
}

fn index_heads(files: &[(RepositoryId, &Admitted<'_>)]) -> Given {
    let mut heads: BTreeMap<(RepositoryId, &str, PackageFormat), Head> = BTreeMap::new();
    for (repository, file) in files {
        let new = file.publish.new;
        let head = heads
            .entry((*repository, new.arch.as_str(), new.format))
            .or_insert(Head {
                generation: 0,
                changed_at: file.changed_at,
                published_at: file.created_at(),
                live: 0,
                bytes: 0,
            });
        head.generation = file.generation;
        head.changed_at = file.changed_at;
        head.published_at = head.published_at.max(file.created_at());
        head.live += 1;
        head.bytes += file.index_bytes;
    }
    given!(
        heads,
        |((repository, arch, format), head)| {
            repository_id: repository,
            arch: arch,
            format: format.as_str(),
            generation: head.generation,
            changed_at: head.changed_at,
            published_at: head.published_at,
            live: head.live,
            bytes: head.bytes,
        },
        "INSERT INTO index_heads (repository_id, arch, format, generation, changed_at, published_at, live, bytes) \
         SELECT repository_id, arch, format, generation, changed_at, published_at, live, bytes FROM given WHERE TRUE \
         ON CONFLICT (repository_id, arch, format) DO UPDATE SET generation = excluded.generation, \
         changed_at = excluded.changed_at, published_at = CASE WHEN excluded.published_at > index_heads.published_at \
         THEN excluded.published_at ELSE index_heads.published_at END, live = index_heads.live + excluded.live, \
         bytes = index_heads.bytes + excluded.bytes"
    )
    .each_changes("index")
}

impl Admitted<'_> {
    /// When it was published, here or before it came here.
    pub(super) fn created_at(&self) -> Timestamp {
        let past = self.publish.new.past;
        past.map_or(self.publish.act.at, |past| past.created_at)
    }

    /// Who published it, if that is known.
    pub(super) fn creator(&self) -> Option<OwnerId> {
        let past = self.publish.new.past;
        past.map_or(self.publish.origin.uploader, |past| past.creator)
    }

    fn downloads(&self) -> i64 {
        let past = self.publish.new.past.map_or(0, |past| past.downloads);
        i64::try_from(past).unwrap_or(i64::MAX)
    }

    /// The file as the audit log names it.
    fn target(&self) -> String {
        let new = self.publish.new;
        target(&new.branch, &new.repository, &new.arch, &self.file_name)
    }

    fn done<'t>(&self, target: &'t str) -> Done<'t> {
        Done {
            action: self.publish.origin.action,
            owner: Some(self.publish.new.owner),
            target,
            detail: None,
        }
    }

    fn happened(&self, file: PackageFileId) -> Happened<'_> {
        Happened {
            event: self.publish.origin.event,
            file,
            package: self.publish.new.address(),
            sender: self.publish.act.by.account_id(),
            at: self.publish.act.at,
        }
    }
}
