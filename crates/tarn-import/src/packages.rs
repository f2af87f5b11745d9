//! The packages of a plan on their way to the publishing service.

use std::{collections::BTreeMap, path::Path, time::Duration};

use apk::limits::Limits;
use futures_util::{StreamExt as _, stream};
use tarn_base::clock::Timestamp;
use tarn_core::publish::{self, BodyError, Destination, IfExists, PublishError, Published};
use tarn_store::metadata::{
    FileAddress, Imported, ImportedKind, Owner, PackageFile, Past, RecordError,
};
use tokio::time::sleep;

use crate::{
    Forge, ImportError, Progress,
    files::Files,
    plan::{Plan, PlannedFile},
    report::{DELETED, Ended, Kind, Report},
    run::Run,
};

/// How many packages are on their way at once: those that come together share a transaction.
const AT_ONCE: usize = 8;
/// After how many packages there is a line of progress, and they are remembered.
const STEP: usize = 100;
/// For how long a package waits whose reading needs more memory than the others leave.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it waits.
const PAUSES: u32 = 60;
impl Run<'_> {
    /// Publishes the packages of a plan. What the registry refuses is in the report; what it can't keep ends the import.
    pub(crate) async fn packages(
        &self,
        files: &Files,
        plan: &Plan,
        report: &mut Report,
        progress: Progress<'_>,
    ) -> Result<(), ImportError> {
        let imports = self.registry.administration().imports();
        let at_once = AT_ONCE.min(self.registry.settings().max_uploads.max(1));
        let mut all = stream::iter(&plan.files)
            .map(async |file| (file, self.package(files, file).await))
            .buffered(at_once);
        let (mut done, mut things) = (0, Vec::new());
        let mut deleted: BTreeMap<String, u64> = BTreeMap::new();
        while let Some((file, ended)) = all.next().await {
            let owner = self.known.name_of(plan, file.owner);
            let ended = match ended {
                Ok(ended) => ended,
                Err(error) => {
                    if let Err(error) = imports.remember(&things).await {
                        tracing::warn!(%error, "could not note the packages that were imported");
                    }
                    return Err(error);
                }
            };
            if ended.is_here() {
                things.extend(self.thing(file));
            }
            match ended {
                Ended::Deleted => *deleted.entry(owner).or_default() += 1,
                ended => report.ended(Kind::Package, file.path(&owner), ended),
            }
            done += 1;
            if things.len() >= STEP {
                imports.remember(&things).await?;
                things.clear();
            }
            if done % STEP == 0 || done == plan.files.len() {
                progress(&format!("packages: {done} of {}", plan.files.len()));
            }
        }
        imports.remember(&things).await?;
        for (owner, count) in deleted {
            report.left_out_many(Kind::Package, count, format!("{count} of {owner}"), DELETED);
        }
        Ok(())
    }

    /// What is remembered of a package. Other bytes in its place are another one.
    fn thing(&self, file: &PlannedFile) -> Option<Imported> {
        let owner = self.known.owners.get(&file.owner)?;
        Some(Imported {
            kind: ImportedKind::Package,
            name: format!(
                "{}/{}/{}/{}#{}",
                file.branch, file.repository, file.arch, file.name, file.sha256
            ),
            owner: owner.id,
        })
    }

    async fn package(&self, files: &Files, file: &PlannedFile) -> Result<Ended, ImportError> {
        let Some(owner) = self.known.owners.get(&file.owner) else {
            return Ok(Ended::left_out("its owner is not imported"));
        };
        if let Some(found) = self.find(file, owner).await? {
            return Ok(match found.sha256.to_hex() == file.sha256 {
                true => Ended::There,
                false => {
                    Ended::left_out("there is another file in its place here, with other bytes")
                }
            });
        }
        if let Some(thing) = self.thing(file)
            && self.is_deleted(&thing).await?
        {
            return Ok(Ended::Deleted);
        }
        let mut pauses = PAUSES;
        // One without a date, or from the future, is as old as its import: a rule of expiry would take it away at once, or never.
        let now = self.registry.clock().now();
        let dated = (Timestamp::from_seconds(1)..=now).contains(&file.created_at);
        let past = Past {
            created_at: if dated { file.created_at } else { now },
            creator: self.known.users.get(&file.creator).map(|(id, _)| *id),
            downloads: file.downloads,
        };
        loop {
            let body = match files.open(file).await {
                Ok(body) => body,
                Err(why) => return Ok(Ended::LeftOut(why)),
            };
            let destination = Destination {
                owner: owner.id,
                branch: file.branch.clone(),
                repository: file.repository.clone(),
                by: self.by.clone(),
                announced: Some(file.size),
                file_name: Some(file.name.clone()),
                // Forgejo keeps a copy of a noarch package for each architecture; here they are one.
                if_exists: IfExists::Same,
                past: Some(past),
            };
            match self.registry.publisher().publish(destination, body).await {
                Ok(Published { is_new: false, .. }) => return Ok(Ended::There),
                Ok(Published { notice, .. }) => {
                    return Ok(notice.map_or(Ended::Imported, Ended::Changed));
                }
                // The other packages on their way hold it.
                Err(PublishError::Memory(_)) if pauses > 0 => {
                    pauses -= 1;
                    sleep(PAUSE).await;
                }
                Err(error) => return refused(file, error).map(Ended::LeftOut),
            }
        }
    }

    /// The file that is in a planned file's place.
    async fn find(
        &self,
        file: &PlannedFile,
        owner: &Owner,
    ) -> Result<Option<PackageFile>, ImportError> {
        let address = FileAddress {
            owner: owner.id,
            branch: &file.branch,
            repository: &file.repository,
            arch: &file.arch,
            file_name: &file.name,
        };
        Ok(self.registry.metadata().package_file(&address).await?)
    }
}

