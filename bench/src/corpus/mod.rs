//! Synthetic packages: as many, as long and as hard to compress as Alpine's.
//!
//! The numbers are those of the index of Alpine 3.16 `main` (4,929 records of 387 bytes, which `zlib -9` makes 0.34 of
//! their size): how many packages come from one source, which fields a record has, how long they are. The
//! same seed gives the same packages.

mod random;
mod rows;
mod words;

use std::{collections::HashSet, fmt::Write as _};

use apk::{
    arch::Arch,
    dependency::Dependency,
    digest::{Identity, PackageHash, Sha256Digest},
    facts::{Format, PackageFacts},
    name::PackageName,
    version::Version,
};
use apk_testkit::v2::PackageBuilder;
use sha2::{Digest, Sha256};
use tarn_store::metadata::{IndexedPackage, StoredFacts};

use self::words::{DEPENDENCIES, LICENSES, MAINTAINERS, SITES, SUFFIXES, WORDS};
pub(crate) use self::{
    random::Random,
    rows::{record, rendered},
};
use crate::Result;

/// The architecture of all packages.
pub(crate) const ARCH: &str = "x86_64";

/// How many sources pass between a package and the next one of the same source, at most: a builder of packages works
/// on several sources at once.
const SPREAD: usize = 2_000;

/// What a package says of itself.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    source: Source,
    /// What it says besides the description of its source.
    note: &'static str,
    depends: Vec<String>,
    provides: Vec<String>,
    install_if: Vec<String>,
    /// Bytes of the file that it would be.
    pub(crate) size: u64,
    installed_size: u64,
    identity: [u8; 20],
}

/// What the packages of one source share.
#[derive(Debug, Clone)]
struct Source {
    name: String,
    version: String,
    description: String,
    url: String,
    license: &'static str,
    maintainer: &'static str,
    build_date: u64,
    commit: String,
}

/// `count` packages in the order in which they came. No two have one name.
pub(crate) fn entries(count: usize, seed: u64) -> Vec<Entry> {
    let mut random = Random::new(seed);
    let mut entries = Vec::with_capacity(count + 8);
    let mut names = HashSet::new();
    let mut number = 0;
    while entries.len() < count {
        let source = source(&mut random, number);
        number += 1;
        if !names.insert(source.name.clone()) {
            continue;
        }
        let packages = random.below(6);
        entries.push(entry(&mut random, &source, ("", "")));
        for suffix in SUFFIXES.iter().take(packages) {
            if random.below(10) < 7 {
                entries.push(entry(&mut random, &source, *suffix));
            }
        }
    }
    entries.truncate(count);
    mingle(&mut entries, &mut random);
    entries
}

/// Moves each entry a little.
fn mingle(entries: &mut [Entry], random: &mut Random) {
    for first in 0..entries.len() {
        let reach = SPREAD.min(entries.len() - first);
        entries.swap(first, first + random.below(reach));
    }
}

fn source(random: &mut Random, number: usize) -> Source {
    let prefix = match random.below(20) {
        0..=3 => "perl-",
        4..=6 => "py3-",
        7..=8 => "lua5.3-",
        9 => "font-",
        _ => "",
    };
    let base = Random::name(number);
    let name = format!("{prefix}{base}");
    let words = 3 + random.below(6);
    let mut description = capitalised(random.often(WORDS));
    for _ in 1..words {
        let _ = write!(description, " {}", random.often(WORDS));
        if random.below(7) == 0 {
            let _ = write!(description, " {}", Random::name(random.below(900)));
        }
    }
    let site = random.often(SITES);
    let url = site.replace("{}", &base);
    Source {
        version: random.version(),
        description,
        url,
        license: random.often(LICENSES),
        maintainer: random.often(MAINTAINERS),
        build_date: 1_500_000_000 + random.next() % 160_000_000,
        commit: random.hex(20),
        name,
    }
}

