//! The rows that are read of a forge's tables, named as the columns are.

use tarn_base::secret::Secret;

/// The kinds of `user.type` (`models/user/user.go`).
pub const PERSON: i64 = 0;
/// An organisation.
pub const ORGANISATION: i64 = 1;
/// An account of a program.
pub const BOT: i64 = 4;
/// A row of `user`: a person or an organisation.
#[derive(Clone)]
pub struct Account {
    /// `id`.
    pub id: i64,
    /// `name`, as written.
    pub name: String,
    /// `type`.
    pub kind: i64,
    /// `passwd`, `passwd_hash_algo` and `salt`.
    pub password: (Secret, String, String),
    /// `login_type`: 0 and 1 have a password here, the others elsewhere.
    pub login_type: i64,
    /// `is_active`.
    pub active: bool,
    /// `prohibit_login`.
    pub prohibited: bool,
    /// `is_admin`.
    pub admin: bool,
    /// `is_restricted`.
    pub restricted: bool,
    /// `visibility`: 0 public, 1 limited, 2 private.
    pub visibility: i64,
    /// `created_unix`.
    pub created: i64,
}

impl Account {
    /// What tells this account from one that has its name in another forge. It is the same in every run, also when the account is
    /// renamed there or the forge moves to another machine or database.
    pub(crate) fn identity(&self) -> String {
        let (id, created) = (self.id, self.created);
        match created {
            // Made by other hands: the number alone would be that of an account in any forge.
            0 => format!("{id}/{}", self.name.to_lowercase()),
            _ => format!("{id}/{created}"),
        }
    }
}

/// A row of `team`.
#[derive(Debug, Clone)]
pub struct Team {
    /// `id`.
    pub id: i64,
    /// `org_id`.
    pub organisation: i64,
    /// `name`.
    pub name: String,
    /// `authorize`: 0 nothing, 1 read, 2 write, 3 administer repositories, 4 own.
    pub authorize: i64,
    /// `access_mode` of its unit of packages, on the same scale.
    pub packages: i64,
    /// `team_user.uid` of its members.
    pub members: Vec<i64>,
}

/// A row of `access_token`.
#[derive(Clone)]
pub struct Token {
    /// `uid`.
    pub user: i64,
    /// `name`.
    pub name: String,
    /// `token_hash`.
    pub hash: Secret,
    /// `token_salt`.
    pub salt: Secret,
    /// `token_last_eight`.
    pub last_eight: String,
    /// `scope`.
    pub scope: String,
    /// `resource_all_repos` of newer Forgejo: whether it is not limited to some Git repositories.
    pub all_repositories: bool,
    /// `created_unix`.
    pub created: i64,
    /// `updated_unix`, which is moved by each use.
    pub used: i64,
}

/// A row of `two_factor`.
#[derive(Clone)]
pub struct TwoFactor {
    /// `id`.
    pub id: i64,
    /// `secret`.
    pub secret: Secret,
}

/// One Alpine package file: rows of `package`, `package_version`, `package_file` and `package_blob`.
#[derive(Debug, Clone)]
pub struct File {
    /// `package.owner_id`.
    pub owner: i64,
    /// `package_version.id`.
    pub version: i64,
    /// `package_version.creator_id`.
    pub creator: i64,
    /// `package_file.created_unix`.
    pub created: i64,
    /// `package_version.download_count`, which counts all files of a version.
    pub downloads: i64,
    /// `package_file.name`.
    pub name: String,
    /// `package_file.composite_key`: `branch|repository|architecture`.
    pub place: String,
    /// `package_blob.size`.
    pub size: i64,
    /// `package_blob.hash_sha256`, in hex.
    pub sha256: String,
}

/// A row of `package_cleanup_rule` for Alpine packages.
#[derive(Debug, Clone)]
pub struct CleanupRule {
    /// `owner_id`.
    pub owner: i64,
    /// `enabled`.
    pub enabled: bool,
    /// `keep_count`.
    pub keep: i64,
    /// `remove_days`.
    pub days: i64,
    /// Whether it has a pattern of versions to keep or to remove.
    pub has_pattern: bool,
    /// Whether it keeps what was downloaded of late: `keep_last_download_days` or `remove_last_download_days` of newer Forgejo.
    pub counts_downloads: bool,
}

/// A row of `webhook`.
#[derive(Clone)]
pub struct Hook {
    /// `owner_id`; 0: the server's own.
    pub owner: i64,
    /// `repo_id`; 0: not that of a Git repository.
    pub repository: i64,
    /// `url`.
    pub url: String,
    /// `http_method`.
    pub method: String,
    /// `content_type`: 1 JSON, 2 a form.
    pub content_type: i64,
    /// `secret`.
    pub secret: Secret,
    /// `events`, as JSON.
    pub events: String,
    /// `is_active`.
    pub active: bool,
    /// `type`: `gitea`, `forgejo`, `slack`, …
    pub kind: String,
    /// Whether it sends a header `Authorization`.
    pub authorizes: bool,
}
