//! Certificates from an authority that speaks ACME (RFC 8555).
//!
//! The authority connects to each name on port 443 and asks there, by TLS-ALPN-01 (RFC 8737), for a certificate that holds a digest.
//! So an order has two halves: [`Authority::begin`] says which digest each name has to show, and [`Begun::finish`] asks the
//! authority to look, once every server shows them.

use std::{fmt::Write as _, future::Future, pin::Pin, time::Duration};

use bytes::Bytes;
use der::{
    Decode as _, Reader as _, SliceReader, Tag, Tagged as _,
    asn1::{AnyRef, GeneralizedTime, UtcTime},
};
use http_body_util::BodyExt as _;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType,
    Error, HttpClient, Identifier, NewAccount, NewOrder, Order, OrderStatus, Problem, RetryPolicy,
};
use tarn_base::{
    clock::Timestamp,
    hint::{Hint, with_causes},
    secret::Secret,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};
use url::Url;

use super::{Remote, RemoteError};

/// The largest answer of an authority that is read, in bytes. A chain of certificates has some 4 KiB.
const MAX_ANSWER: u64 = 1 << 20;

/// How long the authority may take for each half of [`Begun::finish`].
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AcmeError {
    /// The authority was not reached, or the answer was not ACME.
    #[error("cannot reach the authority: {0}")]
    Asking(String),
    /// It refuses the account or the order.
    #[error("the authority refused: {0}")]
    Refused(String),
    /// It does not know the account.
    #[error(
        "the authority does not know this server's account; the next attempt registers a new one"
    )]
    NoAccount,
    /// It looked at the names and did not find what it asked for.
    #[error("the authority did not reach this server at {0}")]
    NotFound(String),
    /// It does not take proofs that this server can give.
    #[error("the authority does not take proofs by TLS-ALPN-01 of {0}")]
    NoChallenge(String),
    /// It took too long.
    #[error("the authority did not finish within {} seconds", PATIENCE.as_secs())]
    Slow,
    /// What it issued is not a certificate.
    #[error("the authority issued something that is not a certificate")]
    NoCertificate,
    /// The account's credentials cannot be read or written.
    #[error("the account at the authority cannot be used: {0}")]
    Account(String),
}

impl Hint for AcmeError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Asking(_) => {
                "check `acme-directory`, and that the server may connect to it; name a private authority's certificate with `acme-ca`"
            }
            Self::NotFound(_) => {
                "the name must resolve to this server, and its port 443 must reach the port that this server listens on, with no proxy between that speaks TLS"
            }
            Self::NoChallenge(_) => "use an authority that does, or `tls-cert` and `tls-key`",
            Self::Refused(_) => "check `acme-domain` and `acme-email`",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<Error> for AcmeError {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(problem) if is_of_account(&problem) => Self::NoAccount,
            Error::Api(problem) => Self::Refused(text_of(&problem)),
            Error::Timeout(_) => Self::Slow,
            Error::Json(_) => Self::Asking("what answers there does not speak ACME".to_owned()),
            Error::Other(error) => Self::Asking(with_causes(&*error)),
            error => Self::Asking(error.to_string()),
        }
    }
}

/// RFC 8555, section 6.7.
fn is_of_account(problem: &Problem) -> bool {
    let kind = problem.r#type.as_deref();
    kind == Some("urn:ietf:params:acme:error:accountDoesNotExist")
}

