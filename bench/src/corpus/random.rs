//! Numbers, names and choices from a seed.

/// SplitMix64: one multiplication deep, and the same on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

const HEADS: &[&str] = &[
    "b", "br", "c", "ch", "d", "dr", "f", "g", "gl", "h", "j", "k", "l", "lib", "m", "n", "net",
    "p", "pl", "qu", "r", "s", "sh", "st", "t", "tr", "v", "w", "x", "z",
];
const HEARTS: &[&str] = &["a", "ai", "e", "ea", "i", "ie", "o", "oo", "u", "y"];
const TAILS: &[&str] = &[
    "", "b", "ck", "d", "ft", "g", "l", "lt", "m", "n", "nd", "ng", "p", "r", "rk", "s", "ss", "t",
    "x", "tool", "fs",
];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when that is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = (end as u64).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// One of a list whose first ones are wanted most: the place is the product of two even numbers.
    pub(super) fn often(&mut self, list: &[&'static str]) -> &'static str {
        let (a, b) = (self.below(list.len()), self.below(list.len()));
        list.get(a * b / list.len().max(1)).copied().unwrap_or("")
    }

    /// The name with that number: two or three syllables, and the number in letters.
    pub(super) fn name(number: usize) -> String {
        let mut mixed = Self(number as u64);
        let mut name = String::new();
        for _ in 0..1 + mixed.below(2) {
            for list in [HEADS, HEARTS, TAILS] {
                name.push_str(list.get(mixed.below(list.len())).copied().unwrap_or(""));
            }
        }
        let mut rest = number;
        loop {
            for (list, base) in [(HEADS, 30), (HEARTS, 10)] {
                name.push_str(list.get(rest % base).copied().unwrap_or(""));
                rest /= base;
            }
            if rest == 0 {
                return name;
            }
        }
    }

    /// `0.1-r0` to `2024.12.30-r12`.
    pub(super) fn version(&mut self) -> String {
        let (major, minor, revision) = (self.below(9), self.below(30), self.below(10) / 3);
        match self.below(5) {
            0 => format!("{major}.{minor}-r{revision}"),
            1 => format!(
                "20{}{:02}{:02}-r{revision}",
                10 + minor % 14,
                1 + major,
                1 + self.below(28)
            ),
            _ => format!("{major}.{minor}.{}-r{revision}", self.below(20)),
        }
    }

    /// So many bytes in hex.
    pub(super) fn hex(&mut self, bytes: usize) -> String {
        (0..bytes)
            .map(|_| format!("{:02x}", self.next() & 0xff))
            .collect()
    }

    pub(super) fn bytes(&mut self) -> [u8; 20] {
        std::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}
