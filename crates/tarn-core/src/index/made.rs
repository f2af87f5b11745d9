//! An index that was made: what is sent, and what the next one is made from.

use std::{sync::Arc, time::Instant};

use apk::{digest::Sha256Digest, facts::RENDERING};

use super::{Format, Segments, Standing, v2, v3};
use tarn_base::{clock::Timestamp, counter::Counter};
use tarn_store::metadata::IndexHead;

/// What is counted of indexes.
#[derive(Debug, Default)]
pub struct IndexCounts {
    /// Requests for an index that there is.
    pub asked: Counter,
    /// Those of them that an index in memory answered.
    pub from_memory: Counter,
    /// `APKINDEX.tar.gz` made.
    pub made_v2: Counter,
    /// `Packages.adb` made.
    pub made_v3: Counter,
    /// Signatures made for `APKINDEX.tar.gz`.
    pub signatures: Counter,
    /// Indexes that were made, failed their verification, and were not served.
    pub refused: Counter,
}

impl IndexCounts {
    pub(super) fn made(&self, format: Format) -> &Counter {
        match format {
            Format::V2 => &self.made_v2,
            Format::V3 => &self.made_v3,
        }
    }
}

/// A signed index, verified and ready to be sent.
#[derive(Debug, Clone)]
pub struct SignedIndex {
    pub(super) segments: Segments,
    pub(super) etag: Arc<str>,
    pub(super) changed_at: Timestamp,
    pub(super) is_of_the_newest: bool,
}

impl SignedIndex {
    /// What is sent.
    pub fn segments(&self) -> &Segments {
        &self.segments
    }

    /// A strong ETag made from the content, quotes included.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// When a package of this index was last added or removed, its keys last changed, or servers began to render it in this way.
    pub fn changed_at(&self) -> Timestamp {
        self.changed_at
    }

    /// Whether no other server renders it in a newer way. One that does has another index for the same time.
    pub fn is_of_the_newest(&self) -> bool {
        self.is_of_the_newest
    }
}

/// What the next index is made from.
#[derive(Debug, Clone)]
pub(super) enum Base {
    V2(v2::Base),
    V3(v3::Base),
}

impl Base {
    fn weight(&self) -> u64 {
        match self {
            Self::V2(base) => base.weight(),
            Self::V3(base) => base.weight(),
        }
    }

    pub(super) fn signatures_made(&self) -> u64 {
        match self {
            Self::V2(base) => base.signatures_made(),
            Self::V3(base) => base.signatures_made(),
        }
    }
}

/// An index as it was at a generation, and what the next one is made from.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) generation: i64,
    /// When the keys that signed it became those: no two sets of an owner's keys have the same time.
    pub(super) keys_changed_at: Timestamp,
    pub(super) base: Base,
    pub(super) signed: SignedIndex,
    pub(super) standing: Standing,
    /// Until when the next one is not begun.
    pub(super) rests_until: Option<Instant>,
}

impl Made {
    /// What is sent to a request that found that head.
    pub(super) fn signed(&self, head: &IndexHead) -> SignedIndex {
        SignedIndex {
            is_of_the_newest: head.rendering == i64::from(RENDERING),
            ..self.signed.clone()
        }
    }

    pub(super) fn weight(&self) -> u32 {
        u32::try_from(self.base.weight() / 1024 + 1).unwrap_or(u32::MAX)
    }
}

/// A strong ETag for content of that SHA-256.
pub(super) fn etag(sha256: [u8; 32]) -> String {
    format!("\"{}\"", Sha256Digest::from_bytes(sha256))
}