/// Why the registry does not take a package; an error where that is not the package's fault.
fn refused(file: &PlannedFile, error: PublishError) -> Result<String, ImportError> {
    if let PublishError::Body(BodyError::Gone(cause)) = error {
        return Ok(format!(
            "its bytes in the forge's storage can't be read: {cause}"
        ));
    }
    let is_refusal = matches!(
        error,
        PublishError::TooLarge { .. }
            | PublishError::OverQuota(_)
            | PublishError::Package(_)
            | PublishError::OverLimit(_)
            | PublishError::FileName { .. }
            | PublishError::Exists { .. }
            | PublishError::Body(_)
            | PublishError::Record(
                RecordError::AlreadyExists
                    | RecordError::NoarchClash { .. }
                    | RecordError::OverQuota(_)
                    | RecordError::IndexFull { .. }
            )
    );
    if is_refusal {
        return Ok(error.to_string());
    }
    Err(ImportError::Publish {
        file: file.name.clone(),
        source: Box::new(error),
    })
}

/// Reads the packages of a plan as strictly as when they are published, and stores nothing. Counts those that would be taken.
///
/// # Errors
///
/// When the package storage is not there.
pub async fn try_packages(
    (forge, plan): (&Forge, &Plan),
    given: Option<&Path>,
    (limits, most): (&Limits, u64),
    progress: Progress<'_>,
) -> Report {
    let mut report = Report::default();
    let files = match Files::of(forge, given) {
        Ok(files) => files,
        Err(why) => {
            report.no_packages(plan.files.len(), why);
            return report;
        }
    };
    for (index, file) in plan.files.iter().enumerate() {
        let checked = match files.open(file).await {
            Ok(body) => publish::check(body, limits, most)
                .await
                .map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        match checked {
            Ok(_) => report.imported(Kind::Package),
            Err(why) => {
                let owner = plan.names.get(&file.owner).cloned().unwrap_or_default();
                report.left_out(Kind::Package, file.path(&owner), why);
            }
        }
        let done = index + 1;
        if done % STEP == 0 || done == plan.files.len() {
            progress(&format!("packages: {done} of {} read", plan.files.len()));
        }
    }
    report
}
