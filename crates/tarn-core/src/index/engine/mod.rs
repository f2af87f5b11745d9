//! The engine: an index as a pure function of the one before it and of what changed.
//!
//! An index is one gzip member, and hashing and compressing it anew for each package is what makes publishing slow as
//! it grows. So it is put together from runs of a deflate stream that each begin and end at a byte boundary
//! ([`super::run`]), cut where the records themselves say ([`layout`]), and the state of the hash is kept behind each of
//! them. An append compresses the last few records, hashes the end, and is done. A removal compresses the chunk it was
//! in, and hashes from there on.
//!
//! [`State::apply`] and [`State::empty`] know neither database nor clock. Any order of changes that leads to the same
//! records leads to the same bytes.

pub(super) mod layout;
mod piece;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use apk::v2::{
    gzip::PLAIN_HEADER,
    tar::{self, END_OF_ARCHIVE, EntryHeader},
};
use bytes::{BufMut, Bytes, BytesMut};
use flate2::FlushCompress;
use sha2::{Digest, Sha256};

use self::piece::{Piece, filling, text_of};
use super::{
    changes::{Changes, EngineError, Record, check_order},
    run::{Run, crc, deflate, window},
};

/// The stream up to a point: what has to be known to go on from there.
#[derive(Debug, Clone)]
struct Point {
    /// Over the compressed bytes of the member so far.
    sha256: Sha256,
    /// Over the uncompressed bytes so far.
    crc: crc32fast::Hasher,
    /// Uncompressed bytes so far, the tar header included.
    length: u64,
}

impl Point {
    fn after(&self, run: &Run) -> Self {
        let mut next = self.clone();
        next.sha256.update(&run.deflated);
        next.crc.combine(&run.crc);
        next.length += run.length;
        next
    }
}

/// A piece, and the stream behind it.
#[derive(Debug, Clone)]
struct Link {
    piece: Arc<Piece>,
    after: Point,
}

/// All of an index but its signature.
#[derive(Debug, Clone)]
pub struct State {
    /// The gzip header and the compressed tar header.
    head: Bytes,
    /// The size that the tar header gives.
    entry_size: u64,
    start: Point,
    /// Chunks that are closed, each one piece.
    closed: Vec<Link>,
    /// The pieces of the chunk at the end, when it is open. Each may look back at the ones before it, in this chunk.
    open: Vec<Link>,
    /// The end of the text of all open pieces but the last one, where that ends no run: what the next appends look back at.
    window: Bytes,
}

/// The gzip member to be signed and sent.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its bytes, in order.
    pub segments: Vec<Bytes>,
    /// SHA-256 over them.
    pub sha256: [u8; 32],
}

impl State {
    /// An index without packages.
    ///
    /// # Errors
    ///
    /// [`EngineError::TooLarge`], on a machine that cannot hold it.
    pub fn empty() -> Result<Self, EngineError> {
        let entry_size = layout::entry_size(0);
        let (head, start) = head(entry_size)?;
        Ok(Self {
            head,
            entry_size,
            start,
            closed: Vec::new(),
            open: Vec::new(),
            window: Bytes::new(),
        })
    }

    /// The index after `changes`. The cost is that of the chunks that change, and of hashing from the first of them on.
    ///
    /// # Errors
    ///
    /// [`EngineError::Inconsistent`] when a removed record is not there, or an added one is not above all others.
    pub fn apply(&self, changes: &Changes) -> Result<Self, EngineError> {
        let cut = self.cut(changes)?;
        let lengths = cut
            .closed
            .iter()
            .chain(&cut.open)
            .map(|piece| piece.run.length);
        let entry_size = layout::entry_size(lengths.sum());
        let mut same = entry_size == self.entry_size;
        let (head, start) = if same {
            (self.head.clone(), self.start.clone())
        } else {
            head(entry_size)?
        };

        let mut point = start.clone();
        let closed = relink(cut.closed, &self.closed, &mut same, &mut point);
        same &= closed.len() == self.closed.len();
        let open = relink(cut.open, &self.open, &mut same, &mut point);
        Ok(Self {
            head,
            entry_size,
            start,
            closed,
            open,
            window: cut.window,
        })
    }

