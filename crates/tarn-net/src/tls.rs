//! Whom the clients trust over TLS, and what was wrong where they don't.

use std::{io, sync::Arc};

use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, RootCertStore, crypto::aws_lc_rs,
    pki_types::CertificateDer,
};

/// What a client says over TLS that trusts these authorities, and how many of them could be read.
///
/// # Errors
///
/// When the library has no version of TLS in common with its own provider.
pub(crate) fn config(
    authorities: Vec<CertificateDer<'static>>,
) -> Result<(ClientConfig, usize), rustls::Error> {
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(authorities);
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((config, taken))
}

/// What was wrong, in words of our own: those of the library name what a certificate is for, which may be hosts of a network
/// that a webhook's owner can't see, in names as many and as long as the receiver likes.
pub(crate) fn problem(error: &io::Error) -> &'static str {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(error) => problem_of(error),
        None => "the connection broke off",
    }
}

/// The same of an error of the library itself.
pub(crate) fn problem_of(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "its certificate is for other names"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            CertificateError::UnknownIssuer => {
                "its certificate is of an authority that this machine does not know"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            _ if is_of_authority(error) => {
                "its certificate is that of an authority, not of a server"
            }
            _ => "its certificate is not accepted",
        },
        rustls::Error::AlertReceived(_) => "it refused",
        _ => "what it said was no TLS that Tarn speaks",
    }
}

/// Whether a server was refused because it shows the certificate of an authority as its own. The library has no word of its own for that.
pub(crate) fn is_of_authority(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::Other(other))
        if format!("{other:?}").contains("CaUsedAsEndEntity"))
}
