//! Versions taken apart and compared part by part, as apk-tools 3 does it (`src/version.c`).

use std::cmp::Ordering;

/// What a part of a version is. The order matters: a part may be followed only by those after it (and a number or
/// a suffix by its like), and of two versions that are equal up to here, the one with the earlier kind is newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    FirstNumber,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    End,
    Invalid,
}

/// The suffixes in their order. A version without one is newer than those up to `Rc` and older than the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suffix {
    Alpha,
    Beta,
    Pre,
    Rc,
    Cvs,
    Svn,
    Git,
    Hg,
    P,
}

impl Suffix {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "alpha" => Self::Alpha,
            "beta" => Self::Beta,
            "pre" => Self::Pre,
            "rc" => Self::Rc,
            "cvs" => Self::Cvs,
            "svn" => Self::Svn,
            "git" => Self::Git,
            "hg" => Self::Hg,
            "p" => Self::P,
            _ => return None,
        })
    }

    fn is_before_release(self) -> bool {
        self <= Self::Rc
    }
}

/// One part of a version, without the `.`, `_`, `~` or `-r` before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'text> {
    kind: Kind,
    text: &'text str,
    suffix: Option<Suffix>,
}

impl<'text> Token<'text> {
    fn plain(kind: Kind, text: &'text str) -> Self {
        Self {
            kind,
            text,
            suffix: None,
        }
    }

    pub(super) fn text(&self) -> &'text str {
        self.text
    }

    /// The digits, if this part is a number.
    pub(super) fn digits(&self) -> Option<&'text str> {
        matches!(
            self.kind,
            Kind::FirstNumber | Kind::Number | Kind::SuffixNumber | Kind::Revision
        )
        .then_some(self.text)
    }

    pub(super) fn is_hash(&self) -> bool {
        self.kind == Kind::Hash
    }

    fn marks_before_release(&self) -> bool {
        self.suffix.is_some_and(Suffix::is_before_release)
    }

    /// The digits as a number, wrapping around as apk's `apk_blob_pull_uint` does (`src/blob.c`). No accepted
    /// version wraps.
    fn number(&self) -> u64 {
        self.text.bytes().fold(0_u64, |number, digit| {
            number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit.wrapping_sub(b'0')))
        })
    }

    /// The order of two parts of the same kind.
    fn compare(&self, other: &Self) -> Ordering {
        match self.kind {
            // A leading zero on either side makes it a comparison of text, as in decimal fractions.
            Kind::Number if self.text.starts_with('0') || other.text.starts_with('0') => {
                self.text.cmp(other.text)
            }
            Kind::FirstNumber | Kind::Number | Kind::SuffixNumber | Kind::Revision => {
                self.number().cmp(&other.number())
            }
            Kind::Suffix => self.suffix.cmp(&other.suffix),
            Kind::Letter | Kind::Hash | Kind::End | Kind::Invalid => self.text.cmp(other.text),
        }
    }
}

/// Why the next part of a version can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault<'text> {
    /// The version does not start with a digit.
    Start,
    /// No digit follows `.` or `-r`.
    NumberMissing,
    /// The word after `_` is no suffix.
    Suffix(&'text str),
    /// No hexadecimal digit follows `~`.
    Hash,
    /// The rest of the version, which can't follow what is before it.
    Unexpected(&'text str),
}

/// Reads a version part by part.
pub(super) struct Scanner<'text> {
    rest: &'text str,
    last: Option<Kind>,
    /// Whether a number may follow a letter, and a letter may come first: apk 2 has it so (apk-tools 2.14
    /// `src/version.c`, `next_token`), apk 3 no longer.
    letters_anywhere: bool,
}

impl<'text> Scanner<'text> {
    pub(super) fn new(version: &'text str) -> Self {
        Self {
            rest: version,
            last: None,
            letters_anywhere: false,
        }
    }

    /// A scanner that also knows the parts that apk 2 alone does.
    pub(super) fn for_apk_2(version: &'text str) -> Self {
        Self {
            letters_anywhere: true,
            ..Self::new(version)
        }
    }