fn text_of(problem: &Problem) -> String {
    let text = problem.detail.as_ref().or(problem.r#type.as_ref());
    let mut text = text.map_or_else(|| "it does not say why".to_owned(), Clone::clone);
    for part in &problem.subproblems {
        let _ = write!(text, "; {part}");
    }
    text
}

/// A certificate authority.
#[derive(Debug, Clone)]
pub struct Authority {
    remote: Remote,
    directory: Url,
}

impl Authority {
    /// The authority with that directory. Its TLS certificate is verified against the system's authorities and those in `more`
    /// (PEM).
    ///
    /// # Errors
    ///
    /// When `more` has no certificate.
    pub fn new(directory: Url, more: Option<&[u8]>) -> Result<Self, RemoteError> {
        let more: Vec<_> = more.into_iter().map(<[u8]>::to_vec).collect();
        let remote = Remote::new(&more)?;
        Ok(Self { remote, directory })
    }

    /// The URL of its directory.
    pub fn directory(&self) -> &str {
        self.directory.as_str()
    }

    /// Makes an account, and with it agrees to the terms of the authority. Gives its credentials as text.
    ///
    /// # Errors
    ///
    /// When the authority can't be asked or refuses.
    pub async fn register(&self, email: Option<&str>) -> Result<Secret, AcmeError> {
        let contact = email.map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.as_deref().into_iter().collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let http = Box::new(self.remote.clone());
        let (_, credentials) = Account::builder_with_http(http)
            .create(&new, self.directory.to_string(), None)
            .await?;
        serde_json::to_string(&credentials)
            .map(Secret::new)
            .map_err(|error| AcmeError::Account(error.to_string()))
    }

    /// Orders a certificate for `names` with what [`Authority::register`] gave.
    ///
    /// # Errors
    ///
    /// When the authority can't be asked or refuses, or when the credentials are none.
    pub async fn begin(&self, credentials: &Secret, names: &[String]) -> Result<Begun, AcmeError> {
        let credentials: AccountCredentials = serde_json::from_str(credentials.expose())
            .map_err(|error| AcmeError::Account(error.to_string()))?;
        let account = Account::builder_with_http(Box::new(self.remote.clone()))
            .from_credentials(credentials)
            .await?;
        let identifiers: Vec<_> = names.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
        let mut proofs = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            // One that was proven lately need not be again.
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let challenge = authorization
                .challenge(ChallengeType::TlsAlpn01)
                .ok_or_else(|| AcmeError::NoChallenge(name.clone()))?;
            let digest = challenge.key_authorization().digest();
            let digest = digest
                .as_ref()
                .try_into()
                .map_err(|_| AcmeError::NoChallenge(name.clone()))?;
            proofs.push(Proof { name, digest });
        }
        Ok(Begun { order, proofs })
    }
}

/// What a name has to show to the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The name.
    pub name: String,
    /// The SHA-256 of the key authorization, for the certificate that answers (RFC 8737, section 3).
    pub digest: [u8; 32],
}

/// An order under way.
pub struct Begun {
    order: Order,
    proofs: Vec<Proof>,
}

/// A certificate that was issued.
#[derive(Debug)]
pub struct Issued {
    /// The certificate and those of its issuers, in PEM.
    pub chain: String,
    /// Its private key, in PEM: ECDSA on P-256, made for it.
    pub private_key: Secret,
    /// From when on it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl Begun {
    /// What each name has to show before [`Begun::finish`].
    pub fn proofs(&self) -> &[Proof] {
        &self.proofs
    }

    /// Has the authority look at the names and issue the certificate.
    ///
    /// # Errors
    ///
    /// When it does not find the proofs, refuses, takes too long or can't be asked.
    pub async fn finish(mut self) -> Result<Issued, AcmeError> {
        let mut authorizations = self.order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status != AuthorizationStatus::Valid
                && let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01)
            {
                challenge.set_ready().await?;
            }
        }
        let patience = RetryPolicy::new().timeout(PATIENCE);
        match self.order.poll_ready(&patience).await {
            Ok(OrderStatus::Ready) => {}
            Ok(_) => return Err(self.why_not(None).await),
            Err(error) => return Err(self.why_not(Some(error)).await),
        }
        let private_key = Secret::new(self.order.finalize().await?);
        let chain = self.order.poll_certificate(&patience).await?;
        let (not_before, not_after) = validity(&chain).ok_or(AcmeError::NoCertificate)?;
        Ok(Issued {
            chain,
            private_key,
            not_before,
            not_after,
        })
    }

    /// What the authority says of each name that it did not find. The order itself only says that it is invalid.
    async fn why_not(&mut self, error: Option<Error>) -> AcmeError {
        let mut problems = String::new();
        let mut authorizations = self.order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            if authorization.refresh().await.is_err() {
                continue;
            }
            for problem in authorization
                .challenges
                .iter()
                .filter_map(|challenge| challenge.error.as_ref())
            {
                let separator = if problems.is_empty() { "" } else { "; " };
                let name = authorization.identifier();
                let _ = write!(problems, "{separator}{name}: {}", text_of(problem));
            }
        }
        match error {
            _ if !problems.is_empty() => AcmeError::NotFound(problems),
            Some(error) => error.into(),
            None => AcmeError::Refused("it declared the order invalid".to_owned()),
        }
    }
}

