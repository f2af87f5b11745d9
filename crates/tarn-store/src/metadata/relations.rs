//! What packages have to do with each other, by name: who provides what a file depends on, which packages depend on a file, which
//! came from the same source.
//!
//! A package of Alpine depends on some ten names, and few of them are those of packages (`so:libz.so.1`). So the names are rows,
//! written in the transaction that records a file and deleted in the one that removes it: a page asks an index, whatever
//! the owner has. Beside each name is what the file says of the version; who asks compares the two
//! ([`Dependency::may_be_met_by`]).

use std::collections::BTreeMap;

use apk::{arch::Arch, dependency::Dependency, limits::Limits, name::PackageName};

use super::{
    Metadata, MetadataError, NewPackageFile, OwnerId, PackageFileId, ReadScope, RepositoryId,
    admission::Admitted,
    catalog::read_scope::repository_in_sight,
    engine::{Transaction, sql},
    given::{Given, given},
    rows::{corrupt, row},
};
use tarn_base::names::{Branch, RepositoryName};

/// The most packages of one source that are given.
pub const MOST_RELATED: u32 = 100;

/// The most answers to the question for what depends on a file.
pub const MOST_DEPENDENTS: u32 = 300;

/// The most answers to the question for what provides the names a file wants.
const MOST_PROVIDERS: u32 = 1_000;

row! {
    /// A package in one of an owner's repositories that has to do with another.
    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    pub struct RelatedPackage as related_columns {
        /// Its name.
        pub name: PackageName = package_files.name,
        /// The branch that it is in.
        pub branch: Branch = repositories.branch,
        /// The repository.
        pub repository: RepositoryName = repositories.name,
    }
}

/// A package that provides a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The name and the version that it provides; its own name with its own version.
    pub provides: Dependency,
    /// The package.
    pub package: RelatedPackage,
    /// Its architecture; may be noarch.
    pub arch: Arch,
}

/// A package that depends on something that a file provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// The package.
    pub package: RelatedPackage,
    /// What it wants: one name, with one bound on the version or several.
    pub wants: Vec<Dependency>,
    /// The file's part: that name, with the version that it provides.
    pub provides: Dependency,
}

/// Of a name that a file bounds more often than this, nothing is kept of the version: each bound is read and compared for every page
/// that names the file.
const MOST_BOUNDS: usize = 8;

