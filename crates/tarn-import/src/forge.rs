//! What is read of a forge: the rows of its tables, as they are there.
//!
//! The tables are those of `models/` in Gitea 1.20 to 1.27 and in Forgejo up to November 2026. What a version lacks is asked for only
//! where it is there.

mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::{
    ForgeSettings, ImportError, Program,
    source::{Row, Source, SourceError},
};
use tarn_base::secret::Secret;

pub use self::rows::{
    Account, BOT, CleanupRule, File, Hook, ORGANISATION, PERSON, Team, Token, TwoFactor,
};

/// `team_unit.type` of packages (`models/unit/unit.go`).
const PACKAGES_UNIT: &str = "9";

const FORMER_NAMES: &str = "SELECT COUNT(*) AS number FROM user_redirect";
const REPOSITORIES: &str = "SELECT COUNT(*) AS number FROM repository";

/// Everything that is read of a forge.
pub struct Forge {
    /// Which program it is.
    pub program: Program,
    /// Its settings.
    pub settings: ForgeSettings,
    /// People and organisations, by name.
    pub accounts: Vec<Account>,
    /// Teams, by identifier.
    pub teams: Vec<Team>,
    /// Tokens, by identifier.
    pub tokens: Vec<Token>,
    /// Second factors, by account.
    pub two_factors: HashMap<i64, TwoFactor>,
    /// Accounts that have a security key.
    pub security_keys: HashSet<i64>,
    /// Private signing keys in PEM, by owner.
    pub signing_keys: BTreeMap<i64, Secret>,
    /// Alpine package files, oldest first.
    pub files: Vec<File>,
    /// Cleanup rules for Alpine packages.
    pub rules: Vec<CleanupRule>,
    /// Webhooks of owners and of the server.
    pub hooks: Vec<Hook>,
    /// How many versions of packages there are of other types.
    pub other_packages: BTreeMap<String, i64>,
    /// Names that accounts had: how many.
    pub former_names: i64,
    /// Git repositories: how many.
    pub repositories: i64,
}

impl std::fmt::Debug for Forge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forge")
            .field("program", &self.program)
            .field("accounts", &self.accounts.len())
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

impl Forge {
    /// Reads a forge, or of it only what `owners` have: these users and organisations, and the members of the organisations.
    ///
    /// # Errors
    ///
    /// When the database cannot be read, or has none of the owners asked for.
    pub async fn read(
        program: Program,
        settings: ForgeSettings,
        owners: &[String],
    ) -> Result<Self, ImportError> {
        let source = Source::open(&settings.database).await?;
        for (table, column) in [
            ("user", "visibility"),
            ("team", "authorize"),
            ("access_token", "scope"),
            ("package_file", "composite_key"),
            ("package_cleanup_rule", "remove_days"),
            ("webhook", "header_authorization_encrypted"),
        ] {
            if !source.has(table, column).await? {
                return Err(SourceError::NoColumn { table, column }.into());
            }
        }
        let mut forge = Self {
            program,
            settings,
            accounts: accounts(&source).await?,
            teams: teams(&source).await?,
            tokens: tokens(&source).await?,
            two_factors: two_factors(&source).await?,
            security_keys: security_keys(&source).await?,
            signing_keys: signing_keys(&source).await?,
            files: files(&source).await?,
            rules: rules(&source).await?,
            hooks: hooks(&source).await?,
            other_packages: other_packages(&source).await?,
            former_names: count(&source, "user_redirect", FORMER_NAMES).await?,
            repositories: count(&source, "repository", REPOSITORIES).await?,
        };
        if !owners.is_empty() {
            forge.keep_only(owners)?;
        }
        Ok(forge)
    }

    /// Forgets what the named owners and the members of the organisations among them don't have.
    fn keep_only(&mut self, owners: &[String]) -> Result<(), ImportError> {
        let mut wanted = BTreeSet::new();
        for name in owners {
            let mut accounts = self.accounts.iter();
            let account = accounts.find(|account| account.name.eq_ignore_ascii_case(name));
            let account = account.ok_or_else(|| ImportError::NoOwner(name.clone()))?;
            wanted.insert(account.id);
        }
        self.teams
            .retain(|team| wanted.contains(&team.organisation));
        let members = self.teams.iter().flat_map(|team| &team.members);
        let members: BTreeSet<i64> = members.chain(&wanted).copied().collect();
        self.accounts
            .retain(|account| members.contains(&account.id));
        self.tokens.retain(|token| members.contains(&token.user));
        self.signing_keys.retain(|owner, _| wanted.contains(owner));
        self.files.retain(|file| wanted.contains(&file.owner));
        self.rules.retain(|rule| wanted.contains(&rule.owner));
        self.hooks.retain(|hook| wanted.contains(&hook.owner));
        self.other_packages.clear();
        Ok(())
    }
}

