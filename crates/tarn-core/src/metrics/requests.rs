//! What is counted of requests: their route, their status, how long the answer took to begin. Never whose they are: the
//! names of owners, repositories and packages may be secret.

use std::time::Duration;

use tarn_base::{
    counter::{Counter, Histogram},
    named,
};

named! {
    /// The kinds of requests that are counted apart.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Route {
        /// `APKINDEX.tar.gz`.
        IndexV2 = "index",
        /// `Packages.adb`.
        IndexV3 = "index_v3",
        /// A package file, read.
        Package = "package",
        /// A package file, deleted.
        Delete = "delete",
        /// A package, uploaded.
        Publish = "publish",
        /// A public key.
        Key = "key",
        /// `/healthz` and `/metrics`.
        Monitoring = "monitoring",
        /// All else.
        Other = "other",
    }
}

impl Route {
    /// The kind of a request, by its method and path alone: also one that is refused has a kind.
    pub fn of(method: &str, path: &str) -> Self {
        let behind_owner = path
            .strip_prefix("/api/packages/")
            .and_then(|path| path.split_once('/'))
            .and_then(|(_, path)| path.strip_prefix("alpine/"));
        let Some(rest) = behind_owner else {
            return match path {
                "/healthz" | "/metrics" => Self::Monitoring,
                _ => Self::Other,
            };
        };
        match (method, rest.rsplit('/').next().unwrap_or(rest)) {
            ("PUT", _) => Self::Publish,
            ("DELETE", _) => Self::Delete,
            (_, "APKINDEX.tar.gz") => Self::IndexV2,
            (_, "Packages.adb" | "packages.adb") => Self::IndexV3,
            (_, "key") => Self::Key,
            (_, last) if last.ends_with(".apk") => Self::Package,
            _ if rest.starts_with("keys/") || !rest.contains('/') => Self::Key,
            _ => Self::Other,
        }
    }
}

/// The statuses that HTTP has: 100 to 599.
const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// What was counted of one route.
#[derive(Debug)]
pub(super) struct OfRoute {
    statuses: Box<[Counter]>,
    pub(super) took: Histogram,
}

impl OfRoute {
    /// The statuses that were answered, with how often.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (u16, u64)> {
        (FIRST_STATUS..)
            .zip(self.statuses.iter().map(Counter::value))
            .filter(|(_, count)| *count > 0)
    }
}

/// What was counted of all requests.
#[derive(Debug)]
pub struct RequestCounts {
    routes: [OfRoute; Route::ALL.len()],
    /// Answers that said that the disk is full.
    pub disk_full: Counter,
    /// Bytes written to sockets.
    pub sent: Counter,
    /// Connections that were accepted.
    pub opened: Counter,
    /// Those of them that have ended.
    pub closed: Counter,
}

impl Default for RequestCounts {
    fn default() -> Self {
        Self {
            routes: std::array::from_fn(|_| OfRoute {
                statuses: (0..STATUSES).map(|_| Counter::default()).collect(),
                took: Histogram::default(),
            }),
            disk_full: Counter::default(),
            sent: Counter::default(),
            opened: Counter::default(),
            closed: Counter::default(),
        }
    }
}

impl RequestCounts {
    /// Counts a request that was answered with `status`, `took` after its head had come.
    pub fn answered(&self, route: Route, status: u16, took: Duration) {
        const INSUFFICIENT_STORAGE: u16 = 507;
        let Some(counts) = self.routes.get(route as usize) else {
            return;
        };
        let status_at = usize::from(status.saturating_sub(FIRST_STATUS));
        if let Some(count) = counts.statuses.get(status_at) {
            count.one();
        }
        counts.took.record(took);
        if status == INSUFFICIENT_STORAGE {
            self.disk_full.one();
        }
    }

    pub(super) fn routes(&self) -> impl Iterator<Item = (Route, &OfRoute)> {
        Route::ALL.into_iter().zip(&self.routes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_a_kind_for_every_owner() {
        let at = |method, rest| Route::of(method, &format!("/api/packages/alice/alpine/{rest}"));
        assert_eq!(
            at("GET", "edge/main/x86_64/APKINDEX.tar.gz"),
            Route::IndexV2
        );
        assert_eq!(at("HEAD", "edge/main/x86_64/packages.adb"), Route::IndexV3);
        assert_eq!(at("GET", "edge/main/x86_64/a-1-r0.apk"), Route::Package);
        assert_eq!(at("DELETE", "edge/main/x86_64/a-1-r0.apk"), Route::Delete);
        assert_eq!(at("PUT", "edge/main"), Route::Publish);
        assert_eq!(at("GET", "key"), Route::Key);
        assert_eq!(at("GET", "keys/alice.rsa.pub"), Route::Key);
        let of_alpine = "/api/packages/alpine/alpine/edge/main/x86_64/APKINDEX.tar.gz";
        assert_eq!(Route::of("GET", of_alpine), Route::IndexV2);
        assert_eq!(Route::of("GET", "/healthz"), Route::Monitoring);
        assert_eq!(Route::of("GET", "/alpine/x.apk"), Route::Other);
        assert_eq!(Route::of("GET", "/"), Route::Other);
    }
}