    /// Compresses what changes, and keeps what does not.
    fn cut(&self, changes: &Changes) -> Result<Cut, EngineError> {
        let last = self.links().next_back();
        let last = last.and_then(|link| link.piece.sequences.last().copied());
        let added = changes.added.iter().map(|record| record.sequence);
        check_order(last, added.clone())?;
        let mut cut = Cut::default();
        let mut removal = Removal {
            sequences: &changes.removed,
            done: 0,
        };
        for link in &self.closed {
            if cut.loose.is_empty() && !removal.touches(&link.piece) {
                cut.closed.push(Arc::clone(&link.piece));
            } else {
                // The record at the end of a chunk may be the one that goes; then the next chunk joins this one.
                let text = link.piece.run.inflate(&[])?;
                let left = removal.apply(link.piece.records(text)?);
                cut.push(left)?;
            }
        }

        // A record that ends a run makes one run of the shorter ones before it.
        let longest = added.map(layout::rank).max().unwrap_or(0).max(1);
        let stays_open =
            cut.loose.is_empty() && !self.open.iter().any(|link| removal.touches(&link.piece));
        let kept = if stays_open {
            let stays = |link: &&Link| ends_rank(&link.piece) >= longest;
            self.open.iter().take_while(stays).count()
        } else {
            0
        };
        let texts = self.open_texts(kept)?;
        for (place, (link, text)) in self.open.iter().zip(texts).enumerate() {
            if place < kept {
                cut.open.push(Arc::clone(&link.piece));
                cut.text.extend_from_slice(&text);
            } else {
                let left = removal.apply(link.piece.records(text)?);
                cut.push(left)?;
            }
        }
        cut.push(changes.added.clone())?;
        cut.finish()?;
        if removal.done != changes.removed.len() {
            return Err(EngineError::ABSENT);
        }
        Ok(cut)
    }

    /// What each open piece inflates to. Of the first `kept` at least the end is right, all together: where only the last
    /// piece is wanted, the others need not be inflated.
    fn open_texts(&self, kept: usize) -> Result<Vec<Vec<u8>>, EngineError> {
        let loose = self.open.last().filter(|link| ends_rank(&link.piece) == 0);
        let whole_runs = self.open.len() - usize::from(loose.is_some());
        let mut texts = Vec::with_capacity(self.open.len());
        if kept == whole_runs {
            texts.resize_with(kept.saturating_sub(1), Vec::new);
            texts.extend((kept > 0).then(|| self.window.to_vec()));
            if let Some(link) = loose {
                texts.push(link.piece.run.inflate(&self.window)?);
            }
            return Ok(texts);
        }
        let mut all = Vec::new();
        for link in &self.open {
            let text = link.piece.run.inflate(&all)?;
            all.extend_from_slice(&text);
            texts.push(text);
        }
        Ok(texts)
    }

    /// The bytes to be signed and sent. Costs the end of the stream, and a handle for each run.
    ///
    /// # Errors
    ///
    /// [`EngineError::TooLarge`], on a machine that cannot hold it.
    pub fn member(&self) -> Result<Member, EngineError> {
        let mut segments = Vec::with_capacity(self.closed.len() + self.open.len() + 40);
        segments.push(self.head.clone());
        segments.extend(self.links().map(|link| link.piece.run.deflated.clone()));
        let mut point = self
            .links()
            .last()
            .map_or(&self.start, |link| &link.after)
            .clone();

        let text = point.length - self.start.length;
        for run in filling(self.entry_size - text) {
            let run = run?;
            point = point.after(&run);
            segments.push(run.deflated);
        }

        // The entry's last block is filled with NUL, which belongs to the archive and not to the text.
        let mut tail = tar::padding(self.entry_size).to_vec();
        tail.extend(END_OF_ARCHIVE);
        point.crc.combine(&crc(&tail));
        let length = point.length + tail.len() as u64;
        let mut end = BytesMut::from(&*deflate(&tail, FlushCompress::Finish)?);
        end.put_u32_le(point.crc.finalize());
        // ISIZE is the length modulo 2^32 (RFC 1952, section 2.3.1).
        end.put_u32_le(
            u32::try_from(length & u64::from(u32::MAX)).map_err(|_| EngineError::TooLarge)?,
        );
        point.sha256.update(&end);
        segments.push(end.freeze());
        Ok(Member {
            segments,
            sha256: point.sha256.finalize().into(),
        })
    }

    /// The text of every run that `before` has not.
    ///
    /// # Errors
    ///
    /// [`EngineError::Inconsistent`] when one does not inflate to what it was made from.
    pub fn made_after(&self, before: &Self) -> Result<Vec<Vec<u8>>, EngineError> {
        let known: HashSet<*const Piece> = before
            .links()
            .map(|link| Arc::as_ptr(&link.piece))
            .collect();
        let is_new = |link: &Link| !known.contains(&Arc::as_ptr(&link.piece));
        let mut texts = Vec::new();
        for link in self.closed.iter().filter(|link| is_new(link)) {
            texts.push(link.piece.run.inflate(&[])?);
        }
        let kept = self.open.iter().take_while(|link| !is_new(link)).count();
        if kept < self.open.len() {
            texts.extend(self.open_texts(kept)?.into_iter().skip(kept));
        }
        Ok(texts)
    }

