//! Reading a whole index, in memory. Shares nothing with the writer, so that one checks the other.

use super::{Description, DescriptionError, IndexError};
use crate::{
    limits::Limits,
    quoted::Quoted,
    sign::{KeyName, PublicKey},
    v2::{
        gzip::MemberReader,
        record::Record,
        signature::{Collector, SignatureMember, is_signature_entry},
        tar::{Entry, EntryKind, Event, TarReader},
    },
};

const BUFFER: usize = 64 << 10;

/// An index that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Everything but the records.
    pub summary: Summary,
    /// The records, in the order of the file.
    pub records: Vec<Record>,
}

impl Index {
    /// The text of `APKINDEX`: the records written back, and the padding after them.
    pub fn to_apkindex(&self) -> String {
        let mut text = String::new();
        for record in &self.records {
            text.push_str(&record.to_string());
        }
        text.extend(std::iter::repeat_n(
            '\n',
            usize::try_from(self.summary.padding).unwrap_or(0),
        ));
        text
    }
}

/// What an index says besides its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// `DESCRIPTION`; empty when absent.
    pub description: Description,
    /// The signatures in front.
    pub signatures: Vec<SignatureMember>,
    /// The trusted key whose signature was verified; `None` if none was asked for.
    pub signer: Option<KeyName>,
    /// How many records there are.
    pub records: u64,
    /// Line feeds after the last record.
    pub padding: u64,
}

/// Reads an index signed by one of the trusted keys. As apk does, it takes the first signature whose key name is trusted,
/// and no other.
///
/// # Errors
///
/// [`IndexError`] for whatever some apk would stumble over.
pub fn read(
    bytes: &[u8],
    limits: &Limits,
    trusted: &[(KeyName, PublicKey)],
) -> Result<Index, IndexError> {
    collect(bytes, limits, Some(trusted))
}

/// Reads an index without looking at its signature; it may have none.
///
/// # Errors
///
/// [`IndexError`] for everything but the signature.
pub fn read_unverified(bytes: &[u8], limits: &Limits) -> Result<Index, IndexError> {
    collect(bytes, limits, None)
}

fn collect(
    bytes: &[u8],
    limits: &Limits,
    trusted: Option<&[(KeyName, PublicKey)]>,
) -> Result<Index, IndexError> {
    let mut records = Vec::new();
    let summary = for_each_record(bytes, limits, trusted, |record| records.push(record))?;
    Ok(Index { summary, records })
}

/// Reads an index record by record, holding one at a time. With `trusted` the signature is verified before the first
/// record is given out.
///
/// # Errors
///
/// As [`read`] and [`read_unverified`].
pub fn for_each_record(
    bytes: &[u8],
    limits: &Limits,
    trusted: Option<&[(KeyName, PublicKey)]>,
    visit: impl FnMut(Record),
) -> Result<Summary, IndexError> {
    if bytes.is_empty() {
        return Err(IndexError::Empty);
    }
    let mut tar = TarReader::new(limits, u64::MAX);
    let mut contents = Contents::new(limits, visit);
    let mut rest = bytes;
    let mut signer = None;
    while contents.stage != Stage::Index {
        if rest.is_empty() {
            return Err(IndexError::NoIndex);
        }
        let message = rest;
        contents.stage = Stage::Unknown;
        // The stage is known at the first entry, and the trust must be settled before the second.
        let mut settle = |signatures: &[SignatureMember]| {
            if let Some(trusted) = trusted {
                signer = Some(verify(message, signatures, trusted)?);
            }
            Ok(())
        };
        rest = read_member(rest, limits, &mut tar, &mut contents, &mut settle)?;
        if contents.stage == Stage::Unknown {
            return Err(IndexError::NoApkindex);
        }
    }
    if !rest.is_empty() {
        return Err(IndexError::TrailingData);
    }
    contents.finish(signer)
}

/// Reads one gzip member, and gives what follows it.
fn read_member<'a, V: FnMut(Record)>(
    input: &'a [u8],
    limits: &Limits,
    tar: &mut TarReader,
    contents: &mut Contents<'_, V>,
    settle: &mut dyn FnMut(&[SignatureMember]) -> Result<(), IndexError>,
) -> Result<&'a [u8], IndexError> {
    let mut member = MemberReader::new();
    let mut buffer = vec![0; BUFFER];
    let mut rest = input;
    loop {
        let progress = member.push(rest, &mut buffer)?;
        rest = rest.get(progress.consumed..).unwrap_or_default();
        let content = buffer.get(..progress.produced).unwrap_or_default();
        tar.push(content, &mut |event| contents.event(event, settle))?;
        if contents.stage == Stage::Signature {
            contents.signature_size += progress.produced as u64;
            if contents.signature_size > limits.signature_section {
                return Err(IndexError::SignatureSectionTooLarge(
                    limits.signature_section,
                ));
            }
        } else if member.produced() > limits.index {
            return Err(IndexError::TooLarge(limits.index));
        }
        if progress.ended {
            tar.finish()?;
            return Ok(rest);
        }
        if progress.consumed == 0 && progress.produced == 0 {
            member.finish()?;
        }
    }
}

/// The bytes of the longest record: `D:`, `p:` and `i:`, all the other lines, and the blank line.
fn longest_record(limits: &Limits) -> usize {
    3 * limits.index_line + limits.index_header + 1
}

