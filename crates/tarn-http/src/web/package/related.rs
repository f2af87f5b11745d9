//! The names that a package wants, as links to what provides them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::{
    links::OfOwner,
    shown::{Cut, escaped_length},
};
use apk::{dependency::Dependency, version::Version};
use tarn_base::names::{Branch, RepositoryName};
use tarn_store::metadata::{Dependent, Provider, RelatedPackage};

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
    /// The package that provides it in a version that will do: in this repository if it can be, else in this branch, else elsewhere.
    pub(super) provider: Option<Link>,
    /// How many other packages provide it, too.
    pub(super) others: usize,
    /// Why none of the owner's does.
    pub(super) lack: Lack,
}

impl Wanted {
    /// What it wants in a version that is not there, and the versions that are.
    pub(super) fn unmet(&self) -> Option<(String, String)> {
        match &self.lack {
            Lack::Version(versions) => Some((self.text.clone(), versions.join(", "))),
            Lack::None | Lack::Name => None,
        }
    }

    /// Bytes that it takes on a page, roughly.
    pub(super) fn size(&self) -> usize {
        let link = self.provider.as_ref();
        let link = link.map_or(0, |link| link.text.len() + link.href.len());
        let versions = self.unmet().map_or(0, |(_, versions)| versions.len());
        130 + escaped_length(&self.text) + link + versions
    }
}

/// What is missing of a name that a package wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// Nothing; or it is a conflict, of which none is wanted.
    None,
    /// No package of the owner has the name.
    Name,
    /// Packages have it in these versions, the newest first, and none of them will do.
    Version(Vec<String>),
}

/// A package that wants something of the page's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanting {
    pub(super) link: Link,
    /// What it wants, where the version on the page will not do.
    pub(super) unmet: Option<String>,
}

/// A name that a package provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Provided {
    /// As the package has it, with the version.
    pub(super) text: String,
    /// The nearest package that depends on the name.
    pub(super) wanting: Option<Link>,
    /// How many others do.
    pub(super) others: usize,
}

impl Provided {
    /// Bytes that it takes on a page, roughly.
    pub(super) fn size(&self) -> usize {
        let link = self.wanting.as_ref();
        let link = link.map_or(0, |link| link.text.len() + link.href.len());
        130 + escaped_length(&self.text) + link
    }
}

impl Cut<Wanted> {
    /// Whether a page lists any of these names beside those that have to come from elsewhere.
    pub(super) fn has_any_here(&self) -> bool {
        self.shown.iter().any(|wanted| wanted.lack != Lack::Name)
    }
}

/// How many versions are named that will not do.
const VERSIONS: usize = 3;

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
    let mut by_name: HashMap<&str, Vec<&Provider>> = HashMap::new();
    for provider in providers {
        let name = provider.provides.name();
        by_name.entry(name).or_default().push(provider);
    }
    let one = |dependency: &Dependency| {
        let name = dependency.name();
        let named = by_name.get(name).map_or(&[][..], Vec::as_slice);
        let will_do = |provider: &&&Provider| dependency.may_be_met_by(provider.provides.version());
        let mut found: Vec<&RelatedPackage> = named
            .iter()
            .filter(will_do)
            .map(|provider| &provider.package)
            .collect();
        // A package of that very name comes before one that only provides it.
        found.sort_by_key(|package| {
            let is_named_so = package.name.as_str() == name;
            (distance(package, here), !is_named_so, (*package).clone())
        });
        found.dedup();
        let lack = match (found.is_empty(), named.is_empty()) {
            _ if dependency.conflict() => Lack::None,
            (false, _) => Lack::None,
            (true, true) => Lack::Name,
            (true, false) => Lack::Version(versions(named)),
        };
        Wanted {
            text: dependency.to_string(),
            provider: found.first().map(|package| link_to(package, here, links)),
            others: found.len().saturating_sub(1),
            lack,
        }
    };
    dependencies.iter().map(one).collect()
}

