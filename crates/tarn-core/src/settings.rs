//! The settings a registry opens with.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use ipnet::IpNet;

use crate::{
    access::{AccessLimits, RefusalLimits},
    certificates::AcmeSettings,
};
use tarn_base::{counter::Counter, secret::Secret};
use tarn_store::{
    blobs::Storage,
    metadata::{Database, Quota, VersionRule, WRITE_WAIT},
};

/// Everything that can be set. The binary documents each where it reads it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the blobs, the sealing key and, unless set otherwise, the database.
    pub data_dir: PathBuf,
    /// Where the facts are kept.
    pub database: Database,
    /// How long a change waits until nothing else writes to the database.
    pub write_wait: Duration,
    /// Where the bytes of packages are kept.
    pub storage: Storage,
    /// The key that seals private signing keys, in base64; without it, one is kept in the data folder.
    pub sealing_key: Option<Secret>,
    /// Bits of the RSA keys that are made.
    pub key_size: apk::sign::KeySize,
    /// How large the parts of a package may be.
    pub package_limits: apk::limits::Limits,
    /// How much memory v3 packages with a large ADB block, or with zstd, take on their way in, all of them together, in bytes. At least
    /// twice as much as one of them may need ([`apk::limits::Limits::database`], and a window of zstd of 8 MiB).
    pub package_memory: u64,
    /// How much memory beside that their windows of zstd over 8 MiB take, all of them together, in bytes. A little more than the largest
    /// ([`apk::limits::Limits::zstd_window`]), so that one package of level 22 comes at a time, or several of the levels 20 and 21.
    pub window_memory: u64,
    /// The largest upload, in bytes.
    pub max_upload: u64,
    /// How many uploads one account may have under way.
    pub max_uploads: usize,
    /// What an owner may have who has no limits of their own.
    pub quota: Quota,
    /// Which versions packages may have, of an owner without a rule of its own.
    pub versions: VersionRule,
    /// For how long the audit log is kept. `None`: for ever.
    pub audit_retention: Option<Duration>,
    /// For how long a deleted package can be restored, before its bytes are freed.
    pub keep_deleted: Duration,
    /// How often what expired is removed.
    pub expiry_interval: Duration,
    /// How much is written down of what is refused.
    pub refusals: RefusalLimits,
    /// How many bytes the records of one index may have together.
    pub max_index: u64,
    /// How many bytes of derived indexes are kept in memory.
    pub index_cache: u64,
    /// Bounds on passwords and guessing.
    pub access: AccessLimits,
    /// Whether `/metrics` shows what was counted, to everybody who can reach the server.
    pub metrics: bool,
    /// Log lines that could not be written, counted by the writer of the log.
    pub lost_log_lines: Arc<Counter>,
    /// Bounds on slow or many clients.
    pub connections: ConnectionLimits,
    /// Bounds on what the JSON API takes and gives at once.
    pub api: ApiLimits,
    /// Whom to believe about where requests come from.
    pub proxies: Proxies,
    /// The URL under which clients reach the server, without a final `/`. `None`: as their requests name it.
    pub base_url: Option<String>,
    /// How an authority issues the server's certificate, where one does.
    pub acme: Option<AcmeSettings>,
    /// Networks of addresses that are not public and that webhooks may connect to all the same.
    pub webhook_networks: Vec<IpNet>,
    /// The same as it was given, for administrators to look at.
    pub given: Vec<GivenSetting>,
}

/// A setting as it was given to the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenSetting {
    /// Its name: that of the flag, without the dashes.
    pub name: &'static str,
    /// The value in force; that of a secret is masked.
    pub value: String,
    /// Where it came from: a flag, a variable, a line of a file, or `default`.
    pub source: String,
    /// What it does, in sentences.
    pub help: &'static str,
}

/// How much the JSON API takes and gives at once.
#[derive(Debug, Clone)]
pub struct ApiLimits {
    /// The entries of a page when the caller does not say how many.
    pub usual_page: u32,
    /// The most entries that a page has, whatever the caller asks for.
    pub largest_page: u32,
    /// The largest body of a request, in bytes.
    pub largest_body: usize,
}

impl Default for ApiLimits {
    fn default() -> Self {
        Self {
            usual_page: 30,
            largest_page: 100,
            largest_body: 64 << 10,
        }
    }
}

/// The proxies in front of the server, which tell where requests come from.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// Their networks. Headers from elsewhere are not believed.
    pub trusted: Vec<IpNet>,
    /// The header that they write.
    pub header: ForwardedHeader,
}

/// The header in which a proxy says where a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which most proxies append to.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Proxies {
    /// Whether `address` is that of a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// How patient the server is.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// For the whole head of a request, and for the next request on a kept connection.
    pub head: Duration,
    /// For the next bytes of a body, in either direction.
    pub stall: Duration,
    /// Bytes a second that an upload must reach, averaged over its life after the first `stall`.
    pub min_upload_rate: u64,
    /// Bytes a second that a client must read while the server waits for it, over each `stall` of waiting.
    pub min_download_rate: u64,
    /// For requests under way once the server was asked to stop.
    pub drain: Duration,
    /// Connections open at once. At the limit the one that has been idle for longest is closed for a new one.
    pub max_open: usize,
    /// How many of them one source may have. `None`: half of them.
    pub max_of_source: Option<usize>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            min_upload_rate: 1 << 10,
            min_download_rate: 1 << 10,
            drain: Duration::from_secs(300),
            max_open: 8192,
            max_of_source: None,
        }
    }
}

impl ConnectionLimits {
    /// How many connections one source may have, at least one.
    pub fn share(&self) -> usize {
        self.max_of_source.unwrap_or(self.max_open / 2).max(1)
    }
}

impl Settings {
    /// The defaults, with everything in one folder.
    pub fn in_folder(data_dir: PathBuf) -> Self {
        Self {
            database: Database::Sqlite(data_dir.join("tarn.db")),
            data_dir,
            write_wait: WRITE_WAIT,
            storage: Storage::DataFolder,
            sealing_key: None,
            key_size: apk::sign::KeySize::Rsa4096,
            package_limits: apk::limits::Limits::default(),
            package_memory: 64 << 20,
            window_memory: 129 << 20,
            max_upload: 4 << 30,
            max_uploads: 100,
            quota: Quota::default(),
            versions: VersionRule::Strict,
            audit_retention: Some(Duration::from_secs(365 * 86_400)),
            keep_deleted: Duration::from_secs(7 * 86_400),
            expiry_interval: Duration::from_secs(3_600),
            refusals: RefusalLimits::default(),
            max_index: 256 << 20,
            index_cache: 256 << 20,
            access: AccessLimits::default(),
            metrics: false,
            lost_log_lines: Arc::default(),
            connections: ConnectionLimits::default(),
            api: ApiLimits::default(),
            proxies: Proxies::default(),
            base_url: None,
            acme: None,
            webhook_networks: Vec::new(),
            given: Vec::new(),
        }
    }

    /// What a proxy takes off the front of each path, without a final `/`: the path of the base URL.
    pub fn base_path(&self) -> &str {
        let url = self.base_url.as_deref().unwrap_or_default();
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        host.find('/')
            .and_then(|path| host.get(path..))
            .unwrap_or_default()
    }
}
