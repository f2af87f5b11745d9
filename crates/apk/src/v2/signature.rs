//! The signature section: gzip members whose tar entries are signatures over the section that follows.
//!
//! An entry is named `.SIGN.{algorithm}.{key name}`, and there may be several. apk checks the first whose key it trusts and
//! looks at no other (`apk-tools` `src/extract_v2.c`, `apk_sign_ctx_process_file`).

use thiserror::Error;

use crate::{
    limits::Limits,
    quoted::Quoted,
    sign::{Algorithm, KeyName, MessageDigests, PublicKey, SignError, SigningKey},
};

use super::{
    gzip::{GzipError, MemberReader, compress_member},
    tar::{Entry, EntryHeader, EntryKind, Event, TarError, TarReader, padding},
};

/// One signature, as it stands in the section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureMember {
    /// How it was made.
    pub algorithm: Algorithm,
    /// The file name of the public key. Not always a valid [`KeyName`]: the signer chose it.
    pub key_name: String,
    /// The signature itself.
    pub bytes: Vec<u8>,
}

impl SignatureMember {
    /// Whether this is a signature by the key of that name over the message with these digests.
    pub fn is_by(&self, name: &KeyName, key: &PublicKey, digests: &MessageDigests) -> bool {
        self.key_name == name.as_str()
            && key
                .verify_digests(self.algorithm, digests, &self.bytes)
                .is_ok()
    }
}

/// Why entries are no signatures.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// A directory or link.
    #[error("{name} is not a regular file")]
    NotAFile {
        /// The entry.
        name: Quoted,
    },
    /// Over [`Limits::signature_entry`].
    #[error("{name} is {size} bytes long; apk ignores signatures over {limit} bytes")]
    TooLarge {
        /// The entry.
        name: Quoted,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Something else in the same gzip member.
    #[error(
        "{name} stands in one gzip member with signatures, so they would sign themselves; give the control section a member of its own"
    )]
    NotASignature {
        /// The entry.
        name: Quoted,
    },
}

/// Whether an entry of that name makes its section a signature section.
pub(super) fn is_signature_entry(name: &[u8]) -> bool {
    name.starts_with(b".SIGN.") && !name.contains(&b'/')
}

/// Gathers the signatures of a section. Unknown algorithms are read over, as apk does.
#[derive(Debug)]
pub(super) struct Collector {
    limit: u64,
    current: Option<SignatureMember>,
    signatures: Vec<SignatureMember>,
}

impl Collector {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            limit: limits.signature_entry,
            current: None,
            signatures: Vec::new(),
        }
    }

    pub(super) fn entry(&mut self, entry: &Entry) -> Result<(), SignatureError> {
        let name = Quoted::new(&entry.name);
        if !is_signature_entry(&entry.name) {
            return Err(SignatureError::NotASignature { name });
        }
        if entry.kind != EntryKind::File {
            return Err(SignatureError::NotAFile { name });
        }
        if entry.size > self.limit {
            return Err(SignatureError::TooLarge {
                name,
                size: entry.size,
                limit: self.limit,
            });
        }
        self.current =
            Algorithm::from_entry_name(&entry.name).map(|(algorithm, key_name)| SignatureMember {
                algorithm,
                key_name: String::from_utf8_lossy(key_name).into_owned(),
                bytes: Vec::new(),
            });
        Ok(())
    }

    pub(super) fn content(&mut self, content: &[u8]) {
        if let Some(current) = &mut self.current {
            current.bytes.extend_from_slice(content);
        }
    }

    pub(super) fn entry_end(&mut self) {
        self.signatures.extend(self.current.take());
    }

    pub(super) fn signatures(&self) -> &[SignatureMember] {
        &self.signatures
    }

    pub(super) fn finish(self) -> Vec<SignatureMember> {
        self.signatures
    }
}

