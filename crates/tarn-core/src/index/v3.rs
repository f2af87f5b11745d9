//! `Packages.adb`: made whole for each generation that somebody asks for, signed and read back.
//!
//! Package by package: what is in memory at once is the index itself, before it is compressed, and some of its packages.

use apk::{
    limits::Limits,
    sign::{PublicKey, SigningKey},
    v3::{
        container::Compression,
        index::{IndexBuilder, IndexEntry, WriteError, visit},
        signature::KeyId,
    },
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Problem, v2::Made};
use crate::keys::OwnerKeys;
use tarn_store::metadata::IndexedPackage;

/// Adds packages, in the order of the index.
pub(super) fn append(
    mut index: IndexBuilder,
    packages: &[IndexedPackage],
) -> Result<IndexBuilder, Problem> {
    for package in packages {
        let entry = IndexEntry {
            facts: &package.facts.read()?,
            hash: package.identity,
            size: package.size,
        };
        index.add(&entry).map_err(WriteError::from)?;
    }
    Ok(index)
}

/// Makes the file, signs it, and has it read back.
pub(super) fn finish(
    index: IndexBuilder,
    live: u64,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    let file = write_signed(index, keys)?;
    verify(&file, live, keys, limits)?;
    let etag = super::etag(Sha256::digest(&file).into());
    Ok((None, std::iter::once(Bytes::from(file)).collect(), etag))
}

fn write_signed(index: IndexBuilder, keys: &OwnerKeys) -> Result<Vec<u8>, Problem> {
    let by: Vec<&SigningKey> = keys.active.iter().map(|key| &key.key).collect();
    Ok(index.finish("", &by, Compression::Deflate)?)
}

/// Has the independent reader read the index, which every key has to have signed.
fn verify(file: &[u8], live: u64, keys: &OwnerKeys, limits: &Limits) -> Result<(), Problem> {
    let trusted: Vec<&PublicKey> = keys.active.iter().map(|key| &key.public).collect();
    let mut found = 0_u64;
    let index = visit(file, limits, &trusted, |_| found += 1)
        .map_err(|error| Problem::Verification(error.to_string()))?;
    if found != live {
        return Err(Problem::Verification(format!(
            "it lists {found} packages, and the database has {live}"
        )));
    }
    let mut keys = keys.active.iter();
    let signed = |key: &PublicKey| index.verified_by.contains(&KeyId::of(key));
    match keys.find(|key| !signed(&key.public)) {
        None => Ok(()),
        Some(key) => Err(Problem::Verification(format!(
            "the signature by {} is not right",
            key.name
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use apk::{
        sign::{KeyName, KeySize},
        v3::signature::SigningError,
    };

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

    fn key(number: i64) -> Arc<ActiveKey> {
        let key = SigningKey::generate(KeySize::Rsa2048).unwrap();
        Arc::new(ActiveKey {
            id: SigningKeyId::from_row(number),
            name: KeyName::parse(&format!("{number}.rsa.pub")).unwrap(),
            public: key.public_key().clone(),
            key,
        })
    }

    #[test]
    fn an_index_without_the_signature_of_every_key_is_not_served() {
        let (one, two) = (key(1), key(2));
        let (both, limits) = (signed_by(&[&one, &two]), Limits::default());
        let by_one = write_signed(IndexBuilder::default(), &signed_by(&[&one])).unwrap();
        let refused = verify(&by_one, 0, &both, &limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "verification failed: the signature by 2.rsa.pub is not right"
        );
        let by_both = write_signed(IndexBuilder::default(), &both).unwrap();
        verify(&by_both, 0, &both, &limits).unwrap();
        let refused = verify(&by_both, 1, &both, &limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "verification failed: it lists 0 packages, and the database has 1"
        );
    }

    #[test]
    fn what_cannot_be_written_is_told_as_what_it_is() {
        let refused = finish(
            IndexBuilder::default(),
            0,
            &signed_by(&[]),
            &Limits::default(),
        );
        assert!(
            matches!(
                refused,
                Err(Problem::Unwritable(WriteError::Signing(
                    SigningError::NoKey
                )))
            ),
            "{refused:?}"
        );
    }
}
