//! A forge as it lies on the disk: its settings, the tables that an import reads, and the bytes of packages.
//!
//! The hashes and the sealed secret were made by Python's `hashlib`, `argon2-cffi`, `bcrypt` and `cryptography`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, params, types::Value};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{Package, package::hex};

/// The password of every account that has one.
pub(crate) const PASSWORD: &str = "correct horse 42";
/// alice's token, and what the forge keeps of it.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
const TOKEN_HASH: &str = "ac3f82a15d0e4cc615a4d65298640f659cb0c47015b7dc864951ca4153eca89d10ace11e99bbed223269fb207517be266740";
const TOKEN_SALT: &str = "aZ09saltxy";
/// The secret of bob's code generator, and as the forge keeps it.
pub(crate) const GENERATOR: &str =
    "AVDYS32OPIAYSNBG2NKYV4AHBVEMKKKIGBQ46OXTLMJO664G4TIECOGEANMSNBLS";
const SEALED: &str = "AAECAwQFBgcICQoLDA0OD6eoveGvQou4c7afGRtGXi8n+/EKFJqNXjLdqOhdI/etx+p3udCGkXZRtu9B6IyBnpBF2o78nkkUPrk84YTEFYuubXUylUcnHRGeJceSwOi9QaZNGseh8Lk=";
const SALT: &str = "000102030405060708090a0b0c0d0e0f";
const PBKDF2: &str = "c0183b329096ce2d3df9a77e1892d697252893123a19a7ae54f11d34d1683bd86a9ec9b23590a147bfbe9c0012f276695de5";
const ARGON2: &str = "5ebf60f82f7353b1aee52a1ebb23c74aea5f29e04d2656ed3966fc02d92f94d564a084ffd945c4fd75695ec2686cc8d53cde";
const SCRYPT: &str = "f7eb3534d62feb01a40821a680702ab12ba763991c71ca456b02c5f6579979c3b2cabd44180a54c409870ccd9f7b7b727183";
const BCRYPT: &str = "$2a$10$GJF/VF.jCWTEaMem0DnnhOYqAxf90n69ix2F7IrhOzF7RAkc3aGr2";

/// The columns that an import reads, of Gitea 1.23, and no others.
const TABLES: &str = r#"
CREATE TABLE "user" (id INTEGER PRIMARY KEY, name TEXT, type INTEGER, passwd TEXT, passwd_hash_algo TEXT, salt TEXT, login_type INTEGER,
    is_active INTEGER, prohibit_login INTEGER, is_admin INTEGER, is_restricted INTEGER, visibility INTEGER,
    created_unix INTEGER);
CREATE TABLE team (id INTEGER PRIMARY KEY, org_id INTEGER, name TEXT, authorize INTEGER);
CREATE TABLE team_unit (id INTEGER PRIMARY KEY, team_id INTEGER, type INTEGER, access_mode INTEGER);
CREATE TABLE team_user (id INTEGER PRIMARY KEY, team_id INTEGER, uid INTEGER);
CREATE TABLE access_token (id INTEGER PRIMARY KEY, uid INTEGER, name TEXT, token_hash TEXT, token_salt TEXT, token_last_eight TEXT, scope TEXT,
    created_unix INTEGER, updated_unix INTEGER);
CREATE TABLE two_factor (id INTEGER PRIMARY KEY, uid INTEGER, secret TEXT);
CREATE TABLE webauthn_credential (id INTEGER PRIMARY KEY, user_id INTEGER);
CREATE TABLE user_setting (id INTEGER PRIMARY KEY, user_id INTEGER, setting_key TEXT, setting_value TEXT);
CREATE TABLE package (id INTEGER PRIMARY KEY, owner_id INTEGER, type TEXT, name TEXT);
CREATE TABLE package_version (id INTEGER PRIMARY KEY, package_id INTEGER, creator_id INTEGER, created_unix INTEGER, is_internal INTEGER,
    download_count INTEGER);
