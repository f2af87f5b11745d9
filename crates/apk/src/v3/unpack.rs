//! Undoes the compression of an ADB file, piece by piece.

use flate2::{Decompress, FlushDecompress, Status};
use zstd::zstd_safe::{DCtx, InBuffer, OutBuffer};

use super::{
    compression::{CHOSEN, Compression, ContainerError, DEFLATED, PLAIN},
    frame,
};
use crate::memory::{Memory, WindowShare};

/// How much is unpacked in one step, in bytes.
const STEP: usize = 64 << 10;
/// The largest window that zstd itself takes by default, and so apk (`ZSTD_WINDOWLOG_LIMIT_DEFAULT`), in bytes. Its level 22 asks for
/// it.
pub const LARGEST_WINDOW: u64 = 128 << 20;
/// zstd's number for a lack of memory (`zstd_errors.h`, `ZSTD_error_memory_allocation`).
const NO_MEMORY: usize = 64;

/// Takes a file and gives the bytes that stand in it without compression, from `ADB.` on.
///
/// It holds one buffer of 64 KiB, the state of deflate (some 40 KiB) or the window of zstd, and no more.
pub struct Unpacker {
    /// The first bytes, until they say what follows.
    head: Vec<u8>,
    stream: Stream,
    buffer: Vec<u8>,
    produced: u64,
    limit: u64,
    window: u64,
    memory: WindowShare,
}

enum Stream {
    Head,
    Plain,
    Deflate(Box<Decompress>),
    /// The stream has ended, and nothing may follow.
    Ended,
    Zstd {
        context: DCtx<'static>,
        /// What came of the head of a frame until it says how large the window is; `None` behind that. apk takes several frames in a
        /// row (`src/io_zstd.c`).
        head: Option<Vec<u8>>,
    },
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Unpacker")
            .field("produced", &self.produced)
            .finish_non_exhaustive()
    }
}

impl Unpacker {
    /// Unpacks to at most `limit` bytes. A zstd stream may ask for a window of at most `window` bytes, which are
    /// allocated.
    pub fn new(limit: u64, window: u64) -> Self {
        Self::within(limit, window, Memory::unbounded().window())
    }

    /// The same, and the window is taken from `memory` before it is allocated.
    pub fn within(limit: u64, window: u64, memory: WindowShare) -> Self {
        Self {
            head: Vec::new(),
            stream: Stream::Head,
            buffer: Vec::new(),
            produced: 0,
            limit,
            window: window.min(LARGEST_WINDOW),
            memory,
        }
    }

    /// How the file is compressed, once its first bytes were pushed.
    pub fn compression(&self) -> Option<Compression> {
        match self.stream {
            Stream::Head => None,
            Stream::Plain => Some(Compression::None),
            Stream::Deflate(_) | Stream::Ended => Some(Compression::Deflate),
            Stream::Zstd { .. } => Some(Compression::Zstd),
        }
    }

    /// How many bytes were given so far.
    pub fn produced(&self) -> u64 {
        self.produced
    }

