//! Conditional and range requests (RFC 9110, sections 13 and 14), so that they never lie.
//!
//! apk knows no ETag. It sends back as `If-Modified-Since` what it was given as `Last-Modified`, in whole seconds; other clients
//! send the `Date` of the answer that they hold (`curl -z FILE`, once the time of the file is that). Two publishes fit into one
//! second, and so do an answer and a publish after it.
//!
//! # The rule
//!
//! A state that was made in second `c` has one date, `c +` [`SETTLES_AFTER`]. `If-Modified-Since` is answered with 304 if it is
//! exactly the date of the current state, and that date is over. No other date is: a later one may be of a clock that is
//! ahead, or of a state that a backup took away. Until its date is over, an answer carries a second before `c` as
//! `Last-Modified`, which gets no 304: one download too many, never one too few.
//!
//! # Why no changed file is answered with 304
//!
//! Let a client hold a state `s` and send a date that came with it, and let the current state be a later one, `s'`. The date
//! of `s'` is `d' = c' + SETTLES_AFTER`. What can the client send?
//!
//! - The date of `s`, `c + SETTLES_AFTER`. No two states share a second (`metadata/change_times.rs`), so `c < c'`, and it is
//!   less than `d'`. States of a burst may share one that is ahead of the clock; then `s'` was there before their date was.
//! - A second before `c`, from before the date of `s` was over: that is less than `d'`.
//! - `Date`. [`dated`] sets it to the time at which the handler began, before it looked for the newest state, and found `s`. So
//!   `s'` was not visible then. A change becomes visible less than [`SETTLES_AFTER`] seconds after the second it counts as
//!   made in, by the clock of any node. So `Date` is less than `d'`, however long the answer took to be made.
//!
//! None is `d'`, and 304 wants `d'`. A time that is the client's own (its clock, or that of its file system) can be any second;
//! it can match by chance in one second of an index's life, and `ETag` is for those.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

use tarn_base::clock::Timestamp;

/// How many seconds after a change its date is. Covers the time from the reading of the clock until the change is visible, and
/// clocks of nodes that differ.
const SETTLES_AFTER: i64 = 5;

/// Sets the `Date` of an answer to the time at which its handler began: see above.
pub(crate) fn dated(mut response: Response, began: Timestamp) -> Response {
    let date = httpdate::fmt_http_date(began.to_system_time());
    if let Ok(date) = HeaderValue::try_from(date) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// What a file is compared by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Validators<'a> {
    /// The strong ETag, quotes included.
    pub(crate) etag: &'a str,
    /// The moment of the last change.
    pub(crate) changed_at: Timestamp,
    /// Whether the date of this state may ever be given away: not while another server renders the same packages in a newer way, for its
    /// index has that date.
    pub(crate) may_settle: bool,
    /// The time at which the handler began, before it looked for the newest state.
    pub(crate) now: Timestamp,
}

/// What of the file is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All of it.
    Whole,
    /// The bytes `first..=last`.
    Part { first: u64, last: u64 },
    /// Nothing: the client has it.
    NotModified,
    /// Nothing: the range lies outside.
    Unsatisfiable,
    /// Nothing: the file is not the one that the client asks for.
    Failed,
}

impl Validators<'_> {
    /// The date of this state, in seconds since 1970.
    fn date(&self) -> i64 {
        self.changed_at.seconds() + SETTLES_AFTER
    }

    /// Whether that is over: no other change can be made in the second that it stands for.
    fn settled(&self) -> bool {
        self.may_settle && self.now.seconds() > self.date()
    }

    /// The date that may be given away now.
    pub(crate) fn last_modified(&self) -> Timestamp {
        Timestamp::from_seconds(if self.settled() {
            self.date()
        } else {
            self.now.seconds().min(self.changed_at.seconds() - 1)
        })
    }

    /// What to send for a request with `headers` and, when it is a `GET`, its range.
    pub(crate) fn select(&self, headers: &HeaderMap, is_get: bool, size: u64) -> Selection {
        if !self.is_expected(headers) {
            return Selection::Failed;
        }
        if self.is_current(headers) {
            return Selection::NotModified;
        }
        match headers
            .get(header::RANGE)
            .and_then(|range| range.to_str().ok())
        {
            Some(range) if is_get && self.range_applies(headers) => select_range(range, size),
            _ => Selection::Whole,
        }
    }

    /// Whether this is the content that the request is for, if it says which one is (sections 13.1.1 and 13.1.4).
    pub(crate) fn is_expected(&self, headers: &HeaderMap) -> bool {
        let mut listed = headers.get_all(header::IF_MATCH).iter().peekable();
        if listed.peek().is_some() {
            // A weak ETag is none here, and the date is not looked at.
            return listed.filter_map(|value| value.to_str().ok()).any(|list| {
                list.split(',')
                    .map(str::trim)
                    .any(|tag| tag == "*" || tag == self.etag)
            });
        }
        // A date from before this one was over does not do: the change may have come after it.
        date(headers, &header::IF_UNMODIFIED_SINCE).is_none_or(|held| self.date() <= held)
    }

    /// Does the client hold this very content?
    fn is_current(&self, headers: &HeaderMap) -> bool {
        let mut listed = headers.get_all(header::IF_NONE_MATCH).iter().peekable();
        if listed.peek().is_some() {
            // The date is not looked at when ETags are there (section 13.1.3).
            return listed.filter_map(|value| value.to_str().ok()).any(|list| {
                list.split(',')
                    .map(str::trim)
                    .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.etag)
            });
        }
        self.settled()
            && date(headers, &header::IF_MODIFIED_SINCE).is_some_and(|held| held == self.date())
    }

    /// A part may only complete what the client has when the whole has not changed since (section 13.1.5).
    fn range_applies(&self, headers: &HeaderMap) -> bool {
        match headers.get(header::IF_RANGE) {
            None => true,
            Some(value) if value.as_bytes() == self.etag.as_bytes() => true,
            Some(_) => {
                self.settled()
                    && date(headers, &header::IF_RANGE).is_some_and(|held| held == self.date())
            }
        }
    }
}

