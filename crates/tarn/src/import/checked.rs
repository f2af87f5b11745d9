//! A package on its way from the source to the publishing service, held against the index; and what went wrong on the way.

use apk::digest::PackageHash;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use tarn_core::publish::{BodyError, PublishError};

use super::source::{Content, SourceError};
use crate::{
    failure::Failure,
    push::check::Reader,
    remote::{retry::Trouble, unanswered},
};

/// Why the source did not give a file.
pub(super) fn of_source(error: SourceError) -> Trouble {
    match error {
        SourceError::Remote(error) => Trouble::from(error),
        SourceError::Folder(error) => {
            Trouble::Final(Failure::new("it cannot be read").because(&error))
        }
    }
}

/// A package that is not the one that the index lists.
#[derive(Debug, thiserror::Error)]
#[error("it is not the package that the index lists: the hashes differ")]
struct Differs;

/// The bytes as they are, and an error at their end if they are another package than `expected`, or none.
pub(super) fn checked(
    content: Content,
    expected: PackageHash,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    stream::try_unfold(
        (content, Reader::new(true)),
        move |(mut content, mut reader)| async move {
            let Some(bytes) = content.next().await else {
                let package = reader.finish().map_err(gone)?;
                return match is_same(&package.hash(), &expected) {
                    true => Ok(None),
                    false => Err(gone(Differs)),
                };
            };
            let bytes = bytes.map_err(gone)?;
            reader.push(&bytes).map_err(gone)?;
            Ok(Some((bytes, (content, reader))))
        },
    )
}

fn gone(error: impl std::error::Error + Send + Sync + 'static) -> BodyError {
    BodyError::Gone(Box::new(error))
}

/// Whether a package has the hash that an index gives it. Indexes for prereleases of apk 3 have the first 20 bytes of it
/// ([`PackageHash::Identity`]).
fn is_same(has: &PackageHash, listed: &PackageHash) -> bool {
    let (has, listed) = (has.as_bytes(), listed.as_bytes());
    has == listed || (has.len() == 32 && listed.len() == 20 && has.starts_with(listed))
}

/// Why the bytes of a body ended. The reader's own words are those that the publishing service would have.
pub(super) fn of_body(error: BodyError) -> Trouble {
    let BodyError::Gone(source) = error else {
        return Trouble::Final(Failure::from_error(&error));
    };
    match source.downcast::<SourceError>() {
        Ok(error) => match *error {
            SourceError::Remote(error) if error.may_pass() => {
                Trouble::Passing(unanswered(&error), None)
            }
            error => of_source(error),
        },
        Err(other) => Trouble::Final(Failure::refused(other.to_string())),
    }
}

/// Why a package was not published, and whether that is about this one.
pub(super) fn of_publisher(error: PublishError) -> Trouble {
    match error {
        PublishError::Body(error) => of_body(error),
        error @ (PublishError::Blob(_)
        | PublishError::Metadata(_)
        | PublishError::Worker(_)
        | PublishError::Gone) => Trouble::Fatal(Failure::from_error(&error)),
        // The other packages on their way hold it.
        error @ PublishError::Memory(_) => Trouble::Passing(Failure::from_error(&error), None),
        error => Trouble::Final(Failure::from_error(&error).into_refused()),
    }
}