/// The versions in which a name is provided, the newest first. Where there are more than are named, the last says so.
fn versions(providers: &[&Provider]) -> Vec<String> {
    let mut versions: Vec<&Version> = providers
        .iter()
        .filter_map(|provider| provider.provides.version())
        .collect();
    versions.sort_by(|a, b| b.compare(a));
    versions.dedup();
    let more = (versions.len() > VERSIONS).then(|| "…".to_owned());
    let named = versions.into_iter().take(VERSIONS);
    named.map(ToString::to_string).chain(more).collect()
}

/// What the package called `name` provides, each with which package needs it.
pub(super) fn provided(
    provides: &[Dependency],
    dependents: &[Dependent],
    name: &str,
    here: Here<'_>,
    links: &OfOwner,
) -> Vec<Provided> {
    let mut by_name: HashMap<&str, BTreeSet<(u8, &RelatedPackage)>> = HashMap::new();
    for dependent in dependents {
        let place = distance(&dependent.package, here);
        if dependent.package.name.as_str() != name || place > 0 {
            let wanting = by_name.entry(dependent.provides.name()).or_default();
            wanting.insert((place, &dependent.package));
        }
    }
    let one = |provides: &Dependency| {
        let wanting = by_name.get(provides.name());
        let nearest = wanting.and_then(BTreeSet::first);
        Provided {
            text: provides.to_string(),
            wanting: nearest.map(|(_, package)| link_to(package, here, links)),
            others: wanting.map_or(0, |wanting| wanting.len() - 1),
        }
    };
    provides.iter().map(one).collect()
}