/// A date header, in seconds since 1970.
fn date(headers: &HeaderMap, name: &header::HeaderName) -> Option<i64> {
    let time = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    let seconds = time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(seconds).ok()
}

/// One range of bytes. Several at once, or what is no range at all, may be ignored (section 14.2), and are.
fn select_range(range: &str, size: u64) -> Selection {
    // The name of the unit has no case (section 14.1).
    let Some((first, last)) = range
        .split_once('=')
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .and_then(|(_, range)| range.trim().split_once('-'))
    else {
        return Selection::Whole;
    };
    let number = |text: &str| match text {
        text if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        text => Some(text.parse::<u64>().unwrap_or(u64::MAX)),
    };
    let (first, last) = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
        (Some(first), None) if last.is_empty() => (first, size.saturating_sub(1)),
        (None, Some(suffix)) if first.is_empty() => {
            if suffix == 0 {
                return Selection::Unsatisfiable;
            }
            (size.saturating_sub(suffix), size.saturating_sub(1))
        }
        _ => return Selection::Whole,
    };
    if first < size {
        Selection::Part { first, last }
    } else {
        Selection::Unsatisfiable
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const ETAG: &str = "\"e\"";
    const CHANGED: i64 = 1_700_000_000;
    const DATE: i64 = CHANGED + SETTLES_AFTER;

    fn at(seconds_later: u64) -> Validators<'static> {
        let changed_at = Timestamp::from_seconds(CHANGED).after(Duration::from_millis(300));
        Validators {
            etag: ETAG,
            changed_at,
            may_settle: true,
            now: changed_at.after(Duration::from_secs(seconds_later)),
        }
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn since(timestamp: Timestamp) -> HeaderMap {
        headers(&[(
            header::IF_MODIFIED_SINCE,
            &httpdate::fmt_http_date(timestamp.to_system_time()),
        )])
    }

    #[test]
    fn a_date_given_away_at_once_never_matches_again() {
        for later in 0..=5 {
            let given = at(later).last_modified();
            for asked in 0..100 {
                assert_eq!(at(asked).select(&since(given), true, 9), Selection::Whole);
            }
        }
    }

    #[test]
    fn a_settled_date_matches_until_the_next_change() {
        let given = at(6).last_modified();
        assert_eq!(given.seconds(), DATE);
        assert_eq!(at(7).select(&since(given), true, 9), Selection::NotModified);
        let changed = Validators {
            changed_at: Timestamp::from_seconds(CHANGED + 6),
            ..at(7)
        };
        assert_eq!(changed.select(&since(given), true, 9), Selection::Whole);
    }

    #[test]
    fn a_date_that_was_never_given_away_does_not_match() {
        for held in [CHANGED, DATE - 1, DATE + 1, DATE + 86_400] {
            let held = since(Timestamp::from_seconds(held));
            assert_eq!(at(60).select(&held, true, 9), Selection::Whole);
        }
    }

    proptest! {
        /// Changes come at any time, and may be visible only seconds later; answers are given at any time between them.
        #[test]
        fn no_date_that_came_with_an_earlier_state_matches_a_later_one(
            changes in prop::collection::vec((0..12_000_000_i64, 0..4_000_000_i64), 1..8),
            answers in prop::collection::vec(0..60_000_000_i64, 1..40),
        ) {
            let start = CHANGED * 1_000_000;
            // When each state counts as made, in a second of its own, and from when on it is seen.
            let mut states: Vec<(Timestamp, i64)> = Vec::new();
            let mut at = start;
            for (gap, until_seen) in changes {
                let before = states.last().map_or(0, |(made, _)| made.seconds());
                at = (at + gap).max((before + 1) * 1_000_000);
                let seen = states.last().map_or(0, |(_, seen)| *seen);
                states.push((Timestamp::from_micros(at), seen.max(at + until_seen)));
            }
            let mut held: Vec<(i64, usize)> = Vec::new();
            let mut times: Vec<i64> = answers.iter().map(|offset| start + offset).collect();
            times.sort_unstable();
            for now in times {
                let Some(state) = states.iter().rposition(|(_, seen)| *seen <= now) else { continue };
                let now = Timestamp::from_micros(now);
                let current = Validators { etag: ETAG, changed_at: states[state].0, may_settle: true, now };
                for (date, of) in &held {
                    let selection = current.select(&since(Timestamp::from_seconds(*date)), true, 9);
                    prop_assert!(
                        selection == Selection::Whole || *of == state,
                        "{date} of state {of} matches state {state}"
                    );
                }
                // `Last-Modified` and `Date` of this answer.
                held.push((current.last_modified().seconds(), state));
                held.push((now.seconds(), state));
            }
        }
    }

    #[test]
    fn an_etag_outranks_the_date() {
        let mut both = since(Timestamp::from_seconds(CHANGED + 50));
        both.insert(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
        assert_eq!(at(60).select(&both, true, 9), Selection::Whole);
        both.insert(
            header::IF_NONE_MATCH,
            HeaderValue::from_static("\"other\", W/\"e\""),
        );
        assert_eq!(at(60).select(&both, true, 9), Selection::NotModified);
    }

    #[test]
    fn what_is_not_the_expected_content_fails_before_all_else() {
        let with = |name: header::HeaderName, value: &str| {
            headers(&[(name, value), (header::IF_NONE_MATCH, ETAG)])
        };
        for (tags, expected) in [
            (ETAG, true),
            ("\"other\", \"e\"", true),
            ("*", true),
            ("\"other\"", false),
            ("W/\"e\"", false),
            ("e", false),
            ("", false),
        ] {
            let selection = at(60).select(&with(header::IF_MATCH, tags), true, 9);
            assert_eq!(selection != Selection::Failed, expected, "{tags}");
        }
        for (held, expected) in [(DATE - 1, false), (DATE, true), (DATE + 9, true)] {
            let held = httpdate::fmt_http_date(Timestamp::from_seconds(held).to_system_time());
            let mut asked = with(header::IF_UNMODIFIED_SINCE, &held);
            let selection = at(60).select(&asked, true, 9);
            assert_eq!(selection != Selection::Failed, expected, "{held}");
            // An ETag outranks the date.
            asked.insert(header::IF_MATCH, HeaderValue::from_static(ETAG));
            assert_eq!(at(60).select(&asked, true, 9), Selection::NotModified);
        }
        let no_date = with(header::IF_UNMODIFIED_SINCE, "yesterday");
        assert_eq!(at(60).select(&no_date, true, 9), Selection::NotModified);
    }

    #[test]
    fn ranges() {
        let part = |first, last| Selection::Part { first, last };
        for (range, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=4-99", part(4, 9)),
            ("bytes=10-", Selection::Unsatisfiable),
            ("bytes=99999999999999999999-", Selection::Unsatisfiable),
            ("bytes=-0", Selection::Unsatisfiable),
            ("bytes=5-2", Selection::Whole),
            ("bytes=0-1,4-5", Selection::Whole),
            ("bytes=+1-2", Selection::Whole),
            ("bytes=-", Selection::Whole),
            ("lines=1-2", Selection::Whole),
        ] {
            assert_eq!(
                at(60).select(&headers(&[(header::RANGE, range)]), true, 10),
                expected,
                "{range}"
            );
        }
        assert_eq!(
            at(60).select(&headers(&[(header::RANGE, "bytes=0-0")]), false, 10),
            Selection::Whole
        );
        assert_eq!(
            at(60).select(&headers(&[(header::RANGE, "bytes=0-")]), true, 0),
            Selection::Unsatisfiable
        );
    }

    #[test]
    fn a_range_of_another_version_is_not_sent() {
        let with =
            |value: &str| headers(&[(header::RANGE, "bytes=1-2"), (header::IF_RANGE, value)]);
        assert_eq!(
            at(60).select(&with(ETAG), true, 10),
            Selection::Part { first: 1, last: 2 }
        );
        assert_eq!(
            at(60).select(&with("\"other\""), true, 10),
            Selection::Whole
        );
        assert_eq!(at(60).select(&with("W/\"e\""), true, 10), Selection::Whole);
        let date = httpdate::fmt_http_date(Timestamp::from_seconds(DATE).to_system_time());
        assert_eq!(
            at(60).select(&with(&date), true, 10),
            Selection::Part { first: 1, last: 2 }
        );
        assert_eq!(at(2).select(&with(&date), true, 10), Selection::Whole);
    }
}
