//! The bytes of packages in the forge's storage: in a folder or in an S3 store, each file under its SHA-256.

use std::{
    io,
    path::{Path, PathBuf},
};

use apk::digest::Sha256Digest;
use aws_lc_rs::digest::{Context, SHA256};
use bytes::{Bytes, BytesMut};
use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tarn_base::hint::with_causes;
use tarn_core::publish::BodyError;
use tarn_store::blobs::Objects;
use tokio::io::AsyncReadExt as _;

use crate::{Forge, Storage, plan::PlannedFile};

/// How much is read at once.
const PIECE: usize = 256 << 10;

/// The bytes of a package.
pub(crate) type Body = BoxStream<'static, Result<Bytes, BodyError>>;

/// Where the packages are.
#[derive(Debug)]
pub(crate) enum Files {
    Folder(PathBuf),
    Objects(Objects),
}

impl Files {
    /// The storage of a forge, or the folder that was given instead.
    ///
    /// # Errors
    ///
    /// Why the packages can't be read, in words for the report.
    pub(crate) fn of(forge: &Forge, given: Option<&Path>) -> Result<Self, String> {
        let folder = match (given, &forge.settings.packages) {
            (Some(folder), _) => folder,
            (None, Storage::Local(folder)) => folder.as_path(),
            (None, Storage::S3(settings)) => {
                return match Objects::of(settings) {
                    Ok(objects) => Ok(Self::Objects(objects)),
                    Err(error) => Err(with_causes(&error)),
                };
            }
            (None, Storage::Elsewhere(why)) => {
                return Err(format!(
                    "{why}; copy them into a folder (what lies below `packages/`) and give it with `--packages`"
                ));
            }
        };
        // A forge without packages has no folder of them.
        if folder.is_dir() || forge.files.is_empty() {
            return Ok(Self::Folder(folder.to_path_buf()));
        }
        Err(format!(
            "the folder {} is not there; give it with `--packages`",
            folder.display()
        ))
    }

    /// The bytes of a package.
    ///
    /// # Errors
    ///
    /// Why there are none, in words for the report. What is wrong with the storage as a whole is said for each package.
    pub(crate) async fn open(&self, file: &PlannedFile) -> Result<Body, String> {
        let sha256 = Sha256Digest::parse_hex(&file.sha256)
            .map_err(|_| "its hash in the forge's database is not a SHA-256")?;
        let hex = sha256.to_hex();
        // `BlobHash256Key.RelativePath` in `modules/packages/content_store.go`.
        let name = match (hex.get(..2), hex.get(2..4)) {
            (Some(first), Some(second)) => format!("{first}/{second}/{hex}"),
            _ => hex,
        };
        match self {
            Self::Folder(folder) => open_in(folder, &name, sha256, file.size).await,
            Self::Objects(objects) => match objects.open(&name, sha256, file.size).await {
                Ok(Some(body)) => Ok(body
                    .map(|piece| piece.map_err(|error| BodyError::Gone(error.into())))
                    .boxed()),
                Ok(None) => Err(MISSING.to_owned()),
                Err(error) => Err(with_causes(&error)),
            },
        }
    }
}

const MISSING: &str = "its bytes are not in the forge's storage";

/// A file in the folder, which ends with an error where it has other bytes than `sha256` says, as one of an S3 store does.
async fn open_in(
    folder: &Path,
    name: &str,
    sha256: Sha256Digest,
    expected: u64,
) -> Result<Body, String> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => MISSING.to_owned(),
        _ => format!("its bytes in the forge's storage can't be read: {error}"),
    };
    let opened = tokio::fs::File::open(folder.join(name))
        .await
        .map_err(missing)?;
    let size = opened.metadata().await.map_err(missing)?.len();
    if size != expected {
        return Err(format!(
            "its file in the forge's storage is damaged: it has {size} bytes, and {expected} were uploaded"
        ));
    }
    let begin = (opened, Context::new(&SHA256), sha256);
    let pieces = stream::try_unfold(begin, async |(mut opened, mut hash, sha256)| {
        let mut piece = BytesMut::with_capacity(PIECE);
        match opened.read_buf(&mut piece).await {
            Ok(0) => match hash.finish().as_ref() == sha256.as_bytes() {
                true => Ok(None),
                false => Err(BodyError::Gone(
                    "they are not those that were uploaded".into(),
                )),
            },
            Ok(_) => {
                hash.update(&piece);
                Ok(Some((piece.freeze(), (opened, hash, sha256))))
            }
            Err(error) => Err(BodyError::Gone(error.into())),
        }
    });
    Ok(pieces.boxed())
}
