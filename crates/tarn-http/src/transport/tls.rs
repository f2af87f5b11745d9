//! TLS: the certificate and its key from files, which are read again when they change, or from an authority (`challenge.rs`).

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use apk::digest::Sha256Digest;
use sha2::{Digest as _, Sha256};
use tarn_base::hint::Hint;
use tarn_core::certificates::{Certificates, ServerCertificate};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::{
    LazyConfigAcceptor, TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::Acceptor,
    },
    server::TlsStream,
};

use super::challenge;

/// The protocols that are offered, the preferred one first.
pub(super) const PROTOCOLS: &[&[u8]] = &[HTTP_2, b"http/1.1"];
pub(crate) const HTTP_2: &[u8] = b"h2";

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
    /// What an authority issued cannot be used.
    #[error("the certificate that was issued cannot be used")]
    Issued(#[source] Box<dyn std::error::Error + Send + Sync>),
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
            Self::Issued(_) => "check `acme-domain`",
            Self::Unusable { .. } => "give the key with which the certificate was requested",
        };
        Some(hint.to_owned())
    }
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Tls {
    origin: Origin,
    loaded: Mutex<Loaded>,
}

/// Where the certificate comes from.
#[derive(Debug)]
enum Origin {
    Files { certificate: PathBuf, key: PathBuf },
    Authority(Certificates),
}

#[derive(Debug, Clone)]
struct Loaded {
    /// Of both files; nothing where there are none.
    sha256: Option<Sha256Digest>,
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
            sha256: Some(files.sha256()),
            config: files.config(&certificate, &key)?,
        });
        Ok(Self {
            origin: Origin::Files { certificate, key },
            loaded,
        })
    }

    /// A certificate that an authority issues. Until [`Tls::present`] is called there is one that the server signed itself.
    ///
    /// # Errors
    ///
    /// When the names of the certificate are none.
    pub fn issued(certificates: Certificates) -> Result<Self, TlsError> {
        let config = challenge::until_issued(certificates.names());
        let config = config.map_err(|error| TlsError::Issued(error.into()))?;
        Ok(Self {
            origin: Origin::Authority(certificates),
            loaded: Mutex::new(Loaded {
                sha256: None,
                config,
            }),
        })
    }

    /// Has connections from now on get that certificate.
    ///
    /// # Errors
    ///
    /// When it cannot be used with its key. Connections get what they got before then.
    pub fn present(&self, issued: &ServerCertificate) -> Result<(), TlsError> {
        let unusable = |error: rustls::Error| TlsError::Issued(error.into());
        let unreadable = |error: rustls::pki_types::pem::Error| TlsError::Issued(error.into());
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let private = PrivateKeyDer::from_pem_slice(issued.private_key.expose().as_bytes());
        let private = private.map_err(unreadable)?;
        let config = config(chain, private, PROTOCOLS).map_err(unusable)?;
        self.replace(None, Arc::new(config));
        Ok(())
    }

    /// Reads the files again. Gives whether they were others; connections from now on have what is in them. After an error
    /// they have what they had. Waits for the disk.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let Origin::Files { certificate, key } = &self.origin else {
            return Ok(false);
        };
        let files = Files::read(certificate, key)?;
        let sha256 = Some(files.sha256());
        if self.loaded().sha256 == sha256 {
            return Ok(false);
        }
        self.replace(sha256, files.config(certificate, key)?);
        Ok(true)
    }

    /// Takes the next connection. `None` where it was an authority that looked for a proof: it has it, and wants nothing else.
    ///
    /// # Errors
    ///
    /// When the client does not finish the handshake, and when an authority asks for a name that nothing is ordered for.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<Option<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Origin::Authority(certificates) = &self.origin else {
            let acceptor = TlsAcceptor::from(self.loaded().config);
            return acceptor.accept(stream).await.map(Some);
        };
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = begun.client_hello();
        if !challenge::is_asked_for(&hello) {
            return begun.into_stream(self.loaded().config).await.map(Some);
        }
        let name = hello.server_name().map(str::to_owned);
        let config = challenge::answer(certificates, name.as_deref()).await?;
        begun.into_stream(config).await?.shutdown().await?;
        Ok(None)
    }

    fn loaded(&self) -> Loaded {
        let loaded = self.loaded.lock();
        loaded.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, sha256: Option<Sha256Digest>, config: Arc<ServerConfig>) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        *loaded = Loaded { sha256, config };
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
        let config = config(chain, private, PROTOCOLS).map_err(|source| TlsError::Unusable {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            source,
        })?;
        Ok(Arc::new(config))
    }
}

/// A server with that certificate and key, which offers those protocols over TLS 1.2 and 1.3.
pub(super) fn config(
    chain: Vec<CertificateDer<'static>>,
    private: PrivateKeyDer<'static>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, private)?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}
