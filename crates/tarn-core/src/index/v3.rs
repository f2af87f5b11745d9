//! `Packages.adb`: the engine's file, signed and verified.

use super::{
    adb::{Gathered, Prefix, State},
    changes::{Changes, EngineError, Record},
    problem::Problem,
    segments::Segments,
    signatures::Signatures,
};
use crate::keys::OwnerKeys;
use apk::{
    limits::Limits,
    sign::{KeyName, PublicKey},
    v3::{
        index::{IndexEntry, record, visit},
        signature::{self, KeyId, Signature},
    },
};
use tarn_store::metadata::{IndexChanges, IndexedPackage};

/// What the next index is made from, what is sent, and its ETag.
pub type Made = (Base, Segments, String);

/// What the next index is made from.
#[derive(Debug, Clone)]
pub struct Base {
    state: State,
    prefix: Prefix,
    signatures: Signatures,
}

impl Base {
    /// Bytes it takes in memory, roughly.
    pub fn weight(&self) -> u64 {
        self.state.weight() + self.prefix.weight() + self.signatures.weight()
    }

    /// How many signatures had to be made for it; the others were there already.
    pub fn signatures_made(&self) -> u64 {
        self.signatures.made()
    }
}

/// Takes further packages: an index is derived in batches, so the facts of all packages are never in memory together. Their records
/// are, uncompressed, until the index is written.
///
/// # Errors
///
/// When one of them cannot be written.
pub fn gather(mut before: Gathered, packages: &[IndexedPackage]) -> Result<Gathered, Problem> {
    before.add(&records(packages)?)?;
    Ok(before)
}

/// Makes an index of all its packages. The independent reader reads all of it.
///
/// # Errors
///
/// When it cannot be put together, cannot be signed, or is not what the reader finds in it.
pub fn first(
    packages: Gathered,
    live: u64,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    let made = sign(packages.index()?, None, keys)?;
    let (_, segments, _) = &made;
    verify(&segments.whole(), live, keys, limits)?;
    Ok(made)
}

/// Derives an index from the one before it and what changed. The independent reader reads what is new; what is not was
/// read when it was.
///
/// # Errors
///
/// As [`first`].
pub fn next(
    before: &Base,
    changes: IndexChanges,
    live: u64,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    let changes = Changes {
        removed: changes.removed.into_iter().collect(),
        added: records(&changes.added)?,
    };
    let state = before.state.apply(&changes)?;
    Problem::unless_complete(state.packages(), live)?;
    state
        .check(Some(&before.state), limits)
        .map_err(Problem::verification)?;
    sign(state, Some(before), keys)
}

fn records(packages: &[IndexedPackage]) -> Result<Vec<Record>, Problem> {
    let record = |package: &IndexedPackage| {
        let payload = record(&IndexEntry {
            facts: &package.facts.read()?,
            hash: package.identity,
            size: package.size,
        });
        Ok(Record {
            sequence: package.sequence,
            bytes: payload.map_err(EngineError::from)?.into(),
        })
    };
    packages.iter().map(record).collect()
}

/// The file with a signature by every active key, each checked with the public half. A key does not sign again what it
/// signed `before`.
fn sign(state: State, before: Option<&Base>, keys: &OwnerKeys) -> Result<Made, Problem> {
    let (prefix, unsigned) = state.hash(before.map(|before| &before.prefix))?;
    let digest = unsigned.digest();
    let before = before.map(|before| &before.signatures);
    let signatures = Signatures::over(digest.sha512(), before, keys.active.iter(), |key| {
        signature::sign(digest, key)
    })?;
    let mut blocks = Vec::with_capacity(keys.active.len());
    for key in &keys.active {
        let block = signatures.by(key.id).unwrap_or_default();
        let read = Signature::parse(block);
        if !read.is_some_and(|signature| signature.is_by(&key.public, digest)) {
            return Err(Problem::Signature(not_right(&key.name)));
        }
        blocks.push(block);
    }
    if blocks.is_empty() {
        return Err(Problem::Signature("no key signs".to_owned()));
    }
    let (segments, sha256) = unsigned.file(&state, &blocks)?;
    let base = Base {
        state,
        prefix,
        signatures,
    };
    Ok((base, segments.into_iter().collect(), super::etag(sha256)))
}

fn not_right(name: &KeyName) -> String {
    format!("the signature by {name} is not right")
}

/// Has the independent reader read the index, which every key has to have signed.
fn verify(file: &[u8], live: u64, keys: &OwnerKeys, limits: &Limits) -> Result<(), Problem> {
    let trusted: Vec<&PublicKey> = keys.active.iter().map(|key| &key.public).collect();
    let mut found = 0_u64;
    let index =
        visit(file, limits, Some(&trusted), |_| found += 1).map_err(Problem::verification)?;
    Problem::unless_complete(found, live)?;
    let mut keys = keys.active.iter();
    let signed = |key: &PublicKey| index.verified_by.contains(&KeyId::of(key));
    match keys.find(|key| !signed(&key.public)) {
        None => Ok(()),
        Some(key) => Err(Problem::Verification(not_right(&key.name))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use apk::sign::{KeySize, SigningKey};

    use super::*;
    use crate::keys::ActiveKey;
    use tarn_base::clock::Timestamp;
    use tarn_store::metadata::SigningKeyId;

    fn signed_by(keys: &[&Arc<ActiveKey>]) -> OwnerKeys {
        OwnerKeys {
            active: keys.iter().copied().cloned().collect(),
            changed_at: Timestamp::from_seconds(0),
        }
    }

    fn key(number: i64, key: SigningKey) -> Arc<ActiveKey> {
        Arc::new(ActiveKey {
            id: SigningKeyId::from_row(number),
            name: KeyName::parse(&format!("{number}.rsa.pub")).unwrap(),
            public: key.public_key().clone(),
            key,
        })
    }

    #[test]
    fn an_index_without_the_signature_of_every_key_is_not_served() {
        let one = key(1, SigningKey::generate(KeySize::Rsa2048).unwrap());
        let two = key(2, SigningKey::generate_p256().unwrap());
        let (both, limits) = (signed_by(&[&one, &two]), Limits::default());
        let file = |keys: &OwnerKeys| {
            let (_, segments, _) = sign(State::empty(), None, keys).unwrap();
            segments.whole()
        };
        let by_one = file(&signed_by(&[&one]));
        let refused = verify(&by_one, 0, &both, &limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "verification failed: the signature by 2.rsa.pub is not right"
        );
        let by_both = file(&both);
        verify(&by_both, 0, &both, &limits).unwrap();
        let refused = verify(&by_both, 1, &both, &limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "verification failed: it lists 0 packages, and the database has 1"
        );
    }

    #[test]
    fn what_no_key_signs_is_not_served() {
        let refused = first(Gathered::default(), 0, &signed_by(&[]), &Limits::default());
        assert!(
            matches!(&refused, Err(Problem::Signature(text)) if text == "no key signs"),
            "{refused:?}"
        );
    }
}
