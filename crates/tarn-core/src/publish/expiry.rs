//! Packages that go by themselves: old ones, of which there are newer versions.

use std::{
    cmp::Ordering,
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::access::{PatternError, Place, PlacePattern};
use tarn_base::{
    clock::{Clock, Timestamp},
    hint::Hint,
};
use tarn_store::metadata::{
    Actor, ExpiryRule, LiveFile, Metadata, MetadataError, NewExpiryRule, OwnerId, rest_since,
};

/// The most days that a rule can wait: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

/// The most versions that a rule can leave.
pub const MAX_KEPT: u32 = 1_000_000;

/// How many files are gathered before they are removed.
const GATHERED: usize = 1_000;

/// The most rules of one owner.
pub const MAX_RULES: usize = 100;

/// Why a rule was not made. The texts are fit for the caller.
#[derive(Debug, thiserror::Error)]
pub enum ExpiryError {
    /// The pattern of a rule in the database cannot be read: a newer server wrote it.
    #[error("the repositories of a rule cannot be read: {0}")]
    Stored(#[from] PatternError),
    /// Too few days, or too many.
    #[error("the age of a rule must be 1 to {MAX_DAYS} days")]
    Days,
    /// Too many versions to be left.
    #[error("a rule leaves at most {MAX_KEPT} versions")]
    Kept,
    /// The owner has enough of them.
    #[error("an owner has at most {MAX_RULES} rules")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Whether what expired is deleted, or only listed.
#[derive(Debug, Clone, Copy)]
pub enum Run<'a> {
    /// Only listed.
    Dry,
    /// It goes, and this is who removes it.
    Remove(&'a Actor),
}

/// The rules, and their working.
#[derive(Debug, Clone)]
pub struct Expiry {
    metadata: Metadata,
    clock: Clock,
}

impl Expiry {
    /// The rules in `metadata`.
    pub const fn new(metadata: Metadata, clock: Clock) -> Self {
        Self { metadata, clock }
    }

    /// The rules of an owner, or of all.
    pub async fn rules(&self, owner: Option<OwnerId>) -> Result<Vec<ExpiryRule>, MetadataError> {
        self.metadata.expiry_rules(owner).await
    }

    /// Makes a rule, or gives the one for that pattern other numbers: files older than `days` go, but of each name and
    /// architecture in a repository the newest `keep` versions stay, in the order of apk. Where apk can't order one of
    /// them, the newest are those that came last.
    ///
    /// # Errors
    ///
    /// When a number is out of bounds or the owner has too many rules; when the database fails.
    pub async fn set(
        &self,
        owner: OwnerId,
        pattern: &PlacePattern,
        days: u32,
        keep: u32,
        by: &Actor,
    ) -> Result<ExpiryRule, ExpiryError> {
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(ExpiryError::Days);
        }
        if keep > MAX_KEPT {
            return Err(ExpiryError::Kept);
        }
        let pattern = pattern.to_string();
        let new = NewExpiryRule {
            owner,
            pattern: &pattern,
            days,
            keep,
        };
        self.metadata
            .set_expiry_rule(new, MAX_RULES, &by.at(self.clock.now()))
            .await?
            .ok_or(ExpiryError::TooMany)
    }

    /// Takes the rule for that pattern away. Whether there was one.
    pub async fn remove(
        &self,
        owner: OwnerId,
        pattern: &PlacePattern,
        by: &Actor,
    ) -> Result<bool, MetadataError> {
        let act = by.at(self.clock.now());
        self.metadata
            .remove_expiry_rule(owner, &pattern.to_string(), &act)
            .await
    }

    /// Applies the rules of an owner, or of all, in batches between which others publish. `report` is called with every file that
    /// went, or in a dry run would go, once. Gives how many.
    ///
    /// # Errors
    ///
    /// When a rule cannot be read or the database fails; what was removed until then stays removed.
    pub async fn run(
        &self,
        owner: Option<OwnerId>,
        run: Run<'_>,
        mut report: impl FnMut(&LiveFile),
    ) -> Result<u64, ExpiryError> {
        let now = self.clock.now();
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for rule in self.rules(owner).await? {
            let end = now.before(Duration::from_secs(u64::from(rule.days) * 86_400));
            let pattern: PlacePattern = rule.pattern.parse()?;
            let mut gathered = Vec::new();
            for (id, branch, repository) in self.metadata.repositories(rule.owner).await? {
                let (branch, repository) = (&branch, &repository);
                if !pattern.matches(Place { branch, repository }) {
                    continue;
                }
                let old = self.metadata.old_packages(id, end, rule.keep).await?;
                for package in old {
                    let mut versions = self.metadata.versions(&package).await?;
                    // What an earlier rule takes counts for this one no more, in a dry run too.
                    versions.retain(|file| !seen.contains(&file.id));
                    gathered.extend(due(versions, end, rule.keep));
                    let Run::Remove(by) = run else {
                        seen.extend(gathered.iter().map(|file| file.id));
                        count += gathered.len() as u64;
                        gathered.drain(..).for_each(|file| report(&file));
                        continue;
                    };
                    if gathered.len() >= GATHERED {
                        let files = std::mem::take(&mut gathered);
                        count += self.remove_all(rule.owner, files, by, &mut report).await?;
                    }
                }
            }
            if let Run::Remove(by) = run {
                count += self
                    .remove_all(rule.owner, gathered, by, &mut report)
                    .await?;
            }
        }
        Ok(count)
    }

    /// Removes files, batch by batch. Gives how many went; those that were gone did not.
    async fn remove_all(
        &self,
        owner: OwnerId,
        mut files: Vec<LiveFile>,
        by: &Actor,
        report: &mut impl FnMut(&LiveFile),
    ) -> Result<u64, MetadataError> {
        let mut count = 0;
        while !files.is_empty() {
            let began = Instant::now();
            let act = by.at(self.clock.now());
            let removed = self.metadata.remove_batch(owner, files, &act).await?;
            count += removed.gone.len() as u64;
            removed.gone.iter().for_each(&mut *report);
            files = removed.left;
            rest_since(began).await;
        }
        Ok(count)
    }
}

/// Those of one package's `versions` that go: from before `end`, and not among the newest `keep`. Of two that apk holds
/// for equal, the one that came later is the newer. With one among them that apk can't order, so it is of all: an order that
/// went by the version for some pairs and by the time for others could go round in a circle.
fn due(mut versions: Vec<LiveFile>, end: Timestamp, keep: u32) -> Vec<LiveFile> {
    let orderable = versions.iter().all(|file| file.version.is_orderable());
    versions.sort_by(|one, other| {
        let by_version = other.version.compare(&one.version);
        let by_version = if orderable {
            by_version
        } else {
            Ordering::Equal
        };
        by_version.then(other.sequence.cmp(&one.sequence))
    });
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let mut due: Vec<LiveFile> = versions.into_iter().skip(keep).collect();
    due.retain(|file| file.created_at < end);
    due
}

impl Hint for ExpiryError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Days => "change `--older-than`, or `days` in the JSON".to_owned(),
            Self::Kept => "choose fewer".to_owned(),
            Self::TooMany => "delete one first, or use `*`".to_owned(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use apk::{arch::Arch, limits::Limits, name::PackageName, version::Version};

    use super::*;
    use tarn_base::names::{Branch, RepositoryName};
    use tarn_store::metadata::PackageFileId;

    /// Which of these versions, that came at 1, 2 and so on, a rule that keeps two lets go of those from before `end`.
    fn due_before(end: i64, versions: &[&str]) -> Vec<String> {
        let files = (1..).zip(versions).map(|(number, version)| LiveFile {
            id: PackageFileId::from_row(number),
            sequence: number,
            branch: Branch::parse("edge").unwrap(),
            repository: RepositoryName::parse("main").unwrap(),
            arch: Arch::noarch(),
            name: PackageName::parse("hello").unwrap(),
            version: Version::parse_lenient(version, &Limits::default()).unwrap(),
            size: 1,
            created_at: Timestamp::from_seconds(number),
        });
        due(files.collect(), Timestamp::from_seconds(end), 2)
            .iter()
            .map(|file| file.version.to_string())
            .collect()
    }

    fn due_of(versions: &[&str]) -> Vec<String> {
        due_before(1_000, versions)
    }

    #[test]
    fn a_file_goes_when_it_is_older_than_the_rule_says_and_not_before() {
        let versions = ["1.0", "2.0", "3.0", "4.0", "5.0"];
        assert_eq!(due_before(3, &versions), ["2.0", "1.0"]);
        assert_eq!(due_before(4, &versions), ["3.0", "2.0", "1.0"]);
    }

    #[test]
    fn the_newest_versions_are_those_that_came_last_where_apk_cannot_order_one() {
        assert_eq!(due_of(&["3.0", "1.0", "2.0", "1.0-r0"]), ["1.0-r0", "1.0"]);
        assert_eq!(
            due_of(&["3.0", "1.0-rc.1", "2.0", "1.0-rc.2"]),
            ["1.0-rc.1", "3.0"]
        );
        assert_eq!(due_of(&["3-x", "2-x", "1-x"]), ["3-x"]);
    }
}
