//! Where packages are: the URL of a repository, or of an owner, as people write it.

use std::fmt;

use apk::arch::Arch;
use percent_encoding::percent_decode_str;
use tarn_base::{
    hint::Hint,
    names::{Branch, OwnerName, RepositoryName},
    secret::Secret,
};
use tarn_net::Credentials;
use url::Url;

/// Why a text is no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlaceError {
    /// No URL at all.
    #[error("this is not a URL: {0}")]
    NotAUrl(String),
    /// Another scheme.
    #[error("the URL does not begin with https:// or http://")]
    Scheme,
    /// Too little behind the host.
    #[error("the URL does not name {0}")]
    Incomplete(&'static str),
    /// A part that can be no name.
    #[error("{0}")]
    Name(String),
}

impl Hint for PlaceError {
    fn hint(&self) -> Option<String> {
        let whole = "write it like https://HOST/OWNER/BRANCH/REPOSITORY, or as it stands in /etc/apk/repositories";
        Some(match self {
            Self::Incomplete("an owner") => "write it like HOST/OWNER".to_owned(),
            _ => whole.to_owned(),
        })
    }
}

/// An owner on a server. Never shows what the URL said of a password.
#[derive(Debug, Clone)]
pub(crate) struct OwnerPlace {
    /// The URL of the server, with a `/` at its end, without user, password, query and fragment.
    base: Url,
    owner: OwnerName,
    credentials: Option<Credentials>,
}

/// A repository on a server.
#[derive(Debug, Clone)]
pub(crate) struct RepositoryPlace {
    of: OwnerPlace,
    branch: Branch,
    repository: RepositoryName,
}

impl OwnerPlace {
    /// Reads `HOST/OWNER`, with or without `https://` in front, the place of a repository as [`RepositoryPlace::parse`] reads it, and any
    /// URL of the owner's packages. Where the server is below a path, two segments are that path and the owner, more are a repository's: below
    /// a path of several segments only the URL of the packages names an owner.
    pub(crate) fn parse(text: &str) -> Result<Self, PlaceError> {
        let (url, segments) = taken_apart(text)?;
        if let Some((before, owner, _)) = packages(&segments) {
            return Self::new(url, before, owner);
        }
        let segments = match segments.as_slice() {
            [of_owner @ .., _, _] if !of_owner.is_empty() => of_owner,
            all => all,
        };
        match segments.split_last() {
            Some((owner, before)) => Self::new(url, before, owner),
            None => Err(PlaceError::Incomplete("an owner")),
        }
    }

    fn new(mut url: Url, before: &[String], owner: &str) -> Result<Self, PlaceError> {
        let credentials = take_credentials(&mut url);
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&match before {
            [] => "/".to_owned(),
            before => format!("/{}/", before.join("/")),
        });
        Ok(Self {
            base: url,
            owner: OwnerName::parse(owner).map_err(|error| PlaceError::Name(error.to_string()))?,
            credentials,
        })
    }

    /// The name or address of the server, as `.netrc` has it.
    pub(crate) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// What the URL itself said about who asks.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The URL of the owner's newest public key.
    pub(crate) fn key(&self) -> Url {
        self.below(&["key"])
    }

    fn below(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["api", "packages", self.owner.as_str(), "alpine"])
                .extend(segments);
        }
        url
    }
}

impl RepositoryPlace {
    /// Reads `https://HOST/OWNER/BRANCH/REPOSITORY`, or the line of `/etc/apk/repositories`.
    pub(crate) fn parse(text: &str) -> Result<Self, PlaceError> {
        let (url, segments) = taken_apart(text)?;
        let incomplete = PlaceError::Incomplete("owner, branch and repository");
        let (before, owner, rest) = match packages(&segments) {
            Some(found) => found,
            None => match segments.as_slice() {
                [before @ .., owner, _, _] => (
                    before,
                    owner.as_str(),
                    segments.get(before.len() + 1..).unwrap_or_default(),
                ),
                _ => return Err(incomplete),
            },
        };
        let [branch, repository] = rest else {
            return Err(incomplete);
        };
        let name = |error: &dyn fmt::Display| PlaceError::Name(error.to_string());
        Ok(Self {
            of: OwnerPlace::new(url, before, owner)?,
            branch: Branch::parse(branch).map_err(|error| name(&error))?,
            repository: RepositoryName::parse(repository).map_err(|error| name(&error))?,
        })
    }

    /// The owner and the server.
    pub(crate) fn owner(&self) -> &OwnerPlace {
        &self.of
    }

    /// Where a package is put. Those bytes may be there already.
    pub(crate) fn upload(&self) -> Url {
        let mut url = self.below(&[]);
        url.set_query(Some("if-exists=same"));
        url
    }

    /// A file beside the packages of an architecture.
    pub(crate) fn file(&self, arch: &Arch, name: &str) -> Url {
        self.below(&[arch.as_str(), name])
    }

    fn below(&self, segments: &[&str]) -> Url {
        let place = [self.branch.as_str(), self.repository.as_str()];
        self.of.below(&[&place, segments].concat())
    }
}

