//! Conditional and range requests (RFC 9110, sections 13 and 14), so that they never lie.
//!
//! apk knows no ETag. It sends back as `If-Modified-Since` what it was given as `Last-Modified`, in whole seconds, and
//! two publishes fit into one second. So a date is only given away as it is once no change can fall into its second
//! any more, not even by the clock of another node ([`SETTLES_AFTER`]). Until then the answer carries the second before:
//! a client that holds it asks again, and gets 200. It costs one download too many, never one too few.

use axum::http::{HeaderMap, header};

use crate::clock::Timestamp;

/// For how many seconds after a change its date is not given away. Covers clocks of nodes that differ.
const SETTLES_AFTER: i64 = 5;

/// What a file is compared by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Validators<'a> {
    /// The strong ETag, quotes included.
    pub(super) etag: &'a str,
    /// The moment of the last change.
    pub(super) changed_at: Timestamp,
    /// The time now.
    pub(super) now: Timestamp,
}

/// What of the file is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Selection {
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
    fn settled(&self) -> bool {
        self.now.seconds() > self.changed_at.seconds() + SETTLES_AFTER
    }

    /// The date that may be given away now.
    pub(super) fn last_modified(&self) -> Timestamp {
        let seconds = self.changed_at.seconds();
        Timestamp::from_seconds(if self.settled() {
            seconds
        } else {
            self.now.seconds().min(seconds - 1)
        })
    }

    /// What to send for a request with `headers` and, when it is a `GET`, its range.
    pub(super) fn select(&self, headers: &HeaderMap, is_get: bool, size: u64) -> Selection {
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
    pub(super) fn is_expected(&self, headers: &HeaderMap) -> bool {
        let mut listed = headers.get_all(header::IF_MATCH).iter().peekable();
        if listed.peek().is_some() {
            // A weak ETag is none here, and the date is not looked at.
            return listed.filter_map(|value| value.to_str().ok()).any(|list| {
                list.split(',')
                    .map(str::trim)
                    .any(|tag| tag == "*" || tag == self.etag)
            });
        }
        // The date that was given away first, which is the second before, does not do: the change may have come after it.
        date(headers, &header::IF_UNMODIFIED_SINCE)
            .is_none_or(|held| self.changed_at.seconds() <= held)
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
        // Only the date that was given away. A later one is of the client's own clock, or of a state that is no more: a
        // backup may have been put back.
        date(headers, &header::IF_MODIFIED_SINCE)
            .is_some_and(|held| held == self.changed_at.seconds())
    }

    /// A part may only complete what the client has when the whole has not changed since (section 13.1.5).
    fn range_applies(&self, headers: &HeaderMap) -> bool {
        match headers.get(header::IF_RANGE) {
            None => true,
            Some(value) if value.as_bytes() == self.etag.as_bytes() => true,
            Some(_) => {
                self.settled()
                    && date(headers, &header::IF_RANGE)
                        .is_some_and(|held| held == self.changed_at.seconds())
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

    use axum::http::HeaderValue;

    use super::*;

    const ETAG: &str = "\"e\"";
    const CHANGED: i64 = 1_700_000_000;

    fn at(seconds_later: u64) -> Validators<'static> {
        let changed_at = Timestamp::from_seconds(CHANGED).after(Duration::from_millis(300));
        Validators {
            etag: ETAG,
            changed_at,
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
        assert_eq!(given.seconds(), CHANGED);
        assert_eq!(at(7).select(&since(given), true, 9), Selection::NotModified);
        let changed = Validators {
            changed_at: Timestamp::from_seconds(CHANGED + 6),
            ..at(7)
        };
        assert_eq!(changed.select(&since(given), true, 9), Selection::Whole);
    }

    #[test]
    fn a_date_that_was_never_given_away_does_not_match() {
        for held in [CHANGED - 1, CHANGED + 1, CHANGED + 86_400] {
            let held = since(Timestamp::from_seconds(held));
            assert_eq!(at(60).select(&held, true, 9), Selection::Whole);
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
        for (held, expected) in [(CHANGED - 1, false), (CHANGED, true), (CHANGED + 9, true)] {
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
        let date = httpdate::fmt_http_date(Timestamp::from_seconds(CHANGED).to_system_time());
        assert_eq!(
            at(60).select(&with(&date), true, 10),
            Selection::Part { first: 1, last: 2 }
        );
        assert_eq!(at(2).select(&with(&date), true, 10), Selection::Whole);
    }
}