    /// How many records are in it.
    pub fn records(&self) -> u64 {
        self.links()
            .map(|link| link.piece.sequences.len() as u64)
            .sum()
    }

    /// Bytes it takes in memory, roughly.
    pub fn weight(&self) -> u64 {
        self.links()
            .map(|link| link.piece.weight() + size_of::<Link>() as u64)
            .sum::<u64>()
            + self.window.len() as u64
            + 1024
    }

    fn links(&self) -> impl DoubleEndedIterator<Item = &Link> {
        self.closed.iter().chain(&self.open)
    }
}

/// The gzip header and the compressed tar header, and the stream behind them.
fn head(entry_size: u64) -> Result<(Bytes, Point), EngineError> {
    let header = EntryHeader::file(b"APKINDEX", entry_size, 0).to_bytes();
    let mut head = PLAIN_HEADER.to_vec();
    head.extend(deflate(&header, FlushCompress::Full)?);
    let point = Point {
        sha256: Sha256::new_with_prefix(&head),
        crc: crc(&header),
        length: header.len() as u64,
    };
    Ok((head.into(), point))
}

/// Links `pieces` behind `point`, with what is known already of those that stand where they stood.
fn relink(
    pieces: Vec<Arc<Piece>>,
    before: &[Link],
    same: &mut bool,
    point: &mut Point,
) -> Vec<Link> {
    let mut before = before.iter();
    let link = |piece: Arc<Piece>| {
        match before.next() {
            Some(link) if *same && Arc::ptr_eq(&link.piece, &piece) => *point = link.after.clone(),
            _ => {
                *same = false;
                *point = point.after(&piece.run);
            }
        }
        Link {
            piece,
            after: point.clone(),
        }
    };
    pieces.into_iter().map(link).collect()
}

/// How long a run the last record of a piece ends.
fn ends_rank(piece: &Piece) -> usize {
    piece.sequences.last().map_or(0, |last| layout::rank(*last))
}

/// Records on their way into pieces.
#[derive(Default)]
struct Cut {
    closed: Vec<Arc<Piece>>,
    open: Vec<Arc<Piece>>,
    /// Of the open pieces so far, at least the end that can be looked back at.
    text: Vec<u8>,
    window: Bytes,
    /// Records behind the last piece.
    loose: Vec<Record>,
}

impl Cut {
    /// Takes more records, and closes the chunks that end with one of them.
    fn push(&mut self, records: Vec<Record>) -> Result<(), EngineError> {
        for record in records {
            let sequence = record.sequence;
            self.loose.push(record);
            if layout::rank(sequence) == layout::CHUNK {
                self.closed.push(Arc::new(Piece::new(&self.loose, &[])?));
                self.loose.clear();
            }
        }
        Ok(())
    }

    /// What is behind the last chunk becomes the pieces of the open one: the longest runs first, then what is behind
    /// their last in shorter ones, and so on.
    fn finish(&mut self) -> Result<(), EngineError> {
        let loose = std::mem::take(&mut self.loose);
        let mut rest = loose.as_slice();
        for rank in (0..layout::CHUNK).rev() {
            if rank == 0 {
                self.window = Bytes::copy_from_slice(window(&self.text));
            }
            let ends = |record: &Record| layout::rank(record.sequence) >= rank;
            let end = rest.iter().rposition(ends).map_or(0, |last| last + 1);
            let (runs, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            // Rank 0 is every record: what ends no run stays in one piece.
            let pieces = runs.split_inclusive(|record| rank > 0 && ends(record));
            for records in pieces {
                self.open.push(Arc::new(Piece::new(records, &self.text)?));
                self.text.extend_from_slice(&text_of(records));
            }
            rest = behind;
        }
        Ok(())
    }
}

/// The records that go, and how many of them were met.
struct Removal<'a> {
    sequences: &'a BTreeSet<i64>,
    done: usize,
}

impl Removal<'_> {
    fn touches(&self, piece: &Piece) -> bool {
        match (piece.sequences.first(), piece.sequences.last()) {
            (Some(first), Some(last)) => self
                .sequences
                .range(first..=last)
                .any(|sequence| piece.has(*sequence)),
            _ => false,
        }
    }

    fn apply(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        let before = records.len();
        records.retain(|record| !self.sequences.contains(&record.sequence));
        self.done += before - records.len();
        records
    }
}
