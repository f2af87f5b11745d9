//! `tarn package`: what owners have published.

use apk::arch::Arch;
use serde::Serialize;
use tarn_base::names::{Branch, OwnerName, RepositoryName};
use tarn_core::{Administration, publish::RestoreError};
use tarn_store::metadata::{Deleted, FileAddress, LiveFile, Window};

use crate::{
    administration::BY,
    failure::Failure,
    output::{self, Listing, moment},
};

/// `tarn package …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List an owner's package files, by repository and then in order of publication
    List {
        /// The owner
        #[arg(value_parser = OwnerName::parse)]
        owner: OwnerName,
        /// List those that were deleted and can be restored, the most recently deleted first
        #[arg(long)]
        deleted: bool,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Restore a deleted package file; an index fetched afterwards contains it again
    Restore {
        /// The owner
        #[arg(value_parser = OwnerName::parse)]
        owner: OwnerName,
        /// The package file: branch/repository/architecture/name-version.apk, as `package list --deleted` shows it; of several that were
        /// deleted from there, the last one
        file: String,
    },
    /// Delete a package file; an index fetched afterwards lacks it, and `package restore` brings it back for a while
    Delete {
        /// The owner
        #[arg(value_parser = OwnerName::parse)]
        owner: OwnerName,
        /// The package file: branch/repository/architecture/name-version.apk, as `package list` shows it
        file: String,
    },
}

/// One file, in the JSON of `package list` and of `expiry run`.
#[derive(Serialize)]
pub(crate) struct Shown {
    pub(crate) file: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) size: u64,
    pub(crate) published_at: String,
}

impl From<&LiveFile> for Shown {
    fn from(file: &LiveFile) -> Self {
        Self {
            file: format!(
                "{}/{}/{}/{}-{}.apk",
                file.branch, file.repository, file.arch, file.name, file.version
            ),
            name: file.name.to_string(),
            version: file.version.to_string(),
            size: file.size,
            published_at: moment(file.created_at),
        }
    }
}

/// The width of a column with the sizes of packages: 4 GiB, the largest unless a setting allows more, has ten digits.
const BYTES: usize = 10;

/// The width of a column with moments, `2026-11-29T12:00:00Z`.
const MOMENT: usize = 20;

/// The list of files, as a table or as JSON.
pub(crate) const fn listing(json: bool) -> Listing<3> {
    let heading = ["BYTES", "PUBLISHED", "FILE"];
    Listing::new("package", heading, [BYTES, MOMENT, 0], json)
}

/// One line of the table.
pub(crate) fn row(file: &Shown) -> [String; 3] {
    [
        file.size.to_string(),
        file.published_at.clone(),
        file.file.clone(),
    ]
}

/// How many files are asked for at once.
const PAGE: u32 = 1_000;

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    match action {
        Action::List {
            owner,
            deleted: false,
            json,
        } => list(&owner, json, registry).await,
        Action::List { owner, json, .. } => list_deleted(&owner, json, registry).await,
        Action::Restore { owner, file } => restore(&owner, &file, registry).await,
        Action::Delete { owner, file } => delete(&owner, &file, registry).await,
    }
}

async fn list(name: &OwnerName, json: bool, registry: &Administration) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let metadata = registry.metadata();
    let mut listing = listing(json);
    let repositories = metadata.repositories(owner.id).await;
    for (repository, _, _) in repositories.map_err(|error| Failure::from_error(&error))? {
        let mut after = 0;
        loop {
            let page = metadata
                .live_files(repository, after, PAGE)
                .await
                .map_err(|error| Failure::from_error(&error))?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.sequence;
            let shown: Vec<Shown> = page.iter().map(Shown::from).collect();
            listing.page(&shown, row)?;
        }
    }
    listing.end()
}

/// One file, in the JSON of `package list --deleted`.
#[derive(Serialize)]
struct ShownDeleted {
    file: String,
    size: u64,
    deleted_at: String,
    kept_until: String,
}

