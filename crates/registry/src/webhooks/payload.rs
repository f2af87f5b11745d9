//! The bodies of messages.
//!
//! The fields are those of the forges' package webhook (`PackagePayload` in Gitea's `modules/structs/hook.go`, `Package` in
//! `modules/structs/package.go`), so that what reads theirs reads these. The differences: an account has `id`, `login` and
//! `username` alone; `html_url` is left out; `repository`, which is that of a forge's source code, is always null; and
//! `alpine` says what the forges leave out: branch, repository, architecture, file, size and hash.

use apk::{arch::Arch, digest::Sha256Digest, name::PackageName, version::Version};
use serde::Serialize;

use crate::{
    clock::Timestamp,
    metadata::{OwnerKind, WebhookEvent},
    names::{Branch, RepositoryName},
};

/// A user or an organisation.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Account<'a> {
    id: i64,
    login: &'a str,
    username: &'a str,
}

impl<'a> Account<'a> {
    pub(crate) const fn new(id: i64, name: &'a str) -> Self {
        Self {
            id,
            login: name,
            username: name,
        }
    }
}

/// A package that was published or deleted.
#[derive(Debug)]
pub(crate) struct PackageChange<'a> {
    /// Published or deleted.
    pub(crate) event: WebhookEvent,
    /// When that was.
    pub(crate) at: Timestamp,
    pub(crate) owner: Account<'a>,
    pub(crate) owner_kind: OwnerKind,
    /// Who published it, if that is known.
    pub(crate) creator: Option<Account<'a>>,
    /// Who does this now, if that is known.
    pub(crate) sender: Option<Account<'a>>,
    /// The number of the package file.
    pub(crate) id: i64,
    pub(crate) branch: &'a Branch,
    pub(crate) repository: &'a RepositoryName,
    /// The package's own; may be noarch.
    pub(crate) arch: &'a Arch,
    pub(crate) name: &'a PackageName,
    pub(crate) version: &'a Version,
    pub(crate) file_name: &'a str,
    /// In bytes.
    pub(crate) size: u64,
    pub(crate) sha256: Sha256Digest,
    /// When it was published.
    pub(crate) created_at: Timestamp,
}

#[derive(Serialize)]
struct PackagePayload<'a> {
    action: &'static str,
    /// When it happened; not in the forges.
    at: String,
    repository: Option<()>,
    package: Package<'a>,
    organization: Option<Account<'a>>,
    sender: Option<Account<'a>>,
}

#[derive(Serialize)]
struct Package<'a> {
    id: i64,
    owner: Account<'a>,
    repository: Option<()>,
    creator: Option<Account<'a>>,
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
    version: &'a str,
    created_at: String,
    alpine: Alpine<'a>,
}

#[derive(Serialize)]
struct Alpine<'a> {
    branch: &'a str,
    repository: &'a str,
    architecture: &'a str,
    file_name: &'a str,
    /// Of the file, behind the registry's base URL.
    path: String,
    size: u64,
    sha256: String,
}

impl PackageChange<'_> {
    /// The body, as it is signed and sent.
    pub(crate) fn render(&self) -> String {
        let alpine = Alpine {
            branch: self.branch.as_str(),
            repository: self.repository.as_str(),
            architecture: self.arch.as_str(),
            file_name: self.file_name,
            path: format!(
                "/api/packages/{}/alpine/{}/{}/{}/{}",
                self.owner.login, self.branch, self.repository, self.arch, self.file_name
            ),
            size: self.size,
            sha256: self.sha256.to_string(),
        };
        let payload = PackagePayload {
            action: match self.event {
                WebhookEvent::Deleted => "deleted",
                _ => "created",
            },
            at: self.at.rfc3339_micros(),
            repository: None,
            package: Package {
                id: self.id,
                owner: self.owner,
                repository: None,
                creator: self.creator,
                kind: "alpine",
                name: self.name.as_str(),
                version: self.version.as_str(),
                created_at: self.created_at.rfc3339_micros(),
                alpine,
            },
            organization: (self.owner_kind == OwnerKind::Organisation).then_some(self.owner),
            sender: self.sender,
        };
        json(&payload)
    }
}

#[derive(Serialize)]
struct Ping<'a> {
    action: &'static str,
    at: String,
    owner: Account<'a>,
    sender: Option<Account<'a>>,
}

/// The body of a message that somebody sends to see whether it arrives.
pub(super) fn ping(owner: Account<'_>, sender: Option<Account<'_>>, at: Timestamp) -> String {
    json(&Ping {
        action: "ping",
        at: at.rfc3339_micros(),
        owner,
        sender,
    })
}

/// Maps with keys of text and plain values cannot fail to be written.
fn json(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_told_with_the_field_names_of_the_forges() {
        let change = PackageChange {
            event: WebhookEvent::Deleted,
            at: Timestamp::from_micros(1_795_381_260_000_250),
            owner: Account::new(3, "Acme"),
            owner_kind: OwnerKind::Organisation,
            creator: Some(Account::new(2, "alice")),
            sender: None,
            id: 9,
            branch: &Branch::parse("v3.23").unwrap(),
            repository: &RepositoryName::parse("main").unwrap(),
            arch: &Arch::parse("x86_64").unwrap(),
            name: &PackageName::parse("hello").unwrap(),
            version: &Version::parse("1.0-r0").unwrap(),
            file_name: "hello-1.0-r0.apk",
            size: 1234,
            sha256: Sha256Digest::from_bytes([0xab; 32]),
            created_at: Timestamp::from_seconds(1_795_381_200),
        };
        let sha256 = "ab".repeat(32);
        assert_eq!(
            change.render(),
            format!(
                r#"{{"action":"deleted","at":"2026-11-22T21:01:00.00025Z","repository":null,"package":{{"id":9,"owner":{{"id":3,"login":"Acme","username":"Acme"}},"repository":null,"creator":{{"id":2,"login":"alice","username":"alice"}},"type":"alpine","name":"hello","version":"1.0-r0","created_at":"2026-11-22T21:00:00Z","alpine":{{"branch":"v3.23","repository":"main","architecture":"x86_64","file_name":"hello-1.0-r0.apk","path":"/api/packages/Acme/alpine/v3.23/main/x86_64/hello-1.0-r0.apk","size":1234,"sha256":"{sha256}"}}}},"organization":{{"id":3,"login":"Acme","username":"Acme"}},"sender":null}}"#
            )
        );
    }
}
