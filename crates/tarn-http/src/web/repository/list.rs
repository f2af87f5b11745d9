//! The packages of a repository's page: which are wanted, how the files become packages, and where the pages beside it begin.

use serde::Deserialize;
use url::form_urlencoded;

use crate::{
    error::ApiError,
    web::shown::{Bytes, Room, Time, escaped_length, short},
};
use tarn_core::Registry;
use tarn_store::metadata::{FilesWanted, ListedFile, PackageFormat, RepositoryState};

/// How many files a page looks at. A package has one for each version and architecture.
const FILES: u32 = 200;

/// How many packages a page has.
const PACKAGES: usize = 100;

/// What the tags of a package in the list take.
const ENTRY: usize = 370;

/// A package in the list.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) is_orderable: bool,
    /// Whether the index of v2 does not list it.
    pub(super) is_v3: bool,
    /// How many versions of it this page has seen.
    pub(super) versions: usize,
    pub(super) description: String,
    pub(super) architectures: Vec<String>,
    pub(super) size: Bytes,
    pub(super) published: Time,
}

/// What of the packages is wanted.
#[derive(Debug, Clone, Default, Deserialize)]
pub(in crate::web) struct Wanted {
    /// What is in the name.
    #[serde(default)]
    pub(super) name: String,
    /// Of this architecture.
    #[serde(default)]
    pub(super) arch: String,
    /// From this source package.
    #[serde(default)]
    pub(super) origin: String,
    /// `newest`, or by name.
    #[serde(default)]
    pub(super) sort: String,
    /// Where the page begins: behind this file name, or before this sequence.
    #[serde(default)]
    pub(super) after: String,
}

impl Wanted {
    pub(super) fn is_by_age(&self) -> bool {
        self.sort == "newest"
    }

    /// Whether the list leaves anything out.
    pub(super) fn filters(&self) -> bool {
        !(self.name.is_empty() && self.arch.is_empty() && self.origin.is_empty())
    }

    /// The query of the page that begins behind `after`.
    pub(super) fn query(&self, sort: &str, after: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let pairs = [
            ("name", self.name.as_str()),
            ("arch", &self.arch),
            ("origin", &self.origin),
            ("sort", sort),
            ("after", after),
        ];
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        query.finish()
    }

    fn of_files<'a>(&'a self) -> FilesWanted<'a> {
        let some = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        FilesWanted {
            text: &self.name,
            arch: some(&self.arch),
            origin: some(&self.origin),
        }
    }

    /// The files that the page begins with.
    pub(super) async fn files(
        &self,
        registry: &Registry,
        state: &RepositoryState,
    ) -> Result<Vec<ListedFile>, ApiError> {
        let (metadata, wanted) = (registry.metadata(), self.of_files());
        let files = if self.is_by_age() {
            let before = self.after.parse().unwrap_or(i64::MAX);
            metadata.files_by_age(state.id, wanted, before, FILES).await
        } else {
            metadata
                .files_by_name(state.id, wanted, &self.after, FILES)
                .await
        };
        Ok(files?)
    }

    /// The packages of a page, and where the next one begins.
    pub(super) fn entries(
        &self,
        files: &[ListedFile],
        room: &mut Room,
    ) -> (Vec<Entry>, Option<String>) {
        let by_age = self.is_by_age();
        let (groups, seen) = grouped(files, by_age, room);
        let is_all = files.len() < FILES as usize && seen == files.len();
        let last = seen.checked_sub(1).and_then(|last| files.get(last));
        let next = last.filter(|_| !is_all).map(|last| {
            if by_age {
                last.sequence.to_string()
            } else {
                last.file_name.clone()
            }
        });
        let entries = groups.iter().filter_map(|group| Entry::of(group));
        (entries.collect(), next)
    }

    /// Where the page before this one begins, which ends where this one begins: behind nothing if that is the first. `None` where
    /// nothing comes before.
    pub(super) async fn before(
        &self,
        registry: &Registry,
        state: &RepositoryState,
        mut room: Room,
    ) -> Result<Option<String>, ApiError> {
        let (metadata, wanted) = (registry.metadata(), self.of_files());
        let by_age = self.is_by_age();
        // The nearest first.
        let files = if by_age {
            let from = self.after.parse().unwrap_or(i64::MAX);
            metadata
                .files_up_to_age(state.id, wanted, from, FILES)
                .await
        } else {
            let to = &self.after;
            metadata.files_up_to_name(state.id, wanted, to, FILES).await
        }?;
        if files.is_empty() {
            return Ok(None);
        }
        let (_, seen) = grouped(&files, by_age, &mut room);
        let is_all = files.len() < FILES as usize && seen == files.len();
        let first = seen.checked_sub(1).and_then(|last| files.get(last));
        let from = match by_age {
            true => first.map(|first| (first.sequence + 1).to_string()),
            false => files.get(seen).map(|beyond| beyond.file_name.clone()),
        };
        Ok(Some(from.filter(|_| !is_all).unwrap_or_default()))
    }
}

