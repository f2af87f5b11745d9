//! The signatures over one content of an index.

use std::sync::Arc;

use apk::sign::{SignError, SigningKey};

use super::problem::Problem;
use crate::keys::ActiveKey;
use tarn_store::metadata::SigningKeyId;

/// The signatures of one content, also those of keys that sign no more: they may come back.
#[derive(Debug, Clone)]
pub(super) struct Signatures {
    /// A hash of it.
    content: Vec<u8>,
    by: Vec<(SigningKeyId, Vec<u8>)>,
    made: u64,
}

impl Signatures {
    /// The signatures by `keys`. A key does not sign again what it signed `before`.
    pub(super) fn over<'a>(
        content: &[u8],
        before: Option<&Self>,
        keys: impl Iterator<Item = &'a Arc<ActiveKey>>,
        sign: impl Fn(&SigningKey) -> Result<Vec<u8>, SignError>,
    ) -> Result<Self, Problem> {
        let before = before.filter(|before| before.content == content);
        let mut by = before.map_or_else(Vec::new, |before| before.by.clone());
        let mut made = 0;
        for key in keys {
            if by.iter().all(|(id, _)| *id != key.id) {
                let signature = sign(&key.key).map_err(Problem::signature)?;
                by.push((key.id, signature));
                made += 1;
            }
        }
        Ok(Self {
            content: content.to_vec(),
            by,
            made,
        })
    }

    /// The one by that key.
    pub(super) fn by(&self, key: SigningKeyId) -> Option<&[u8]> {
        let mut by = self.by.iter();
        by.find_map(|(id, signature)| (*id == key).then_some(signature.as_slice()))
    }

    /// How many had to be made; the others were there already.
    pub(super) const fn made(&self) -> u64 {
        self.made
    }

    pub(super) fn weight(&self) -> u64 {
        let signatures = self.by.iter();
        signatures.map(|(_, bytes)| bytes.len() as u64).sum()
    }
}
