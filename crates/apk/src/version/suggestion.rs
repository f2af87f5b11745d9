//! What to write in the place of a version that apk can't order.
//!
//! The versions come from elsewhere: semver (`1.2.3-rc.1+meta`), Debian (`1.2.3~dev`), Python (`1.0b2`), Maven
//! (`1.2.3-SNAPSHOT`), dates (`2024-01-15`), `git describe` (`1.2.3-5-g92081f1`). What has a meaning in apk's grammar is put there. Another word
//! behind `-` or `~` is that of a version before the release, to semver and to Debian, so it becomes `_pre`: left out, it would make the
//! release of it. What says nothing, such as `final`, is left out.

use super::{LONGEST_NUMBER, is_carried, order::Scanner};
use crate::limits::Limits;

/// A version that apk orders, for a text that it does not. There may be none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion(Option<Box<str>>);

impl Suggestion {
    pub(super) fn of(text: &str) -> Self {
        Self(
            is_carried(text)
                .then(|| for_text(text))
                .flatten()
                .map(String::into_boxed_str),
        )
    }

    /// The end of a message: what to write, or where that is not known, `advice`.
    pub(super) fn or(&self, advice: &str) -> String {
        match &self.0 {
            Some(version) => format!("; write `{version}`"),
            None => advice.to_owned(),
        }
    }
}

/// What apk calls a word of another grammar that `digits` follow.
fn suffix(word: &str, digits: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "alpha" => "alpha",
        "beta" => "beta",
        "pre" | "preview" | "prerelease" | "dev" | "snapshot" | "nightly" => "pre",
        "rc" | "cr" => "rc",
        "git" => "git",
        "svn" => "svn",
        "hg" => "hg",
        "cvs" => "cvs",
        "p" | "patch" | "post" | "sp" => "p",
        // Python's, which always have a number.
        "a" if !digits.is_empty() => "alpha",
        "b" if !digits.is_empty() => "beta",
        "c" if !digits.is_empty() => "rc",
        _ => return None,
    })
}

/// Words of a release itself.
const RELEASE: [&str; 5] = ["final", "ga", "lts", "release", "stable"];

/// Whether a word that apk has no suffix for stands for a state before the release.
fn is_before_release(piece: &Piece<'_>) -> bool {
    let word = piece.text.to_ascii_lowercase();
    // A part of a hash says nothing, and neither does a single letter.
    let says_something = word.len() > 1 && !is_hash(&word) && !is_of_release(&word);
    matches!(piece.separator, Some('-' | '~')) && says_something
}

/// Whether a word is one of a release, in any letters' case.
fn is_of_release(word: &str) -> bool {
    RELEASE.iter().any(|one| one.eq_ignore_ascii_case(word))
}

/// Whether a word may be what a hash begins with, perhaps with the `g` of `git describe` in front.
fn is_hash(word: &str) -> bool {
    let digits = word.strip_prefix('g').unwrap_or(word);
    digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A piece of a version: digits, or a word.
struct Piece<'text> {
    /// What stands before it; `None` when nothing does.
    separator: Option<char>,
    text: &'text str,
}

impl Piece<'_> {
    fn is_number(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }
}

/// The pieces behind the leading digits.
fn pieces(mut rest: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    loop {
        let text = rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
        let separator = rest
            .strip_suffix(text)
            .and_then(|between| between.chars().next());
        let Some(first) = text.chars().next() else {
            return pieces;
        };
        let is_number = first.is_ascii_digit();
        let after = text.trim_start_matches(|c: char| {
            c.is_ascii_alphanumeric() && c.is_ascii_digit() == is_number
        });
        pieces.push(Piece {
            separator,
            text: text.strip_suffix(after).unwrap_or(text),
        });
        rest = after;
    }
}

/// A version that apk 2 and 3 both order, made of `text`. `None` when nothing of it says what is newer.
pub(super) fn for_text(text: &str) -> Option<String> {
    // `v1.2.3`, as a tag of a source tree is called.
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (text, _build) = text.split_once('+').unwrap_or((text, ""));
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = text.strip_suffix(rest)?.trim_matches('.');
    let pieces = pieces(rest);
    let version = if pieces.iter().all(Piece::is_number) {
        match pieces.as_slice() {
            [revision] => format!("{number}-r{}", revision.text),
            // A date, `2024-01-15`.
            several => {
                let numbers: Vec<&str> = several.iter().map(|piece| piece.text).collect();
                let numbers = [&[number], numbers.as_slice()].concat();
                format!("{}-r0", numbers.join("."))
            }
        }
    } else {
        with_words(number, pieces)?
    };
    is_orderable(&version).then_some(version)
}

/// Whether apk 2 and 3 both understand it. Asks the scanner, for the errors of [`super::Version`] come here.
fn is_orderable(version: &str) -> bool {
    let mut scanner = Scanner::new(version);
    loop {
        match scanner.next_token() {
            Ok(Some(token))
                if !token.is_hash()
                    && token
                        .digits()
                        .is_none_or(|digits| digits.len() <= LONGEST_NUMBER) => {}
            Ok(None) => return version.len() <= Limits::default().version,
            _ => return false,
        }
    }
}

fn with_words(number: &str, pieces: Vec<Piece<'_>>) -> Option<String> {
    let (mut version, mut revision) = (number.to_owned(), "0");
    if let [count, hash, ..] = pieces.as_slice()
        && count.is_number()
        && hash.separator == Some('-')
        && hash.text.starts_with('g')
        && is_hash(hash.text)
    {
        // So many commits after the tag, and the hash of the last.
        return Some(format!("{version}_p{}-r0", count.text));
    }
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        if piece.is_number() {
            // The date of a state between two releases; anything shorter has no meaning of its own.
            if piece.text.len() >= "20240131".len() {
                version.push_str("_git");
                version.push_str(piece.text);
            }
            continue;
        }
        let digits = pieces
            .next_if(Piece::is_number)
            .map_or("", |next| next.text);
        if piece.separator == Some('-') && piece.text == "r" && !digits.is_empty() {
            revision = digits;
        } else if let Some(suffix) = suffix(piece.text, digits) {
            version.push('_');
            version.push_str(suffix);
            version.push_str(digits);
        } else if version == number && is_before_release(&piece) {
            version.push_str("_pre");
            version.push_str(digits);
        } else if piece.separator.is_none() && !is_of_release(piece.text) {
            // `92081f1` is a hash: no part of it says what is newer.
            return None;
        }
    }
    Some(format!("{version}-r{revision}"))
}