async fn accounts(source: &Source) -> Result<Vec<Account>, SourceError> {
    let question = "SELECT id, name, type, passwd, passwd_hash_algo, salt, login_type, is_active, prohibit_login, is_admin, is_restricted, visibility, created_unix FROM \"user\" ORDER BY id";
    source
        .all(question, |row| {
            Ok(Account {
                id: row.number("id")?,
                name: row.text("name"),
                kind: row.number("type")?,
                password: (
                    Secret::new(row.text("passwd")),
                    row.text("passwd_hash_algo"),
                    row.text("salt"),
                ),
                login_type: row.number("login_type")?,
                active: row.flag("is_active"),
                prohibited: row.flag("prohibit_login"),
                admin: row.flag("is_admin"),
                restricted: row.flag("is_restricted"),
                visibility: row.number("visibility")?,
                created: row.number("created_unix")?,
            })
        })
        .await
}

async fn teams(source: &Source) -> Result<Vec<Team>, SourceError> {
    let question = "SELECT id, org_id, name, authorize FROM team ORDER BY id";
    let read = |row: &Row| {
        let team = Team {
            id: row.number("id")?,
            organisation: row.number("org_id")?,
            name: row.text("name"),
            authorize: row.number("authorize")?,
            packages: 0,
            members: Vec::new(),
        };
        Ok((team.id, team))
    };
    let mut teams: BTreeMap<i64, Team> = source.all(question, read).await?;
    if source.has("team_unit", "access_mode").await? {
        let question = "SELECT team_id, type, access_mode FROM team_unit ORDER BY id";
        for row in source.rows(question).await? {
            if row.text("type") == PACKAGES_UNIT
                && let Some(team) = teams.get_mut(&row.number("team_id")?)
            {
                team.packages = row.number("access_mode")?;
            }
        }
    }
    let question = "SELECT team_id, uid FROM team_user ORDER BY id";
    for row in source.rows(question).await? {
        if let Some(team) = teams.get_mut(&row.number("team_id")?) {
            team.members.push(row.number("uid")?);
        }
    }
    Ok(teams.into_values().collect())
}

async fn tokens(source: &Source) -> Result<Vec<Token>, SourceError> {
    let limited = source.has("access_token", "resource_all_repos").await?;
    let question = if limited {
        "SELECT uid, name, token_hash, token_salt, token_last_eight, scope, created_unix, updated_unix, resource_all_repos FROM access_token ORDER BY id"
    } else {
        "SELECT uid, name, token_hash, token_salt, token_last_eight, scope, created_unix, updated_unix FROM access_token ORDER BY id"
    };
    source
        .all(question, |row| {
            Ok(Token {
                user: row.number("uid")?,
                name: row.text("name"),
                hash: Secret::new(row.text("token_hash")),
                salt: Secret::new(row.text("token_salt")),
                last_eight: row.text("token_last_eight"),
                scope: row.text("scope"),
                all_repositories: !limited || row.flag("resource_all_repos"),
                created: row.number("created_unix")?,
                used: row.number("updated_unix")?,
            })
        })
        .await
}

async fn two_factors(source: &Source) -> Result<HashMap<i64, TwoFactor>, SourceError> {
    let question = "SELECT id, uid, secret FROM two_factor";
    source
        .all(question, |row| {
            let factor = TwoFactor {
                id: row.number("id")?,
                secret: Secret::new(row.text("secret")),
            };
            Ok((row.number("uid")?, factor))
        })
        .await
}

async fn security_keys(source: &Source) -> Result<HashSet<i64>, SourceError> {
    if !source.has("webauthn_credential", "user_id").await? {
        return Ok(HashSet::new());
    }
    let question = "SELECT user_id FROM webauthn_credential";
    source.all(question, |row| row.number("user_id")).await
}

