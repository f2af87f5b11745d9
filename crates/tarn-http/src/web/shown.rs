//! How pages write numbers and times.

use std::{borrow::Cow, fmt};

use askama::filters::{Escaper as _, Html, HtmlSafe};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use tarn_base::{clock::Timestamp, size::Size};

/// A number of bytes: `812 B`, `1.9 KiB`, `12.5 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

/// A number with a comma after every three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

/// A past moment as a `<time>` element: the day to be read, all of it for machines and on a closer look. The script says how long
/// ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Timestamp);

/// Any moment with the time of day; the script leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FullTime(pub(crate) Timestamp);

/// A text of the server, in which commands and values stand between backticks: those become `<code>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked(pub(crate) String);

/// How many bytes of texts a page may have yet: what it says of packages is as long as they make it.
#[derive(Debug)]
pub(crate) struct Room(usize);

/// A list on a page, as far as there was room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut<T> {
    pub(crate) shown: Vec<T>,
    /// How many entries are left out.
    pub(crate) more: usize,
}

impl Room {
    /// Room for so many bytes.
    pub(crate) const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Takes so many bytes where there are as many.
    pub(crate) const fn take(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => {
                self.0 = 0;
                false
            }
        }
    }

    /// The beginning of a text that has room.
    pub(crate) fn beginning<'t>(&mut self, text: &'t str) -> &'t str {
        let mut left = self.0;
        let end = text.char_indices().find_map(|(at, character)| {
            let size = escaped_length(character.encode_utf8(&mut [0; 4]));
            match left.checked_sub(size) {
                Some(rest) => {
                    left = rest;
                    None
                }
                None => Some(at),
            }
        });
        self.0 = if end.is_some() { 0 } else { left };
        end.and_then(|end| text.get(..end)).unwrap_or(text)
    }

    /// The beginning of a list that has room. `size` is what an entry takes.
    pub(crate) fn fill<T>(&mut self, mut entries: Vec<T>, size: impl Fn(&T) -> usize) -> Cut<T> {
        let end = entries.iter().position(|entry| !self.take(size(entry)));
        let end = end.unwrap_or(entries.len());
        let more = entries.len() - end;
        entries.truncate(end);
        Cut {
            shown: entries,
            more,
        }
    }
}

impl<T> Cut<T> {
    /// Whether there was nothing to show.
    pub(crate) const fn is_empty(&self) -> bool {
        self.shown.is_empty() && self.more == 0
    }
}

/// How many bytes a text takes once it is escaped.
pub(crate) fn escaped_length(text: &str) -> usize {
    let special = |byte: u8| b"<>&\"'".contains(&byte);
    text.len() + 5 * text.bytes().filter(|byte| special(*byte)).count()
}

/// The longest text in a cell of a list, in characters.
const LONGEST: usize = 160;

/// A text for a cell of a list: cut where it is long.
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or(text).trim_end())),
    }
}

/// A line of a service as a sentence: it begins with a capital letter and ends with a full stop.
pub(crate) fn sentence(line: &str) -> Marked {
    let mut characters = line.chars();
    let Some(first) = characters.next() else {
        return Marked(String::new());
    };
    let stop = if line.ends_with('.') { "" } else { "." };
    let rest = characters.as_str();
    Marked(format!("{}{rest}{stop}", first.to_uppercase()))
}

/// [`Bytes`], for templates, which call with references.
pub(crate) const fn bytes(number: &u64) -> Bytes {
    Bytes(*number)
}

/// A number of bytes as it can be typed into a form again.
pub(crate) fn exact_bytes(number: &u64) -> String {
    Size(*number).exact()
}

/// [`Count`], for templates.
pub(crate) const fn count(number: &u64) -> Count {
    Count(*number)
}

/// [`Time`], for templates.
pub(crate) const fn time(at: &Timestamp) -> Time {
    Time(*at)
}