    /// The next part, or `None` at the end.
    pub(super) fn next_token(&mut self) -> Result<Option<Token<'text>>, Fault<'text>> {
        let last = match self.last {
            Some(last) => last,
            None => {
                let digits = self.take_while(|c| c.is_ascii_digit());
                if !digits.is_empty() {
                    return Ok(self.token(Token::plain(Kind::FirstNumber, digits)));
                }
                if !(self.letters_anywhere
                    && self.rest.starts_with(|c: char| c.is_ascii_lowercase()))
                {
                    return Err(Fault::Start);
                }
                Kind::FirstNumber
            }
        };
        let before = self.rest;
        let mut characters = before.chars();
        let Some(first) = characters.next() else {
            return Ok(None);
        };
        let after = characters.as_str();
        let token = match first {
            'a'..='z' if last <= Kind::Number => {
                self.rest = after;
                let letter = before.strip_suffix(after).unwrap_or(before);
                Token::plain(Kind::Letter, letter)
            }
            '.' if last <= Kind::Number => {
                self.rest = after;
                Token::plain(Kind::Number, self.take_number()?)
            }
            '0'..='9' if last == Kind::Letter && self.letters_anywhere => {
                Token::plain(Kind::Number, self.take_number()?)
            }
            '0'..='9' if last == Kind::Suffix => {
                Token::plain(Kind::SuffixNumber, self.take_number()?)
            }
            '_' if last <= Kind::SuffixNumber => {
                self.rest = after;
                let word = self.take_while(|c| c.is_ascii_lowercase());
                let Some(suffix) = Suffix::parse(word) else {
                    self.rest = after;
                    return Err(Fault::Suffix(self.take_while(|c| c.is_ascii_alphabetic())));
                };
                Token {
                    kind: Kind::Suffix,
                    text: word,
                    suffix: Some(suffix),
                }
            }
            '~' if last < Kind::Hash => {
                self.rest = after;
                let hash = self.take_while(|c| matches!(c, '0'..='9' | 'a'..='f'));
                if hash.is_empty() {
                    return Err(Fault::Hash);
                }
                Token::plain(Kind::Hash, hash)
            }
            '-' if last < Kind::Revision && after.starts_with('r') => {
                self.rest = after.strip_prefix('r').unwrap_or(after);
                Token::plain(Kind::Revision, self.take_number()?)
            }
            _ => return Err(Fault::Unexpected(before)),
        };
        Ok(self.token(token))
    }

    fn token(&mut self, token: Token<'text>) -> Option<Token<'text>> {
        self.last = Some(token.kind);
        Some(token)
    }

    fn take_number(&mut self) -> Result<&'text str, Fault<'text>> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(Fault::NumberMissing);
        }
        Ok(digits)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'text str {
        let rest = self.rest.trim_start_matches(wanted);
        let taken = self.rest.strip_suffix(rest).unwrap_or_default();
        self.rest = rest;
        taken
    }

    /// The next part for a comparison, where the end and a part apk does not understand are parts too.
    fn next_for_order(&mut self) -> Token<'text> {
        match self.next_token() {
            Ok(Some(token)) => token,
            Ok(None) => Token::plain(Kind::End, ""),
            Err(_) => Token::plain(Kind::Invalid, ""),
        }
    }
}

/// apk's order of two versions (`apk_version_compare_fuzzy`). With `fuzzy`, every version that starts with the parts
/// of `other` is equal to it.
pub(super) fn compare(version: &str, other: &str, fuzzy: bool) -> Ordering {
    let (mut left, mut right) = (Scanner::new(version), Scanner::new(other));
    let (a, b) = loop {
        let (a, b) = (left.next_for_order(), right.next_for_order());
        if a.kind != b.kind || a.kind >= Kind::End {
            break (a, b);
        }
        let order = a.compare(&b);
        if order.is_ne() {
            return order;
        }
    };
    if a.kind == b.kind || (fuzzy && b.kind == Kind::End) {
        Ordering::Equal
    } else if a.marks_before_release() {
        Ordering::Less
    } else if b.marks_before_release() {
        Ordering::Greater
    } else {
        b.kind.cmp(&a.kind)
    }
}
