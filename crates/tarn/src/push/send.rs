//! One package on its way to the server.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream::try_unfold};
use http::{
    StatusCode,
    header::{CONTENT_LENGTH, ETAG},
};
use tarn_net::{Answer, Credentials, Remote};
use tokio::{fs::File, io::AsyncReadExt as _};
use url::Url;

use super::check::Checked;
use crate::{
    failure::Failure,
    progress::{Bar, Progress},
    remote::{
        ERROR_CODE,
        place::RepositoryPlace,
        refused_caller,
        retry::{Trouble, asked_pause, may_pass, persist},
        text_of,
    },
};

/// Bytes read and sent at a time.
const PIECE: usize = 128 << 10;

/// What became of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is there now; the server may have had a line to say about it.
    Published(Option<String>),
    /// The same bytes were there before.
    Unchanged,
}

/// Where to, as whom, how often.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    pub(crate) remote: &'a Remote,
    pub(crate) credentials: Option<&'a Credentials>,
    pub(crate) place: &'a RepositoryPlace,
    pub(crate) retries: u32,
    pub(crate) progress: &'a Progress,
    /// Set once it is clear that no package will be taken.
    pub(crate) hopeless: AtomicBool,
}

impl Sender<'_> {
    /// Publishes `package`, unless its bytes are there. `None`: not tried, because another one showed that it is hopeless.
    ///
    /// # Errors
    ///
    /// When it is refused, or could not be sent as often as may be tried.
    pub(crate) async fn send(&self, package: &Checked) -> Result<Option<Outcome>, Failure> {
        if self.hopeless.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let name = &package.file_name;
        let attempt = async || self.attempt(package).await;
        let note = |text: &str| self.progress.note(&format!("{name}: {text}"));
        match persist(self.retries, attempt, note).await {
            Ok(outcome) => Ok(Some(outcome)),
            Err(Trouble::Final(failure)) => Err(failure.about(name)),
            Err(Trouble::Fatal(failure) | Trouble::Passing(failure, _)) => {
                self.hopeless.store(true, Ordering::Relaxed);
                Err(failure.about(name))
            }
        }
    }

    async fn attempt(&self, package: &Checked) -> Result<Outcome, Trouble> {
        if self.is_there(package).await? {
            return Ok(Outcome::Unchanged);
        }
        let file = File::open(&package.path)
            .await
            .map_err(|error| Trouble::Final(Failure::new("cannot be read").because(&error)))?;
        let url = self.place.upload();
        let size = package.size;
        let bar = self.progress.begin(&package.file_name, size);
        let body = pieces(file, bar.clone());
        let answer = self.remote.put(&url, self.credentials, size, body).await;
        bar.end();
        let mut answer = answer?;
        match answer.status() {
            StatusCode::CREATED => Ok(Outcome::Published(notice(&mut answer).await)),
            StatusCode::OK => Ok(Outcome::Unchanged),
            _ => Err(self.refusal(&mut answer, package).await),
        }
    }

    /// Whether the server has these very bytes under the package's name. Tarn says so without being sent them; for a server that
    /// does not, they are sent.
    async fn is_there(&self, package: &Checked) -> Result<bool, Trouble> {
        let url = self.file(package);
        let mut answer = self.remote.head(&url, self.credentials).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => {
                // The answer to a HEAD has no text.
                answer = self.remote.get(&url, self.credentials).await?;
                let had_credentials = self.credentials.is_some();
                let failure = refused_caller(&mut answer, had_credentials).await;
                return Err(Trouble::Fatal(failure));
            }
            _ => return Ok(false),
        }
        let sha256 = answer.header(&ETAG).map(|tag| tag.trim_matches('"'));
        let is_digest =
            |tag: &&str| tag.len() == 64 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(sha256) = sha256.filter(is_digest) else {
            return Ok(false);
        };
        if sha256 == package.sha256 {
            return Ok(true);
        }
        Err(Trouble::Final(differs(
            package,
            answer.header(&CONTENT_LENGTH),
        )))
    }

    fn file(&self, package: &Checked) -> Url {
        self.place.file(&package.facts.arch, &package.file_name)
    }

    async fn refusal(&self, answer: &mut Answer, package: &Checked) -> Trouble {
        let status = answer.status();
        if may_pass(status) {
            let pause = asked_pause(answer);
            return Trouble::Passing(Failure::new(text_of(answer).await), pause);
        }
        let code = answer.header(&ERROR_CODE).map(str::to_owned);
        match status {
            StatusCode::CONFLICT if code.as_deref() == Some("package_exists") || code.is_none() => {
                // It came in between, or the server did not say so before.
                drop(text_of(answer).await);
                Trouble::Final(differs(package, None))
            }
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT => {
                Trouble::Final(Failure::refused(text_of(answer).await))
            }
            StatusCode::PAYLOAD_TOO_LARGE if code.is_some() => {
                Trouble::Final(Failure::refused(text_of(answer).await))
            }
            StatusCode::PAYLOAD_TOO_LARGE => Trouble::Final(refused_caller(answer, true).await),
            _ => Trouble::Fatal(refused_caller(answer, self.credentials.is_some()).await),
        }
    }
}

/// The refusal of a package whose name is taken. `there`: how many bytes that file has, where the server said so.
fn differs(package: &Checked, there: Option<&str>) -> Failure {
    let sizes = there.map(|there| format!(" ({there} there, {} here)", package.size));
    Failure::refused(format!(
        "the repository has a file of that name with other bytes{}",
        sizes.unwrap_or_default()
    ))
    .hint("raise pkgrel and build it again, or delete the file there first")
}

/// What the server says about a package that it took: one line.
async fn notice(answer: &mut Answer) -> Option<String> {
    match answer.bytes(4 << 10).await {
        Ok(Some(text)) if !text.is_empty() => {
            let text = String::from_utf8_lossy(&text).trim().to_owned();
            (!text.is_empty() && !text.starts_with('<')).then_some(text)
        }
        _ => None,
    }
}

/// The bytes of a file, counted as they go.
fn pieces(file: File, bar: Bar) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    try_unfold((file, bar), async |(mut file, bar)| {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        bar.advance(read);
        Ok((read > 0).then(|| (piece.freeze(), (file, bar))))
    })
}
