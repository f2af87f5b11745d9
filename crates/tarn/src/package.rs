//! `tarn package`: what owners have published.

use apk::arch::Arch;
use registry::{
    Administration,
    metadata::{FileAddress, LiveFile},
    names::{Branch, OwnerName, RepositoryName},
};
use serde::Serialize;

use crate::{
    administration::BY,
    failure::Failure,
    output::{self, Listing, moment},
};

/// `tarn package …`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Action {
    /// List an owner's package files, repository by repository in the order in which they came
    List {
        /// Whose
        #[arg(value_parser = OwnerName::parse)]
        owner: OwnerName,
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Delete a package file; the next index that is asked for is without it
    Delete {
        /// Whose
        #[arg(value_parser = OwnerName::parse)]
        owner: OwnerName,
        /// Which: branch/repository/architecture/name-version.apk, as `package list` shows it
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

/// The list of files, as a table or as JSON.
pub(crate) const fn listing(json: bool) -> Listing<3> {
    Listing::new("package", ["FILE", "BYTES", "PUBLISHED"], json)
}

/// One line of the table.
pub(crate) fn row(file: &Shown) -> [String; 3] {
    [
        file.file.clone(),
        file.size.to_string(),
        file.published_at.clone(),
    ]
}

/// How many files are asked for at once.
const PAGE: u32 = 1_000;

/// Does what the arguments say.
pub(crate) async fn run(action: Action, registry: &Administration) -> Result<(), Failure> {
    match action {
        Action::List { owner, json } => list(&owner, json, registry).await,
        Action::Delete { owner, file } => delete(&owner, &file, registry).await,
    }
}

async fn list(name: &OwnerName, json: bool, registry: &Administration) -> Result<(), Failure> {
    let owner = registry.accounts().find_owner(name).await?;
    let metadata = registry.metadata();
    let mut listing = listing(json);
    let repositories = metadata.repositories(owner.id).await;
    for (repository, _, _) in repositories.map_err(|error| Failure::told_by(&error))? {
        let mut after = 0;
        loop {
            let page = metadata
                .live_files(repository, after, PAGE)
                .await
                .map_err(|error| Failure::told_by(&error))?;
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

async fn delete(name: &OwnerName, file: &str, registry: &Administration) -> Result<(), Failure> {
    let parts: Vec<&str> = file.split('/').collect();
    let &[branch, repository, arch, file_name] = parts.as_slice() else {
        return Err(
            Failure::usage(format!("`{file}` is not the path of a package file"))
                .hint("write branch/repository/architecture/name-version.apk"),
        );
    };
    let branch = Branch::parse(branch).map_err(|error| Failure::told_by(&error).into_usage())?;
    let repository =
        RepositoryName::parse(repository).map_err(|error| Failure::told_by(&error).into_usage())?;
    let arch = Arch::parse(arch).map_err(|error| Failure::told_by(&error).into_usage())?;
    let owner = registry.accounts().find_owner(name).await?;
    let address = FileAddress {
        owner: owner.id,
        branch: &branch,
        repository: &repository,
        arch: &arch,
        file_name,
    };
    let removed = registry
        .remover()
        .remove(&address, &BY)
        .await
        .map_err(|error| Failure::told_by(&error))?;
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