/// The packages that fill a page, each with its files, and how many files they have together.
fn grouped<'f>(
    files: &'f [ListedFile],
    by_age: bool,
    room: &mut Room,
) -> (Vec<Vec<&'f ListedFile>>, usize) {
    let is_cut = files.len() == FILES as usize;
    let mut shown = files;
    if is_cut && !by_age {
        // The next page begins behind a file name, and the last one may go on with other architectures.
        let last = files.last().map(|file| &file.file_name);
        let whole = |file: &ListedFile| Some(&file.file_name) != last;
        let end = files
            .iter()
            .rposition(whole)
            .map_or(files.len(), |at| at + 1);
        shown = files.get(..end).unwrap_or(files);
    }
    let mut groups: Vec<Vec<&ListedFile>> = Vec::new();
    let mut seen = 0;
    for file in shown {
        let same = |group: &Vec<&ListedFile>| {
            let first = group.first();
            first.is_some_and(|first| {
                first.name == file.name && (!by_age || first.version == file.version)
            })
        };
        // Between the files of one package may be those of another, whose name goes on with a number.
        let near = groups.len().saturating_sub(4);
        let found = groups.iter().skip(near).position(same);
        let is_full = groups.len() == PACKAGES;
        match found.and_then(|at| groups.get_mut(near + at)) {
            Some(group) => group.push(file),
            None if is_full => break,
            // One at least: the next page begins behind it.
            None if !room.take(size(file)) && seen > 0 => break,
            None => groups.push(vec![file]),
        }
        seen += 1;
    }
    (groups, seen)
}

/// Bytes that a package takes in the list, roughly.
fn size(file: &ListedFile) -> usize {
    let names = 2 * file.name.as_str().len() + file.version.as_str().len();
    ENTRY + names + escaped_length(&short(&file.description))
}

impl Entry {
    /// Of the files of one package: what the newest version says, as apk orders them.
    fn of(files: &[&ListedFile]) -> Option<Self> {
        let newest = files.iter().max_by(|a, b| {
            a.version
                .compare(&b.version)
                .then(a.sequence.cmp(&b.sequence))
        })?;
        let of_newest = files.iter().filter(|file| file.version == newest.version);
        let mut versions: Vec<&str> = files.iter().map(|file| file.version.as_str()).collect();
        versions.sort_unstable();
        versions.dedup();
        Some(Self {
            name: newest.name.as_str().to_owned(),
            version: newest.version.as_str().to_owned(),
            is_orderable: newest.version.is_orderable(),
            is_v3: newest.format == PackageFormat::V3,
            versions: versions.len(),
            description: short(&newest.description).into_owned(),
            architectures: of_newest
                .map(|file| file.arch.as_str().to_owned())
                .collect(),
            size: Bytes(newest.size),
            published: Time(newest.created_at),
        })
    }
}
