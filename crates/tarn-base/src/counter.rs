//! Numbers that only grow, a few nanoseconds each: what a request pays for being counted.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn one(&self) {
        self.add(1);
    }

    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// How many until now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The upper ends of the classes of a [`Histogram`], in microseconds, and the same in seconds as they are shown. What is
/// longer than all falls into a last class.
pub const BOUNDS: [(u64, &str); 13] = [
    (50, "0.00005"),
    (100, "0.0001"),
    (250, "0.00025"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (50_000, "0.05"),
    (250_000, "0.25"),
    (1_000_000, "1"),
    (10_000_000, "10"),
    (60_000_000, "60"),
];

/// How long things took, in classes.
#[derive(Debug, Default)]
pub struct Histogram {
    classes: [Counter; BOUNDS.len() + 1],
    micros: Counter,
}

impl Histogram {
    /// One more, which took so long.
    pub fn record(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let class = BOUNDS.partition_point(|(end, _)| *end < micros);
        if let Some(class) = self.classes.get(class) {
            class.one();
        }
        self.micros.add(micros);
    }

    /// How many in each class, the shortest first.
    pub fn classes(&self) -> impl Iterator<Item = u64> {
        self.classes.iter().map(Counter::value)
    }

    /// All together, in seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of centuries fit; more precision says nothing"
    )]
    pub fn seconds(&self) -> f64 {
        self.micros.value() as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_first_class_that_it_does_not_pass() {
        let histogram = Histogram::default();
        for micros in [0, 50, 51, 1_000, 60_000_000, 60_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let classes: Vec<u64> = histogram.classes().collect();
        assert_eq!(classes, [2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert!((histogram.seconds() - 120.001_102).abs() < 1e-9);
    }
}
