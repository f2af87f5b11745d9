//! `index.json`: what the v3 index says, as `apk adbdump` prints it. `owut` and the image builders of OpenWrt read it beside
//! `packages.adb`.
//!
//! It is made out of the index that is served at that moment, and kept under the ETag of that one.

use std::sync::Arc;

use apk::{
    arch::Arch,
    limits::Limits,
    v3::index::{JsonDump, visit},
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use super::{Format, IndexError, Indexes, Segments, SignedIndex};
use tarn_base::names::{Branch, RepositoryName};
use tarn_store::metadata::Owner;

/// How many times as large as the index its JSON is, about.
const LIKELY_RATIO: u64 = 8;

/// The text, and its ETag.
#[derive(Debug, Clone)]
pub(super) struct Json {
    text: Bytes,
    etag: Arc<str>,
}

impl Json {
    /// KiB that it takes in memory.
    pub(super) fn weight(&self) -> u32 {
        u32::try_from(self.text.len() / 1024 + 1).unwrap_or(u32::MAX)
    }
}

impl Indexes {
    /// The v3 index of the newest generation as JSON; none when no package is in it.
    ///
    /// # Errors
    ///
    /// As [`Indexes::current`].
    pub async fn json(
        &self,
        owner: &Owner,
        branch: &Branch,
        repository: &RepositoryName,
        arch: &Arch,
    ) -> Result<Option<SignedIndex>, IndexError> {
        let index = self.current(owner, branch, repository, arch, Format::V3);
        let Some(index) = index.await? else {
            return Ok(None);
        };
        let made = self.json.get_with(Arc::clone(&index.etag), async {
            let segments = index.segments.clone();
            let likely = segments.length() * LIKELY_RATIO;
            let _maker = self.makers.one(owner.id, Some(likely)).await;
            let limits = self.limits.clone();
            spawn_blocking(move || write(&segments, &limits))
                .await
                .ok()
                .flatten()
        });
        let Some(Json { text, etag }) = made.await else {
            self.json.invalidate(&index.etag).await;
            return Err(IndexError::Json);
        };
        Ok(Some(SignedIndex {
            segments: std::iter::once(text).collect(),
            etag,
            changed_at: index.changed_at,
            is_of_the_newest: index.is_of_the_newest,
        }))
    }
}

/// The JSON of an index, which was verified when it was made.
fn write(index: &Segments, limits: &Limits) -> Option<Json> {
    // The index says nothing of itself.
    let mut dump = JsonDump::new("");
    visit(&index.whole(), limits, None, |package| dump.push(&package)).ok()?;
    let text = Bytes::from(dump.finish());
    let etag = super::etag(Sha256::digest(&text).into());
    Some(Json {
        text,
        etag: etag.into(),
    })
}
