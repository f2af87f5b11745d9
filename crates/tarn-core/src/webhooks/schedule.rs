//! When a message that was not taken is sent again.

use std::time::Duration;

use tarn_base::{
    clock::Timestamp,
    random::{Random, RandomError},
};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// How long to wait after the first failure, the second, and so on. After one more the message is given up, some two days
/// after the first attempt.
pub(super) const BACKOFF: [Duration; 8] = [
    Duration::from_secs(10),
    Duration::from_secs(MINUTE),
    Duration::from_secs(5 * MINUTE),
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(2 * HOUR),
    Duration::from_secs(6 * HOUR),
    Duration::from_secs(12 * HOUR),
    Duration::from_secs(24 * HOUR),
];

/// When to try again after attempt number `attempt` (from 1) failed at `now`. `None`: never. Up to a tenth is added at random,
/// so that messages which failed together do not come back together.
///
/// # Errors
///
/// When there are no random bytes.
pub(super) fn again_at(
    attempt: u32,
    now: Timestamp,
    random: &Random,
) -> Result<Option<Timestamp>, RandomError> {
    let Some(wait) = usize::try_from(attempt)
        .ok()
        .and_then(|attempt| BACKOFF.get(attempt.checked_sub(1)?))
    else {
        return Ok(None);
    };
    let mut part = [0; 2];
    random.fill(&mut part)?;
    let jitter = wait.mul_f64(f64::from(u16::from_be_bytes(part)) / f64::from(u16::MAX) / 10.0);
    Ok(Some(now.after(*wait + jitter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_381_200);

    #[test]
    fn waits_longer_each_time_and_then_gives_up() {
        let random = Random::counted(3);
        for (attempt, wait) in (1..).zip(BACKOFF) {
            let again = again_at(attempt, NOW, &random).unwrap().unwrap();
            let waited = again.since(NOW);
            assert!(
                waited >= wait && waited <= wait.mul_f64(1.1),
                "{attempt}: {waited:?}"
            );
        }
        for attempt in [0, 9, 10, u32::MAX] {
            assert_eq!(again_at(attempt, NOW, &random).unwrap(), None, "{attempt}");
        }
    }

    #[test]
    fn two_that_fail_together_do_not_come_back_together() {
        let random = Random::counted(3);
        assert_ne!(
            again_at(8, NOW, &random).unwrap(),
            again_at(8, NOW, &random).unwrap()
        );
    }
}
