//! The server's certificate: from files, or from an authority that issues it by ACME.

use std::{fs, path::Path, sync::Arc};

use tarn_core::{
    OpenError,
    certificates::{AcmeSettings, Certificates, ServerCertificate},
};
use tarn_http::Tls;
use tarn_net::Authority;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{failure::Failure, settings::Acme, signals::dropped};

/// The certificate and the key of these files.
pub(crate) fn of_files(certificate: &Path, key: &Path) -> Result<Arc<Tls>, Failure> {
    let loaded = Tls::load(certificate.to_owned(), key.to_owned())?;
    Ok(Arc::new(loaded))
}

/// How an authority issues the certificate. Sends no request yet.
pub(crate) fn acme(settings: &Acme) -> Result<AcmeSettings, Failure> {
    let more = settings.ca.as_ref().map(|path| {
        fs::read(path).map_err(|error| {
            Failure::usage(format!(
                "cannot read the certificates in {}",
                path.display()
            ))
            .because(&error)
            .hint("check `acme-ca`")
        })
    });
    let more = more.transpose()?;
    let authority =
        Authority::new(settings.directory.clone(), more.as_deref()).map_err(|error| {
            Failure::usage("cannot reach the authority")
            .because(&error)
            .hint("`acme-ca` has to hold certificates that begin with -----BEGIN CERTIFICATE-----")
        })?;
    Ok(AcmeSettings {
        authority,
        names: settings.names.clone(),
        email: settings.email.clone(),
    })
}

/// What gives connections the certificate that an authority issues.
pub(crate) fn issued(certificates: &Certificates) -> Result<Arc<Tls>, Failure> {
    Ok(Arc::new(Tls::issued(certificates.clone())?))
}

/// Has connections get what an authority issued, from now on, and has it renewed until the sender is dropped.
pub(crate) async fn keep(
    tls: Arc<Tls>,
    certificates: &Certificates,
) -> Result<(oneshot::Sender<()>, JoinHandle<()>), Failure> {
    let present = move |new: &ServerCertificate| tls.present(new).map_err(Into::into);
    let mut keeper = certificates.keeper(present);
    keeper.look().await.map_err(OpenError::from)?;
    let (stop, stopped) = oneshot::channel::<()>();
    Ok((stop, tokio::spawn(keeper.run(dropped(stopped)))))
}
