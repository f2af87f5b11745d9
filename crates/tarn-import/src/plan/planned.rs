//! What is planned: accounts, organisations, tokens, packages, rules and webhooks as they are made here.

use apk::arch::Arch;
use tarn_base::{
    clock::Timestamp,
    names::{Branch, OwnerName, RepositoryName, TeamName},
    secret::Secret,
};
use tarn_core::access::Scopes;
use tarn_store::metadata::{ForeignHash, Role, Visibility};

/// An account to be made.
#[derive(Debug, Clone)]
pub struct PlannedUser {
    /// In the forge.
    pub id: i64,
    /// What tells it from one of another forge.
    pub identity: String,
    /// The name.
    pub name: OwnerName,
    /// The hash of the password. `None`: signs in by tokens only.
    pub password_hash: Option<Secret>,
    /// The secret of the code generator.
    pub generator: Option<Secret>,
    /// Whether it administers the site.
    pub admin: bool,
    /// Whether it is disabled.
    pub disabled: bool,
    /// Who reads what it has.
    pub visibility: Visibility,
}

/// An organisation to be made.
#[derive(Debug, Clone)]
pub struct PlannedOrganisation {
    /// In the forge.
    pub id: i64,
    /// What tells it from one of another forge.
    pub identity: String,
    /// The name.
    pub name: OwnerName,
    /// Who reads what it has.
    pub visibility: Visibility,
    /// Those who own it, in the forge.
    pub admins: Vec<i64>,
    /// Its other teams.
    pub teams: Vec<PlannedTeam>,
}

/// A team to be made.
#[derive(Debug, Clone)]
pub struct PlannedTeam {
    /// Its name. `None`: the built-in team of the role stands for it.
    pub name: Option<TeamName>,
    /// What its members may do.
    pub role: Role,
    /// Its members, in the forge.
    pub members: Vec<i64>,
}

/// A token to be kept.
#[derive(Debug, Clone)]
pub struct PlannedToken {
    /// Whose, in the forge.
    pub user: i64,
    /// What it is called.
    pub label: String,
    /// What the forge keeps of it.
    pub kept: ForeignHash,
    /// Its last eight characters.
    pub last_eight: String,
    /// What for.
    pub scopes: Scopes,
    /// Since when.
    pub created_at: Timestamp,
    /// Last used.
    pub last_used_at: Option<Timestamp>,
}

/// A package file to be published.
#[derive(Debug, Clone)]
pub struct PlannedFile {
    /// Whose, in the forge.
    pub owner: i64,
    /// Who published it, in the forge.
    pub creator: i64,
    /// When.
    pub created_at: Timestamp,
    /// How often it was downloaded.
    pub downloads: u64,
    /// Its branch.
    pub branch: Branch,
    /// Its repository.
    pub repository: RepositoryName,
    /// Its architecture.
    pub arch: Arch,
    /// `name-version.apk`.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the file, in lower-case hex.
    pub sha256: String,
}

impl PlannedFile {
    /// The file, as people read of it.
    pub fn path(&self, owner: &str) -> String {
        let Self {
            branch,
            repository,
            arch,
            name,
            ..
        } = self;
        format!("{owner}/{branch}/{repository}/{arch}/{name}")
    }
}

/// A rule of expiry to be made, for all repositories of an owner.
#[derive(Debug, Clone, Copy)]
pub struct PlannedRule {
    /// Whose, in the forge.
    pub owner: i64,
    /// Delete what is older.
    pub days: u32,
    /// Keep as many.
    pub keep: u32,
}

/// A webhook to be made.
#[derive(Debug, Clone)]
pub struct PlannedHook {
    /// Whose, in the forge.
    pub owner: i64,
    /// Where to.
    pub url: String,
    /// What signs.
    pub secret: Option<Secret>,
    /// Whether it is used.
    pub active: bool,
}
