//! Packages that go by themselves: old ones, of which there are newer versions.

use std::{collections::BTreeSet, time::Duration};

use super::Remover;
use crate::{
    clock::{Clock, Timestamp},
    metadata::{
        Act, Actor, ExpiryRule, LiveFile, Metadata, MetadataError, NewExpiryRule, OwnerId,
        PackageAddress, PackageFileId,
    },
    names::{Branch, NameError, RepositoryName},
};

/// The most days that a rule can wait: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

/// The most rules of one owner.
pub const MAX_RULES: usize = 100;

/// Which repositories a rule is about: `branch/repository`, where `*` stands for every branch or every repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPattern {
    branch: Option<Branch>,
    repository: Option<RepositoryName>,
}

/// Why a rule was not made. The texts are fit for whoever asked.
#[derive(Debug, thiserror::Error)]
pub enum ExpiryError {
    /// Not two parts.
    #[error("`{}` names no repositories; write branch/repository, such as edge/testing or edge/* or */*", .0.escape_default())]
    Pattern(String),
    /// A part that is neither `*` nor a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Too few days, or too many.
    #[error("a rule waits for 1 to {MAX_DAYS} days; choose a number of those")]
    Days,
    /// The owner has enough of them.
    #[error("an owner has at most {MAX_RULES} rules; remove one first, or use `*`")]
    TooMany,
    /// The database failed.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
}

/// Whether what expired goes, or is only told.
#[derive(Debug, Clone, Copy)]
pub enum Run<'a> {
    /// Only told.
    Dry,
    /// It goes, and this is who removes it.
    Remove(&'a Actor),
}

/// The rules, and their working.
#[derive(Debug, Clone)]
pub struct Expiry {
    metadata: Metadata,
    clock: Clock,
    remover: Remover,
}

impl RepositoryPattern {
    /// Parses `branch/repository`.
    ///
    /// # Errors
    ///
    /// When it has not two parts, or one of them is neither `*` nor a name.
    pub fn parse(text: &str) -> Result<Self, ExpiryError> {
        let (branch, repository) = text
            .split_once('/')
            .ok_or_else(|| ExpiryError::Pattern(text.chars().take(128).collect()))?;
        let named = |part: &str| part != "*";
        Ok(Self {
            branch: Some(branch)
                .filter(|part| named(part))
                .map(Branch::parse)
                .transpose()?,
            repository: Some(repository)
                .filter(|part| named(part))
                .map(RepositoryName::parse)
                .transpose()?,
        })
    }

    fn holds(&self, branch: &Branch, repository: &RepositoryName) -> bool {
        self.branch.as_ref().is_none_or(|wanted| wanted == branch)
            && self
                .repository
                .as_ref()
                .is_none_or(|wanted| wanted == repository)
    }
}

impl std::fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let branch = self.branch.as_ref().map_or("*", Branch::as_str);
        let repository = self.repository.as_ref().map_or("*", RepositoryName::as_str);
        write!(f, "{branch}/{repository}")
    }
}

impl Expiry {
    /// The rules in `metadata`.
    pub fn new(metadata: Metadata, clock: Clock, remover: Remover) -> Self {
        Self {
            metadata,
            clock,
            remover,
        }
    }

