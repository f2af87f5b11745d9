//! Trying again what may go better the next time.

use std::time::Duration;

use http::{HeaderName, StatusCode};
use tarn_base::random::Random;
use tarn_net::{Answer, RemoteError};
use tokio::time::sleep;

use super::unanswered;
use crate::failure::Failure;

/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(30);

/// The longest pause that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

static RETRY_AFTER: HeaderName = http::header::RETRY_AFTER;

/// How an attempt failed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The next one may go better, not before so long where the server says so.
    Passing(Failure, Option<Duration>),
    /// It will not go better for this file.
    Final(Failure),
    /// It will not go better for any file.
    Fatal(Failure),
}

impl Trouble {
    /// The failure, whatever it means for others.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Passing(failure, _) | Self::Final(failure) | Self::Fatal(failure) => failure,
        }
    }
}

impl From<RemoteError> for Trouble {
    fn from(error: RemoteError) -> Self {
        let failure = unanswered(&error);
        match error.may_pass() {
            true => Self::Passing(failure, None),
            false => Self::Fatal(failure),
        }
    }
}

/// Whether the same request may get another answer a moment later.
pub(crate) fn may_pass(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// How long the server asks to wait, where it says so in seconds.
pub(crate) fn asked_pause(answer: &Answer) -> Option<Duration> {
    let seconds = answer.header(&RETRY_AFTER)?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_ASKED))
}

/// Does `attempt` until it ends well, for good, or for the `retries`-th time again. `note` is given what is said before each
/// pause.
///
/// # Errors
///
/// What the last attempt failed with.
pub(crate) async fn persist<T>(
    retries: u32,
    mut attempt: impl AsyncFnMut() -> Result<T, Trouble>,
    note: impl Fn(&str),
) -> Result<T, Trouble> {
    let mut tried = 0;
    loop {
        match attempt().await {
            Err(Trouble::Passing(failure, asked)) if tried < retries => {
                let pause = asked.unwrap_or_else(|| pause(tried));
                note(&format!(
                    "{}; trying again in {} s",
                    failure.what(),
                    pause.as_secs_f32().ceil()
                ));
                sleep(pause).await;
                tried += 1;
            }
            ended => return ended,
        }
    }
}

/// Half a second, then twice as long each time, and up to a quarter more or less so that many clients don't come at once.
fn pause(tried: u32) -> Duration {
    let whole = Duration::from_millis(500).saturating_mul(1 << tried.min(10));
    let mut byte = [128];
    // Without random bytes all pauses are as long.
    let _ = Random::system().fill(&mut byte);
    let [byte] = byte;
    whole.min(LONGEST).mul_f32(0.75 + f32::from(byte) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_bound() {
        for tried in 0..40 {
            let expected = Duration::from_millis(500)
                .saturating_mul(1 << tried.min(10))
                .min(LONGEST);
            let pause = pause(tried);
            assert!(
                pause >= expected.mul_f32(0.74) && pause <= expected.mul_f32(1.26),
                "{tried}: {pause:?}"
            );
        }
    }

    #[test]
    fn what_the_caller_did_wrong_is_not_tried_again() {
        for (status, again) in [
            (400, false),
            (401, false),
            (409, false),
            (413, false),
            (429, true),
            (503, true),
            (507, false),
        ] {
            assert_eq!(
                may_pass(StatusCode::from_u16(status).unwrap()),
                again,
                "{status}"
            );
        }
    }
}
