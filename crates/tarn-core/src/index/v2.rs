//! `APKINDEX.tar.gz`: the engine's member, signed and verified.

use apk::{
    arch::Arch,
    digest::PackageHash,
    limits::Limits,
    v2::{
        index::for_each_record,
        record::{Record as ParsedRecord, render},
        signature::{verify_member, write_signatures},
    },
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    changes::{Changes, Record},
    engine::{Member, State},
    problem::Problem,
    segments::Segments,
    signatures::Signatures,
};
use crate::keys::OwnerKeys;
use tarn_store::metadata::{IndexChanges, IndexedPackage};

/// What the next index is made from, what is sent, and its ETag.
pub type Made = (Base, Segments, String);

/// What the next index is made from.
#[derive(Debug, Clone)]
pub struct Base {
    state: State,
    signatures: Signatures,
}

impl Base {
    /// Bytes it takes in memory, roughly.
    pub fn weight(&self) -> u64 {
        self.state.weight() + self.signatures.weight()
    }

    /// How many records are in it.
    pub fn records(&self) -> u64 {
        self.state.records()
    }

    /// How many signatures had to be made for it; the others were there already.
    pub fn signatures_made(&self) -> u64 {
        self.signatures.made()
    }
}

/// The state after further packages: an index is derived from nothing in parts, so that its text is never in memory whole.
///
/// # Errors
///
/// When it cannot be put together.
pub fn append(state: &State, packages: &[IndexedPackage], arch: &Arch) -> Result<State, Problem> {
    let changes = Changes {
        added: records(packages, arch)?,
        ..Changes::default()
    };
    Ok(state.apply(&changes)?)
}

/// Makes an index of a state that was derived from nothing. The independent reader reads all of it.
///
/// # Errors
///
/// When it cannot be put together, cannot be signed, or is not what the reader finds in it.
pub fn first(state: State, live: u64, keys: &OwnerKeys, limits: &Limits) -> Result<Made, Problem> {
    let made = sign(state, None, keys, limits)?;
    let (_, segments, _) = &made;
    let whole = segments.whole();
    for key in keys.for_v2() {
        let trusted = [(key.name.clone(), key.public.clone())];
        let mut count = 0_u64;
        for_each_record(&whole, limits, Some(&trusted), |_| count += 1)
            .map_err(Problem::verification)?;
        Problem::unless_complete(count, live)?;
    }
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
    arch: &Arch,
    live: u64,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    let changes = Changes {
        removed: changes.removed.into_iter().collect(),
        added: records(&changes.added, arch)?,
    };
    let state = before.state.apply(&changes)?;
    Problem::unless_complete(state.records(), live)?;
    for text in state.made_after(&before.state)? {
        let text = String::from_utf8(text).map_err(Problem::verification)?;
        for record in text.split_inclusive("\n\n") {
            ParsedRecord::parse(record, limits).map_err(Problem::verification)?;
        }
    }
    sign(state, Some(&before.signatures), keys, limits)
}

/// The records of packages in the index of an architecture: of a noarch package too, `A:` is that one.
fn records(packages: &[IndexedPackage], arch: &Arch) -> Result<Vec<Record>, Problem> {
    packages
        .iter()
        .map(|package| {
            let PackageHash::Identity(identity) = &package.identity else {
                let sequence = package.sequence;
                return Err(Problem::Verification(format!(
                    "package {sequence} is of v3, which an index of v2 has no place for"
                )));
            };
            let text = render(&package.facts.read()?, identity, package.size, arch);
            Ok(Record {
                sequence: package.sequence,
                bytes: Bytes::from(text),
            })
        })
        .collect()
}

/// The member with signatures by every active RSA key, each read back and checked with the public half. A key does not sign again
/// what it signed `before`.
fn sign(
    state: State,
    before: Option<&Signatures>,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    let Member { segments, sha256 } = state.member()?;
    let signatures = Signatures::over(&sha256, before, keys.for_v2(), |key| {
        key.sign_sha256_digest(&sha256)
    })?;
    let named: Vec<_> = keys
        .for_v2()
        .filter_map(|key| Some((&key.name, signatures.by(key.id)?)))
        .collect();
    let signature = write_signatures(&named);
    for key in keys.for_v2() {
        verify_member(&signature, &sha256, &key.name, &key.public, limits)
            .map_err(Problem::signature)?;
    }
    let etag = Sha256::new_with_prefix(&signature).chain_update(sha256);
    let etag = super::etag(etag.finalize().into());
    let segments = std::iter::once(Bytes::from(signature)).chain(segments);
    Ok((Base { state, signatures }, segments.collect(), etag))
}
