//! The bodies of messages, rendered from the facts of an event.
//!
//! The fields are those of the forges' package webhook (`PackagePayload` in Gitea's `modules/structs/hook.go`, `Package` in
//! `modules/structs/package.go`), so that what reads theirs reads these. The differences: an account has `id`, `login` and
//! `username` alone; `html_url` is left out; `repository`, which is that of a forge's source code, is always null; and
//! `alpine` says what the forges leave out: branch, repository, architecture, file, size and hash.

use serde::Serialize;
use tarn_base::clock::Timestamp;
use tarn_store::metadata::{AccountFacts, EventFacts, EventSubject, PackageFacts, WebhookEvent};

/// A user or an organisation.
#[derive(Debug, Clone, Copy, Serialize)]
struct Account<'a> {
    id: i64,
    login: &'a str,
    username: &'a str,
}

impl<'a> From<&'a AccountFacts> for Account<'a> {
    fn from(AccountFacts { id, name }: &'a AccountFacts) -> Self {
        Self {
            id: *id,
            login: name,
            username: name,
        }
    }
}

#[derive(Serialize)]
struct PackagePayload<'a> {
    action: &'static str,
    /// When it happened; not in the forges.
    at: String,
    repository: Option<()>,
    package: Option<Package<'a>>,
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
    sha256: &'a str,
}

/// A message that tests whether the webhook is reached.
#[derive(Serialize)]
struct Ping<'a> {
    action: &'static str,
    at: String,
    owner: Account<'a>,
    sender: Option<Account<'a>>,
}

/// What Gitea and Forgejo call an event. They have no ping.
pub(super) const fn forge_name(event: WebhookEvent) -> &'static str {
    match event.subject() {
        EventSubject::Package { .. } => "package",
        EventSubject::Webhook => event.as_str(),
    }
}

/// The body of the message about an event, as it is signed and sent. The same facts give the same bytes.
pub fn render(event: WebhookEvent, facts: &EventFacts) -> String {
    let EventFacts {
        at_micros,
        owner,
        is_organisation,
        sender,
        package,
    } = facts;
    let at = rfc3339(*at_micros);
    let owner = Account::from(owner);
    let sender = sender.as_ref().map(Account::from);
    match event.subject() {
        EventSubject::Package { action } => json(&PackagePayload {
            action,
            at,
            repository: None,
            // It is always there.
            package: package.as_ref().map(|package| package_of(owner, package)),
            organization: is_organisation.then_some(owner),
            sender,
        }),
        EventSubject::Webhook => json(&Ping {
            action: event.as_str(),
            at,
            owner,
            sender,
        }),
    }
}

fn package_of<'a>(owner: Account<'a>, facts: &'a PackageFacts) -> Package<'a> {
    let PackageFacts {
        id,
        creator,
        branch,
        repository,
        arch,
        name,
        version,
        file_name,
        size,
        sha256,
        created_at_micros,
    } = facts;
    Package {
        id: *id,
        owner,
        repository: None,
        creator: creator.as_ref().map(Account::from),
        kind: "alpine",
        name,
        version,
        created_at: rfc3339(*created_at_micros),
        alpine: Alpine {
            branch,
            repository,
            architecture: arch,
            file_name,
            path: format!(
                "/api/packages/{}/alpine/{branch}/{repository}/{arch}/{file_name}",
                owner.login
            ),
            size: *size,
            sha256,
        },
    }
}

fn rfc3339(micros: i64) -> String {
    Timestamp::from_micros(micros).rfc3339_micros()
}

/// Maps with keys of text and plain values cannot fail to be written.
fn json(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_the_field_names_of_the_forges() {
        let sha256 = "ab".repeat(32);
        let facts = EventFacts {
            at_micros: 1_795_381_260_000_250,
            owner: AccountFacts::new(3, "Acme"),
            is_organisation: true,
            sender: None,
            package: Some(PackageFacts {
                id: 9,
                creator: Some(AccountFacts::new(2, "alice")),
                branch: "v3.23".to_owned(),
                repository: "main".to_owned(),
                arch: "x86_64".to_owned(),
                name: "hello".to_owned(),
                version: "1.0-r0".to_owned(),
                file_name: "hello-1.0-r0.apk".to_owned(),
                size: 1234,
                sha256: sha256.clone(),
                created_at_micros: 1_795_381_200_000_000,
            }),
        };
        assert_eq!(
            render(WebhookEvent::Deleted, &facts),
            format!(
                r#"{{"action":"deleted","at":"2026-11-22T21:01:00.00025Z","repository":null,"package":{{"id":9,"owner":{{"id":3,"login":"Acme","username":"Acme"}},"repository":null,"creator":{{"id":2,"login":"alice","username":"alice"}},"type":"alpine","name":"hello","version":"1.0-r0","created_at":"2026-11-22T21:00:00Z","alpine":{{"branch":"v3.23","repository":"main","architecture":"x86_64","file_name":"hello-1.0-r0.apk","path":"/api/packages/Acme/alpine/v3.23/main/x86_64/hello-1.0-r0.apk","size":1234,"sha256":"{sha256}"}}}},"organization":{{"id":3,"login":"Acme","username":"Acme"}},"sender":null}}"#
            )
        );
    }
}
