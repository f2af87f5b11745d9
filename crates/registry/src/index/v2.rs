//! `APKINDEX.tar.gz`: the engine's member, signed and verified.

use apk::{
    arch::Arch,
    limits::Limits,
    sign::{KeyName, SigningKey},
    v2::{
        index::for_each_record,
        record::{Record as ParsedRecord, with_arch},
        signature::{sign_digest, verify_member},
    },
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    Problem, Segments,
    engine::{Changes, Member, Record, State},
};
use crate::{
    keys::OwnerKeys,
    metadata::{IndexChanges, IndexRow},
};

/// What the next index is made from, what is sent, and its ETag.
pub type Made = (Option<State>, Segments, String);

/// Derives an index from all its packages. The independent reader reads all of it.
///
/// # Errors
///
/// When it cannot be put together, cannot be signed, or is not what the reader finds in it.
pub fn first(
    rows: Vec<IndexRow>,
    arch: &Arch,
    live: u64,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    let changes = Changes {
        added: records(rows, arch),
        ..Changes::default()
    };
    let state = State::empty()?.apply(&changes)?;
    let (member, signature) = sign(&state, keys, limits)?;

    let whole: Vec<u8> = std::iter::once(signature.as_slice())
        .chain(member.segments.iter().map(|run| &**run))
        .flatten()
        .copied()
        .collect();
    for key in &keys.active {
        let trusted = [(key.name.clone(), key.public.clone())];
        let mut count = 0_u64;
        for_each_record(&whole, limits, Some(&trusted), |_| count += 1)
            .map_err(|error| Problem::Verification(error.to_string()))?;
        expect(count, live)?;
    }
    Ok(assemble(state, member, signature))
}

/// Derives an index from the one before it and what changed. The independent reader reads what is new; what is not was
/// read when it was.
///
/// # Errors
///
/// As [`first`].
pub fn next(
    before: &State,
    changes: IndexChanges,
    arch: &Arch,
    live: u64,
    keys: &OwnerKeys,
    limits: &Limits,
) -> Result<Made, Problem> {
    let changes = Changes {
        removed: changes.removed.into_iter().collect(),
        added: records(changes.added, arch),
    };
    let state = before.apply(&changes)?;
    let (member, signature) = sign(&state, keys, limits)?;

    expect(state.records(), live)?;
    for text in state.made_after(before)? {
        let text =
            String::from_utf8(text).map_err(|error| Problem::Verification(error.to_string()))?;
        for record in text.split_inclusive("\n\n") {
            ParsedRecord::parse(record, limits)
                .map_err(|error| Problem::Verification(error.to_string()))?;
        }
    }
    Ok(assemble(state, member, signature))
}

fn expect(found: u64, live: u64) -> Result<(), Problem> {
    if found == live {
        return Ok(());
    }
    Err(Problem::Verification(format!(
        "it lists {found} packages, and the database has {live}"
    )))
}

fn records(rows: Vec<IndexRow>, arch: &Arch) -> Vec<Record> {
    let text = |record: String| Bytes::from(with_arch(&record, arch).into_owned());
    rows.into_iter()
        .map(|row| Record {
            sequence: row.sequence,
            text: text(row.record),
        })
        .collect()
}

/// The member, and the signatures over it by every active key, each read back and checked with the public half.
fn sign(state: &State, keys: &OwnerKeys, limits: &Limits) -> Result<(Member, Vec<u8>), Problem> {
    let member = state.member()?;
    let by: Vec<(&KeyName, &SigningKey)> = keys
        .active
        .iter()
        .map(|key| (&key.name, &key.key))
        .collect();
    let signature =
        sign_digest(&member.sha256, &by).map_err(|error| Problem::Signature(error.to_string()))?;
    for key in &keys.active {
        verify_member(&signature, &member.sha256, &key.name, &key.public, limits)
            .map_err(|error| Problem::Signature(error.to_string()))?;
    }
    Ok((member, signature))
}

fn assemble(state: State, member: Member, signature: Vec<u8>) -> Made {
    let etag = Sha256::new_with_prefix(&signature)
        .chain_update(member.sha256)
        .finalize();
    let etag = super::etag(etag.into());
    let segments = std::iter::once(Bytes::from(signature))
        .chain(member.segments)
        .collect();
    (Some(state), segments, etag)
}
