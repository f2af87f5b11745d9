//! Tokens: those of the viewer under `/-/settings/tokens`, and those of an organisation under `/-/owners/{owner}/tokens`.

use std::time::Duration;

use askama::Template;
use axum::response::Response;

use super::super::{
    form::{Form, words},
    links::with_credentials,
    manage::{Managed, Shell, or_again},
    page::Frame,
    pager::{PAGE, Pager},
    shown,
};
use crate::{api::administer::list, error::ApiError};
use tarn_base::{clock::Timestamp, secret::Secret};
use tarn_core::access::{Scope, Scopes, TokenRequest, matches};
use tarn_store::metadata::{OwnerKind, Token};

#[derive(Template)]
#[template(path = "account/tokens.html")]
struct TokensPage<'a> {
    frame: &'a Frame,
    shell: Shell,
    /// Where the forms go.
    path: &'a str,
    tokens: &'a [Token],
    pager: &'a Pager,
    form: &'a Form,
    scopes: &'a [Choice],
    made: Option<&'a Made>,
    is_organisation: bool,
    now: Timestamp,
}

impl TokensPage<'_> {
    fn is_expired(&self, expires_at: &Option<Timestamp>) -> bool {
        expires_at.is_some_and(|end| end <= self.now)
    }
}

/// A scope, as the form offers it.
struct Choice {
    scope: &'static str,
    means: &'static str,
    is_chosen: bool,
}

/// A token that was just made, which is not shown again.
struct Made {
    label: String,
    secret: Secret,
    /// Of the line for `.netrc`: the host without its port, as apk looks it up.
    host: String,
    login: String,
    /// Login and token, as a URL has them.
    credentials: String,
    /// A repository that it may be used for.
    url: String,
    publishes: bool,
    reads: bool,
}

impl Made {
    /// A token that an owner has got from a form.
    fn of(of: &Managed, form: &Form, label: String, secret: Secret, scopes: &Scopes) -> Self {
        let login = of.owner.name.clone();
        let limits = words(form.text("limits"));
        let first = limits.first().map_or("", String::as_str);
        let origin = &of.frame.origin;
        Self {
            label,
            host: host(origin),
            credentials: format!("{login}:{}", secret.expose()),
            url: format!("{origin}/api/packages/{}", place_within(first, &login)),
            publishes: scopes.has(Scope::WritePackage),
            // Who may publish or delete may read.
            reads: [
                Scope::ReadPackage,
                Scope::WritePackage,
                Scope::DeletePackage,
            ]
            .into_iter()
            .any(|scope| scopes.has(scope)),
            login,
            secret,
        }
    }
}

/// The end of the URL of a repository that the pattern `owner/branch/repository` matches, for an example; of any one where the pattern
/// is empty.
fn place_within(pattern: &str, owner: &str) -> String {
    let mut parts = pattern.split('/');
    let mut part = |usual: &str| {
        let part = parts.next().unwrap_or_default();
        match part.is_empty() || matches(part, usual) {
            true => usual.to_owned(),
            false => part.replace('*', "1"),
        }
    };
    let (owner, branch, repository) = (part(owner), part("v3.23"), part("main"));
    format!("{owner}/alpine/{branch}/{repository}")
}

const fn means(scope: Scope) -> &'static str {
    match scope {
        Scope::Admin => "administer the account and its organisations through the API",
        Scope::DeletePackage => "delete packages, and read them",
        Scope::NoDelete => "with write:package: publish, but not delete",
        Scope::PublicOnly => "only what is public",
        Scope::ReadPackage => "read packages, as apk does",
        Scope::ReadUser => "say whose token it is",
        Scope::WritePackage => "publish, delete and read packages",
    }
}

pub(in super::super) async fn show(of: Managed) -> Result<Response, ApiError> {
    page(&of, None).await
}

fn path(of: &Managed) -> String {
    match of.owner.kind {
        OwnerKind::User => "/-/settings/tokens".to_owned(),
        OwnerKind::Organisation => of.path("/tokens"),
    }
}

