//! Blobs in an S3 store.
//!
//! ```text
//! PREFIX/blobs/ab/cdef…   one object a blob, named as the files of the local store are
//! PREFIX/registry         the identifier of the registry whose packages these are
//! PREFIX/probe-…          written, read and deleted at each start
//! ```
//!
//! A put is one request whose SHA-256 the store verifies (`put.rs`), so an object that is there is whole, and one that was cut
//! off is not there. It is never conditional: some stores ignore `If-None-Match`. What is put twice is the same bytes.
//! Absent means that the store answered `NoSuchKey`, and nothing else: a bucket that is gone answers 404, too.

mod error;
mod objects;
mod probe;
mod put;
mod settings;
mod verified;

use std::{error::Error, io, ops::Range, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use object_store::{
    ClientOptions, GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt as _, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::{HttpClient, HttpConnector},
    path::Path,
    signer::{Method, SignedUrlOptions, Signer as _},
};
use url::Url;

use self::error::S3Error;
pub(super) use self::probe::PROBE;
pub use self::{
    objects::Objects,
    settings::{S3Credentials, S3Limits, S3Settings, S3UrlError},
};
use super::{BlobError, BlobKey, Body, Expected, Found, Incoming, Listed};

/// An S3 store.
#[derive(Debug)]
pub(super) struct S3 {
    settings: S3Settings,
    store: AmazonS3,
    /// The same, as clients reach it, for redirects.
    public: Option<AmazonS3>,
    /// For uploads, which have time-outs of their own.
    uploads: reqwest::Client,
}

/// Has the library use a client of our own, which takes nothing from the environment.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// A client without proxies and redirects.
fn client(
    limits: &S3Limits,
    read_timeout: Option<Duration>,
) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(limits.connect);
    match read_timeout {
        Some(timeout) => builder.read_timeout(timeout),
        None => builder,
    }
    .build()
}

impl S3 {
    /// The store of these settings. Nothing is asked.
    ///
    /// # Errors
    ///
    /// When the credentials are missing.
    pub(super) fn of(settings: &S3Settings) -> Result<Self, BlobError> {
        let failed = |source: S3Error| BlobError::Network {
            what: "use",
            object: settings.to_string(),
            source: source.into(),
        };
        let credentials = settings
            .credentials
            .as_ref()
            .ok_or_else(|| failed(S3Error::NoCredentials))?;
        let limits = &settings.limits;
        let answer = |error: reqwest::Error| failed(S3Error::Answer(error.to_string()));
        let reads = client(limits, Some(limits.stall)).map_err(answer)?;
        let library =
            |error: object_store::Error| failed(S3Error::from_library(&error, limits.stall));
        let build = |endpoint| build(settings, credentials, endpoint, &reads).map_err(library);
        let public = settings.public_endpoint.as_ref();
        Ok(Self {
            store: build(settings.endpoint.as_ref())?,
            public: public.map(|endpoint| build(Some(endpoint))).transpose()?,
            uploads: client(limits, None).map_err(answer)?,
            settings: settings.clone(),
        })
    }

    /// The name of a blob's object.
    fn path(&self, key: &BlobKey) -> Path {
        Path::from(self.settings.name(&format!("blobs/{}", key.path())))
    }

    fn shown(&self, path: &Path) -> String {
        format!("s3://{}/{path}", self.settings.bucket)
    }

    fn failed(&self, what: &'static str, path: &Path, source: S3Error) -> BlobError {
        BlobError::Network {
            what,
            object: self.shown(path),
            source: source.into(),
        }
    }

    fn failed_in_library(
        &self,
        what: &'static str,
        path: &Path,
        error: &(dyn Error + 'static),
    ) -> BlobError {
        let source = S3Error::from_library(error, self.settings.limits.stall);
        self.failed(what, path, source)
    }

    /// The answer of the store to a GET. `None` when there is no such object.
    async fn get(
        &self,
        path: &Path,
        range: Option<Range<u64>>,
    ) -> Result<Option<GetResult>, BlobError> {
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        match self.store.get_opts(path, options).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error::is_absent(&error) => Ok(None),
            Err(error) => Err(self.failed_in_library("read", path, &error)),
        }
    }

    pub(super) async fn open(
        &self,
        key: &BlobKey,
        size: u64,
        part: Range<u64>,
    ) -> Result<Option<Body>, BlobError> {
        let path = self.path(key);
        let is_whole = part == (0..size);
        let Some(answer) = self.get(&path, (!is_whole).then_some(part)).await? else {
            return Ok(None);
        };
        let pieces = self.pieces(answer, &path, size)?;
        Ok(Some(Body::Stream(match is_whole {
            true => verified::stream(pieces, *key, size),
            false => pieces,
        })))
    }

