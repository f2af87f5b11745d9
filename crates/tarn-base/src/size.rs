//! Numbers of bytes, as people write and read them.

use std::{fmt, str::FromStr};

use crate::hint::Hint;

/// A number of bytes. `Display` rounds it for reading: `812 B`, `1.9 KiB`, `12.5 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// Why a text isn't a number of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// It is 0.
    #[error("the size must be larger than 0")]
    Zero,
    /// No number, another unit, or too many.
    #[error("`{0}` is not a size")]
    NotASize(String),
}

/// What may stand behind a number, and how many bytes it is. A unit of two letters counts in thousands.
const UNITS: &[(&str, u64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl Size {
    /// The number as it can be read back: with a unit where it is a multiple of it, else all digits.
    pub fn exact(self) -> String {
        let units = UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
        let fits = |(_, unit): &&(&str, u64)| self.0 > 0 && self.0.is_multiple_of(*unit);
        match units.rev().find(fits) {
            Some((name, unit)) => format!("{} {name}", self.0 / unit),
            None => self.0.to_string(),
        }
    }
}

impl FromStr for Size {
    type Err = SizeError;

    /// Reads `1048576`, `500MiB`, `2 gib` or `500MB`.
    fn from_str(text: &str) -> Result<Self, SizeError> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((strip_suffix_ignoring_case(text, name)?, *unit)))
            .unwrap_or((text, 1));
        let number = number.trim_end().parse::<u64>().ok();
        match number.and_then(|number| number.checked_mul(unit)) {
            Some(0) => Err(SizeError::Zero),
            Some(size) => Ok(Self(size)),
            None => Err(SizeError::NotASize(text.to_owned())),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        // Tenths of the unit, rounded to the nearest.
        let mut tenths = u128::from(self.0) * 10;
        let mut unit = "B";
        for next in NAMES {
            tenths = (tenths + 512) / 1024;
            unit = next;
            if tenths < 10_235 {
                break;
            }
        }
        match (tenths / 10, tenths % 10) {
            (whole, _) if whole >= 100 => write!(f, "{} {unit}", (tenths + 5) / 10),
            (whole, tenth) => write!(f, "{whole}.{tenth} {unit}"),
        }
    }
}

impl Hint for SizeError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Zero => "write a size such as 2GiB".to_owned(),
            Self::NotASize(_) => {
                "write a whole number and a unit, such as 500MiB or 2GiB".to_owned()
            }
        })
    }
}

fn strip_suffix_ignoring_case<'t>(text: &'t str, suffix: &str) -> Option<&'t str> {
    let at = text.len().checked_sub(suffix.len())?;
    let (head, tail) = text.split_at_checked(at)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let size = |text: &str| text.parse().map(|Size(size)| size);
        assert_eq!(size("1"), Ok(1));
        assert_eq!(size("7b"), Ok(7));
        assert_eq!(size("2GiB"), Ok(2 << 30));
        assert_eq!(size("2 gib"), Ok(2 << 30));
        assert_eq!(size("500MB"), Ok(500_000_000));
        for text in [
            "",
            "0",
            "-1",
            "1.5GiB",
            "GiB",
            "99999999TiB",
            "1 PiB",
            "1€B",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_size_that_is_shown_exactly_is_read_back() {
        for (bytes, text) in [
            (1, "1"),
            (1024, "1 KiB"),
            (1025, "1025"),
            (1536 << 10, "1536 KiB"),
            (10 << 30, "10 GiB"),
            (3 << 40, "3 TiB"),
        ] {
            assert_eq!(Size(bytes).exact(), text);
            assert_eq!(text.parse(), Ok(Size(bytes)));
        }
        assert_eq!(Size(0).exact(), "0");
    }

    #[test]
    fn sizes_are_in_units_that_can_be_read() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1945, "1.9 KiB"),
            (102_400, "100 KiB"),
            (1_048_575, "1.0 MiB"),
            (13_107_200, "12.5 MiB"),
            (4 << 30, "4.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text, "{bytes}");
        }
    }
}