async fn list_deleted(
    name: &OwnerName,
    json: bool,
    registry: &Administration,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let heading = ["BYTES", "DELETED", "KEPT UNTIL", "FILE"];
    let widths = [BYTES, MOMENT, MOMENT, 0];
    let mut listing = Listing::new("deleted package", heading, widths, json);
    let mut offset = 0;
    loop {
        let window = Window {
            offset,
            limit: PAGE,
        };
        let page = registry.metadata().deleted_files(owner.id, window).await?;
        if page.entries.is_empty() {
            return listing.end();
        }
        offset = offset.saturating_add(PAGE);
        let shown = page.entries.iter().map(|file| ShownDeleted {
            file: format!(
                "{}/{}/{}/{}-{}.apk",
                file.branch, file.repository, file.arch, file.name, file.version
            ),
            size: file.size,
            deleted_at: moment(file.deleted_at),
            kept_until: moment(registry.remover().kept_until(file.deleted_at)),
        });
        let shown: Vec<ShownDeleted> = shown.collect();
        listing.page(&shown, |file| {
            [
                file.size.to_string(),
                file.deleted_at.clone(),
                file.kept_until.clone(),
                file.file.clone(),
            ]
        })?;
    }
}

/// The path of a package file within an owner's repositories, taken apart.
struct FilePath<'a> {
    branch: Branch,
    repository: RepositoryName,
    arch: Arch,
    file_name: &'a str,
}

impl<'a> FilePath<'a> {
    fn parse(file: &'a str) -> Result<Self, Failure> {
        let parts: Vec<&str> = file.split('/').collect();
        let &[branch, repository, arch, file_name] = parts.as_slice() else {
            return Err(
                Failure::usage(format!("`{file}` is not the path of a package file"))
                    .hint("write branch/repository/architecture/name-version.apk"),
            );
        };
        Ok(Self {
            branch: Branch::parse(branch).map_err(|error| Failure::hinted(&error).into_usage())?,
            repository: RepositoryName::parse(repository)
                .map_err(|error| Failure::hinted(&error).into_usage())?,
            arch: Arch::parse(arch).map_err(|error| Failure::from_error(&error).into_usage())?,
            file_name,
        })
    }
}

async fn restore(name: &OwnerName, file: &str, registry: &Administration) -> Result<(), Failure> {
    let path = FilePath::parse(file)?;
    let owner = registry.accounts().find_owner(name).await?;
    let wanted = Deleted::At {
        branch: &path.branch,
        repository: &path.repository,
        arch: &path.arch,
        file_name: path.file_name,
    };
    let restored = async {
        let found = registry.remover().find_deleted(owner.id, wanted).await?;
        registry.remover().restore(owner.id, &found, &BY).await
    };
    restored.await.map_err(|error| match error {
        RestoreError::NotKept => {
            Failure::new(format!("{} has no deleted package file {file}", owner.name)).hint(format!(
                "`tarn package list {} --deleted` shows those that can be restored; to bring back another, upload it again",
                owner.name
            ))
        }
        error => Failure::hinted(&error),
    })?;
    output::note(&format!("restored {file} of {}", owner.name));
    Ok(())
}

async fn delete(name: &OwnerName, file: &str, registry: &Administration) -> Result<(), Failure> {
    let path = FilePath::parse(file)?;
    let owner = registry.accounts().find_owner(name).await?;
    let address = FileAddress {
        owner: owner.id,
        branch: &path.branch,
        repository: &path.repository,
        arch: &path.arch,
        file_name: path.file_name,
    };
    let removed = registry
        .remover()
        .remove(&address, &BY)
        .await
        .map_err(|error| Failure::from_error(&error))?;
    if removed.is_none() {
        return Err(
            Failure::new(format!("{} has no package file {file}", owner.name)).hint(format!(
                "`tarn package list {}` shows those there are",
                owner.name
            )),
        );
    }
    output::note(&format!("deleted {file} of {}", owner.name));
    Ok(())
}
