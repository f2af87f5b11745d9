//! The names that a package wants, as links to what provides them.

use super::super::links::OfOwner;
use apk::dependency::Dependency;
use tarn_base::names::{Branch, RepositoryName};
use tarn_store::metadata::{Provider, RelatedPackage};

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) text: String,
    pub(super) href: String,
}

/// A name that a package wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// As the package has it, with what it says of the version.
    pub(super) text: String,
    /// The package that provides it: in this repository if it can be, else in this branch, else elsewhere.
    pub(super) provider: Option<Link>,
    /// How many other packages provide it, too.
    pub(super) others: usize,
    /// Whether no package of the owner does. Of a conflict none is wanted.
    pub(super) is_missing: bool,
}

/// Where the page is.
type Here<'a> = (&'a Branch, &'a RepositoryName);

/// How far a package is from the page, and what comes first of two that are as far.
fn distance(package: &RelatedPackage, (branch, repository): Here<'_>) -> u8 {
    match (package.branch == *branch, package.repository == *repository) {
        (true, true) => 0,
        (true, false) => 1,
        (false, true) => 2,
        (false, false) => 3,
    }
}

fn link_to(package: &RelatedPackage, here: Here<'_>, links: &OfOwner) -> Link {
    let (branch, repository) = (package.branch.as_str(), package.repository.as_str());
    let name = package.name.as_str();
    Link {
        text: match distance(package, here) {
            0 => name.to_owned(),
            _ => format!("{name} ({branch}/{repository})"),
        },
        href: links.package(branch, repository, name),
    }
}

/// Those of a list, each with who provides it.
pub(super) fn wanted(
    dependencies: &[Dependency],
    providers: &[Provider],
    here: Here<'_>,
    links: &OfOwner,
) -> Vec<Wanted> {
    let one = |dependency: &Dependency| {
        let name = dependency.name();
        let mut found: Vec<&RelatedPackage> = providers
            .iter()
            .filter(|provider| provider.provided == name)
            .map(|provider| &provider.package)
            .collect();
        // A package of that very name comes before one that only provides it.
        found.sort_by_key(|package| {
            let is_named_so = package.name.as_str() == name;
            (distance(package, here), !is_named_so, (*package).clone())
        });
        found.dedup();
        Wanted {
            text: dependency.to_string(),
            provider: found.first().map(|package| link_to(package, here, links)),
            others: found.len().saturating_sub(1),
            is_missing: found.is_empty() && !dependency.conflict(),
        }
    };
    dependencies.iter().map(one).collect()
}

/// Links to other packages, those of this repository first. The one called `name` in this repository is the page's own.
pub(super) fn links_to(
    packages: &[RelatedPackage],
    name: &str,
    here: Here<'_>,
    links: &OfOwner,
) -> Vec<Link> {
    let mut packages: Vec<&RelatedPackage> = packages
        .iter()
        .filter(|package| package.name.as_str() != name || distance(package, here) > 0)
        .collect();
    packages.sort_by_key(|package| (distance(package, here), (*package).clone()));
    packages
        .into_iter()
        .map(|package| link_to(package, here, links))
        .collect()
}

#[cfg(test)]
mod tests {
    use apk::{arch::Arch, name::PackageName};

    use super::*;

    fn provider(provided: &str, name: &str, branch: &str) -> Provider {
        Provider {
            provided: provided.to_owned(),
            package: RelatedPackage {
                name: PackageName::parse(name).unwrap(),
                branch: Branch::parse(branch).unwrap(),
                repository: RepositoryName::parse("main").unwrap(),
            },
            arch: Arch::parse("x86_64").unwrap(),
        }
    }

    #[test]
    fn a_name_leads_to_the_nearest_package_that_provides_it() {
        let (branch, repository) = (
            Branch::parse("edge").unwrap(),
            RepositoryName::parse("main").unwrap(),
        );
        let links = OfOwner::new("/tarn", "acme");
        let providers = [
            provider("so:libz.so.1", "zlib", "v3.22"),
            provider("so:libz.so.1", "zlib-ng", "edge"),
            provider("sh", "dash", "edge"),
            provider("sh", "sh", "edge"),
        ];
        let dependencies = ["so:libz.so.1", "sh>=1", "nothing", "!busybox"];
        let dependencies = dependencies.map(|text| Dependency::parse(text).unwrap());
        let wanted = wanted(&dependencies, &providers, (&branch, &repository), &links);
        let shown: Vec<_> = wanted
            .iter()
            .map(|wanted| {
                let href = wanted.provider.as_ref().map(|link| link.href.as_str());
                (wanted.text.as_str(), href, wanted.others, wanted.is_missing)
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "so:libz.so.1",
                    Some("/tarn/acme/edge/main/zlib-ng"),
                    1,
                    false
                ),
                ("sh>=1", Some("/tarn/acme/edge/main/sh"), 1, false),
                ("nothing", None, 0, true),
                ("!busybox", None, 0, false),
            ]
        );
    }
}
