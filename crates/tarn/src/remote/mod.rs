//! What the commands have in common that talk to a server: who asks, whom they trust, what an answer means.

pub(crate) mod credentials;
mod netrc;
pub(crate) mod place;
pub(crate) mod retry;

use std::{fs, path::PathBuf};

use http::{HeaderName, StatusCode, header::LOCATION};
use tarn_net::{Answer, Remote, RemoteError};

use crate::failure::Failure;

/// The header in which Tarn names the kind of a refusal.
pub(crate) static ERROR_CODE: HeaderName = HeaderName::from_static("x-tarn-error");

/// The longest text of a refusal that is shown, in bytes.
const MAX_TEXT: u64 = 4 << 10;

/// The flags of every command that asks a server.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectArguments {
    /// A file with a token, for a server that asks for credentials. A user and password in the URL and TARN_TOKEN take precedence
    /// over it; it takes precedence over ~/.netrc
    #[arg(
        long,
        value_name = "FILE",
        env = "TARN_TOKEN_FILE",
        hide_env_values = true
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// A file with certificates (PEM) of authorities to trust besides those of the operating system
    #[arg(
        long,
        value_name = "FILE",
        env = "TARN_CA_FILE",
        hide_env_values = true
    )]
    ca_file: Option<PathBuf>,
}

impl ConnectArguments {
    /// The client that asks.
    pub(crate) fn remote(&self) -> Result<Remote, Failure> {
        let more = match &self.ca_file {
            None => Vec::new(),
            Some(path) => vec![fs::read(path).map_err(|error| {
                Failure::usage(format!(
                    "cannot read the certificates in {}",
                    path.display()
                ))
                .because(&error)
                .hint("check `--ca-file`")
            })?],
        };
        Remote::new(&more).map_err(|error| match &self.ca_file {
            Some(path) if matches!(error, RemoteError::NoCertificates) => {
                Failure::usage(format!("cannot use {}", path.display()))
                    .because(&error)
                    .hint("it has to hold certificates that begin with -----BEGIN CERTIFICATE-----")
            }
            _ => Failure::from_error(&error),
        })
    }
}

/// Why there was no answer, and what to do about it.
pub(crate) fn unanswered(error: &RemoteError) -> Failure {
    let failure = Failure::from_error(error);
    match error {
        RemoteError::Tls { .. } if error.is_of_authority() => failure.hint(
            "give the server a certificate that is not an authority's: openssl req -x509 … -addext basicConstraints=critical,CA:FALSE; \
             `--ca-file` then takes it as it takes that of an authority",
        ),
        RemoteError::NotTls { .. } => failure.hint("if it answers plain HTTP, write http:// in front of the host"),
        RemoteError::NotHttp { .. } => failure.hint("if it answers over TLS, write https:// in place of http://"),
        RemoteError::Tls { .. } => failure.hint(
            "check the host name; trust the authority of a network of your own with `--ca-file`",
        ),
        RemoteError::Connect { .. } => {
            failure.hint("check the URL, and whether the server is running")
        }
        _ => failure,
    }
}

/// The text of an answer that is no success: the line that the server wrote, or what its status stands for.
pub(crate) async fn text_of(answer: &mut Answer) -> String {
    let status = answer.status();
    let text = match answer.bytes(MAX_TEXT).await {
        Ok(Some(text)) => String::from_utf8_lossy(&text).trim().to_owned(),
        _ => String::new(),
    };
    // What a proxy writes is a page.
    if text.is_empty() || text.starts_with('<') {
        return format!("the server answered {status}");
    }
    text
}

/// What an answer means that says that the caller, not the package, is wrong.
pub(crate) async fn refused_caller(answer: &mut Answer, had_credentials: bool) -> Failure {
    let status = answer.status();
    let code = answer.header(&ERROR_CODE).map(str::to_owned);
    let location = answer.header(&LOCATION).map(str::to_owned);
    let text = text_of(answer).await;
    let failure = Failure::new(text);
    match status {
        StatusCode::UNAUTHORIZED if had_credentials => failure.hint(match code.as_deref() {
            Some("token_scope_missing") => "make a token with the scope that this needs: tarn token add --user NAME --scope SCOPE",
            Some("token_expired") => "make another token: tarn token add --user NAME",
            _ => "check that it is the whole token, and that it was not revoked: tarn token list --user NAME",
        }),
        StatusCode::UNAUTHORIZED => failure.hint(
            "give a token in the variable TARN_TOKEN or with `--token-file`, or put the host into ~/.netrc",
        ),
        status if status.is_redirection() => match location {
            Some(location) => failure.hint(format!("the server says that it is at {location}: use that URL")),
            None => failure,
        },
        StatusCode::NOT_FOUND => failure.hint("check the URL: https://HOST/OWNER/BRANCH/REPOSITORY"),
        StatusCode::PAYLOAD_TOO_LARGE => failure.hint(
            "where a proxy stands before the server, let it pass bodies of any size: client_max_body_size 0 in nginx",
        ),
        _ => failure,
    }
}