/// The line for `/etc/apk/repositories`.
impl fmt::Display for RepositoryPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.below(&[]).as_str())
    }
}

/// Whether what is sent to or comes from a URL can be read and changed on the way. On one machine there is no way.
pub(crate) fn is_plain(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && !loopback
}

/// The URL, and the parts of its path, decoded. `https://` is what a text without a scheme means.
fn taken_apart(text: &str) -> Result<(Url, Vec<String>), PlaceError> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let url = Url::parse(&with_scheme).map_err(|error| PlaceError::NotAUrl(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(PlaceError::Scheme);
    }
    let segments = url.path().split('/').filter(|segment| !segment.is_empty());
    let segments = segments.map(decoded).collect();
    Ok((url, segments))
}

/// The path of a registry's packages, wherever it stands: what is before it, the owner, what is behind `alpine`.
fn packages(segments: &[String]) -> Option<(&[String], &str, &[String])> {
    let at = segments.windows(4).position(|window| {
        matches!(window, [api, packages, _, alpine] if api == "api" && packages == "packages" && alpine == "alpine")
    })?;
    let owner = segments.get(at + 2)?;
    Some((segments.get(..at)?, owner, segments.get(at + 4..)?))
}

/// The user and the password that a URL holds, decoded. It does not hold them any more.
pub(crate) fn take_credentials(url: &mut Url) -> Option<Credentials> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let credentials = Credentials::Password {
        user: decoded(url.username()),
        password: Secret::new(decoded(url.password().unwrap_or_default())),
    };
    // Neither can be refused for a URL that has a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(credentials)
}

/// Percent-encoding undone.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_written_short_or_as_apk_has_it() {
        for (text, line) in [
            (
                "https://apk.example.org/alice/v3.23/main",
                "https://apk.example.org/api/packages/alice/alpine/v3.23/main",
            ),
            (
                "apk.example.org/alice/v3.23/main/",
                "https://apk.example.org/api/packages/alice/alpine/v3.23/main",
            ),
            (
                "http://127.0.0.1:8080/sub/path/alice/v3.23/main",
                "http://127.0.0.1:8080/sub/path/api/packages/alice/alpine/v3.23/main",
            ),
            (
                "https://x:pw@h/t/api/packages/alice/alpine/v3.23/main",
                "https://h/t/api/packages/alice/alpine/v3.23/main",
            ),
        ] {
            let place = RepositoryPlace::parse(text).unwrap();
            assert_eq!(place.to_string(), line, "{text}");
        }
        let place = RepositoryPlace::parse("https://h/alice/edge/main").unwrap();
        assert_eq!(
            place.upload().as_str(),
            "https://h/api/packages/alice/alpine/edge/main?if-exists=same"
        );
    }

    #[test]
    fn a_password_in_the_url_is_taken_and_never_shown() {
        let place = RepositoryPlace::parse("https://alice:s%2Bcr+t@h/alice/edge/main").unwrap();
        let Some(Credentials::Password { user, password }) = place.owner().credentials() else {
            panic!("no password");
        };
        assert_eq!((user.as_str(), password.expose()), ("alice", "s+cr+t"));
        assert!(!format!("{place:?} {place}").contains("s+cr"));
    }

    #[test]
    fn an_owner_is_found_in_every_spelling() {
        for text in [
            "apk.example.org/alice",
            "https://apk.example.org/alice/",
            "https://apk.example.org/api/packages/alice/alpine",
            "https://apk.example.org/api/packages/alice/alpine/v3.23/main",
            "apk.example.org/alice/v3.23/main",
        ] {
            let place = OwnerPlace::parse(text).unwrap();
            assert_eq!(
                place.key().as_str(),
                "https://apk.example.org/api/packages/alice/alpine/key",
                "{text}"
            );
        }
    }

    #[test]
    fn an_owner_is_found_below_a_path() {
        for text in ["h/t/alice", "h/t/alice/v3.23/main"] {
            let place = OwnerPlace::parse(text).unwrap();
            let key = "https://h/t/api/packages/alice/alpine/key";
            assert_eq!(place.key().as_str(), key, "{text}");
        }
        let place = OwnerPlace::parse("h/a/b/api/packages/alice/alpine").unwrap();
        let key = "https://h/a/b/api/packages/alice/alpine/key";
        assert_eq!(place.key().as_str(), key);
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in [
            "https://h/alice/main",
            "ftp://h/a/b/c",
            "https://h",
            "",
            "https://h/al ice/v1/main",
        ] {
            assert!(RepositoryPlace::parse(text).is_err(), "{text}");
        }
        assert!(OwnerPlace::parse("https://h/").is_err());
    }

    #[test]
    fn only_another_machine_is_reached_in_the_clear() {
        for (text, plain) in [
            ("http://h/a", true),
            ("https://h/a", false),
            ("http://127.0.0.1/a", false),
            ("http://[::1]/a", false),
            ("http://localhost:8080/a", false),
        ] {
            assert_eq!(is_plain(&Url::parse(text).unwrap()), plain, "{text}");
        }
    }
}