    /// The rules of an owner, or of all.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rules(&self, owner: Option<OwnerId>) -> Result<Vec<ExpiryRule>, MetadataError> {
        self.metadata.expiry_rules(owner).await
    }

    /// Makes a rule, or gives the one for that pattern other numbers: files older than `days` go, but of each name and
    /// architecture in a repository the newest `keep` versions stay, in the order of apk.
    ///
    /// # Errors
    ///
    /// When a number is out of bounds or the owner has too many rules; when the database fails.
    pub async fn set(
        &self,
        owner: OwnerId,
        pattern: &RepositoryPattern,
        days: u32,
        keep: u32,
        by: &Actor,
    ) -> Result<ExpiryRule, ExpiryError> {
        if !(1..=MAX_DAYS).contains(&days) {
            return Err(ExpiryError::Days);
        }
        let pattern = pattern.to_string();
        let rules = self.rules(Some(owner)).await?;
        if rules.len() >= MAX_RULES && rules.iter().all(|rule| rule.pattern != pattern) {
            return Err(ExpiryError::TooMany);
        }
        let new = NewExpiryRule {
            owner,
            pattern: &pattern,
            days,
            keep,
        };
        let at = self.clock.now();
        Ok(self.metadata.set_expiry_rule(new, &Act { by, at }).await?)
    }

    /// Takes the rule for that pattern away. Whether there was one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn remove(
        &self,
        owner: OwnerId,
        pattern: &RepositoryPattern,
        by: &Actor,
    ) -> Result<bool, MetadataError> {
        let at = self.clock.now();
        self.metadata
            .remove_expiry_rule(owner, &pattern.to_string(), &Act { by, at })
            .await
    }

    /// Applies the rules of an owner, or of all. `told` hears of every file that went, or in a dry run would go, once.
    /// Gives how many.
    ///
    /// # Errors
    ///
    /// When a rule cannot be read or the database fails; what was removed until then stays removed.
    pub async fn run(
        &self,
        owner: Option<OwnerId>,
        run: Run<'_>,
        mut told: impl FnMut(&LiveFile),
    ) -> Result<u64, ExpiryError> {
        let now = self.clock.now();
        let mut seen = BTreeSet::new();
        let mut count = 0;
        for rule in self.rules(owner).await? {
            let end = now.before(Duration::from_secs(u64::from(rule.days) * 86_400));
            let pattern = RepositoryPattern::parse(&rule.pattern)?;
            for (repository, branch, name) in self.metadata.repositories(rule.owner).await? {
                if !pattern.holds(&branch, &name) {
                    continue;
                }
                let old = self
                    .metadata
                    .old_packages(repository, end, rule.keep)
                    .await?;
                for package in old {
                    let versions = self.metadata.versions(&package).await?;
                    for file in due(versions, end, rule.keep) {
                        if self.apply(rule.owner, &file, run, &mut seen).await? {
                            told(&file);
                            count += 1;
                        }
                    }
                }
            }
        }
        Ok(count)
    }

    /// Removes a file, or notes that it would go. `false` when it was gone, or told before.
    async fn apply(
        &self,
        owner: OwnerId,
        file: &LiveFile,
        run: Run<'_>,
        seen: &mut BTreeSet<PackageFileId>,
    ) -> Result<bool, MetadataError> {
        let by = match run {
            Run::Dry => return Ok(seen.insert(file.id)),
            Run::Remove(by) => by,
        };
        let address = PackageAddress {
            owner,
            branch: &file.branch,
            repository: &file.repository,
            arch: &file.arch,
            name: &file.name,
            version: &file.version,
        };
        self.remover.remove_package(&address, by).await
    }
}

/// Those of one package's `versions` that go: from before `end`, and not among the newest `keep`. Of two that apk holds
/// for equal, the one that came later is the newer.
fn due(mut versions: Vec<LiveFile>, end: Timestamp, keep: u32) -> Vec<LiveFile> {
    versions.sort_by(|one, other| {
        other
            .version
            .compare(&one.version)
            .then(other.sequence.cmp(&one.sequence))
    });
    let keep = usize::try_from(keep).unwrap_or(usize::MAX);
    let mut due: Vec<LiveFile> = versions.into_iter().skip(keep).collect();
    due.retain(|file| file.created_at < end);
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(pattern: &str, branch: &str, repository: &str) -> bool {
        RepositoryPattern::parse(pattern).unwrap().holds(
            &Branch::parse(branch).unwrap(),
            &RepositoryName::parse(repository).unwrap(),
        )
    }

    #[test]
    fn a_star_stands_for_every_name() {
        assert!(holds("edge/main", "edge", "main"));
        assert!(!holds("edge/main", "edge", "testing"));
        assert!(holds("edge/*", "edge", "testing"));
        assert!(!holds("edge/*", "v3.23", "testing"));
        assert!(holds("*/main", "v3.23", "main"));
        assert!(holds("*/*", "a", "b"));
    }

    #[test]
    fn a_pattern_reads_back_and_what_is_none_is_refused() {
        for text in ["edge/main", "*/main", "edge/*", "*/*"] {
            assert_eq!(RepositoryPattern::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "edge", "edge/", "/main", "edge/main/x86_64", "e*/main"] {
            assert!(RepositoryPattern::parse(text).is_err(), "{text}");
        }
    }
}