CREATE TABLE package_file (id INTEGER PRIMARY KEY, version_id INTEGER, blob_id INTEGER, name TEXT, composite_key TEXT, created_unix INTEGER);
CREATE TABLE package_blob (id INTEGER PRIMARY KEY, size INTEGER, hash_sha256 TEXT);
CREATE TABLE package_cleanup_rule (id INTEGER PRIMARY KEY, enabled INTEGER, owner_id INTEGER, type TEXT, keep_count INTEGER, keep_pattern TEXT,
    remove_days INTEGER, remove_pattern TEXT);
CREATE TABLE webhook (id INTEGER PRIMARY KEY, repo_id INTEGER, owner_id INTEGER, url TEXT, http_method TEXT, content_type INTEGER, secret TEXT,
    events TEXT, is_active INTEGER, type TEXT, header_authorization_encrypted BYTEA);
"#;

/// A forge in a folder of its own.
pub(crate) struct Forge {
    folder: TempDir,
    database: Connection,
}

impl Forge {
    /// A forge with the accounts, the organisation and the tokens of this file, and no package.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for path in ["custom/conf", "data/packages"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        let settings = "APP_NAME = A forge\n[database]\nDB_TYPE = sqlite3\n[security]\nSECRET_KEY = fixture-secret-key\n";
        fs::write(folder.path().join("custom/conf/app.ini"), settings).unwrap();
        let database = Connection::open(folder.path().join("data/gitea.db")).unwrap();
        database.execute_batch(TABLES).unwrap();
        let forge = Self { folder, database };
        forge.people();
        forge
    }

    fn people(&self) {
        let user = |id: i64,
                    name: &str,
                    kind: i64,
                    hash: &str,
                    algorithm: &str,
                    login: i64,
                    flags: [bool; 4],
                    visibility: i64| {
            let [active, prohibited, admin, restricted] = flags;
            self.run(
                "INSERT INTO \"user\" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1500000000)",
                params![
                    id, name, kind, hash, algorithm, SALT, login, active, prohibited, admin,
                    restricted, visibility
                ],
            );
        };
        let usual = [true, false, false, false];
        user(
            1,
            "Alice",
            0,
            PBKDF2,
            "pbkdf2$320000$50",
            0,
            [true, false, true, false],
            0,
        );
        user(2, "bob", 0, ARGON2, "argon2$2$65536$8$50", 1, usual, 0);
        user(3, "carol", 0, SCRYPT, "scrypt$65536$16$2$50", 0, usual, 1);
        user(4, "dave", 0, BCRYPT, "bcrypt$10", 0, usual, 0);
        user(
            5,
            "erin",
            0,
            PBKDF2,
            "pbkdf2$320000$50",
            0,
            [true, true, false, false],
            0,
        );
        user(6, "frank", 0, "", "", 2, usual, 0);
        user(7, "grace", 0, PBKDF2, "pbkdf2$320000$50", 0, usual, 0);
        user(10, "acme", 1, "", "", 0, usual, 2);
        user(11, "packages", 1, "", "", 0, usual, 0);
        for (id, organisation, name, authorize, packages, members) in [
            (1, 10, "Owners", 4, 4, &[1][..]),
            (2, 10, "devs", 0, 2, &[2]),
            (3, 10, "Readers", 1, 1, &[3, 4]),
            (4, 11, "Owners", 4, 4, &[1]),
        ] {
            self.run(
                "INSERT INTO team VALUES (?, ?, ?, ?)",
                params![id, organisation, name, authorize],
            );
            self.run(
                "INSERT INTO team_unit (team_id, type, access_mode) VALUES (?, 9, ?)",
                params![id, packages],
            );
            for member in members {
                self.run(
                    "INSERT INTO team_user (team_id, uid) VALUES (?, ?)",
                    params![id, member],
                );
            }
        }
        let token = "INSERT INTO access_token (uid, name, token_hash, token_salt, token_last_eight, scope, created_unix, updated_unix) VALUES (?, ?, ?, ?, ?, ?, 1700000000, 1700000900)";
        self.run(
            token,
            params![
                1,
                "ci",
                TOKEN_HASH,
                TOKEN_SALT,
                &TOKEN[32..],
                "write:package,read:user"
            ],
        );
        self.run(
            token,
            params![2, "issues", "00".repeat(50), "x", "00000000", "write:issue"],
        );
        self.run("INSERT INTO two_factor VALUES (1, 2, ?)", params![SEALED]);
        self.run("INSERT INTO webauthn_credential VALUES (1, 7)", params![]);
        let rule = "INSERT INTO package_cleanup_rule (enabled, owner_id, type, keep_count, keep_pattern, remove_days, remove_pattern) VALUES (1, ?, 'alpine', 3, ?, 30, '')";
        self.run(rule, params![1, ""]);
        self.run(rule, params![10, "1\\..*"]);
        let hook = "INSERT INTO webhook (repo_id, owner_id, url, http_method, content_type, secret, events, is_active, type, header_authorization_encrypted) VALUES (0, 1, ?, 'POST', 1, 'shared', ?, 1, ?, X'')";
        let packages = r#"{"choose_events":true,"events":{"package":true}}"#;
        self.run(
            hook,
            params!["https://ci.example.org/hook", packages, "gitea"],
        );
        self.run(
            hook,
            params!["https://chat.example.org/secret", packages, "slack"],
        );
        self.run(
            hook,
            params![
                "https://ci.example.org/push",
                r#"{"push_only":true}"#,
                "gitea"
            ],
        );
        self.run("INSERT INTO package VALUES (900, 1, 'npm', 'x')", params![]);
        self.run(
            "INSERT INTO package_version VALUES (900, 900, 1, 1700000000, 0, 0)",
            params![],
        );
    }

    /// Adds people and organisations until there are that many that come along, each organisation with one of the people in its
    /// team of owners. Their identifiers begin at 100 and 200.
    pub(crate) fn grow(&self, people: i64, organisations: i64) {
        let account = "INSERT INTO \"user\" SELECT ?, ?, ?, passwd, passwd_hash_algo, salt, 0, 1, 0, 0, 0, 0, 1500000000 FROM \"user\" WHERE id = ?";
        // Seven people and one organisation of those that are here come along.
        for number in 0..people - 7 {
            let (id, name) = (100 + number, format!("person{number}"));
            self.run(account, params![id, name, 0, 1]);
        }
        for number in 0..organisations - 1 {
            let (id, name) = (200 + number, format!("team{number}"));
            self.run(account, params![id, name, 1, 10]);
            self.run(
                "INSERT INTO team VALUES (?, ?, 'Owners', 4)",
                params![id, id],
            );
            self.join(id, 100 + number);
        }
    }

    /// Does all of it in one transaction of the database.
    pub(crate) fn at_once(&self, fill: impl FnOnce(&Self)) {
        self.run("BEGIN", &[]);
        fill(self);
        self.run("COMMIT", &[]);
    }

    /// Gives an owner a signing key.
    pub(crate) fn sign(&self, owner: i64, pem: &str) {
        self.run("INSERT INTO user_setting (user_id, setting_key, setting_value) VALUES (?, 'alpine.key.private', ?)", params![owner, pem]);
    }

    /// A package of an owner, published by `creator` at `created`, in seconds.
    pub(crate) fn publish(
        &self,
        (owner, creator, created): (i64, i64, i64),
        place: &str,
        package: &Package,
    ) {
        self.publish_bytes(
            (owner, creator, created),
            place,
            &package.file_name(),
            &package.bytes(),
        );
    }

    /// The same, whatever the bytes are.
    pub(crate) fn publish_bytes(
        &self,
        (owner, creator, created): (i64, i64, i64),
        place: &str,
        name: &str,
        bytes: &[u8],
    ) {
        let sha256 = hex(&Sha256::digest(bytes));
        let folder = self.packages().join(&sha256[..2]).join(&sha256[2..4]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(&sha256), bytes).unwrap();
        let package = format!("of-{name}");
        self.run(
            "INSERT INTO package (owner_id, type, name) VALUES (?, 'alpine', ?)",
            params![owner, package],
        );
        let id = self.database.last_insert_rowid();
        self.run("INSERT INTO package_version (package_id, creator_id, created_unix, is_internal, download_count) VALUES (?, ?, ?, 0, 7)", params![id, creator, created]);
        let version = self.database.last_insert_rowid();
        self.run(
            "INSERT INTO package_blob (size, hash_sha256) VALUES (?, ?)",
            params![i64::try_from(bytes.len()).unwrap(), sha256],
        );
        let blob = self.database.last_insert_rowid();
        self.run("INSERT INTO package_file (version_id, blob_id, name, composite_key, created_unix) VALUES (?, ?, ?, ?, ?)", params![version, blob, name, place, created]);
    }

    /// Puts a user into a team.
    pub(crate) fn join(&self, team: i64, user: i64) {
        self.run(
            "INSERT INTO team_user (team_id, uid) VALUES (?, ?)",
            params![team, user],
        );
    }

    /// Replaces the settings.
    pub(crate) fn set(&self, settings: &str) {
        let settings = format!("{settings}\n[security]\nSECRET_KEY = fixture-secret-key\n");
        fs::write(self.app_ini(), settings).unwrap();
    }

    /// The database as SQL for PostgreSQL, with the types that the forge's columns have there.
    pub(crate) fn as_sql_of_postgres(&self) -> String {
        let flags = [
            "is_active",
            "prohibit_login",
            "is_admin",
            "is_restricted",
            "is_internal",
            "enabled",
        ];
        let mut sql = String::new();
        for table in TABLES.replace("INTEGER PRIMARY KEY", "BIGINT").lines() {
            let mut line = table.replace("INTEGER", "BIGINT");
            for flag in flags {
                line = line.replace(&format!("{flag} BIGINT"), &format!("{flag} BOOLEAN"));
            }
            sql.push_str(&line);
            sql.push('\n');
        }
        let question = "SELECT name FROM sqlite_master WHERE type = 'table'";
        let mut names = self.database.prepare(question).unwrap();
        let names = names.query_map([], |row| row.get::<_, String>(0)).unwrap();
        for name in names.map(Result::unwrap) {
            let question = format!("SELECT * FROM \"{name}\"");
            let mut statement = self.database.prepare(&question).unwrap();
            let columns: Vec<String> = statement
                .column_names()
                .into_iter()
                .map(str::to_owned)
                .collect();
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let value = |(at, column): (usize, &String)| match row.get::<_, Value>(at).unwrap()
                {
                    Value::Integer(flag) if flags.contains(&column.as_str()) => {
                        (flag != 0).to_string()
                    }
                    Value::Integer(number) => number.to_string(),
                    Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
                    _ => "NULL".to_owned(),
                };
                let values: Vec<String> = columns.iter().enumerate().map(value).collect();
                sql.push_str(&format!(
                    "INSERT INTO \"{name}\" ({}) VALUES ({});\n",
                    columns.join(", "),
                    values.join(", ")
                ));
            }
        }
        sql
    }

    pub(crate) fn run(&self, statement: &str, values: &[&dyn rusqlite::ToSql]) {
        self.database.execute(statement, values).unwrap();
    }

    pub(crate) fn app_ini(&self) -> PathBuf {
        self.folder.path().join("custom/conf/app.ini")
    }

    pub(crate) fn packages(&self) -> PathBuf {
        self.folder.path().join("data/packages")
    }

    /// Every file of the forge with what is in it.
    pub(crate) fn content(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    let content = fs::read(&path).unwrap();
                    found.push((path, content));
                }
            }
        }
        let mut found = Vec::new();
        walk(self.folder.path(), &mut found);
        found.sort();
        found
    }
}
