//! `tarn package`: what owners have published.

use apk::arch::Arch;
use serde::Serialize;
use tarn_base::names::{Branch, OwnerName, RepositoryName};
use tarn_core::{Administration, access::matches, publish::RestoreError};
use tarn_store::metadata::{Deleted, FileAddress, LiveFile, Owner, PackageAddress, Window};

use crate::{
    administration::{BY, parsed},
    failure::Failure,
    output::{self, Listing, moment},
};

/// `tarn package …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List an owner's package files, by repository and then in order of publication
    List {
        /// The owner
        owner: OwnerName,
        /// Only files whose path matches, such as 'v3.23/main/*'; `*` stands for any run of characters
        files: Option<String>,
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
        owner: OwnerName,
        /// The package file: branch/repository/architecture/name-version.apk, as `package list --deleted` shows it; of several that were
        /// deleted from there, the last one
        file: String,
    },
    /// Delete package files; an index fetched afterwards lacks them, and `package restore` brings each back for a while
    Delete {
        /// The owner
        owner: OwnerName,
        /// The package file: branch/repository/architecture/name-version.apk, as `package list` shows it; or a pattern such as
        /// 'v3.23/main/*', where `*` stands for any run of characters
        file: String,
        /// Only list what would be deleted
        #[arg(long)]
        dry_run: bool,
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

/// The list of files that are called `what` where there is none, as a table or as JSON.
pub(crate) const fn listing(what: &'static str, json: bool) -> Listing<3> {
    let heading = ["BYTES", "PUBLISHED", "FILE"];
    Listing::new(what, heading, [BYTES, MOMENT, 0], json)
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
            files,
            deleted,
            json,
        } => {
            let pattern = files.as_deref().unwrap_or("*");
            match deleted {
                false => list(&owner, pattern, json, registry).await,
                true => list_deleted(&owner, pattern, json, registry).await,
            }
        }
        Action::Restore { owner, file } => restore(&owner, &file, registry).await,
        Action::Delete {
            owner,
            file,
            dry_run,
        } if dry_run || file.contains('*') => {
            delete_matching(&owner, &file, dry_run, registry).await
        }
        Action::Delete { owner, file, .. } => delete(&owner, &file, registry).await,
    }
}

async fn list(
    name: &OwnerName,
    pattern: &str,
    json: bool,
    registry: &Administration,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let what = match pattern {
        "*" => "package",
        _ => "such package",
    };
    let mut listing = listing(what, json);
    each_page(&owner, pattern, registry, async |page| {
        let shown: Vec<Shown> = page.iter().map(Shown::from).collect();
        listing.page(&shown, row)
    })
    .await?;
    listing.end()
}

/// Gives `each` the files of an owner whose paths match, a page after the other.
async fn each_page(
    owner: &Owner,
    pattern: &str,
    registry: &Administration,
    mut each: impl AsyncFnMut(Vec<LiveFile>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let metadata = registry.metadata();
    for (repository, _, _) in metadata.repositories(owner.id).await? {
        let mut after = 0;
        loop {
            let mut page = metadata.live_files(repository, after, PAGE).await?;
            let Some(last) = page.last() else {
                break;
            };
            after = last.sequence;
            page.retain(|file| matches(pattern, &Shown::from(file).file));
            each(page).await?;
        }
    }
    Ok(())
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
    pattern: &str,
    json: bool,
    registry: &Administration,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let heading = ["BYTES", "DELETED", "KEPT UNTIL", "FILE"];
    let widths = [BYTES, MOMENT, MOMENT, 0];
    let what = match pattern {
        "*" => "deleted package",
        _ => "such deleted package",
    };
    let mut listing = Listing::new(what, heading, widths, json);
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
        let shown: Vec<ShownDeleted> = shown
            .filter(|shown| matches(pattern, &shown.file))
            .collect();
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
                    .hint("write branch/repository/architecture/name-version.apk; `package delete` also takes a pattern, such as 'v3.23/main/*'"),
            );
        };
        Ok(Self {
            branch: parsed(branch)?,
            repository: parsed(repository)?,
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
    let remover = registry.remover();
    let restored = match remover.find_deleted(owner.id, wanted).await {
        Ok(found) => remover.restore(owner.id, &found, &BY).await,
        Err(error) => Err(error),
    };
    let name = &owner.name;
    output::note(&match restored {
        Ok(_) => format!("restored {file} of {name}"),
        Err(RestoreError::Unneeded) => {
            format!("{file} of {name} is there; there is nothing to restore")
        }
        Err(RestoreError::NotKept) => {
            return Err(Failure::new(format!("{name} has no deleted package file {file}")).hint(format!(
                "`tarn package list {name} --deleted` shows those that can be restored; to bring back another, upload it again"
            )));
        }
        Err(error) => return Err(Failure::hinted(&error)),
    });
    Ok(())
}

/// Deletes the files whose paths match, or only lists them.
async fn delete_matching(
    name: &OwnerName,
    pattern: &str,
    dry_run: bool,
    registry: &Administration,
) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let (mut found, mut deleted) = (0, 0);
    let mut listing = listing("package", false);
    each_page(&owner, pattern, registry, async |page| {
        found += page.len();
        if dry_run {
            let shown: Vec<Shown> = page.iter().map(Shown::from).collect();
            return listing.page(&shown, row);
        }
        let some: Vec<_> = page
            .iter()
            .map(|file| (address(&owner, file), file.id))
            .collect();
        deleted += registry.remover().remove_package_files(&some, &BY).await?;
        Ok(())
    })
    .await?;
    if found == 0 {
        return Err(absent(&owner, pattern));
    }
    if dry_run {
        listing.end()?;
        output::note(&format!("{found} would be deleted; nothing was changed"));
        return Ok(());
    }
    output::note(&format!(
        "package files deleted: {deleted}; `tarn package list {} --deleted` shows those that can be restored",
        owner.name
    ));
    Ok(())
}

fn address<'a>(owner: &Owner, file: &'a LiveFile) -> PackageAddress<'a> {
    PackageAddress {
        owner: owner.id,
        branch: &file.branch,
        repository: &file.repository,
        arch: &file.arch,
        name: &file.name,
        version: &file.version,
    }
}

fn absent(owner: &Owner, file: &str) -> Failure {
    let name = &owner.name;
    Failure::new(format!("{name} has no package file {file}"))
        .hint(format!("`tarn package list {name}` shows those there are"))
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
    if registry.remover().remove(&address, &BY).await?.is_none() {
        return Err(absent(&owner, file));
    }
    output::note(&format!("deleted {file} of {}", owner.name));
    Ok(())
}
