//! The addresses of pages.

use std::fmt::Write as _;

use axum::http::{HeaderMap, header};
use tarn_core::Registry;

/// A text as one segment of a path: what is not plain is written with percent signs.
pub(crate) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~+@".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

/// A URL with credentials in front of its host.
pub(crate) fn with_credentials(url: &str, credentials: &str) -> String {
    url.replacen("://", &format!("://{credentials}@"), 1)
}

/// The pages of one owner. All start with a slash; the base path is in them.
#[derive(Debug, Clone)]
pub(crate) struct OfOwner {
    owner: String,
}

impl OfOwner {
    /// Those of `owner`, on a server below `base`.
    pub(crate) fn new(base: &str, owner: &str) -> Self {
        Self {
            owner: format!("{base}/{}", segment(owner)),
        }
    }

    /// The owner's own page.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// The feed of what the owner publishes.
    pub(crate) fn feed(&self) -> String {
        format!("{}/-/feed.atom", self.owner)
    }

    /// A package wherever it is: in the repository that its newest file came into. The address is Gitea's.
    pub(crate) fn anywhere(&self, name: &str) -> String {
        format!("{}/-/packages/alpine/{}", self.owner, segment(name))
    }

    /// A repository.
    pub(crate) fn repository(&self, branch: &str, repository: &str) -> String {
        format!("{}/{}/{}", self.owner, segment(branch), segment(repository))
    }

    /// The feed of what is published in a repository.
    pub(crate) fn repository_feed(&self, branch: &str, repository: &str) -> String {
        format!("{}/-/feed.atom", self.repository(branch, repository))
    }

    /// A package in a repository, its newest version.
    pub(crate) fn package(&self, branch: &str, repository: &str, name: &str) -> String {
        format!("{}/{}", self.repository(branch, repository), segment(name))
    }

    /// One version of it, of one architecture.
    pub(crate) fn file(
        &self,
        branch: &str,
        repository: &str,
        name: &str,
        version: &str,
        arch: &str,
    ) -> String {
        let package = self.package(branch, repository, name);
        format!("{package}/{}/{}", segment(version), segment(arch))
    }
}

/// The URL under which clients reach this server, without a final `/`: that of the settings, else the one that this request names
/// under `scheme`, unless it has something in it that a shell would not take as it is.
pub(crate) fn base_url(registry: &Registry, headers: &HeaderMap, scheme: &str) -> String {
    if let Some(url) = &registry.settings().base_url {
        return url.clone();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let is_plain = |host: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        !host.is_empty() && host.bytes().all(allowed)
    };
    format!("{scheme}://{}", host.filter(is_plain).unwrap_or("HOST"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_never_two() {
        assert_eq!(segment("gtk+3.0-dev_x~1"), "gtk+3.0-dev_x~1");
        assert_eq!(segment("a/b?c#d\"<é"), "a%2Fb%3Fc%23d%22%3C%C3%A9");
    }
}