/// A package of a source: the main one, or one of those with a suffix and a note in the description.
fn entry(random: &mut Random, source: &Source, (end, note): (&'static str, &'static str)) -> Entry {
    let name = format!("{}{end}", source.name);
    let own = format!("{}={}", source.name, source.version);
    let mut depends = Vec::new();
    let mut provides = Vec::new();
    let mut install_if = Vec::new();
    match end {
        "-doc" => install_if.extend(["docs".to_owned(), own]),
        "-openrc" => install_if.extend(["openrc".to_owned(), own]),
        "-lang" => install_if.extend(["lang".to_owned(), own]),
        "-dev" => {
            depends.push(own);
            provides.push(format!("pc:{}={}", source.name, source.version));
        }
        "-libs" => {
            depends.push("so:libc.musl-x86_64.so.1".to_owned());
            let library = format!("so:lib{}.so.{}", source.name, random.below(9));
            provides.push(format!(
                "{library}={}.{}",
                random.below(9),
                random.below(40)
            ));
        }
        _ => {
            for _ in 0..random.below(7) {
                let dependency = random.often(DEPENDENCIES).to_owned();
                if !depends.contains(&dependency) {
                    depends.push(dependency);
                }
            }
            let commands = random.below(12).saturating_sub(6);
            for command in 0..commands {
                let name = match command {
                    0 => source.name.clone(),
                    _ => Random::name(random.below(5000)),
                };
                let command = format!("cmd:{name}={}", source.version);
                if !provides.contains(&command) {
                    provides.push(command);
                }
            }
        }
    }
    let size = 1_200 + random.next() % (1 << (8 + random.below(13)));
    Entry {
        name,
        source: source.clone(),
        note,
        depends,
        provides,
        install_if,
        size,
        installed_size: (size * 3).next_multiple_of(4096),
        identity: random.bytes(),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

impl Entry {
    /// What it says of itself, as publishing reads it from its file.
    pub(crate) fn facts(&self) -> Result<PackageFacts> {
        let list = |words: &[String]| Dependency::parse_list(&words.join(" "));
        let source = self.source.clone();
        Ok(PackageFacts {
            description: self.description(),
            url: source.url,
            license: source.license.to_owned(),
            origin: source.name,
            maintainer: source.maintainer.to_owned(),
            commit: source.commit,
            build_date: source.build_date,
            installed_size: self.installed_size,
            depends: list(&self.depends)?,
            provides: list(&self.provides)?,
            install_if: list(&self.install_if)?,
            ..PackageFacts::new(
                Format::V2 {
                    data_hash: Sha256Digest::from_bytes(Sha256::digest(self.identity).into()),
                },
                PackageName::parse(&self.name)?,
                Version::parse(&source.version)?,
                Arch::parse(ARCH)?,
            )
        })
    }

    fn description(&self) -> String {
        format!("{}{}", self.source.description, self.note)
    }

    /// What apk checks a download with.
    pub(crate) fn identity(&self) -> PackageHash {
        PackageHash::Identity(Identity::from_bytes(self.identity))
    }

    /// As the database gives it to be put into an index.
    pub(crate) fn indexed(&self, sequence: i64) -> Result<IndexedPackage> {
        Ok(IndexedPackage {
            sequence,
            facts: StoredFacts::of(&self.facts()?),
            identity: self.identity(),
            size: self.size,
        })
    }

    /// The file name under which apk looks for it.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}.apk", self.name, self.source.version)
    }

    /// The same package without anything it needs, so that it installs by itself.
    pub(crate) fn alone(mut self) -> Self {
        self.depends.clear();
        self.install_if.clear();
        self
    }

    /// A package file with one file of `content` bytes that do not compress.
    pub(crate) fn package(&self, content: u64) -> Vec<u8> {
        let source = &self.source;
        let mut builder = PackageBuilder::new(&self.name, &source.version).without("packager");
        let fields = [
            ("pkgdesc", self.description()),
            ("url", source.url.clone()),
            ("builddate", source.build_date.to_string()),
            ("maintainer", source.maintainer.to_owned()),
            ("origin", source.name.clone()),
            ("commit", source.commit.clone()),
            ("license", source.license.to_owned()),
        ];
        for (key, value) in fields {
            builder = builder.without(key).field(key, &value);
        }
        for (key, values) in [("depend", &self.depends), ("provides", &self.provides)] {
            for value in values {
                builder = builder.field(key, value);
            }
        }
        if !self.install_if.is_empty() {
            // One line with spaces between them, as abuild writes it.
            builder = builder.field("install_if", &self.install_if.join(" "));
        }
        let path = format!("usr/share/{}/content", self.name);
        builder.random_file(&path, content).build()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use apk::{
        limits::Limits,
        v2::{package::PackageReader, record},
    };

    use super::*;

    fn record_of(entry: &Entry) -> String {
        rendered(&entry.indexed(1).unwrap()).unwrap()
    }

    #[test]
    fn facts_are_those_of_packages_that_are_taken() {
        for entry in entries(3_000, 1) {
            let facts = entry.facts().unwrap();
            facts.check(&Limits::default()).expect(&entry.name);
            let row = entry.indexed(5).unwrap();
            assert_eq!(row.facts.read().unwrap(), facts);
        }
    }

    #[test]
    fn records_are_those_that_the_reader_takes() {
        for entry in entries(3_000, 1) {
            let text = record_of(&entry);
            let read = record::Record::parse(&text, &Limits::default()).expect(&text);
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn no_two_packages_have_one_name() {
        let entries = entries(20_000, 1);
        let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), entries.len());
    }

    #[test]
    fn records_have_the_length_of_alpines() {
        let bytes: usize = entries(10_000, 1)
            .iter()
            .map(|entry| record_of(entry).len())
            .sum();
        assert!((350..410).contains(&(bytes / 10_000)), "{bytes}");
    }

    #[test]
    fn a_package_says_what_its_record_says() {
        let arch = apk::arch::Arch::parse(ARCH).unwrap();
        for entry in entries(200, 7) {
            let mut reader = PackageReader::new(Limits::default());
            reader.push(&entry.package(100)).unwrap();
            let package = reader.finish().unwrap();
            let text = record::render(&package.facts, &package.identity, package.size, &arch);
            let without_sizes = |record: &str| -> Vec<String> {
                let kept =
                    |line: &&str| !["C:", "S:", "I:"].iter().any(|key| line.starts_with(key));
                record.lines().filter(kept).map(str::to_owned).collect()
            };
            assert_eq!(without_sizes(&text), without_sizes(&record_of(&entry)));
        }
    }
}