/// From when until when the first certificate of a chain in PEM is valid.
fn validity(chain: &str) -> Option<(Timestamp, Timestamp)> {
    let first = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    let (not_before, not_after) = validity_of(&first).ok()?;
    let seconds = |time: Duration| i64::try_from(time.as_secs()).ok();
    Some((
        Timestamp::from_seconds(seconds(not_before)?),
        Timestamp::from_seconds(seconds(not_after)?),
    ))
}

/// The same of a certificate in DER, since 1970 (RFC 5280, section 4.1).
fn validity_of(certificate: &[u8]) -> der::Result<(Duration, Duration)> {
    SliceReader::new(certificate)?.sequence(|certificate| {
        let validity = certificate.sequence(|signed| {
            // The version, which may be left out, and the serial number.
            if AnyRef::decode(signed)?.tag() != Tag::Integer {
                AnyRef::decode(signed)?;
            }
            // The algorithm of the signature, and the issuer.
            AnyRef::decode(signed)?;
            AnyRef::decode(signed)?;
            let validity =
                signed.sequence(|times| Ok::<_, der::Error>((time(times)?, time(times)?)))?;
            skip_rest(signed)?;
            Ok::<_, der::Error>(validity)
        })?;
        skip_rest(certificate)?;
        Ok(validity)
    })
}

fn time(reader: &mut SliceReader<'_>) -> der::Result<Duration> {
    Ok(match Tag::peek(reader)? {
        Tag::UtcTime => UtcTime::decode(reader)?.to_unix_duration(),
        _ => GeneralizedTime::decode(reader)?.to_unix_duration(),
    })
}

fn skip_rest(reader: &mut SliceReader<'_>) -> der::Result<()> {
    while !reader.is_finished() {
        AnyRef::decode(reader)?;
    }
    Ok(())
}

impl HttpClient for Remote {
    fn request(
        &self,
        request: http::Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let remote = self.clone();
        Box::pin(async move {
            let other = |error: RemoteError| Error::Other(Box::new(error));
            let (head, body) = request.into_parts();
            let Ok(collected) = body.collect().await;
            let url =
                Url::parse(&head.uri.to_string()).map_err(|error| Error::Other(Box::new(error)))?;
            let mut answer = remote
                .send(head.method, &url, head.headers, collected.to_bytes())
                .await
                .map_err(other)?;
            let (mut parts, ()) = http::Response::new(()).into_parts();
            parts.status = answer.status();
            parts.headers = answer.headers().clone();
            let body = answer.bytes(MAX_ANSWER).await.map_err(other)?;
            let body = body.ok_or(Error::Str("an answer within 1 MiB"))?;
            Ok(BytesResponse {
                parts,
                body: Box::new(Bytes::from(body)),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the end-to-end tests: from 29 November 2026 on, for 36,500 days.
    const CHAIN: &str = include_str!("../../tarn/tests/e2e/certificates/first.pem");

    #[test]
    fn the_validity_of_a_chain_is_that_of_its_first_certificate() {
        let (from, until) = validity(CHAIN).unwrap();
        assert_eq!(until.since(from).as_secs(), 36_500 * 86_400);
        assert_eq!(validity("no certificate"), None);
        let mut bytes = CertificateDer::from_pem_slice(CHAIN.as_bytes())
            .unwrap()
            .to_vec();
        bytes.truncate(100);
        assert!(validity_of(&bytes).is_err());
    }

    #[test]
    fn what_an_authority_says_of_a_name_is_passed_on() {
        let problem: Problem = serde_json::from_str(
            r#"{"type":"urn:ietf:params:acme:error:malformed","detail":"no such name","status":400}"#,
        )
        .unwrap();
        let error = AcmeError::from(Error::Api(problem));
        assert_eq!(error.to_string(), "the authority refused: no such name");
        assert!(error.hint().unwrap().contains("`acme-domain`"));
        let problem: Problem =
            serde_json::from_str(r#"{"type":"urn:ietf:params:acme:error:accountDoesNotExist"}"#)
                .unwrap();
        let error = AcmeError::from(Error::Api(problem));
        assert!(matches!(error, AcmeError::NoAccount));
    }
}
