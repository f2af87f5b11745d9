//! Where an existing repository is: in a folder, or on a server.

use std::{io, path::PathBuf, pin::Pin};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream::try_unfold};
use http::StatusCode;
use tarn_net::{Credentials, Remote, RemoteError};
use tokio::{fs::File, io::AsyncReadExt as _};
use url::Url;

use crate::{
    failure::Failure,
    remote::{
        ConnectArguments, credentials,
        place::take_credentials,
        refused_caller,
        retry::{Trouble, asked_pause, may_pass},
        text_of,
    },
};

/// Bytes read at a time.
const PIECE: usize = 128 << 10;

/// Why bytes of the source did not come.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// From a server.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// From a folder.
    #[error(transparent)]
    Folder(#[from] io::Error),
}

/// The bytes of a file.
pub(super) type Content = Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>;

/// A folder or a URL, below which the files are.
#[derive(Debug)]
pub(super) enum Source {
    /// On this machine.
    Folder(PathBuf),
    /// On a server. The URL ends with a `/`.
    Server {
        /// What asks.
        remote: Remote,
        /// Below which.
        base: Url,
        /// As whom.
        credentials: Option<Credentials>,
    },
}

/// There is no file at a path. It has the text of a server that answered 400, if one did.
#[derive(Debug, Default)]
pub(super) struct Absent(Option<String>);

impl Absent {
    /// The text of this one; if it has none, that of an earlier path.
    pub(super) fn or(self, earlier: Self) -> Self {
        Self(self.0.or(earlier.0))
    }

    /// The failure that nothing was found, with what the server wrote as its cause.
    pub(super) fn explain(self, failure: Failure) -> Failure {
        match self.0 {
            Some(text) => failure.because(&io::Error::other(text)),
            None => failure,
        }
    }
}

impl Source {
    /// The source that `text` names, and the name of the index file at its end, where it names one.
    pub(super) fn parse(
        text: &str,
        connect: &ConnectArguments,
    ) -> Result<(Self, Option<String>), Failure> {
        let (before, file) = match text.rsplit_once('/') {
            Some((before, file)) if is_index(file) => (before, Some(file.to_owned())),
            None if is_index(text) => (".", Some(text.to_owned())),
            _ => (text, None),
        };
        if !text.contains("://") {
            return Ok((Self::Folder(PathBuf::from(before)), file));
        }
        let wrong = |why: &str| {
            Failure::usage(format!("the repository cannot be at this URL: {why}"))
                .hint("write it as it stands in /etc/apk/repositories, or name its index file")
        };
        let mut base = Url::parse(&format!("{}/", before.trim_end_matches('/')))
            .map_err(|error| wrong(&error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("it does not begin with https:// or http://"));
        }
        let credentials = match take_credentials(&mut base) {
            Some(credentials) => Some(credentials),
            None => credentials::find_for_host(connect, base.host_str().unwrap_or_default())?,
        };
        let remote = connect.remote()?;
        Ok((
            Self::Server {
                remote,
                base,
                credentials,
            },
            file,
        ))
    }

    /// The folders right below it whose names can be architectures; `None` where it can't be asked for them.
    pub(super) fn folders(&self) -> Result<Option<Vec<String>>, Failure> {
        let Self::Folder(folder) = self else {
            return Ok(None);
        };
        let failure = |error: io::Error| {
            Failure::new(format!("cannot look into {}", folder.display())).because(&error)
        };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            if entry.path().is_dir()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(Some(names))
    }

    /// The file at `path` below it, where there is one.
    pub(super) async fn open(&self, path: &str) -> Result<Result<Content, Absent>, Trouble> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(path);
                match File::open(&path).await {
                    Ok(file) => Ok(Ok(pieces(file))),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err(Absent(None))),
                    Err(error) => {
                        let failure = Failure::new(format!("cannot read {}", path.display()));
                        Err(Trouble::Final(failure.because(&error)))
                    }
                }
            }
            Self::Server {
                remote,
                base,
                credentials,
            } => {
                let url = below(base, path);
                let mut answer = remote.get(&url, credentials.as_ref()).await?;
                match answer.status() {
                    StatusCode::OK => {}
                    // Stores of files answer 403 for what is not there to everyone who may not list them.
                    StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => {
                        return Ok(Err(Absent(None)));
                    }
                    // Servers that know which paths there can be may answer this for others.
                    StatusCode::BAD_REQUEST => {
                        return Ok(Err(Absent(Some(text_of(&mut answer).await))));
                    }
                    status if may_pass(status) => {
                        let pause = asked_pause(&answer);
                        let failure = Failure::new(text_of(&mut answer).await);
                        return Err(Trouble::Passing(failure, pause));
                    }
                    _ => {
                        let failure = refused_caller(&mut answer, credentials.is_some()).await;
                        return Err(Trouble::Fatal(failure));
                    }
                }
                let pieces = try_unfold(answer, async |mut answer| {
                    let piece = answer.piece().await?;
                    Ok::<_, SourceError>(piece.map(|piece| (piece, answer)))
                });
                Ok(Ok(pieces.boxed()))
            }
        }
    }

    /// `path` as people read it.
    pub(super) fn shown(&self, path: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(path).display().to_string(),
            Self::Server { base, .. } => below(base, path).to_string(),
        }
    }
}

fn is_index(file: &str) -> bool {
    file.ends_with(".tar.gz") || file.ends_with(".adb")
}

/// The URL of a file. What its name holds is encoded.
fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty();
        for segment in path
            .split('/')
            .filter(|segment| !matches!(*segment, "" | "."))
        {
            match segment {
                ".." => segments.pop(),
                segment => segments.push(segment),
            };
        }
    }
    url
}

fn pieces(file: File) -> Content {
    try_unfold(file, async |mut file| {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), file)))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_the_url_and_is_encoded() {
        let base = Url::parse("https://h/repo/x86_64/").unwrap();
        for (path, url) in [
            ("a-1.0~rc1-r0.apk", "https://h/repo/x86_64/a-1.0~rc1-r0.apk"),
            ("../noarch/a-1.apk", "https://h/repo/noarch/a-1.apk"),
            ("a?b#c.apk", "https://h/repo/x86_64/a%3Fb%23c.apk"),
        ] {
            assert_eq!(below(&base, path).as_str(), url);
        }
    }
}
