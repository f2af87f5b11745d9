//! When a certificate is ordered, renewed, and ordered again.

use std::time::Duration;

use tarn_base::clock::Timestamp;
use tarn_store::metadata::{FailedOrders, StoredCertificate};

/// The part of its life that a certificate has left when it is renewed: a third.
const RENEWED_AT: u32 = 3;

/// The pauses after the first order that failed, the second, and so on. The last one stays. Let's Encrypt takes five failures
/// an hour for a name.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(6 * 3_600),
];

/// When a certificate is to be ordered. A server that was started since the last failure does not wait for longer than the first
/// pause: it was probably started because something was put right. A failure dated after `now` was noted by a wrong clock and is
/// ignored.
pub(super) fn due_at(
    held: Option<&StoredCertificate>,
    failed: Option<FailedOrders>,
    (started_at, now): (Timestamp, Timestamp),
) -> Timestamp {
    let renewal = held.map(|held| {
        let life = held.not_after.since(held.not_before);
        held.not_after.before(life / RENEWED_AT)
    });
    let failed = failed.filter(|failed| failed.at <= now.after(pause_after(1)));
    let retry = failed.map(|failed| {
        let pause = match failed.at < started_at {
            true => pause_after(1),
            false => pause_after(failed.count),
        };
        failed.at.after(pause)
    });
    renewal.max(retry).unwrap_or(Timestamp::from_micros(0))
}

pub(super) fn pause_after(failures: u32) -> Duration {
    let index = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(index).or(PAUSES.last());
    pause.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn of_90_days() -> StoredCertificate {
        StoredCertificate {
            chain: String::new(),
            private_key: Vec::new(),
            not_before: at(0),
            not_after: at(90 * DAY),
        }
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
        assert_eq!(due_at(None, None, (at(7), at(7))), at(0));
        assert_eq!(
            due_at(Some(&of_90_days()), None, (at(7), at(7))),
            at(60 * DAY)
        );
    }

    #[test]
    fn orders_that_fail_are_tried_again_after_ever_longer_pauses() {
        let after = |count| {
            let failed = FailedOrders {
                count,
                at: at(60 * DAY),
            };
            due_at(Some(&of_90_days()), Some(failed), (at(0), at(60 * DAY)))
                .since(at(60 * DAY))
                .as_secs()
        };
        let pauses = [1, 2, 3, 4, 5, 6, 1_000].map(after);
        assert_eq!(pauses, [60, 300, 1_800, 7_200, 21_600, 21_600, 21_600]);
    }

    #[test]
    fn a_server_that_was_started_since_does_not_wait_for_long() {
        let failed = FailedOrders {
            count: 9,
            at: at(100),
        };
        let due = |started_at| due_at(None, Some(failed), (at(started_at), at(102)));
        assert_eq!((due(101), due(99)), (at(160), at(100 + 21_600)));
    }

    #[test]
    fn a_failure_noted_by_a_wrong_clock_holds_nothing_up() {
        let failed = FailedOrders {
            count: 1,
            at: at(1_000 * DAY),
        };
        assert_eq!(due_at(None, Some(failed), (at(0), at(7))), at(0));
    }

    #[test]
    fn a_failure_from_before_does_not_bring_a_renewal_forward() {
        let failed = FailedOrders {
            count: 1,
            at: at(100),
        };
        assert_eq!(
            due_at(Some(&of_90_days()), Some(failed), (at(0), at(100))),
            at(60 * DAY)
        );
    }
}
