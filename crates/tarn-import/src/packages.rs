//! The bytes of packages in the forge's storage: a folder with each file under its SHA-256.

use std::{
    io,
    path::{Path, PathBuf},
};

use apk::{digest::Sha256Digest, limits::Limits};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use tarn_core::publish::{BodyError, Destination, IfExists, PublishError, Published};
use tarn_core::{Registry, publish};
use tarn_store::metadata::{Actor, FileAddress, FileHistory, Owner, RecordError};
use tokio::io::AsyncReadExt as _;

use crate::{
    Forge, ImportError, Progress, Storage,
    carry::Known,
    plan::{Plan, PlannedFile},
    report::{Kind, Report},
};

/// How many packages are on their way at once: those that come together share a transaction.
const AT_ONCE: usize = 8;
/// After how many packages there is a line of progress, and their dates are written.
const STEP: usize = 100;
/// How much is read at once.
const PIECE: usize = 256 << 10;

/// Where the packages are, or why they can't be read.
///
/// # Errors
///
/// When the folder is not there.
pub(crate) fn folder(forge: &Forge, given: Option<&Path>) -> Result<PathBuf, Option<String>> {
    let folder = match (given, &forge.settings.packages) {
        (Some(folder), _) => folder,
        (None, Storage::Local(folder)) => folder.as_path(),
        (None, Storage::Elsewhere(_)) if forge.files.is_empty() => return Err(None),
        (None, Storage::Elsewhere(kind)) => {
            return Err(Some(format!(
                "the forge keeps them in `{kind}`; copy them into a folder (the bucket's `packages/`) and give it with `--packages`"
            )));
        }
    };
    // A forge without packages has no folder of them.
    if folder.is_dir() || forge.files.is_empty() {
        return Ok(folder.to_path_buf());
    }
    Err(Some(format!(
        "the folder {} is not there; give it with `--packages`",
        folder.display()
    )))
}

/// The file of a blob (`BlobHash256Key.RelativePath` in `modules/packages/content_store.go`).
fn path(folder: &Path, sha256: &str) -> Option<PathBuf> {
    let is_hex = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (first, second) = (sha256.get(..2)?, sha256.get(2..4)?);
    is_hex.then(|| folder.join(first).join(second).join(sha256))
}

/// The bytes of a package, or why there are none.
async fn open(
    folder: &Path,
    file: &PlannedFile,
) -> Result<impl Stream<Item = Result<Bytes, BodyError>> + Unpin + use<>, String> {
    let path = path(folder, &file.sha256).ok_or("its hash in the forge's database is none")?;
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "its bytes are not in the forge's storage".to_owned(),
        _ => format!("its bytes in the forge's storage can't be read: {error}"),
    };
    let opened = tokio::fs::File::open(&path).await.map_err(missing)?;
    let size = opened.metadata().await.map_err(missing)?.len();
    if size != file.size {
        return Err(format!(
            "its file in the forge's storage is damaged: it has {size} bytes, and {} were uploaded",
            file.size
        ));
    }
    Ok(Box::pin(stream::try_unfold(opened, async |mut opened| {
        let mut piece = BytesMut::with_capacity(PIECE);
        match opened.read_buf(&mut piece).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some((piece.freeze(), opened))),
            Err(error) => Err(BodyError::Gone(error.into())),
        }
    })))
}

/// How one package ended.
enum Ended {
    New(Box<FileHistory>, Option<String>),
    There(Option<Box<FileHistory>>),
    LeftOut(String),
}

