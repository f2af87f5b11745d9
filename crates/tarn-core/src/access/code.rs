//! The code that comes beside a password, parsed once.

use std::fmt;

use super::totp::DIGITS;
use tarn_base::hint::Hint;
use tarn_base::secret::Secret;

/// The letters of recovery codes: none is mistaken for another.
pub(super) const RECOVERY_LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// How many a code has, spaces and dashes left out: 16 of 31 letters are 79 bits.
pub(super) const RECOVERY_LENGTH: usize = 16;
/// The longest text that is looked at, in bytes.
const MAX_TEXT: usize = 64;

/// What is neither six digits nor a recovery code. The text is fit for the person who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the code is neither the 6 digits of the code generator nor a recovery code")]
pub struct NotACode;

/// A code as it was sent. Nothing of it has been checked yet.
#[derive(Clone)]
pub enum Code {
    /// The digits that a generator shows.
    Generated([u8; DIGITS]),
    /// The letters of a recovery code, in lower case and without what sets them apart.
    Recovery(Secret),
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(***)")
    }
}

impl Code {
    /// Parses a code. Spaces and dashes in it do not count, nor does the case.
    ///
    /// # Errors
    ///
    /// [`NotACode`] when no code has that form.
    pub fn parse(text: &[u8]) -> Result<Self, NotACode> {
        if text.len() > MAX_TEXT {
            return Err(NotACode);
        }
        let letters: zeroize::Zeroizing<Vec<u8>> = text
            .iter()
            .filter(|byte| !matches!(byte, b' ' | b'-'))
            .map(u8::to_ascii_lowercase)
            .collect::<Vec<u8>>()
            .into();
        if let Ok(digits) = <[u8; DIGITS]>::try_from(letters.as_slice())
            && digits.iter().all(u8::is_ascii_digit)
        {
            return Ok(Self::Generated(digits));
        }
        if letters.len() == RECOVERY_LENGTH
            && letters
                .iter()
                .all(|letter| RECOVERY_LETTERS.contains(letter))
            && let Ok(letters) = str::from_utf8(&letters)
        {
            return Ok(Self::Recovery(Secret::new(letters.to_owned())));
        }
        Err(NotACode)
    }

    /// As it is shown: six digits, or four groups of four letters.
    pub(super) fn to_secret(&self) -> Secret {
        let mut text = String::new();
        match self {
            Self::Generated(digits) => text.extend(digits.map(char::from)),
            Self::Recovery(letters) => {
                for (place, letter) in letters.expose().chars().enumerate() {
                    if place > 0 && place.is_multiple_of(4) {
                        text.push('-');
                    }
                    text.push(letter);
                }
            }
        }
        Secret::new(text)
    }
}

impl Hint for NotACode {
    fn hint(&self) -> Option<String> {
        Some("type it again".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        let code = Code::parse(text.as_bytes()).ok()?;
        Some(code.to_secret().expose().to_owned())
    }

    #[test]
    fn takes_six_digits_and_recovery_codes_however_they_are_typed() {
        let longest = format!("{}123456", " ".repeat(MAX_TEXT - 6));
        for text in ["123456", " 123 456 ", "123-456", &longest] {
            assert_eq!(shown(text).as_deref(), Some("123456"), "{text}");
        }
        for text in [
            "abcd-efgh-jkmn-pq23",
            "ABCDEFGHJKMNPQ23",
            "abcd efgh jkmn pq23",
        ] {
            assert_eq!(
                shown(text).as_deref(),
                Some("abcd-efgh-jkmn-pq23"),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_other_forms() {
        for text in [
            "",
            "12345",
            "1234567",
            "12345a",
            "１２３４５６",
            "abcd-efgh-jkmn-pq2",
            "abcd-efgh-jkmn-pq20",
            "abcd-efgh-jkmn-pq2\u{e9}",
            &"1".repeat(MAX_TEXT + 1),
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn hides_itself_when_printed() {
        for text in ["123456", "abcd-efgh-jkmn-pq23"] {
            let code = Code::parse(text.as_bytes()).unwrap();
            assert_eq!(format!("{code:?}"), "Code(***)");
        }
    }
}