/// [`FullTime`], for templates.
pub(crate) const fn full_time(at: &Timestamp) -> FullTime {
    FullTime(*at)
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Size(self.0).fmt(f)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let first = digits.len() % 3;
        for (at, digit) in digits.char_indices() {
            if at > 0 && at % 3 == first {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// A moment in RFC 3339, as a day, and with the time of day; `None` for one that no calendar has.
fn calendar(timestamp: Timestamp) -> Option<(String, String, String)> {
    let moment = OffsetDateTime::from_unix_timestamp(timestamp.seconds()).ok()?;
    let month = moment.month().to_string();
    let month: String = month.chars().take(3).collect();
    let day = format!("{} {month} {}", moment.day(), moment.year());
    let (hour, minute, second) = moment.to_hms();
    let full = format!("{day}, {hour:02}:{minute:02}:{second:02} UTC");
    Some((moment.format(&Rfc3339).ok()?, day, full))
}

impl Time {
    /// In RFC 3339.
    pub(crate) fn machine(self) -> String {
        calendar(self.0).map_or(String::new(), |(machine, ..)| machine)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match calendar(self.0) {
            Some((machine, day, full)) => write!(
                f,
                "<time datetime=\"{machine}\" title=\"{full}\">{day}</time>"
            ),
            None => f.write_str("–"),
        }
    }
}

impl fmt::Display for FullTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match calendar(self.0) {
            Some((machine, _, full)) => write!(f, "<time datetime=\"{machine}\">{full}</time>"),
            None => f.write_str("–"),
        }
    }
}

impl fmt::Display for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_str();
        while let Some((before, code, after)) = rest.split_once('`').and_then(|(before, after)| {
            let (code, after) = after.split_once('`')?;
            Some((before, code, after))
        }) {
            Html.write_escaped_str(&mut *f, before)?;
            f.write_str("<code>")?;
            Html.write_escaped_str(&mut *f, code)?;
            f.write_str("</code>")?;
            rest = after;
        }
        Html.write_escaped_str(f, rest)
    }
}

// It escapes what it does not write itself.
impl HtmlSafe for Marked {}
// Digits, letters and tags of their own: nothing of other users is in them.
impl HtmlSafe for Bytes {}
impl HtmlSafe for Count {}
impl HtmlSafe for Time {}
impl HtmlSafe for FullTime {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short("short"), "short");
        let long = "é".repeat(LONGEST);
        assert_eq!(short(&long), long);
        assert_eq!(short(&format!("{long}é")), format!("{long}…"));
    }

    #[test]
    fn a_list_ends_where_there_is_no_room() {
        let mut room = Room::of(10);
        let of = |texts: &[&'static str]| texts.to_vec();
        let cut = room.fill(of(&["abc", "<", "e"]), |text| escaped_length(text));
        assert_eq!((cut.shown, cut.more), (of(&["abc", "<", "e"]), 0));
        let cut = room.fill(of(&["f", "g"]), |text| text.len());
        assert_eq!((cut.shown, cut.more), (of(&[]), 2));
        let mut room = Room::of(10);
        assert_eq!(room.beginning("é<"), "é<");
        assert_eq!(room.beginning("éa"), "é");
        assert_eq!(room.beginning("a"), "");
    }

    #[test]
    fn what_stands_between_backticks_is_code_and_all_is_escaped() {
        for (text, shown) in [
            (
                "run `apk update` or `<b>`.",
                "run <code>apk update</code> or <code>&#60;b&#62;</code>.",
            ),
            ("<b> & a lone ` stays", "&#60;b&#62; &#38; a lone ` stays"),
            ("", ""),
        ] {
            assert_eq!(Marked(text.to_owned()).to_string(), shown);
        }
    }

    #[test]
    fn numbers_have_commas() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(Count(number).to_string(), text);
        }
    }

    #[test]
    fn times_are_for_people_and_machines() {
        let moment = Timestamp::from_seconds(1_795_381_207);
        assert_eq!(
            Time(moment).to_string(),
            "<time datetime=\"2026-11-22T21:00:07Z\" title=\"22 Nov 2026, 21:00:07 UTC\">22 Nov 2026</time>"
        );
        assert_eq!(
            FullTime(moment).to_string(),
            "<time datetime=\"2026-11-22T21:00:07Z\">22 Nov 2026, 21:00:07 UTC</time>"
        );
        assert_eq!(Time(Timestamp::from_micros(i64::MAX)).to_string(), "–");
    }
}
