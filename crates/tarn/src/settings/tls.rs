//! Where the server's certificate comes from: files, an authority that issues it by ACME, or nowhere.

use std::path::PathBuf;

use url::Url;

use super::{Layers, Source, table, table::Setting, values};
use crate::failure::Failure;

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub(crate) enum TlsFrom {
    /// Two files.
    Files {
        /// The certificate and those of its issuers.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// An authority.
    Authority(Acme),
}

/// How an authority issues the certificate.
#[derive(Debug, Clone)]
pub(crate) struct Acme {
    /// For which names, at least one.
    pub(crate) names: Vec<String>,
    /// The address of the account, where it is set.
    pub(crate) email: Option<String>,
    /// The directory of the authority.
    pub(crate) directory: Url,
    /// Further certificates that are trusted when it is asked.
    pub(crate) ca: Option<PathBuf>,
}

impl Layers {
    /// Where the certificate comes from; `None` where no TLS is spoken.
    pub(super) fn tls(&mut self) -> Result<Option<TlsFrom>, Failure> {
        let files = (
            self.path_or_none(&table::TLS_CERT)?,
            self.path_or_none(&table::TLS_KEY)?,
        );
        let names = self.parsed(&table::ACME_DOMAIN, values::names)?;
        if names.is_none() {
            let none = "none".to_owned();
            self.note(&table::ACME_DOMAIN, none, Source::Default);
        }
        let email = self.parsed(&table::ACME_EMAIL, values::email)?;
        if email.is_none() {
            self.note(&table::ACME_EMAIL, "none".to_owned(), Source::Default);
        }
        let own_directory = self.given(&table::ACME_DIRECTORY)?.is_some();
        let directory = self.required(&table::ACME_DIRECTORY, values::directory)?;
        let ca = self.path_or_none(&table::ACME_CA)?;
        match (files, names) {
            ((None, None), None) => {
                let without = [
                    ("acme-email", email.is_some()),
                    ("acme-directory", own_directory),
                    ("acme-ca", ca.is_some()),
                ];
                match without.iter().find(|(_, is_set)| *is_set) {
                    None => Ok(None),
                    Some((name, _)) => Err(Failure::usage(format!(
                        "`{name}` is set without `acme-domain`"
                    ))
                    .hint("name the server with `acme-domain`, or leave it out")),
                }
            }
            ((None, None), Some(names)) => Ok(Some(TlsFrom::Authority(Acme {
                names,
                email,
                directory,
                ca,
            }))),
            (_, Some(_)) => Err(Failure::usage(
                "`acme-domain` is set together with `tls-cert` or `tls-key`: the certificate comes from an authority or from files",
            )
            .hint("leave `acme-domain` out, or `tls-cert` and `tls-key`")),
            ((Some(certificate), Some(key)), None) => Ok(Some(TlsFrom::Files { certificate, key })),
            _ => Err(
                Failure::usage("one of `tls-cert` and `tls-key` is set without the other")
                    .hint("set both, or neither"),
            ),
        }
    }

    fn path_or_none(&mut self, setting: &'static Setting) -> Result<Option<PathBuf>, Failure> {
        let path = self.path_of(setting)?;
        if path.is_none() {
            self.note(setting, "none".to_owned(), Source::Default);
        }
        Ok(path)
    }

    /// The URL of the server where none is set: the first name of its certificate, or the address it listens on.
    pub(super) fn usual_url(&self, listen: std::net::SocketAddr) -> Result<String, Failure> {
        if let Some((names, _)) = self.given(&table::ACME_DOMAIN)? {
            let first = names.split(',').next().unwrap_or_default().trim();
            return Ok(format!("https://{}", first.to_ascii_lowercase()));
        }
        let scheme = match self.given(&table::TLS_CERT)? {
            Some(_) => "https",
            None => "http",
        };
        Ok(format!("{scheme}://{listen}"))
    }
}