    /// What the store sends of an object, which should have that many bytes.
    fn pieces(
        &self,
        answer: GetResult,
        path: &Path,
        size: u64,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, BlobError> {
        let object = self.shown(path);
        if answer.meta.size != size {
            return Err(BlobError::Damaged {
                object,
                expected: size,
                found: Found::Bytes(answer.meta.size),
            });
        }
        let stall = self.settings.limits.stall;
        let pieces = answer.into_stream().map(move |piece| {
            piece.map_err(|error| {
                let source = S3Error::from_library(&error, stall);
                tracing::warn!(blob = object, error = %source, "a blob could not be read to its end");
                io::Error::other(source)
            })
        });
        Ok(pieces.boxed())
    }

    pub(super) async fn has(&self, key: &BlobKey, size: u64) -> Result<bool, BlobError> {
        // Not by a HEAD, whose 404 does not say what is missing.
        let answer = self.get(&self.path(key), None).await?;
        Ok(answer.is_some_and(|answer| answer.meta.size == size))
    }

    pub(super) async fn has_whole(&self, key: &BlobKey, size: u64) -> Result<bool, BlobError> {
        let body = match self.open(key, size, 0..size).await {
            Ok(body) => body,
            Err(BlobError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(mut body) = body else {
            return Ok(false);
        };
        while let Some(piece) = body.next().await {
            match piece {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return Ok(false),
                Err(error) => {
                    return Err(self.failed(
                        "read",
                        &self.path(key),
                        S3Error::Cut(error.to_string()),
                    ));
                }
            }
        }
        Ok(true)
    }

    pub(super) async fn put(
        &self,
        incoming: &mut Incoming,
        key: &BlobKey,
        expected: Expected,
    ) -> Result<bool, BlobError> {
        let size = incoming.size();
        if expected == Expected::There && self.has_whole(key, size).await? {
            return Ok(false);
        }
        let path = self.path(key);
        // Also when the store does not answer any more.
        incoming.is_brought = true;
        self.put_file(&path, Arc::clone(&incoming.file), size, &key.sha256)
            .await
            .map_err(|error| self.failed("write", &path, error))?;
        if expected == Expected::There {
            tracing::warn!(blob = %self.shown(&path), "a damaged or missing blob was replaced by an upload of the same bytes; check the store");
        }
        Ok(true)
    }

    pub(super) async fn remove(&self, keys: &[BlobKey]) -> Result<u64, BlobError> {
        let mut removed = 0;
        for key in keys {
            let path = self.path(key);
            match self.store.delete(&path).await {
                Ok(()) => removed += 1,
                Err(error) if error::is_absent(&error) => {}
                Err(error) => return Err(self.failed_in_library("delete", &path, &error)),
            }
        }
        Ok(removed)
    }

    pub(super) async fn any(&self) -> Result<bool, BlobError> {
        let path = Path::from(self.settings.name("blobs"));
        match self.store.list(Some(&path)).next().await {
            None => Ok(false),
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) => Err(self.failed_in_library("list", &path, &error)),
        }
    }

    pub(super) async fn list(&self, first_byte: u8) -> Result<Vec<Listed>, BlobError> {
        let path = Path::from(self.settings.name(&format!("blobs/{first_byte:02x}")));
        let mut found = self.store.list(Some(&path));
        let mut listed = Vec::new();
        while let Some(object) = found.next().await {
            let object = object.map_err(|error| self.failed_in_library("list", &path, &error))?;
            let name = object.location.filename().unwrap_or_default();
            if let Some(key) = BlobKey::parse(first_byte, name)
                && object.location == self.path(&key)
            {
                listed.push(Listed {
                    key,
                    size: object.size,
                    written_at: object.last_modified.into(),
                });
            }
        }
        Ok(listed)
    }

    pub(super) async fn redirect(
        &self,
        key: &BlobKey,
        file_name: &str,
    ) -> Result<Option<String>, BlobError> {
        let Some(public) = &self.public else {
            return Ok(None);
        };
        let path = self.path(key);
        let options = SignedUrlOptions::new().with_query([
            (
                "response-content-type",
                "application/octet-stream".to_owned(),
            ),
            (
                "response-content-disposition",
                format!("attachment; filename=\"{file_name}\""),
            ),
        ]);
        let lifetime = self.settings.limits.redirect;
        let url = public
            .signed_url_opts(Method::GET, &path, lifetime, &options)
            .await
            .map_err(|error| self.failed_in_library("sign a URL of", &path, &error))?;
        Ok(Some(url.into()))
    }
}

fn build(
    settings: &S3Settings,
    credentials: &S3Credentials,
    endpoint: Option<&Url>,
    client: &reqwest::Client,
) -> object_store::Result<AmazonS3> {
    let limits = &settings.limits;
    // Not from the environment: variables for other programs would win over the settings.
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.bucket)
        .with_region(&settings.region)
        .with_endpoint(settings.bucket_url(endpoint))
        .with_virtual_hosted_style_request(!settings.is_path_style)
        .with_allow_http(endpoint.is_some_and(|url| url.scheme() == "http"))
        .with_access_key_id(&credentials.access_key_id)
        .with_secret_access_key(credentials.secret_access_key.expose())
        // Not every store has the request that deletes many.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            max_retries: limits.retries,
            retry_timeout: limits.stall.saturating_mul(8),
            ..RetryConfig::default()
        })
        .with_http_connector(Connector(client.clone()));
    if let Some(token) = &credentials.session_token {
        builder = builder.with_token(token.expose());
    }
    builder.build()
}
