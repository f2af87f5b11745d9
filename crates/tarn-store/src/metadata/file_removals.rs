//! Taking package files out of their repositories, from the next generation on. Earlier generations keep them, and so their
//! bytes stay until the files are forgotten (`deleted_files.rs`).

use std::time::Instant;

use super::{
    Act, LiveFile, Metadata, MetadataError, OwnerId, PackageAddress, PackageFileId, PackageFormat,
    WebhookEvent,
    audit::Done,
    batches::Batch,
    catalog,
    change_times::after_the_wait,
    engine::{Transaction, sql},
    outbox::{self, Happened, Listeners},
    packages::{file_name, move_on, target},
    quotas, relations,
};

/// What became of files of which a batch was to be removed.
#[derive(Debug)]
pub struct Removed {
    /// They are gone now. Those that were gone before are not among them.
    pub gone: Vec<LiveFile>,
    /// They are for the next batch.
    pub left: Vec<LiveFile>,
}

impl Metadata {
    /// Takes files of one owner out of their repositories: the first of them, as many as a batch has room for.
    ///
    /// # Errors
    ///
    /// When the database fails. Then none of them went.
    pub async fn remove_batch(
        &self,
        owner: OwnerId,
        files: Vec<LiveFile>,
        act: &Act<'_>,
    ) -> Result<Removed, MetadataError> {
        let (by, at, since) = (act.by.clone(), act.at, Instant::now());
        self.on_a_thread(async move |metadata: Self| {
            let mut transaction = metadata.engine.write_here().await?;
            let mut batch = Batch::begin();
            let act = by.at(after_the_wait(at, since));
            let mut gone = Vec::new();
            let mut files = files.into_iter();
            while batch.has_room()
                && let Some(file) = files.next()
            {
                let address = PackageAddress {
                    owner,
                    branch: &file.branch,
                    repository: &file.repository,
                    arch: &file.arch,
                    name: &file.name,
                    version: &file.version,
                };
                batch.add(1);
                if live(&mut transaction, &address, Some(file.id))
                    .await?
                    .is_some()
                {
                    remove(&mut transaction, &address, file.id, &act).await?;
                    gone.push(file);
                }
            }
            transaction.commit().await?;
            let left = files.collect();
            Ok(Removed { gone, left })
        })
        .await
    }

    /// Takes a package file out of its repository. `false` when no such file is there; nothing was changed then.
    pub async fn remove_package(
        &self,
        address: &PackageAddress<'_>,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        Ok(self.remove_files(&[(*address, None)], act).await? > 0)
    }

    /// The same, but only when it is still that very file, and not one of the same name that came after it.
    pub async fn remove_package_file(
        &self,
        address: &PackageAddress<'_>,
        file: PackageFileId,
        act: &Act<'_>,
    ) -> Result<bool, MetadataError> {
        Ok(self.remove_files(&[(*address, Some(file))], act).await? > 0)
    }

    /// The same for several, all of them or none: those that are still there go, in one transaction. Gives how many went.
    ///
    /// # Errors
    ///
    /// When the database fails. Then none of them went.
    pub async fn remove_package_files(
        &self,
        files: &[(PackageAddress<'_>, PackageFileId)],
        act: &Act<'_>,
    ) -> Result<u64, MetadataError> {
        let files: Vec<_> = files
            .iter()
            .map(|(address, file)| (*address, Some(*file)))
            .collect();
        self.remove_files(&files, act).await
    }

    async fn remove_files(
        &self,
        files: &[(PackageAddress<'_>, Option<PackageFileId>)],
        act: &Act<'_>,
    ) -> Result<u64, MetadataError> {
        let since = Instant::now();
        let mut transaction = self.engine.write().await?;
        let act = &Act {
            by: act.by,
            at: after_the_wait(act.at, since),
        };
        let mut removed = 0;
        for (address, only) in files {
            let Some(file) = live(&mut transaction, address, *only).await? else {
                continue;
            };
            remove(&mut transaction, address, file, act).await?;
            removed += 1;
        }
        if removed > 0 {
            transaction.commit().await?;
        }
        Ok(removed)
    }
}

/// The file that is there, if it is that very one where one is meant. Asked before the generation of the repository moves on: of
/// several files one may be gone.
async fn live(
    transaction: &mut Transaction,
    address: &PackageAddress<'_>,
    only: Option<PackageFileId>,
) -> Result<Option<PackageFileId>, MetadataError> {
    transaction
        .row(sql!(
            "SELECT package_files.id AS id FROM repositories \
             JOIN package_files ON package_files.repository_id = repositories.id \
             WHERE repositories.owner_id = $1 AND repositories.branch = $2 AND repositories.name = $3 \
             AND package_files.arch = $4 AND package_files.file_name = $5 AND package_files.name = $6 \
             AND package_files.version = $7 AND package_files.removed_at IS NULL AND ($8 IS NULL OR package_files.id = $8)",
            address.owner,
            address.branch.as_str(),
            address.repository.as_str(),
            address.arch.as_str(),
            file_name(address.name, address.version),
            address.name.as_str(),
            address.version.as_str(),
            only.map(PackageFileId::number)
        ))
        .await
}

/// Removes one file that is there.
async fn remove(
    transaction: &mut Transaction,
    address: &PackageAddress<'_>,
    file: PackageFileId,
    act: &Act<'_>,
) -> Result<(), MetadataError> {
    let moved = move_on(transaction, address, act.at)
        .await?
        .ok_or(MetadataError::Missing("repository"))?;
    let removed = sql!(
        "UPDATE package_files SET removed_at = $2, deleted_at = $3 WHERE id = $1 AND removed_at IS NULL \
             RETURNING size, format, index_bytes",
        file,
        moved.generation,
        moved.changed_at
    );
    let (size, format, index_bytes): (u64, PackageFormat, i64) =
        transaction.one("package file", removed).await?;
    let statement = sql!(
        "UPDATE index_heads SET generation = $3, changed_at = $4, live = live - 1, \
                 bytes = bytes - $5 WHERE repository_id = $1 AND arch = $2 AND format = $6",
        moved.repository,
        address.arch.as_str(),
        moved.generation,
        moved.changed_at,
        index_bytes,
        format
    );
    transaction.run_one("index", statement).await?;
    catalog::removed(transaction, address).await?;
    relations::removed(transaction, file).await?;
    quotas::give_back(transaction, address.owner, size).await?;
    let file_name = file_name(address.name, address.version);
    let target = target(address.branch, address.repository, address.arch, &file_name);
    let done = Done::of(address.owner, "package.delete", &target);
    transaction.note(act, done).await?;
    let happened = Happened {
        event: WebhookEvent::Deleted,
        file,
        package: *address,
        sender: act.by.account_id(),
        at: act.at,
    };
    let listeners = transaction.given(Listeners::of(&[address.owner])).await?;
    let listeners = Listeners::from_rows(listeners.rows)?;
    outbox::enqueue(transaction, &listeners, &[happened]).await
}