async fn page(of: &Managed, made: Option<Made>) -> Result<Response, ApiError> {
    let accounts = of.registry.accounts();
    let window = of.number.window(PAGE);
    let tokens = accounts.tokens(of.owner.kind, &of.name, window).await?;
    let is_organisation = of.owner.kind == OwnerKind::Organisation;
    let shell = if is_organisation {
        of.shell("/tokens", "Tokens")
    } else {
        of.own_shell("/tokens", "Tokens")
    };
    let chosen = of.form.all("scope");
    let mut scopes = Scope::ALL.to_vec();
    scopes.retain(|scope| !is_organisation || *scope != Scope::Admin);
    // What programs need most comes first.
    scopes.sort_by_key(|scope| match scope {
        Scope::ReadPackage => 0,
        Scope::WritePackage => 1,
        Scope::DeletePackage => 2,
        Scope::NoDelete => 3,
        Scope::PublicOnly => 4,
        Scope::ReadUser => 5,
        Scope::Admin => 6,
    });
    let scopes: Vec<Choice> = scopes
        .iter()
        .map(|scope| Choice {
            scope: scope.as_str(),
            means: means(*scope),
            is_chosen: chosen.contains(&scope.as_str()),
        })
        .collect();
    let page = TokensPage {
        frame: &of.frame,
        shell,
        path: &path(of),
        tokens: &tokens.entries,
        pager: &of.pager(tokens.total, ("token", "tokens"), &path(of)),
        form: &of.form,
        scopes: &scopes,
        made: made.as_ref(),
        is_organisation,
        now: of.registry.clock().now(),
    };
    of.answer(&page)
}

pub(in super::super) async fn add(of: Managed, form: Form) -> Result<Response, ApiError> {
    let added = async {
        let scopes: Vec<String> = form.all("scope").into_iter().map(str::to_owned).collect();
        let scopes: Scopes = list("scopes", &scopes)?;
        if scopes.has(Scope::Admin) {
            of.needs_password(&form).await?;
        }
        let days = match form.text("days") {
            "" => None,
            _ => Some(form.number::<u32>("days", "the number of days")?),
        };
        let request = TokenRequest {
            label: form.text("label"),
            scopes,
            limits: list("limits", &words(form.text("limits")))?,
            networks: list("networks", &words(form.text("networks")))?,
            lifetime: days.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
        };
        let (maker, kind) = (of.caller.token(), of.owner.kind);
        let accounts = of.registry.accounts();
        let added = accounts.add_token(kind, &of.name, &request, maker, &of.by);
        let (token, secret) = added.await?;
        let made = Made::of(&of, &form, token.label, secret, &request.scopes);
        page(&of, Some(made)).await
    };
    let added = added.await;
    or_again(added, of, form, show).await
}

pub(in super::super) async fn revoke(of: Managed, form: Form) -> Result<Response, ApiError> {
    let label = form.raw("label");
    let accounts = of.registry.accounts();
    let kind = of.owner.kind;
    let revoked = accounts.remove_token(kind, &of.name, label, &of.by).await?;
    let notice = if revoked {
        format!("The token {label} is revoked.")
    } else {
        format!("There is no token {label}.")
    };
    of.done(&of.number.of(&path(&of)), &notice)
}

/// The host of a URL, without its port.
fn host(url: &str) -> String {
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(url::Url::host_str);
    host.unwrap_or("HOST").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_within_the_limits() {
        for (pattern, place) in [
            ("", "alice/alpine/v3.23/main"),
            ("*/*/*", "alice/alpine/v3.23/main"),
            ("acme/edge/*", "acme/alpine/edge/main"),
            ("alice/v3.*/test*", "alice/alpine/v3.23/test1"),
        ] {
            assert_eq!(place_within(pattern, "alice"), place, "{pattern}");
        }
    }
}
