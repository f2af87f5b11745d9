//! How text of unknown origin is shown in a message: short, printable, and marked as a quotation.

use std::fmt;

/// Bytes of the original text shown before the rest is cut off.
const SHOWN: usize = 64;

/// A piece of text as it appears inside an error message: between backticks, at most 64 bytes of it, with control
/// characters and everything else that could fool a terminal or a log written as an escape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    pub(crate) fn new(text: &str) -> Self {
        let mut shown = String::from("`");
        let mut taken = 0;
        let mut cut = false;
        for character in text.chars() {
            taken += character.len_utf8();
            if taken > SHOWN {
                cut = true;
                break;
            }
            match character {
                '`' => shown.push_str("\\`"),
                ' '..='~' => shown.push(character),
                _ => shown.extend(character.escape_default()),
            }
        }
        if cut {
            shown.push('…');
        }
        shown.push('`');
        Self(shown)
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