    /// Takes the next bytes of the file, and hands what they unpack to on, in pieces of at most 64 KiB.
    ///
    /// # Errors
    ///
    /// [`ContainerError`], or what `sink` gives.
    pub fn push<E: From<ContainerError>>(
        &mut self,
        input: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = input;
        while matches!(self.stream, Stream::Head) {
            let Some((byte, after)) = rest.split_first() else {
                return Ok(());
            };
            self.head.push(*byte);
            rest = after;
            self.read_head()?;
            if matches!(self.stream, Stream::Plain) && self.head == PLAIN {
                self.produced += PLAIN.len() as u64;
                sink(PLAIN)?;
            }
        }
        if matches!(self.stream, Stream::Plain) {
            self.count(rest.len())?;
            return if rest.is_empty() { Ok(()) } else { sink(rest) };
        }
        while !rest.is_empty() {
            let (used, made) = self.step(rest)?;
            self.count(made)?;
            rest = rest.get(used..).unwrap_or_default();
            sink(self.buffer.get(..made).unwrap_or_default())?;
            // A full buffer: there may be more to come out, without further input.
            let mut last = made;
            while rest.is_empty() && last == STEP {
                (_, last) = self.step(&[])?;
                self.count(last)?;
                sink(self.buffer.get(..last).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Says that the file ends here.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Magic`] when it is too short to be one, [`ContainerError::Truncated`].
    pub fn finish(&self) -> Result<(), ContainerError> {
        match &self.stream {
            Stream::Head if self.head == CHOSEN || self.head.len() > CHOSEN.len() => {
                Err(ContainerError::Truncated)
            }
            Stream::Head => Err(ContainerError::Magic),
            Stream::Plain | Stream::Ended => Ok(()),
            Stream::Zstd {
                head: Some(head), ..
            } if head.is_empty() => Ok(()),
            Stream::Deflate(_) | Stream::Zstd { .. } => Err(ContainerError::Truncated),
        }
    }

    /// What the first bytes mean, once there are enough.
    fn read_head(&mut self) -> Result<(), ContainerError> {
        let Some((magic, rest)) = self.head.split_first_chunk::<4>() else {
            let is_start = b"ADB".starts_with(&self.head);
            return if is_start {
                Ok(())
            } else {
                Err(ContainerError::Magic)
            };
        };
        // After `ADBc` the algorithm and the level, which only matters to who compresses (`src/adb_comp.c`).
        self.stream = match (magic, rest) {
            (PLAIN, _) | (CHOSEN, [0, _]) => Stream::Plain,
            (DEFLATED, _) | (CHOSEN, [1, _]) => Stream::Deflate(Box::new(Decompress::new(false))),
            (CHOSEN, [2, _]) => Stream::Zstd {
                context: DCtx::try_create().ok_or_else(|| self.memory.lacking())?,
                head: Some(Vec::new()),
            },
            (CHOSEN, [] | [0..=2]) => return Ok(()),
            ([b'A', b'D', b'B', _], _) => return Err(ContainerError::Compression),
            _ => return Err(ContainerError::Magic),
        };
        if !matches!(self.stream, Stream::Plain) {
            self.buffer.resize(STEP, 0);
        }
        Ok(())
    }

    /// Unpacks into the buffer. Gives the bytes used and made.
    fn step(&mut self, input: &[u8]) -> Result<(usize, usize), ContainerError> {
        match &mut self.stream {
            Stream::Ended if input.is_empty() => Ok((0, 0)),
            Stream::Ended => Err(ContainerError::Trailing),
            Stream::Deflate(stream) => {
                let before = (stream.total_in(), stream.total_out());
                let status = stream
                    .decompress(input, &mut self.buffer, FlushDecompress::None)
                    .map_err(|_| ContainerError::Deflate)?;
                let used = stream.total_in() - before.0;
                let made = stream.total_out() - before.1;
                if status == Status::StreamEnd {
                    self.stream = Stream::Ended;
                } else if used == 0 && made == 0 && !input.is_empty() {
                    return Err(ContainerError::Deflate);
                }
                Ok((
                    usize::try_from(used).map_err(|_| ContainerError::Deflate)?,
                    usize::try_from(made).map_err(|_| ContainerError::Deflate)?,
                ))
            }
            Stream::Zstd { context, head } => {
                if let Some(start) = head {
                    let (used, window) = begin_frame(start, input)?;
                    if let Some(window) = window {
                        if window > self.window {
                            let limit = self.window;
                            return Err(ContainerError::Window { window, limit });
                        }
                        self.memory.hold(window)?;
                        unzstd(context, start, &mut self.buffer, &self.memory)?;
                        *head = None;
                    }
                    return Ok((used, 0));
                }
                let (progress, left) = unzstd(context, input, &mut self.buffer, &self.memory)?;
                if left == 0 && (!input.is_empty() || progress.1 > 0) {
                    *head = Some(Vec::new());
                }
                if progress == (0, 0) && !input.is_empty() {
                    return Err(ContainerError::Zstd);
                }
                Ok(progress)
            }
            Stream::Head | Stream::Plain => Err(ContainerError::Magic),
        }
    }

    fn count(&mut self, made: usize) -> Result<(), ContainerError> {
        self.produced = self.produced.saturating_add(made as u64);
        if self.produced > self.limit {
            return Err(ContainerError::TooLarge(self.limit));
        }
        Ok(())
    }
}

/// Takes bytes of `input` into the head of a frame, until that says how large the window is. Gives the bytes used, and the window.
fn begin_frame(head: &mut Vec<u8>, input: &[u8]) -> Result<(usize, Option<u64>), ContainerError> {
    for (before, byte) in input.iter().enumerate() {
        head.push(*byte);
        if let Some(window) = frame::window(head)? {
            return Ok((before + 1, Some(window)));
        }
    }
    Ok((input.len(), None))
}

/// Has zstd unpack. Gives the bytes used and made, and what zstd says is left: 0 at the end of a frame.
fn unzstd(
    context: &mut DCtx<'_>,
    input: &[u8],
    buffer: &mut [u8],
    memory: &WindowShare,
) -> Result<((usize, usize), usize), ContainerError> {
    let mut from = InBuffer::around(input);
    let mut to = OutBuffer::around(buffer);
    let left = context.decompress_stream(&mut to, &mut from);
    let left = left.map_err(|code| match 0_usize.wrapping_sub(code) {
        NO_MEMORY => memory.lacking().into(),
        _ => ContainerError::Zstd,
    })?;
    Ok(((from.pos(), to.pos()), left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory::MemoryTaken,
        v3::container::{pack, pack_at},
    };

    fn unpack(
        bytes: &[u8],
        piece: usize,
        limit: u64,
        window: u64,
    ) -> Result<Vec<u8>, ContainerError> {
        let mut unpacker = Unpacker::new(limit, window);
        let mut file = Vec::new();
        for piece in bytes.chunks(piece) {
            unpacker.push(piece, &mut |made: &[u8]| {
                file.extend_from_slice(made);
                Ok::<(), ContainerError>(())
            })?;
        }
        unpacker.finish()?;
        Ok(file)
    }

    fn file() -> Vec<u8> {
        let words = (0..60_000_u32).map(|number| number.wrapping_mul(number) % 251);
        let mut file = b"ADB.pckg".to_vec();
        file.extend(words.flat_map(u32::to_le_bytes));
        file
    }

    #[test]
    fn every_compression_at_every_level_is_read_in_pieces_of_any_size() {
        let file = file();
        let deflate = (0..=9).map(|level| pack_at(&file, Compression::Deflate, level).unwrap());
        let zstd = [0, 1, 3, 19, 22].map(|level| pack_at(&file, Compression::Zstd, level).unwrap());
        let plain = [
            file.clone(),
            pack(file.clone(), Compression::None).unwrap(),
            [b"ADBc\0\x01", file.as_slice()].concat(),
        ];
        for packed in deflate.chain(zstd).chain(plain) {
            for piece in [1, 7, 4096, packed.len()] {
                let read = unpack(&packed, piece, 1 << 20, 128 << 20);
                assert!(read.as_ref() == Ok(&file), "{:?}", packed.get(..6));
            }
            for cut in [7, packed.len() / 2, packed.len() - 1] {
                let read = unpack(&packed[..cut], 4096, 1 << 20, 128 << 20);
                let is_plain = packed.starts_with(b"ADB.") || packed.starts_with(b"ADBc\0");
                assert_eq!(read.is_ok(), is_plain, "{:?} {cut}", packed.get(..6));
            }
        }
    }

    #[test]
    fn takes_the_memory_for_a_window_before_it_is_allocated_and_refuses_one_over_the_limit() {
        for (level, window) in [(3, 2 << 20), (19, 8 << 20), (20, 32 << 20), (22, 128 << 20)] {
            let packed = pack_at(&file(), Compression::Zstd, level).unwrap();
            let limit = window - 1;
            let error = ContainerError::Window { window, limit };
            assert_eq!(unpack(&packed, 4096, 1 << 20, limit), Err(error));
            // Beside the window there is what zstd allocates, and no more than half a MiB of it.
            let wanted = window + (512 << 10);
            let memory = Memory::of(wanted).with_windows(wanted);
            let mut unpacker = Unpacker::within(1 << 20, window, memory.window());
            let mut nothing = |_: &[u8]| Ok::<(), ContainerError>(());
            unpacker.push(&packed, &mut nothing).unwrap();
            let Stream::Zstd { context, .. } = &unpacker.stream else {
                panic!("no zstd");
            };
            let allocated = context.sizeof() as u64;
            assert!((window..=wanted).contains(&allocated), "{allocated} bytes");
            // While one has it, there is none for another, and that one allocates nothing.
            let mut other = Unpacker::within(1 << 20, window, memory.window());
            let refused = other.push(&packed, &mut nothing);
            assert_eq!(refused, Err(MemoryTaken { wanted }.into()));
            let Stream::Zstd { context, .. } = &other.stream else {
                panic!("no zstd");
            };
            assert!(context.sizeof() < 256 << 10);
            drop(unpacker);
            let mut other = Unpacker::within(1 << 20, window, memory.window());
            other.push(&packed, &mut nothing).unwrap();
            other.finish().unwrap();
        }
    }

    #[test]
    fn what_a_large_window_reaches_back_to_is_there() {
        // What stands 70 MiB before, and nothing in between that could be it.
        let noise: Vec<u8> = (0..1_u64 << 17)
            .map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ number)
            .flat_map(u64::to_le_bytes)
            .collect();
        let middle = vec![0; 70 << 20];
        let mut packed = zstd::Encoder::new([CHOSEN.as_slice(), &[2, 22]].concat(), 1).unwrap();
        packed.window_log(27).unwrap();
        packed.long_distance_matching(true).unwrap();
        for part in [&noise, &middle, &noise] {
            std::io::Write::write_all(&mut packed, part).unwrap();
        }
        let packed = packed.finish().unwrap();
        assert!(packed.len() < noise.len() * 3 / 2, "{}", packed.len());
        let mut unpacker = Unpacker::new(1 << 30, LARGEST_WINDOW);
        let (mut place, mut end) = (0, Vec::new());
        unpacker
            .push(&packed, &mut |piece: &[u8]| {
                place += piece.len();
                let of_end = place.saturating_sub(noise.len() + middle.len());
                end.extend_from_slice(&piece[piece.len() - of_end.min(piece.len())..]);
                Ok::<(), ContainerError>(())
            })
            .unwrap();
        unpacker.finish().unwrap();
        assert!(end == noise, "{} bytes", end.len());
    }

    #[test]
    fn refuses_more_than_the_limit_and_damage_in_every_compression() {
        let bomb = [b"ADB.pckg".as_slice(), &[0; 1 << 20]].concat();
        for compression in [Compression::Deflate, Compression::Zstd, Compression::None] {
            let packed = pack(bomb.clone(), compression).unwrap();
            assert_eq!(
                unpack(&packed, 100, 1 << 19, 1 << 27),
                Err(ContainerError::TooLarge(1 << 19)),
                "{compression:?}"
            );
        }
        let mut damaged = pack(file(), Compression::Zstd).unwrap();
        let middle = damaged.len() / 2;
        damaged[middle..].fill(0xff);
        assert_eq!(
            unpack(&damaged, 4096, 1 << 20, 1 << 27),
            Err(ContainerError::Zstd)
        );
    }

    #[test]
    fn refuses_bytes_after_a_stream_and_takes_several_frames_of_zstd() {
        let file = file();
        let mut deflated = pack(file.clone(), Compression::Deflate).unwrap();
        deflated.push(0);
        assert_eq!(
            unpack(&deflated, 4096, 1 << 20, 1 << 27),
            Err(ContainerError::Trailing)
        );
        let mut frames = pack(file[..1000].to_vec(), Compression::Zstd).unwrap();
        frames.extend_from_slice(&pack(file[1000..].to_vec(), Compression::Zstd).unwrap()[6..]);
        assert!(unpack(&frames, 4096, 1 << 20, 1 << 27) == Ok(file));
        frames.extend_from_slice(b"garbage");
        assert_eq!(
            unpack(&frames, 4096, 1 << 20, 1 << 27),
            Err(ContainerError::Zstd)
        );
    }
}