async fn signing_keys(source: &Source) -> Result<BTreeMap<i64, Secret>, SourceError> {
    let question =
        "SELECT user_id, setting_value FROM user_setting WHERE setting_key = 'alpine.key.private'";
    source
        .all(question, |row| {
            Ok((
                row.number("user_id")?,
                Secret::new(row.text("setting_value")),
            ))
        })
        .await
}

async fn files(source: &Source) -> Result<Vec<File>, SourceError> {
    let question = "SELECT package.owner_id AS owner_id, package_version.id AS version_id, \
             package_version.creator_id AS creator_id, package_file.created_unix AS created_unix, \
             package_version.download_count AS download_count, package_file.name AS name, \
             package_file.composite_key AS composite_key, package_blob.size AS size, \
             package_blob.hash_sha256 AS hash_sha256 FROM package_file \
             JOIN package_version ON package_version.id = package_file.version_id \
             JOIN package ON package.id = package_version.package_id \
             LEFT JOIN package_blob ON package_blob.id = package_file.blob_id \
             WHERE package.type = 'alpine' AND COALESCE(CAST(package_version.is_internal AS INTEGER), 0) = 0 \
             ORDER BY package_file.created_unix, package_file.id";
    source
        .all(question, |row| {
            Ok(File {
                owner: row.number("owner_id")?,
                version: row.number("version_id")?,
                creator: row.number("creator_id")?,
                created: row.number("created_unix")?,
                downloads: row.number("download_count")?,
                name: row.text("name"),
                place: row.text("composite_key"),
                size: row.number("size")?,
                sha256: row.text("hash_sha256"),
            })
        })
        .await
}

async fn rules(source: &Source) -> Result<Vec<CleanupRule>, SourceError> {
    // Forgejo since version 17.
    let has = async |column| source.has("package_cleanup_rule", column).await;
    let counts_downloads =
        has("keep_last_download_days").await? && has("remove_last_download_days").await?;
    let question = if counts_downloads {
        "SELECT owner_id, enabled, keep_count, keep_pattern, remove_days, remove_pattern, keep_last_download_days + remove_last_download_days AS download_days FROM package_cleanup_rule WHERE type = 'alpine' ORDER BY id"
    } else {
        "SELECT owner_id, enabled, keep_count, keep_pattern, remove_days, remove_pattern FROM package_cleanup_rule WHERE type = 'alpine' ORDER BY id"
    };
    source
        .all(question, |row| {
            let patterns = [row.text("keep_pattern"), row.text("remove_pattern")];
            Ok(CleanupRule {
                owner: row.number("owner_id")?,
                enabled: row.flag("enabled"),
                keep: row.number("keep_count")?,
                days: row.number("remove_days")?,
                has_pattern: patterns.iter().any(|pattern| !pattern.is_empty()),
                counts_downloads: row.number("download_days")? != 0,
            })
        })
        .await
}

async fn hooks(source: &Source) -> Result<Vec<Hook>, SourceError> {
    let question = "SELECT owner_id, repo_id, url, http_method, content_type, secret, events, is_active, type, header_authorization_encrypted FROM webhook ORDER BY id";
    source
        .all(question, |row| {
            Ok(Hook {
                owner: row.number("owner_id")?,
                repository: row.number("repo_id")?,
                url: row.text("url"),
                method: row.text("http_method"),
                content_type: row.number("content_type")?,
                secret: Secret::new(row.text("secret")),
                events: row.text("events"),
                active: row.flag("is_active"),
                kind: row.text("type"),
                // Text, or bytes, of which `\x` is none.
                authorizes: !matches!(
                    row.text("header_authorization_encrypted").as_str(),
                    "" | "\\x"
                ),
            })
        })
        .await
}

async fn other_packages(source: &Source) -> Result<BTreeMap<String, i64>, SourceError> {
    let question = "SELECT package.type AS type, COUNT(*) AS number FROM package JOIN package_version ON package_version.package_id = package.id WHERE package.type <> 'alpine' AND COALESCE(CAST(package_version.is_internal AS INTEGER), 0) = 0 GROUP BY package.type";
    source
        .all(question, |row| {
            Ok((row.text("type"), row.number("number")?))
        })
        .await
}

async fn count(
    source: &Source,
    table: &'static str,
    question: &'static str,
) -> Result<i64, SourceError> {
    if !source.has(table, "id").await? {
        return Ok(0);
    }
    match source.rows(question).await?.first() {
        Some(row) => row.number("number"),
        None => Ok(0),
    }
}
