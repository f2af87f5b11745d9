//! `Packages.adb`: made whole for each generation that somebody asks for, signed and read back.

use apk::{
    digest::Identity,
    limits::Limits,
    package_info::PackageInfo,
    sign::{PublicKey, SigningKey},
    v2::{pkginfo, record::Record},
    v3::{
        container::Compression,
        index::{IndexEntry, read, write},
        signature::KeyId,
    },
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Problem, v2::Made};
use crate::{keys::OwnerKeys, metadata::IndexedPackage};

/// Makes the index of these packages.
pub(super) fn make(
    packages: Vec<IndexedPackage>,
    live: u64,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    // A text is let go of once it was read, and what was read of it once it is written: they are larger than the index.
    let facts = packages
        .into_iter()
        .map(|package| facts(&package, limits))
        .collect::<Result<Vec<_>, _>>()?;
    let file = write_signed(&facts, keys)?;
    drop(facts);
    verify(&file, live, keys, limits)?;
    let etag = super::etag(Sha256::digest(&file).into());
    Ok((None, std::iter::once(Bytes::from(file)).collect(), etag))
}

fn write_signed(
    facts: &[(PackageInfo, Identity, u64)],
    keys: &OwnerKeys,
) -> Result<Vec<u8>, Problem> {
    let entries: Vec<IndexEntry<'_>> = facts
        .iter()
        .map(|(info, identity, size)| IndexEntry {
            info,
            identity,
            size: *size,
        })
        .collect();
    let by: Vec<&SigningKey> = keys.active.iter().map(|key| &key.key).collect();
    Ok(write(&entries, "", &by, Compression::Deflate)?)
}

/// Has the independent reader read the index, which every key has to have signed.
fn verify(file: &[u8], live: u64, keys: &OwnerKeys, limits: &Limits) -> Result<(), Problem> {
    let trusted: Vec<&PublicKey> = keys.active.iter().map(|key| &key.public).collect();
    let index =
        read(file, limits, &trusted).map_err(|error| Problem::Verification(error.to_string()))?;
    let found = index.packages.len();
    if found as u64 != live {
        return Err(Problem::Verification(format!(
            "it lists {found} packages, and the database has {live}"
        )));
    }
    let mut keys = keys.active.iter();
    let signed = |key: &PublicKey| KeyId::of(key).is_some_and(|id| index.verified_by.contains(&id));
    match keys.find(|key| !signed(&key.public)) {
        None => Ok(()),
        Some(key) => Err(Problem::Verification(format!(
            "the signature by {} is not right",
            key.name
        ))),
    }
}

/// What a package says of itself, read again from what was stored of it.
fn facts(
    package: &IndexedPackage,
    limits: &Limits,
) -> Result<(PackageInfo, Identity, u64), Problem> {
    let wrong =
        |error: String| Problem::Verification(format!("a stored package cannot be read: {error}"));
    let info = pkginfo::parse(package.pkginfo.as_bytes(), limits)
        .map_err(|error| wrong(error.to_string()))?;
    let record =
        Record::parse(&package.record, limits).map_err(|error| wrong(error.to_string()))?;
    Ok((info, *record.identity(), package.size))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use apk::{
        sign::{KeyName, KeySize},
        v3::{index::WriteError, signature::SigningError},
    };

    use super::*;
    use crate::{clock::Timestamp, keys::ActiveKey, metadata::SigningKeyId};

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
        let by_one = write_signed(&[], &signed_by(&[&one])).unwrap();
        let refused = verify(&by_one, 0, &both, &limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "verification failed: the signature by 2.rsa.pub is not right"
        );
        let by_both = write_signed(&[], &both).unwrap();
        verify(&by_both, 0, &both, &limits).unwrap();
        let refused = verify(&by_both, 1, &both, &limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "verification failed: it lists 0 packages, and the database has 1"
        );
    }

    #[test]
    fn what_cannot_be_written_is_told_as_what_it_is() {
        let refused = make(Vec::new(), 0, &signed_by(&[]), &Limits::default());
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
