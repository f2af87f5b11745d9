//! How text of unknown origin is shown in a message: short, printable, and marked as a quotation.

use std::fmt;

/// Bytes of the original text shown before the rest is cut off.
const SHOWN: usize = 64;

/// A piece of text as it appears inside an error message: between backticks, at most 64 bytes of it, with control
/// characters, bytes that are not UTF-8, and everything else that could fool a terminal or a log written as an escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(Box<str>);

impl Quoted {
    pub(crate) fn new(text: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        let mut shown = String::from("`");
        let mut left = SHOWN;
        for chunk in text.as_ref().utf8_chunks() {
            for character in chunk.valid().chars() {
                let Some(less) = left.checked_sub(character.len_utf8()) else {
                    return Self((shown + "…`").into());
                };
                left = less;
                match character {
                    '`' => shown.push_str("\\`"),
                    ' '..='~' => shown.push(character),
                    _ => shown.extend(character.escape_default()),
                }
            }
            for byte in chunk.invalid() {
                let Some(less) = left.checked_sub(1) else {
                    return Self((shown + "…`").into());
                };
                left = less;
                shown.extend(byte.escape_ascii().map(char::from));
            }
        }
        Self((shown + "`").into())
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Quoted;

    #[test]
    fn shows_plain_text_between_backticks() {
        assert_eq!(Quoted::new("busybox").to_string(), "`busybox`");
    }

    #[test]
    fn escapes_what_a_terminal_would_obey() {
        assert_eq!(
            Quoted::new("\u{1b}[31m`\n\u{202e}").to_string(),
            r"`\u{1b}[31m\`\n\u{202e}`"
        );
    }

    #[test]
    fn shows_bytes_that_are_no_text() {
        assert_eq!(
            Quoted::new(b"usr/\xff\xc3`\0").to_string(),
            r"`usr/\xff\xc3\`\u{0}`"
        );
        assert_eq!(
            Quoted::new(&[0xff; 65]).to_string(),
            format!("`{}…`", r"\xff".repeat(64))
        );
    }

    #[test]
    fn cuts_after_64_bytes_and_says_so() {
        assert_eq!(
            Quoted::new(&"x".repeat(64)).to_string(),
            format!("`{}`", "x".repeat(64))
        );
        assert_eq!(
            Quoted::new(&"x".repeat(65)).to_string(),
            format!("`{}…`", "x".repeat(64))
        );
        assert_eq!(
            Quoted::new(&"ü".repeat(1000)).to_string(),
            format!("`{}…`", r"\u{fc}".repeat(32))
        );
    }
}