fn verify(
    message: &[u8],
    signatures: &[SignatureMember],
    trusted: &[(KeyName, PublicKey)],
) -> Result<KeyName, IndexError> {
    if signatures.is_empty() {
        return Err(IndexError::NotSigned);
    }
    let key_of = |signature: &SignatureMember| {
        trusted
            .iter()
            .find(|(name, _)| name.as_str() == signature.key_name)
    };
    let found = signatures
        .iter()
        .find_map(|signature| Some((signature, key_of(signature)?)));
    let (signature, (name, key)) = found.ok_or(IndexError::Untrusted)?;
    key.verify(signature.algorithm, message, &signature.bytes)
        .map_err(|_| IndexError::BadSignature(name.to_string()))?;
    Ok(name.clone())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unknown,
    Signature,
    Index,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    None,
    Description,
    Apkindex,
}

struct Contents<'a, V> {
    limits: &'a Limits,
    visit: V,
    stage: Stage,
    signatures: Collector,
    /// Inflated bytes of all signature members together.
    signature_size: u64,
    file: File,
    has_apkindex: bool,
    description: Vec<u8>,
    /// The bytes of the record that is not complete yet, from its first line on.
    record: Vec<u8>,
    records: u64,
    padding: u64,
}

impl<'a, V: FnMut(Record)> Contents<'a, V> {
    fn new(limits: &'a Limits, visit: V) -> Self {
        Self {
            limits,
            visit,
            stage: Stage::Unknown,
            signatures: Collector::new(limits),
            signature_size: 0,
            file: File::None,
            has_apkindex: false,
            description: Vec::new(),
            record: Vec::new(),
            records: 0,
            padding: 0,
        }
    }

    fn event(
        &mut self,
        event: Event<'_>,
        settle: &mut dyn FnMut(&[SignatureMember]) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        if let (Stage::Unknown, Event::Entry(entry)) = (self.stage, &event) {
            if is_signature_entry(&entry.name) {
                self.stage = Stage::Signature;
            } else {
                self.stage = Stage::Index;
                settle(self.signatures.signatures())?;
            }
        }
        match (self.stage, event) {
            (Stage::Signature, Event::Entry(entry)) => self.signatures.entry(entry)?,
            (Stage::Signature, Event::Content(content)) => self.signatures.content(content),
            (Stage::Signature, Event::EntryEnd) => self.signatures.entry_end(),
            (_, Event::Entry(entry)) => self.index_entry(entry)?,
            (_, Event::Content(content)) => match self.file {
                File::Apkindex => self.records(content)?,
                File::Description => self.description.extend_from_slice(content),
                File::None => {}
            },
            (_, Event::EntryEnd) => {}
        }
        Ok(())
    }

    fn index_entry(&mut self, entry: &Entry) -> Result<(), IndexError> {
        let file = match entry.name.as_slice() {
            b"DESCRIPTION" if self.file == File::None => File::Description,
            b"APKINDEX" if !self.has_apkindex => File::Apkindex,
            _ => return Err(IndexError::UnexpectedEntry(Quoted::new(&entry.name))),
        };
        if entry.kind != EntryKind::File {
            return Err(IndexError::UnexpectedEntry(Quoted::new(&entry.name)));
        }
        if file == File::Description && entry.size > Description::MAX_LENGTH as u64 {
            return Err(DescriptionError::TooLong(entry.size).into());
        }
        self.has_apkindex |= file == File::Apkindex;
        self.file = file;
        Ok(())
    }

    /// Takes some of APKINDEX.
    fn records(&mut self, content: &[u8]) -> Result<(), IndexError> {
        for line in content.split_inclusive(|byte| *byte == b'\n') {
            // A blank line is a line feed where a line starts.
            let at_line_start = self.record.last().is_none_or(|byte| *byte == b'\n');
            if self.record.is_empty() && line == b"\n" {
                self.padding += 1;
                continue;
            }
            if self.padding > 0 {
                return Err(IndexError::Padding(self.records));
            }
            let limit = longest_record(self.limits);
            if line.len() > limit.saturating_sub(self.record.len()) {
                let number = self.records + 1;
                return Err(IndexError::RecordTooLong { number, limit });
            }
            self.record.extend_from_slice(line);
            if at_line_start && line == b"\n" {
                self.record_end()?;
            }
        }
        Ok(())
    }

    fn record_end(&mut self) -> Result<(), IndexError> {
        self.records += 1;
        if self.records > self.limits.index_records {
            return Err(IndexError::TooManyRecords(self.limits.index_records));
        }
        let text =
            std::str::from_utf8(&self.record).map_err(|_| IndexError::NotUtf8(self.records))?;
        let record = Record::parse(text, self.limits).map_err(|problem| IndexError::Record {
            number: self.records,
            problem,
        })?;
        (self.visit)(record);
        self.record.clear();
        Ok(())
    }

    fn finish(self, signer: Option<KeyName>) -> Result<Summary, IndexError> {
        if !self.has_apkindex {
            return Err(IndexError::NoApkindex);
        }
        if !self.record.is_empty() {
            return Err(IndexError::Unended(self.records + 1));
        }
        let description =
            std::str::from_utf8(&self.description).map_err(|_| DescriptionError::NotUtf8)?;
        Ok(Summary {
            description: Description::parse(description)?,
            signatures: self.signatures.finish(),
            signer,
            records: self.records,
            padding: self.padding,
        })
    }
}
