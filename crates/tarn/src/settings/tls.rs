//! Where the server's certificate comes from: files, an authority that issues it by ACME, or nowhere.

use std::path::PathBuf;

use url::Url;

use super::{Layers, table, values};
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
    /// Where the certificate comes from; `None` where no TLS is spoken, or where the settings contradict each other.
    pub(super) fn tls(&mut self) -> Result<Option<TlsFrom>, Failure> {
        let files = (
            self.path_of(&table::TLS_CERT, "none"),
            self.path_of(&table::TLS_KEY, "none"),
        );
        let names = self.optional(&table::ACME_DOMAIN, values::names, "none");
        let email = self.optional(&table::ACME_EMAIL, values::email, "none");
        let own_directory = matches!(self.given(&table::ACME_DIRECTORY), Ok(Some(_)));
        let directory = self.required(&table::ACME_DIRECTORY, values::directory)?;
        let ca = self.path_of(&table::ACME_CA, "none");
        let (tls, contradiction) = match (files, names) {
            ((None, None), None) => {
                let without = [
                    ("acme-email", email.is_some()),
                    ("acme-directory", own_directory),
                    ("acme-ca", ca.is_some()),
                ];
                let unused = without.iter().find(|(_, is_set)| *is_set);
                let contradiction = unused.map(|(name, _)| {
                    Failure::usage(format!("`{name}` is set without `acme-domain`"))
                        .hint("name the server with `acme-domain`, or leave it out")
                });
                (None, contradiction)
            }
            ((None, None), Some(names)) => {
                let acme = Acme {
                    names,
                    email,
                    directory,
                    ca,
                };
                (Some(TlsFrom::Authority(acme)), None)
            }
            (_, Some(_)) => {
                let contradiction = Failure::usage(
                    "`acme-domain` is set together with `tls-cert` or `tls-key`: the certificate comes from an authority or from files",
                );
                let hint = "leave `acme-domain` out, or `tls-cert` and `tls-key`";
                (None, Some(contradiction.hint(hint)))
            }
            ((Some(certificate), Some(key)), None) => {
                (Some(TlsFrom::Files { certificate, key }), None)
            }
            _ => {
                let contradiction =
                    Failure::usage("one of `tls-cert` and `tls-key` is set without the other");
                (None, Some(contradiction.hint("set both, or neither")))
            }
        };
        self.contradictions.extend(contradiction);
        Ok(tls)
    }

    /// The URL of the server where none is set: the first name of its certificate, or the address it listens on.
    pub(super) fn usual_url(&self, listen: std::net::SocketAddr) -> String {
        if let Ok(Some((names, _))) = self.given(&table::ACME_DOMAIN) {
            let first = names.split(',').next().unwrap_or_default().trim();
            return format!("https://{}", first.to_ascii_lowercase());
        }
        let scheme = match self.given(&table::TLS_CERT) {
            Ok(Some(_)) => "https",
            _ => "http",
        };
        format!("{scheme}://{listen}")
    }
}