/// Publishes the packages of a plan. What the registry refuses is in the report; what it can't keep ends the import.
pub(crate) async fn carry(
    (plan, known): (&Plan, &Known),
    folder: &Path,
    (registry, by): (&Registry, &Actor),
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ImportError> {
    let imports = registry.administration().imports();
    let at_once = AT_ONCE.min(registry.settings().max_uploads.max(1));
    let mut all = stream::iter(&plan.files)
        .map(async |file| (file, one(file, known, folder, registry, by).await))
        .buffered(at_once);
    let (mut done, mut history) = (0, Vec::new());
    while let Some((file, ended)) = all.next().await {
        let what = || file.path(&known.name_of(plan, file.owner));
        match ended? {
            Ended::New(past, notice) => {
                report.imported(Kind::Package);
                history.push(*past);
                if let Some(notice) = notice {
                    report.changed(Kind::Package, what(), notice);
                }
            }
            Ended::There(past) => {
                report.there(Kind::Package);
                history.extend(past.map(|past| *past));
            }
            Ended::LeftOut(why) => report.left_out(Kind::Package, what(), why),
        }
        done += 1;
        if history.len() >= STEP {
            imports.file_history(&history).await?;
            history.clear();
        }
        if done % STEP == 0 || done == plan.files.len() {
            progress(&format!("packages: {done} of {}", plan.files.len()));
        }
    }
    if !history.is_empty() {
        imports.file_history(&history).await?;
    }
    Ok(())
}

async fn one(
    file: &PlannedFile,
    known: &Known,
    folder: &Path,
    registry: &Registry,
    by: &Actor,
) -> Result<Ended, ImportError> {
    let Some(owner) = known.owners.get(&file.owner) else {
        return Ok(Ended::LeftOut("its owner is not imported".to_owned()));
    };
    if let Some((sha256, past)) = find(file, owner, known, registry).await? {
        if sha256.to_hex() != file.sha256 {
            let why = "there is another file in its place here, with other bytes";
            return Ok(Ended::LeftOut(why.to_owned()));
        }
        // It came with an import that was cut off before its date was written.
        return Ok(Ended::There(
            past.filter(|(is_dated, _)| !is_dated).map(|(_, past)| past),
        ));
    }
    let body = match open(folder, file).await {
        Ok(body) => body,
        Err(why) => return Ok(Ended::LeftOut(why)),
    };
    let destination = Destination {
        owner: owner.id,
        branch: file.branch.clone(),
        repository: file.repository.clone(),
        by: by.clone(),
        announced: Some(file.size),
        file_name: Some(file.name.clone()),
        if_exists: IfExists::Refuse,
    };
    let notice = match registry.publisher().publish(destination, body).await {
        Ok(Published { notice, .. }) => notice,
        Err(error) => return refused(file, error).map(Ended::LeftOut),
    };
    match find(file, owner, known, registry).await? {
        Some((_, Some((_, past)))) => Ok(Ended::New(past, notice)),
        _ => Ok(Ended::LeftOut(
            "it went again while it was imported".to_owned(),
        )),
    }
}

type Found = (Sha256Digest, Option<(bool, Box<FileHistory>)>);

/// The file that is in a planned file's place: its hash, and its past with whether that is known already.
async fn find(
    file: &PlannedFile,
    owner: &Owner,
    known: &Known,
    registry: &Registry,
) -> Result<Option<Found>, ImportError> {
    let address = FileAddress {
        owner: owner.id,
        branch: &file.branch,
        repository: &file.repository,
        arch: &file.arch,
        file_name: &file.name,
    };
    let found = registry.metadata().package_file(&address).await?;
    Ok(found.map(|found| {
        let past = FileHistory {
            file: found.id,
            owner: owner.id,
            name: found.name,
            version: found.version,
            created_at: file.created_at,
            creator: known.users.get(&file.creator).map(|(id, _)| *id),
            downloads: file.downloads,
        };
        let is_dated = found.created_at == file.created_at;
        (found.sha256, Some((is_dated, Box::new(past))))
    }))
}

/// Why the registry does not take a package; an error where that is not the package's fault.
fn refused(file: &PlannedFile, error: PublishError) -> Result<String, ImportError> {
    let is_refusal = matches!(
        error,
        PublishError::TooLarge { .. }
            | PublishError::OverQuota(_)
            | PublishError::Package(_)
            | PublishError::Database(_)
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
    let folder = match folder(forge, given) {
        Ok(folder) => folder,
        Err(why) => {
            if let Some(why) = why {
                report.left_out(Kind::Package, format!("{} packages", plan.files.len()), why);
            }
            return report;
        }
    };
    for (index, file) in plan.files.iter().enumerate() {
        let checked = match open(&folder, file).await {
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
