//! TLS: the certificate and its key from files, which are read again when they change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use apk::digest::Sha256Digest;
use sha2::{Digest as _, Sha256};
use tarn_base::hint::Hint;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

/// The protocols that are offered, the preferred one first.
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The file holds no certificate.
    #[error("{} has no certificate in PEM", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key that can be used.
    #[error("{} has no private key in PEM without a password", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key cannot be used, or not together.
    #[error("the certificate {} cannot be used with the key {}", certificate.display(), key.display())]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
}

impl Hint for TlsError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "let the user that runs the server read it"
            }
            Self::Read { .. } => "check the paths that `tls-cert` and `tls-key` give",
            Self::NoCertificate { .. } => {
                "`tls-cert` is a file with the server's certificate and, after it, those of its issuers"
            }
            Self::NoKey { .. } => "`tls-key` is a file with the certificate's private key",
            Self::Unusable { .. } => "give the key with which the certificate was requested",
        };
        Some(hint.to_owned())
    }
}

/// A certificate with its key, as they are in two files.
#[derive(Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Clone)]
struct Loaded {
    /// Of both files.
    sha256: Sha256Digest,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads a certificate, with those of its issuers behind it, and its key, both PEM. Waits for the disk.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or has not what it should have, and when the key is that of another certificate.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = Files::read(&certificate, &key)?;
        let loaded = Mutex::new(Loaded {
            sha256: files.sha256(),
            config: files.config(&certificate, &key)?,
        });
        Ok(Self {
            certificate,
            key,
            loaded,
        })
    }

    /// Reads the files again. Gives whether they were others; connections from now on have what is in them. After an error
    /// they have what they had. Waits for the disk.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let files = Files::read(&self.certificate, &self.key)?;
        let sha256 = files.sha256();
        if self.loaded().sha256 == sha256 {
            return Ok(false);
        }
        let config = files.config(&self.certificate, &self.key)?;
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = Loaded { sha256, config };
        Ok(true)
    }

    /// What takes the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.loaded().config)
    }

    fn loaded(&self) -> Loaded {
        let loaded = self.loaded.lock();
        loaded.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is in the two files.
struct Files {
    certificate: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| TlsError::Read {
                path: path.to_owned(),
                source,
            })
        };
        Ok(Self {
            certificate: read(certificate)?,
            key: read(key)?.into(),
        })
    }

    fn sha256(&self) -> Sha256Digest {
        let lengthened = Sha256::new()
            .chain_update(self.certificate.len().to_le_bytes())
            .chain_update(&self.certificate);
        Sha256Digest::from_bytes(lengthened.chain_update(&self.key).finalize().into())
    }

    fn config(&self, certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .unwrap_or_default();
        if chain.is_empty() {
            return Err(TlsError::NoCertificate {
                path: certificate.to_owned(),
            });
        }
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey {
            path: key.to_owned(),
        })?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            // TLS 1.2 and 1.3.
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(chain, private)
            });
        let mut config = config.map_err(|source| TlsError::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source,
        })?;
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
        Ok(Arc::new(config))
    }
}
