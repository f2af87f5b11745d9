//! The bytes of an index, in pieces that are never copied together.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

/// Bytes in several runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Segments {
    runs: Arc<[Bytes]>,
    length: u64,
}

impl Segments {
    /// How many bytes they are together.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// All of them, copied together.
    pub fn whole(&self) -> Vec<u8> {
        self.runs.concat()
    }

    /// The runs that `range` covers, the first and the last cut to fit. What lies beyond the end is left out.
    pub fn part(&self, range: Range<u64>) -> impl Iterator<Item = Bytes> + use<> {
        let runs = Arc::clone(&self.runs);
        let mut at = 0_u64;
        (0..runs.len()).filter_map(move |index| {
            let run = runs.get(index)?;
            let start = at;
            at += run.len() as u64;
            let first = usize::try_from(range.start.clamp(start, at) - start).ok()?;
            let last = usize::try_from(range.end.clamp(start, at) - start).ok()?;
            (first < last).then(|| run.slice(first..last))
        })
    }
}

impl FromIterator<Bytes> for Segments {
    fn from_iter<I: IntoIterator<Item = Bytes>>(runs: I) -> Self {
        let runs: Arc<[Bytes]> = runs.into_iter().collect();
        let length = runs.iter().map(|run| run.len() as u64).sum();
        Self { runs, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_that_of_the_bytes_together() {
        let segments: Segments = [&b"abc"[..], b"", b"d", b"efgh"]
            .into_iter()
            .map(Bytes::from_static)
            .collect();
        assert_eq!(segments.length(), 8);
        for start in 0..=9_u64 {
            for end in start..=10 {
                let part: Vec<u8> = segments.part(start..end).flatten().collect();
                let whole = b"abcdefgh";
                let (first, last) = (start.min(8) as usize, end.min(8) as usize);
                assert_eq!(part, &whole[first..last], "{start}..{end}");
            }
        }
    }
}
