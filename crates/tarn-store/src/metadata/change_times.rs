//! When a change of a repository counts as made.

use std::time::{Duration, Instant};

use tarn_base::clock::Timestamp;

/// How far the times of changes may run ahead of the clock in a burst, in whole seconds: also the most that the
/// clocks of several nodes may differ, and that a transaction may take from the reading of the clock to being seen.
const LEAD: Duration = Duration::from_secs(10);

/// When a change counts as made, given when the one before it did.
///
/// `tarn-http` turns this into `Last-Modified`, and of that apk sends back whole seconds. So two states of an index must not
/// share a second, or a client that got the date of the first would get 304 for the second. It does
/// not help that no date is given out before its second is over: the clock was read before this transaction waited
/// for its turn, and no reader sees the change before it is committed, by which time that second may be over. So each
/// change takes a second of its own, the next one when that of the clock is used up. That holds for all of a
/// repository together, because an index takes the later of two heads (its architecture's and noarch's).
///
/// In a burst the times run ahead of the clock, and until it has caught up no date is given out: clients get the
/// whole index then. So that this ends soon, changes do share a second once it is more than [`LEAD`] ahead of the
/// clock, that is at least as long before anybody is given its date. A burst never gets further ahead than that;
/// where the clock is further behind, it was set back, the date may be out already, and the next second is taken
/// after all.
pub(super) fn next_change(previous: Timestamp, now: Timestamp) -> Timestamp {
    let next_second = Timestamp::from_seconds(previous.seconds().saturating_add(1));
    let in_a_burst = previous.since(now) <= LEAD + Duration::from_secs(1);
    if now >= next_second {
        now
    } else if in_a_burst && next_second.since(now) > LEAD {
        Timestamp::from_micros(previous.micros().saturating_add(1))
    } else {
        next_second
    }
}

/// What the clock shows now that showed `at` when it was `since`: for a change whose turn to write has come.
///
/// The wait for that turn has no bound that [`LEAD`] could count on. One that is short is as none: the clock is as it was
/// read.
pub(super) fn after_the_wait(at: Timestamp, since: Instant) -> Timestamp {
    const SHORT: Duration = Duration::from_secs(1);
    let waited = since.elapsed();
    if waited < SHORT { at } else { at.after(waited) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_takes_a_second_of_its_own_whatever_the_clock_does() {
        let at = Timestamp::from_micros;
        let previous = at(7_500_000);
        // Going on, standing still, a clock read too early, set back far.
        assert_eq!(next_change(previous, at(8_000_000)), at(8_000_000));
        assert_eq!(next_change(previous, at(9_300_000)), at(9_300_000));
        for now in [7_999_999, 7_500_001, 7_500_000, 7_499_999, 1_000_000] {
            assert_eq!(next_change(previous, at(now)), at(8_000_000), "{now}");
        }
        // In a burst, as far ahead of the clock as one may be.
        let (last, now) = (at(110_000_000), at(101_000_000));
        assert_eq!(next_change(last, now), at(111_000_000));
        let hour = at(3_600_000_000);
        assert_eq!(next_change(hour, at(0)), at(3_601_000_000));
        assert_eq!(next_change(at(0), at(0)), at(1_000_000));
    }

    #[test]
    fn a_change_that_waited_long_is_as_late_as_its_turn_was() {
        let at = Timestamp::from_seconds(100);
        assert_eq!(after_the_wait(at, Instant::now()), at);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(17)).unwrap();
        let late = after_the_wait(at, long_ago);
        assert!(late.since(at) >= Duration::from_secs(17), "{late:?}");
    }

    #[test]
    fn a_burst_runs_ahead_of_the_clock_by_so_much_and_no_further() {
        let now = Timestamp::from_micros(100_500_000);
        let mut last = now;
        let mut times = Vec::new();
        for _ in 0..1_000 {
            let next = next_change(last, now);
            assert!(next > last);
            last = next;
            times.push(next);
        }
        assert_eq!(times.first(), Some(&Timestamp::from_seconds(101)));
        assert!(last.since(now) <= LEAD, "{last:?}");
        // Once the clock has moved on, a second of one's own is to be had again.
        let later = now.after(Duration::from_secs(1));
        assert_eq!(next_change(last, later), Timestamp::from_seconds(111));
    }
}
