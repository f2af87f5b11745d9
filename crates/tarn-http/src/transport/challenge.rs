//! Certificates that the server makes for itself: what shows an authority that it has a name (TLS-ALPN-01, RFC 8737), and one for as
//! long as it has none that an authority issued.

use std::{io, sync::Arc};

use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair};
use tokio_rustls::rustls::{
    self, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::ClientHello,
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::tls::config;
use tarn_core::certificates::Certificates;

/// The protocol by which an authority asks (RFC 8737, section 6.2).
const ACME_TLS_1: &[u8] = b"acme-tls/1";

/// Whether the client is an authority: it offers that protocol and no other.
pub(super) fn is_asked_for(hello: &ClientHello<'_>) -> bool {
    hello
        .alpn()
        .is_some_and(|mut protocols| protocols.all(|protocol| protocol == ACME_TLS_1))
}

/// What answers an authority that asks for `name`.
///
/// # Errors
///
/// When nothing is to be shown under that name now, or the database fails.
pub(super) async fn answer(
    certificates: &Certificates,
    name: Option<&str>,
) -> io::Result<Arc<ServerConfig>> {
    let unknown = || io::Error::other("no order of a certificate for that name is under way");
    let name = name.ok_or_else(unknown)?.to_ascii_lowercase();
    // Without a question to the database: anyone may ask for any name.
    if !certificates.names().contains(&name) {
        return Err(unknown());
    }
    let digest = certificates
        .challenge(&name)
        .await
        .map_err(io::Error::other)?;
    let digest = digest.ok_or_else(unknown)?;
    let mut params = CertificateParams::new([name]).map_err(io::Error::other)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let (chain, key) = signed_by_itself(&params).map_err(io::Error::other)?;
    let config = showing(chain, key).map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

/// A server with a certificate for an authority. TLS libraries refuse it like every one with a critical extension that they don't
/// know, so it is not read back.
fn showing(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let key = provider.key_provider.load_private_key(key)?;
    let only = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(only));
    config.alpn_protocols = vec![ACME_TLS_1.to_vec()];
    Ok(config)
}

/// A certificate that no client trusts, for a server that still waits for its first one: a health check that does not verify it is
/// answered, and a client that does is not fooled.
///
/// # Errors
///
/// When the names are none.
pub(super) fn until_issued(names: &[String]) -> io::Result<Arc<ServerConfig>> {
    let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
    let name = "Tarn: the certificate is still being ordered";
    params.distinguished_name.push(DnType::CommonName, name);
    let (chain, key) = signed_by_itself(&params).map_err(io::Error::other)?;
    let config = config(chain, key, super::tls::PROTOCOLS).map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

fn signed_by_itself(
    params: &CertificateParams,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let private = PrivatePkcs8KeyDer::from(key.serialize_der());
    Ok((vec![certificate.der().clone()], private.into()))
}
