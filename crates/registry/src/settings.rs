//! What a registry is told when it opens.

use std::{path::PathBuf, time::Duration};

use crate::{
    access::{AccessLimits, RefusalLimits, Secret},
    metadata::{Database, Quota},
};

/// Everything that can be set. The binary documents each where it reads it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the blobs, the sealing key and, unless told otherwise, the database.
    pub data_dir: PathBuf,
    /// Where the facts are kept.
    pub database: Database,
    /// The key that seals private signing keys, in base64; without it, one is kept in the data folder.
    pub sealing_key: Option<Secret>,
    /// Bits of the RSA keys that are made.
    pub key_size: apk::sign::KeySize,
    /// How large the parts of a package may be.
    pub package_limits: apk::limits::Limits,
    /// The largest upload, in bytes.
    pub max_upload: u64,
    /// What an owner may have who has no limits of their own.
    pub quota: Quota,
    /// For how long the audit log is kept. `None`: for ever.
    pub audit_retention: Option<Duration>,
    /// How often what expired is removed.
    pub expiry_interval: Duration,
    /// How much is written down of what is refused.
    pub refusals: RefusalLimits,
    /// How many bytes of derived indexes are kept in memory.
    pub index_cache: u64,
    /// Bounds on passwords and guessing.
    pub access: AccessLimits,
    /// Bounds on slow or many clients.
    pub connections: ConnectionLimits,
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
    /// For requests under way once the server was told to stop.
    pub drain: Duration,
    /// Connections open at once; the next ones wait in the listener's queue.
    pub max_open: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            min_upload_rate: 1 << 10,
            drain: Duration::from_secs(300),
            max_open: 8192,
        }
    }
}

impl Settings {
    /// The defaults, with everything in one folder.
    pub fn in_folder(data_dir: PathBuf) -> Self {
        Self {
            database: Database::Sqlite(data_dir.join("tarn.db")),
            data_dir,
            sealing_key: None,
            key_size: apk::sign::KeySize::Rsa4096,
            package_limits: apk::limits::Limits::default(),
            max_upload: 4 << 30,
            quota: Quota::default(),
            audit_retention: Some(Duration::from_secs(365 * 86_400)),
            expiry_interval: Duration::from_secs(3_600),
            refusals: RefusalLimits::default(),
            index_cache: 256 << 20,
            access: AccessLimits::default(),
            connections: ConnectionLimits::default(),
        }
    }
}