/// Signs the section whose SHA-256 is given, by every key, and writes the signature member that goes in front of it.
///
/// Equal arguments give equal bytes. The tar has no end-of-archive, so that the next section goes on where it ends.
pub fn sign_digest(
    digest: &[u8; 32],
    keys: &[(&KeyName, &SigningKey)],
) -> Result<Vec<u8>, SignError> {
    let signatures = keys
        .iter()
        .map(|(name, key)| {
            Ok((
                name.entry_name(Algorithm::Rsa256),
                key.sign_sha256_digest(digest)?,
            ))
        })
        .collect::<Result<Vec<_>, SignError>>()?;
    Ok(write_member(&signatures))
}

/// Writes the signature member from signatures that were made before, each an [`Algorithm::Rsa256`] one over the section
/// that follows, in their order. The same as [`sign_digest`] writes.
pub fn write_signatures(signatures: &[(&KeyName, &[u8])]) -> Vec<u8> {
    let named: Vec<(String, Vec<u8>)> = signatures
        .iter()
        .map(|(name, bytes)| (name.entry_name(Algorithm::Rsa256), bytes.to_vec()))
        .collect();
    write_member(&named)
}

/// Reads a signature member by itself, and checks one key's signature in it over the section whose SHA-256 is given.
///
/// # Errors
///
/// What is wrong with the member; or that it has no right `RSA256` signature under this name.
pub fn verify_member(
    member: &[u8],
    sha256: &[u8; 32],
    name: &KeyName,
    key: &PublicKey,
    limits: &Limits,
) -> Result<(), MemberError> {
    let mut gzip = MemberReader::new();
    let mut tar = TarReader::new(limits, u64::MAX);
    let mut collector = Collector::new(limits);
    let mut buffer = vec![0; 64 << 10];
    let mut rest = member;
    loop {
        let progress = gzip.push(rest, &mut buffer)?;
        rest = rest.get(progress.consumed..).unwrap_or_default();
        let content = buffer.get(..progress.produced).unwrap_or_default();
        tar.push(content, &mut |event| {
            match event {
                Event::Entry(entry) => collector.entry(entry)?,
                Event::Content(content) => collector.content(content),
                Event::EntryEnd => collector.entry_end(),
            }
            Ok::<_, MemberError>(())
        })?;
        if gzip.produced() > limits.signature_section {
            return Err(MemberError::TooLarge(limits.signature_section));
        }
        if progress.ended {
            break;
        }
        if progress.consumed == 0 && progress.produced == 0 {
            gzip.finish()?;
        }
    }
    if !rest.is_empty() {
        return Err(MemberError::TrailingData);
    }
    let by_key = |signature: &&SignatureMember| {
        signature.algorithm == Algorithm::Rsa256 && signature.key_name == name.as_str()
    };
    let signatures = collector.finish();
    let signature = signatures
        .iter()
        .find(by_key)
        .ok_or_else(|| MemberError::NotBy(name.clone()))?;
    key.verify_sha256_digest(sha256, &signature.bytes)
        .map_err(|_| MemberError::Wrong(name.clone()))
}

/// What is wrong with a signature member.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MemberError {
    /// Not one gzip member.
    #[error(transparent)]
    Gzip(#[from] GzipError),
    /// Not a tar archive.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// Something in it is no signature.
    #[error(transparent)]
    Entry(#[from] SignatureError),
    /// Over the limit, in bytes.
    #[error("the signatures are larger than {0} bytes")]
    TooLarge(u64),
    /// Something follows it.
    #[error("the signature member has bytes behind it")]
    TrailingData,
    /// No signature under that name.
    #[error("it is not signed by {0}")]
    NotBy(KeyName),
    /// A signature that the key does not verify.
    #[error("the signature of {0} is wrong")]
    Wrong(KeyName),
}

/// Writes a signature member from entry names and signatures, whatever they are.
pub fn write_member(signatures: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, signature) in signatures {
        let size = signature.len() as u64;
        tar.extend(EntryHeader::file(name.as_bytes(), size, 0).to_bytes());
        tar.extend_from_slice(signature);
        tar.extend_from_slice(padding(size));
    }
    compress_member([tar.as_slice()], 9)
}
