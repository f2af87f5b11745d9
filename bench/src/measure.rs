//! Clocks, and what is made of repeated measurements.

use std::{
    fmt,
    process::Command,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        resource::{UsageWho, getrusage},
        time::TimeVal,
    },
    time::{ClockId, clock_getcpuclockid, clock_gettime},
    unistd::Pid,
};

use crate::{Result, tools::output_of};

/// CPU time of this process, all threads, user and system.
fn own_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// CPU time of another process, all threads it has or had, to the nanosecond.
pub(crate) fn process_cpu(process: u32) -> Result<Duration> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(process)?))?;
    Ok(clock_gettime(clock)?.into())
}

/// CPU time of all children that ended and were waited for.
fn children_cpu() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(from_time_value(usage.user_time())? + from_time_value(usage.system_time())?)
}

fn from_time_value(time: TimeVal) -> Result<Duration> {
    let micros = u32::try_from(time.tv_usec())?;
    Ok(Duration::new(u64::try_from(time.tv_sec())?, micros * 1000))
}

/// Runs `work`. Returns what it made, and how far `clock` advanced, in seconds.
pub(crate) fn seconds_by<T>(
    clock: impl Fn() -> Result<Duration>,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, f64)> {
    let before = clock()?;
    let made = work()?;
    Ok((made, (clock()? - before).as_secs_f64()))
}

/// Runs `work`; gives what it made and the CPU time of this process meanwhile, in seconds.
pub(crate) fn cpu_seconds<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    seconds_by(own_cpu, work)
}

/// Runs a command; gives what it wrote and its CPU time, in seconds.
pub(crate) fn cpu_of(command: &mut Command) -> Result<(String, f64)> {
    seconds_by(children_cpu, || output_of(command))
}

/// Runs `work`; gives what it made and how long it took, in seconds.
pub(crate) fn wall_seconds<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let start = Instant::now();
    let made = work()?;
    Ok((made, start.elapsed().as_secs_f64()))
}

/// The mean of what `measure` gives for each of `items`.
pub(crate) fn mean<T>(
    items: impl IntoIterator<Item = T>,
    mut measure: impl FnMut(T) -> Result<f64>,
) -> Result<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for item in items {
        sum += measure(item)?;
        count += 1;
    }
    Ok(sum / f64::from(count))
}

/// Within how long 99 of 100 were done.
pub(crate) fn p99(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied()
}

/// One number, measured in several rounds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// Round by round, this divided by `base`.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self(self.0.iter().zip(&base.0).map(|(a, b)| a / b).collect())
    }

    /// Round by round, this divided by a number.
    pub(crate) fn divided_by(&self, base: f64) -> Self {
        Self(self.0.iter().map(|sample| sample / base).collect())
    }

    /// The middle one; of an even number, the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        if sorted.len().is_multiple_of(2) {
            (at(middle.wrapping_sub(1)) + at(middle)) / 2.0
        } else {
            at(middle)
        }
    }

    /// Whether it was measured once, as what is the same every time is.
    pub(crate) fn is_exact(&self) -> bool {
        self.0.len() == 1
    }

    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        Self(samples.into_iter().collect())
    }
}

/// A number without decimals.
pub(crate) fn whole(number: f64) -> String {
    format!("{number:.0}")
}

/// A number with three digits that matter.
pub(crate) struct Digits(pub(crate) f64);

impl fmt::Display for Digits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = match self.0.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 2,
        };
        write!(formatter, "{:.decimals$}", self.0)
    }
}

/// A time in the unit that suits it. Takes seconds.
pub(crate) struct Seconds(pub(crate) f64);

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            seconds if seconds >= 1.0 => (seconds, "s"),
            seconds if seconds >= 1e-3 => (seconds * 1e3, "ms"),
            seconds => (seconds * 1e6, "µs"),
        };
        write!(formatter, "{} {unit}", Digits(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        let samples: Samples = [3.0, 1.0, 100.0].into_iter().collect();
        assert_eq!(
            (samples.median(), samples.least(), samples.most()),
            (3.0, 1.0, 100.0)
        );
        let samples: Samples = [4.0, 1.0, 2.0, 100.0].into_iter().collect();
        assert_eq!(samples.median(), 3.0);
        assert!(Samples::default().median().is_nan());
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let side: Samples = [2.0, 30.0].into_iter().collect();
        let base: Samples = [1.0, 10.0].into_iter().collect();
        let ratio = side.over(&base);
        assert_eq!((ratio.least(), ratio.most()), (2.0, 3.0));
    }

    #[test]
    fn times_are_written_in_their_unit() {
        let texts = [1.5, 0.0123, 0.000_45, 250.0].map(|seconds| Seconds(seconds).to_string());
        assert_eq!(texts, ["1.50 s", "12.3 ms", "450 µs", "250 s"]);
    }

    #[test]
    fn the_clocks_of_processes_run() {
        let before = own_cpu().unwrap();
        let process = process_cpu(std::process::id()).unwrap();
        assert!(process >= before);
        assert!(children_cpu().unwrap() < Duration::from_secs(3600));
    }
}