/// What a new file is found by, each with what it says of the version.
#[derive(Debug, Default)]
struct Names(BTreeMap<(&'static str, String), Vec<String>>);

impl Names {
    /// Those of a file. What can't be read has none: it was put into the database by other hands.
    fn of(new: &NewPackageFile) -> Self {
        let mut names = Self::default();
        names.add("provides", new.name.as_str(), &format!("={}", new.version));
        let Ok(facts) = new.facts.read() else {
            return names;
        };
        if !facts.origin.is_empty() {
            names.add("origin", &facts.origin, "");
        }
        for (kind, dependencies) in facts.dependencies() {
            names.add_all(kind, dependencies);
        }
        names
    }

    fn add(&mut self, kind: &'static str, name: &str, bound: &str) {
        let bounds = self.0.entry((kind, name.to_owned())).or_default();
        if !bound.is_empty() && bounds.len() <= MOST_BOUNDS {
            bounds.push(bound.to_owned());
        }
    }

    /// As they stand in rows.
    fn into_rows(self) -> impl Iterator<Item = ((&'static str, String), String)> {
        self.0.into_iter().map(|(name, bounds)| {
            let says_much = bounds.len() > MOST_BOUNDS;
            let bounds = if says_much {
                String::new()
            } else {
                bounds.join(" ")
            };
            (name, bounds)
        })
    }

    /// Of a conflict (`!name`) there is nothing to be found.
    fn add_all(&mut self, kind: &'static str, dependencies: &[Dependency]) {
        for dependency in dependencies.iter().filter(|wanted| !wanted.conflict()) {
            let text = dependency.to_string();
            let bound = text.strip_prefix(dependency.name()).unwrap_or_default();
            self.add(kind, dependency.name(), bound);
        }
    }
}

/// A name with its bounds, as they stand in a row. What can't be read was put there by other hands, and bounds nothing.
fn with_bounds(name: &str, bounds: &str) -> Vec<Dependency> {
    let limits = Limits::default();
    bounds
        .split(' ')
        .filter_map(|bound| Dependency::parse_stored(&format!("{name}{bound}"), &limits).ok())
        .collect()
}

/// What a package provides, by the name and its bounds.
fn provided(name: &str, bounds: &str) -> Result<Dependency, MetadataError> {
    let found = with_bounds(name, bounds).into_iter().next();
    let without = || Dependency::parse_stored(name, &Limits::default()).ok();
    found
        .or_else(without)
        .ok_or_else(|| corrupt("provided name", name))
}

/// Writes the names in the transaction that records files, behind the files.
pub(super) fn added(files: &[(RepositoryId, &Admitted<'_>)]) -> Given {
    let names = files.iter().flat_map(|(repository, file)| {
        let names = Names::of(file.publish.new).into_rows();
        names.map(|name| (*repository, file.sequence, name))
    });
    given!(
        names,
        |(repository, sequence, ((kind, name), bounds))| {
            repository_id: repository,
            sequence: sequence,
            kind: kind,
            name: name,
            bounds: bounds,
        },
        "INSERT INTO package_names (owner_id, repository_id, kind, name, bounds, file_id) \
         SELECT (SELECT repositories.owner_id FROM repositories WHERE repositories.id = given.repository_id), \
         given.repository_id, given.kind, given.name, given.bounds, \
         (SELECT package_files.id FROM package_files WHERE package_files.repository_id = given.repository_id \
         AND package_files.sequence = given.sequence) FROM given"
    )
    .each_changes("package name")
}

/// Deletes them in the transaction that removes a file.
pub(super) async fn removed(
    transaction: &mut Transaction,
    file: PackageFileId,
) -> Result<(), MetadataError> {
    let statement = sql!("DELETE FROM package_names WHERE file_id = $1", file);
    transaction.run(statement).await.map(drop)
}

impl Metadata {
    /// The packages of an owner that provide what a file wants: the names that it depends on, recommends, replaces, or is
    /// installed with.
    /// Only packages that can be installed beside it: of its architecture and of `noarch`, or of any where it is of `noarch` itself.
    pub async fn providers_for(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        file: PackageFileId,
        of: &Arch,
    ) -> Result<Vec<Provider>, MetadataError> {
        let found: Vec<((String, String), Arch, RelatedPackage)> = self
            .engine
            .list(sql!(
                concat!(
                    "SELECT DISTINCT wanted.name, found.bounds, package_files.arch, ",
                    related_columns!(),
                    " \
                     FROM package_names AS wanted CROSS JOIN package_names AS found \
                     JOIN repositories ON repositories.id = found.repository_id \
                     JOIN package_files ON package_files.id = found.file_id \
                     WHERE wanted.file_id = $2 AND wanted.kind IN ('depends', 'install_if', 'recommends', 'replaces') \
                     AND found.owner_id = $1 AND found.kind = 'provides' AND found.name = wanted.name AND ($3 = 'noarch' OR package_files.arch IN ($3, 'noarch')) AND ",
                    repository_in_sight!(4),
                    " LIMIT $5"
                ),
                owner,
                file,
                of.as_str(),
                read_scope.repositories.as_deref(),
                MOST_PROVIDERS
            ))
            .await?;
        let provider = |((name, bounds), arch, package): ((String, String), _, _)| {
            Ok(Provider {
                provides: provided(&name, &bounds)?,
                package,
                arch,
            })
        };
        found.into_iter().map(provider).collect()
    }

    /// The packages of an owner that depend on something that a file provides, by name; one as often as what it wants differs, at
    /// most [`MOST_DEPENDENTS`] in all.
    pub async fn dependents_on(
        &self,
        read_scope: &ReadScope,
        owner: OwnerId,
        file: PackageFileId,
    ) -> Result<Vec<Dependent>, MetadataError> {
        // The limit is inside: of a library that everything needs, a page names some.
        let found: Vec<(RelatedPackage, (String, String, String))> = self
            .engine
            .list(sql!(
                concat!(
                    "SELECT DISTINCT ",
                    related_columns!(),
                    ", provided.name, provided.bounds, wanting.bounds FROM package_names AS provided CROSS JOIN package_names AS wanting \
                     JOIN repositories ON repositories.id = wanting.repository_id \
                     JOIN package_files ON package_files.id = wanting.file_id \
                     WHERE provided.file_id = $2 AND provided.kind = 'provides' AND wanting.owner_id = $1 \
                     AND wanting.kind = 'depends' AND wanting.name = provided.name AND wanting.file_id <> $2 AND ",
                    repository_in_sight!(3),
                    " LIMIT $4"
                ),
                owner,
                file,
                read_scope.repositories.as_deref(),
                MOST_DEPENDENTS
            ))
            .await?;
        let mut dependents = Vec::with_capacity(found.len());
        for (package, (name, bounds, wanted)) in found {
            let provides = provided(&name, &bounds)?;
            dependents.push(Dependent {
                package,
                wants: with_bounds(provides.name(), &wanted),
                provides,
            });
        }
        dependents.sort_by(|a, b| a.package.cmp(&b.package));
        Ok(dependents)
    }

    /// The packages of a repository that came from the source `origin`, at most [`MOST_RELATED`]; by name.
    pub async fn packages_from(
        &self,
        repository: RepositoryId,
        origin: &str,
    ) -> Result<Vec<RelatedPackage>, MetadataError> {
        let mut related: Vec<RelatedPackage> = self
            .engine
            .list(sql!(
                concat!("SELECT DISTINCT ", related_columns!(), " FROM package_names \
                 JOIN package_files ON package_files.id = package_names.file_id \
                 JOIN repositories ON repositories.id = package_names.repository_id \
                 WHERE package_names.owner_id = (SELECT owner_id FROM repositories WHERE id = $1) \
                 AND package_names.repository_id = $1 AND package_names.kind = 'origin' AND package_names.name = $2 LIMIT $3"),
                repository,
                origin,
                MOST_RELATED
            ))
            .await?;
        related.sort();
        Ok(related)
    }
}
