//! The packages of an index on their way into the registry.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use apk::{arch::Arch, digest::PackageHash};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tarn_core::{
    Registry,
    publish::{Destination, IfExists},
};
use tarn_store::metadata::{Imported, ImportedKind, Owner, Past};

use super::{
    checked::{checked, of_body, of_publisher},
    index::{Found, RETRIES, Understood, path},
    listing::{self, Listed},
    report::{Outcome, Report},
    source::Absent,
};
use crate::{
    administration::BY,
    failure::Failure,
    progress::Progress,
    remote::retry::{Trouble, persist},
};

/// How many packages are on their way at once.
const AT_ONCE: usize = 4;

/// After how many packages they are remembered.
const STEP: usize = 100;

/// Everything that importing one package needs.
pub(super) struct Run<'a> {
    understood: &'a Understood,
    registry: &'a Registry,
    owner: &'a Owner,
    progress: &'a Progress,
    /// What is there: from before, or imported by this run. A noarch package is in the index of every architecture.
    seen: Mutex<HashSet<PackageHash>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        understood: &'a Understood,
        registry: &'a Registry,
        owner: &'a Owner,
        progress: &'a Progress,
    ) -> Self {
        Self {
            understood,
            registry,
            owner,
            progress,
            seen: Mutex::default(),
        }
    }

    /// Imports what one index lists.
    pub(super) async fn index(&self, found: &Found, report: &mut Report) -> Result<(), Failure> {
        let dry_run = self.understood.arguments.dry_run;
        if !dry_run {
            let there = self.there(found).await?;
            self.seen().extend(there);
        }
        let importing = found
            .packages
            .iter()
            .map(async |package| (package, self.package(&found.folder, package).await));
        let mut imported = stream::iter(importing).buffered(AT_ONCE);
        let mut things = Vec::new();
        while let Some((package, ended)) = imported.next().await {
            self.progress.one_done(package.size);
            let name = path(&found.folder, &package.file_name);
            if matches!(ended, Ok(Outcome::Imported(_) | Outcome::Unchanged)) && !dry_run {
                things.push(self.thing(package));
            }
            let added = self.progress.apart(|| report.add(&name, ended));
            if added.is_err() || things.len() >= STEP {
                self.remember(&mut things).await?;
            }
            added?;
        }
        self.remember(&mut things).await
    }

    async fn remember(&self, things: &mut Vec<Imported>) -> Result<(), Failure> {
        let imports = self.registry.administration().imports();
        let remembered = imports.remember(things).await;
        things.clear();
        remembered.map_err(|error| Failure::from_error(&error))
    }

    /// What is remembered of a package. Other bytes under its name are another one.
    fn thing(&self, package: &Listed) -> Imported {
        let arguments = &self.understood.arguments;
        let hash = package.hash.as_bytes().iter();
        let hash: String = hash.map(|byte| format!("{byte:02x}")).collect();
        Imported {
            kind: ImportedKind::Package,
            name: format!(
                "{}/{}/{}#{hash}",
                arguments.branch, arguments.repository, package.file_name
            ),
            owner: self.owner.id,
        }
    }

    async fn package(&self, folder: &str, package: &Listed) -> Result<Outcome, Trouble> {
        if self.seen().contains(&package.hash) {
            return Ok(Outcome::Unchanged);
        }
        let arguments = &self.understood.arguments;
        if !arguments.again && !arguments.dry_run {
            let imports = self.registry.administration().imports();
            let knows = imports.knows(&self.thing(package)).await;
            if knows.map_err(|error| Trouble::Fatal(Failure::from_error(&error)))? {
                return Ok(Outcome::Deleted);
            }
        }
        let name = &package.file_name;
        let attempt = async || self.attempt(folder, package).await;
        let note = |text: &str| self.progress.note(&format!("{name}: {text}"));
        let bar = self.progress.begin(name, package.size);
        let ended = persist(RETRIES, attempt, note).await;
        bar.end();
        if ended.is_ok() {
            self.seen().insert(package.hash);
        }
        ended
    }

    /// What the repository of this registry has already, as its own indexes say.
    async fn there(&self, found: &Found) -> Result<Vec<PackageHash>, Failure> {
        let arguments = &self.understood.arguments;
        let archs: BTreeSet<Arch> = found
            .packages
            .iter()
            .filter_map(|package| package.arch.clone())
            .collect();
        let mut there = Vec::new();
        for arch in archs {
            let index = self
                .registry
                .indexes()
                .current(
                    self.owner,
                    &arguments.branch,
                    &arguments.repository,
                    &arch,
                    found.format,
                )
                .await
                .map_err(|error| Failure::from_error(&error))?;
            let Some(index) = index else {
                continue;
            };
            let length = index.segments().length();
            let bytes: Vec<u8> = index.segments().part(0..length).flatten().collect();
            there.extend(
                listing::read(&bytes, None)?
                    .into_iter()
                    .map(|package| package.hash),
            );
        }
        Ok(there)
    }

    fn seen(&self) -> MutexGuard<'_, HashSet<PackageHash>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn destination(&self, package: &Listed) -> Destination {
        let arguments = &self.understood.arguments;
        Destination {
            owner: self.owner.id,
            branch: arguments.branch.clone(),
            repository: arguments.repository.clone(),
            by: BY.clone(),
            announced: Some(package.size).filter(|size| *size > 0),
            file_name: None,
            if_exists: IfExists::Same,
            past: self.past(package),
        }
    }

    async fn attempt(&self, folder: &str, package: &Listed) -> Result<Outcome, Trouble> {
        let source = &self.understood.source;
        let mut content = Err(Absent::default());
        for path in &package.paths {
            content = source.open(&self::path(folder, path)).await?;
            if content.is_ok() {
                break;
            }
        }
        let content = content.map_err(|absent| {
            let failure = Failure::refused("the index lists it, and its file is not there");
            Trouble::Final(absent.explain(failure))
        })?;
        let mut checked = Box::pin(checked(content, package.hash));
        if self.understood.arguments.dry_run {
            while checked.try_next().await.map_err(of_body)?.is_some() {}
            return Ok(Outcome::Checked);
        }
        let destination = self.destination(package);
        let publisher = self.registry.publisher();
        match publisher.publish(destination, checked).await {
            Ok(published) if published.is_new => Ok(Outcome::Imported(published.notice)),
            Ok(_) => Ok(Outcome::Unchanged),
            Err(error) => Err(of_publisher(error)),
        }
    }

    /// That a package is as old as its index says. Nothing where that is not known, or not over yet.
    fn past(&self, package: &Listed) -> Option<Past> {
        let now = self.registry.clock().now();
        let built_at = package.built_at.filter(|built_at| *built_at <= now)?;
        Some(Past {
            created_at: built_at,
            creator: None,
            downloads: 0,
        })
    }
}
