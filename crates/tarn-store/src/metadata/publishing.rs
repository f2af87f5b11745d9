//! All that publishing packages writes, for any number of them in one transaction.
//!
//! What is true of all of them is asked at once ([`super::admission`]); then each gets its answer in its turn, and what goes in is
//! written by one statement a table. What a statement says about its table is in the module of that table.

use std::collections::BTreeMap;

use super::{
    MetadataError, PackageFileId, PackageFormat, RecordError, Recorded, RepositoryId, WebhookEvent,
    admission::{Admission, Admitted, Publish, Repository},
    audit::{Done, notes},
    blob_facts, catalog,
    engine::{Row, Transaction},
    given::{Given, given},
    outbox::{self, Happened},
    packages::target,
    quotas, relations,
};
use tarn_base::clock::Timestamp;

/// What became of packages that were to be recorded.
pub(super) struct Outcome {
    /// Of each, in their order. What was refused changed nothing.
    pub(super) results: Vec<Result<Recorded, RecordError>>,
    /// Whether a webhook has something to be sent: see [`super::Metadata::wake_outbox`].
    pub(super) outbox_filled: bool,
}

/// Records package files, as if one after the other: what one of them changes is there for those behind it.
///
/// # Errors
///
/// When the database fails. It may have done a part then, and the transaction must not be committed.
pub(super) async fn record_all(
    transaction: &mut Transaction,
    publishes: &[Publish<'_>],
) -> Result<Outcome, MetadataError> {
    let mut admission = Admission::of(transaction, publishes).await?;
    let admitted: Vec<_> = publishes
        .iter()
        .enumerate()
        .map(|(place, publish)| admission.admit(place, publish))
        .collect();
    let files: Vec<&Admitted<'_>> = admitted.iter().flatten().collect();
    let mut outbox_filled = false;
    if !files.is_empty() {
        make_repositories(transaction, &mut admission.repositories).await?;
        let ids = write(transaction, &admission.repositories, &files).await?;
        let happened: Vec<_> = files
            .iter()
            .zip(ids)
            .map(|(file, id)| file.happened(id))
            .collect();
        outbox_filled = outbox::enqueue(transaction, &admission.listeners, &happened).await?;
    }
    let recorded = |file: Admitted<'_>| -> Result<Recorded, RecordError> {
        Ok(Recorded {
            repository: id(&admission.repositories, file.repository)?,
            generation: file.generation,
            sequence: file.sequence,
        })
    };
    Ok(Outcome {
        results: admitted
            .into_iter()
            .map(|file| file.and_then(recorded))
            .collect(),
        outbox_filled,
    })
}

/// Records one package file. Gives whether a webhook has something to be sent, too.
///
/// # Errors
///
/// When it is refused, or the database fails. The transaction must not be committed then.
pub(super) async fn record(
    transaction: &mut Transaction,
    publish: Publish<'_>,
) -> Result<(Recorded, bool), RecordError> {
    let outcome = record_all(transaction, &[publish]).await?;
    let result = outcome.results.into_iter().next();
    let recorded = result.ok_or(MetadataError::Missing("package file"))??;
    Ok((recorded, outcome.outbox_filled))
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
    let made = transaction.given(make.each_changes("repository")).await?;
    for (repository, row) in missing.iter_mut().zip(&made.rows) {
        repository.id = Some(RepositoryId::from_row(row.value("id")?));
    }
    Ok(())
}

/// Writes all that is known of the files before their identifiers are, and gives those.
async fn write(
    transaction: &mut Transaction,
    repositories: &[Repository<'_>],
    files: &[&Admitted<'_>],
) -> Result<Vec<PackageFileId>, MetadataError> {
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
    // A row that another names comes before it.
    let statements = vec![
        moved_on(repositories),
        blob_facts::kept(files),
        package_files(&rows),
        index_heads(&rows),
        quotas::taken(files),
        catalog::added(files),
        relations::added(&rows),
        notes(&entries),
    ];
    let answers = transaction.all(statements).await?;
    let inserted = answers.get(2).map_or(&[][..], |answer| &answer.rows);
    let id = |row: &Row| Ok(PackageFileId::from_row(row.value("id")?));
    inserted.iter().map(id).collect()
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
            uploader_id: file.publish.origin.uploader,
            created_at: file.publish.act.at,
        },
        "INSERT INTO package_files (repository_id, arch, name, version, file_name, sha256, size, format, identity, \
         index_bytes, signers, facts, sequence, added_at, uploader_id, created_at) \
         SELECT repository_id, arch, name, version, file_name, sha256, size, format, identity, \
         index_bytes, signers, facts, sequence, added_at, uploader_id, created_at FROM given ORDER BY number RETURNING id"
    )
    .each_changes("package file")
}

/// What new files make of the head of an index.
struct Head {
    generation: i64,
    changed_at: Timestamp,
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
                live: 0,
                bytes: 0,
            });
        head.generation = file.generation;
        head.changed_at = file.changed_at;
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
            live: head.live,
            bytes: head.bytes,
        },
        "INSERT INTO index_heads (repository_id, arch, format, generation, changed_at, live, bytes) \
         SELECT repository_id, arch, format, generation, changed_at, live, bytes FROM given WHERE TRUE \
         ON CONFLICT (repository_id, arch, format) DO UPDATE SET generation = excluded.generation, \
         changed_at = excluded.changed_at, live = index_heads.live + excluded.live, \
         bytes = index_heads.bytes + excluded.bytes"
    )
    .each_changes("index")
}

impl Admitted<'_> {
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
            event: WebhookEvent::Published,
            file,
            package: self.publish.new.address(),
            sender: self.publish.act.by.account_id(),
            at: self.publish.act.at,
        }
    }
}
