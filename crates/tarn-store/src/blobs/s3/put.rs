//! One request for one blob, whatever its size.
//!
//! The URL is signed for a PUT with the header `x-amz-checksum-sha256`, so the store compares what it receives with the hash
//! before it keeps anything, and the body is streamed from the temporary file: neither is possible with the library's own put,
//! which has the whole body in memory. A request that is cut off leaves nothing, unlike an upload in parts.

use std::{
    fs::File,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use apk::digest::Sha256Digest;
use futures_util::TryStreamExt as _;
use object_store::{
    path::Path,
    signer::{HeaderName, HeaderValue, Method, SignedUrlOptions, Signer as _},
};
use reqwest::header::CONTENT_LENGTH;
use tokio::time::{Instant, sleep};

use super::{
    super::{
        body::{Body, FilePart},
        file::OpenFile,
    },
    S3, S3Error,
};

/// The most bytes that a store takes in one request.
const LARGEST: u64 = 5 << 30;

/// For how long the signature is good: the request has to have begun by then.
const SIGNED_FOR: Duration = Duration::from_secs(15 * 60);

/// The pause before the second attempt; it doubles.
const BACKOFF: Duration = Duration::from_millis(100);

const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");

impl S3 {
    /// Has the store keep `size` bytes of `file`, which have that hash. It has them durably once this has returned.
    pub(super) async fn put_file(
        &self,
        path: &Path,
        file: Arc<File>,
        size: u64,
        sha256: &Sha256Digest,
    ) -> Result<(), S3Error> {
        if size > LARGEST {
            return Err(S3Error::TooLarge(size));
        }
        let mut backoff = BACKOFF;
        let mut retries = self.settings.limits.retries;
        loop {
            match self.try_to_put(path, Arc::clone(&file), size, sha256).await {
                Err(Attempt {
                    error,
                    is_passing: true,
                }) if retries > 0 => {
                    tracing::warn!(%error, "the S3 store did not take a blob; trying again");
                }
                done => return done.map_err(|attempt| attempt.error),
            }
            retries -= 1;
            sleep(backoff).await;
            backoff *= 2;
        }
    }

    async fn try_to_put(
        &self,
        path: &Path,
        file: Arc<File>,
        size: u64,
        sha256: &Sha256Digest,
    ) -> Result<(), Attempt> {
        let checksum = HeaderValue::try_from(base64(sha256))
            .map_err(|error| S3Error::Answer(error.to_string()))?;
        let signed = SignedUrlOptions::new().with_signed_header(CHECKSUM, checksum.clone());
        let url = self
            .store
            .signed_url_opts(Method::PUT, path, SIGNED_FOR, &signed)
            .await
            .map_err(|error| S3Error::from_library(&error, self.settings.limits.stall))?;
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        let file = OpenFile::of(file, size);
        let body = Body::File(FilePart::new(file, &(0..size))).inspect_ok(move |piece| {
            counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
        });
        let request = self
            .uploads
            .put(url.as_str())
            .header(CHECKSUM, checksum)
            .header(CONTENT_LENGTH, size)
            .body(reqwest::Body::wrap_stream(body))
            .send();
        let answered = async {
            let answer = request.await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.text().await?))
        };
        let (status, document) = tokio::select! {
            answered = answered => answered.map_err(|error| S3Error::from_request(&error))?,
            waited = self.stalled(size, &sent) => return Err(S3Error::Stalled(waited).into()),
        };
        if status.is_success() {
            return Ok(());
        }
        Err(Attempt {
            is_passing: status.is_server_error() || matches!(status.as_u16(), 408 | 429),
            error: S3Error::from_answer(status.as_str(), &document),
        })
    }

    /// Ends when nothing more is sent for too long, or no answer comes after the last byte. Gives for how long.
    async fn stalled(&self, size: u64, sent: &AtomicU64) -> Duration {
        let limits = &self.settings.limits;
        let (mut before, mut since) = (0, Instant::now());
        loop {
            sleep(limits.stall / 8).await;
            let now = sent.load(Ordering::Relaxed);
            if now != before {
                (before, since) = (now, Instant::now());
            }
            let patience = if now < size {
                limits.stall
            } else {
                limits.answer
            };
            if since.elapsed() >= patience {
                return patience;
            }
        }
    }
}

/// Why one attempt failed.
struct Attempt {
    error: S3Error,
    /// Whether the next one may succeed.
    is_passing: bool,
}

impl From<S3Error> for Attempt {
    fn from(error: S3Error) -> Self {
        Self {
            is_passing: error.is_passing(),
            error,
        }
    }
}

/// As the header wants it.
fn base64(sha256: &Sha256Digest) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(sha256.as_bytes())
}