/// The packages that want something of the page's, those of this repository first. One of which several files want different things
/// is content when one of them is.
pub(super) fn wanting(
    dependents: &[Dependent],
    name: &str,
    here: Here<'_>,
    links: &OfOwner,
) -> Vec<Wanting> {
    let mut packages: BTreeMap<(u8, &RelatedPackage), Option<String>> = BTreeMap::new();
    for dependent in dependents {
        let place = distance(&dependent.package, here);
        if dependent.package.name.as_str() == name && place == 0 {
            continue;
        }
        let version = dependent.provides.version();
        let is_met = |wanted: &&Dependency| wanted.may_be_met_by(version);
        let unmet: Vec<String> = dependent
            .wants
            .iter()
            .filter(|wanted| !is_met(wanted))
            .map(ToString::to_string)
            .collect();
        let unmet = (!unmet.is_empty()).then(|| unmet.join(" "));
        packages
            .entry((place, &dependent.package))
            .and_modify(|known| *known = known.take().and(unmet.clone()))
            .or_insert(unmet);
    }
    packages
        .into_iter()
        .map(|((_, package), unmet)| Wanting {
            link: link_to(package, here, links),
            unmet,
        })
        .collect()
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

    fn package(name: &str, branch: &str) -> RelatedPackage {
        RelatedPackage {
            name: PackageName::parse(name).unwrap(),
            branch: Branch::parse(branch).unwrap(),
            repository: RepositoryName::parse("main").unwrap(),
        }
    }

    fn provider(provides: &str, name: &str, branch: &str) -> Provider {
        Provider {
            provides: Dependency::parse(provides).unwrap(),
            package: package(name, branch),
            arch: Arch::parse("x86_64").unwrap(),
        }
    }

    fn here() -> (Branch, RepositoryName) {
        (
            Branch::parse("edge").unwrap(),
            RepositoryName::parse("main").unwrap(),
        )
    }

    #[test]
    fn a_name_leads_to_the_nearest_package_that_provides_it() {
        let (branch, repository) = here();
        let links = OfOwner::new("/tarn", "acme");
        let providers = [
            provider("so:libz.so.1=1.3", "zlib", "v3.22"),
            provider("so:libz.so.1=1.3", "zlib-ng", "edge"),
            provider("sh", "dash", "edge"),
            provider("sh=1.2-r0", "sh", "edge"),
        ];
        let dependencies = ["so:libz.so.1", "sh>=1", "nothing", "!busybox"];
        let dependencies = dependencies.map(|text| Dependency::parse(text).unwrap());
        let wanted = wanted(&dependencies, &providers, (&branch, &repository), &links);
        let shown: Vec<_> = wanted
            .iter()
            .map(|wanted| {
                let href = wanted.provider.as_ref().map(|link| link.href.as_str());
                (wanted.text.as_str(), href, wanted.others, &wanted.lack)
            })
            .collect();
        let zlib = Some("/tarn/acme/edge/main/zlib-ng");
        assert_eq!(
            shown,
            [
                ("so:libz.so.1", zlib, 1, &Lack::None),
                ("sh>=1", Some("/tarn/acme/edge/main/sh"), 1, &Lack::None),
                ("nothing", None, 0, &Lack::Name),
                ("!busybox", None, 0, &Lack::None),
            ]
        );
    }

    #[test]
    fn only_a_version_that_will_do_is_linked() {
        let (branch, repository) = here();
        let links = OfOwner::new("", "acme");
        let providers = [
            provider("foo=1.0-r0", "foo", "edge"),
            provider("foo=1.2-r0", "foo", "edge"),
            provider("foo=2.0-r0", "foo-next", "v3.22"),
        ];
        for (text, href, lack) in [
            ("foo>=2", Some("/acme/v3.22/main/foo-next"), Lack::None),
            ("foo~1", Some("/acme/edge/main/foo"), Lack::None),
            (
                "foo>=3",
                None,
                Lack::Version(["2.0-r0", "1.2-r0", "1.0-r0"].map(str::to_owned).to_vec()),
            ),
        ] {
            let dependency = [Dependency::parse(text).unwrap()];
            let found = wanted(&dependency, &providers, (&branch, &repository), &links);
            let found = found.first().unwrap();
            let found_href = found.provider.as_ref().map(|link| link.href.as_str());
            assert_eq!((found_href, &found.lack), (href, &lack), "{text}");
        }
    }

    #[test]
    fn a_provided_name_leads_to_the_nearest_package_that_needs_it() {
        let (branch, repository) = here();
        let links = OfOwner::new("", "acme");
        let dependent = |name, branch, provides| Dependent {
            package: package(name, branch),
            wants: vec![Dependency::parse("so:libz.so.1").unwrap()],
            provides: Dependency::parse(provides).unwrap(),
        };
        let dependents = [
            dependent("git", "v3.22", "so:libz.so.1=1.3"),
            dependent("png", "edge", "so:libz.so.1=1.3"),
            dependent("png", "edge", "so:libz.so.1=1.3"),
            // Itself.
            dependent("zlib", "edge", "cmd:zcat=1.3"),
        ];
        let provides = ["so:libz.so.1=1.3", "cmd:zcat=1.3"];
        let provides = provides.map(|text| Dependency::parse(text).unwrap());
        let here = (&branch, &repository);
        let found = provided(&provides, &dependents, "zlib", here, &links);
        let found: Vec<_> = found
            .iter()
            .map(|name| {
                let href = name.wanting.as_ref().map(|link| link.href.as_str());
                (name.text.as_str(), href, name.others)
            })
            .collect();
        assert_eq!(
            found,
            [
                ("so:libz.so.1=1.3", Some("/acme/edge/main/png"), 1),
                ("cmd:zcat=1.3", None, 0)
            ]
        );
    }

    #[test]
    fn a_package_that_wants_another_version_says_so() {
        let (branch, repository) = here();
        let links = OfOwner::new("", "acme");
        let dependent = |name, wants: &[&str]| Dependent {
            package: package(name, "edge"),
            wants: wants
                .iter()
                .map(|text| Dependency::parse(text).unwrap())
                .collect(),
            provides: Dependency::parse("foo=1.0-r0").unwrap(),
        };
        let dependents = [
            dependent("old-and-new", &["foo>=2"]),
            dependent("old-and-new", &["foo"]),
            dependent("new", &["foo>=2", "foo<3"]),
            dependent("foo", &["foo"]),
        ];
        let found = wanting(&dependents, "foo", (&branch, &repository), &links);
        let found: Vec<_> = found
            .iter()
            .map(|wanting| (wanting.link.text.as_str(), wanting.unmet.as_deref()))
            .collect();
        assert_eq!(found, [("new", Some("foo>=2")), ("old-and-new", None)]);
    }
}
