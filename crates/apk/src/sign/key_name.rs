//! The file name of a public key.

use std::fmt;

use thiserror::Error;

use super::Algorithm;

/// The file name under which clients keep a public key in `/etc/apk/keys`, e.g. `owner@0123abcd.rsa.pub`. The name of the
/// signature entry ends in it, and apk finds the key by it alone.
///
/// Letters, digits, `.`, `_`, `-`, `+` and `@`; no leading dot, which apk skips when it reads the folder; 1 to
/// [`KeyName::MAX_LENGTH`] bytes. So it is safe as a file name, in a `Content-Disposition` header and in a tar header.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

/// Why a text is not a key name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyNameError {
    /// No bytes.
    #[error(
        "the key name is empty; give the public key's file name, e.g. `you@example.org-5f3c.rsa.pub`"
    )]
    Empty,
    /// Over the limit.
    #[error("the key name is {0} bytes long; at most {max} are allowed", max = KeyName::MAX_LENGTH)]
    TooLong(usize),
    /// A leading dot.
    #[error(
        "the key name begins with a dot, and apk skips such files in /etc/apk/keys; rename the key"
    )]
    LeadingDot,
    /// A character outside of the grammar.
    #[error("the key name holds `{0}`; only letters, digits and . _ - + @ are allowed")]
    Character(String),
}

impl KeyName {
    /// In bytes. File systems allow 255; the rest is room for what clients and caches put around it.
    pub const MAX_LENGTH: usize = 200;

    /// Reads a key name.
    ///
    /// # Errors
    ///
    /// [`KeyNameError`] says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, KeyNameError> {
        if text.is_empty() {
            return Err(KeyNameError::Empty);
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(KeyNameError::TooLong(text.len()));
        }
        if text.starts_with('.') {
            return Err(KeyNameError::LeadingDot);
        }
        let is_allowed =
            |character: char| character.is_ascii_alphanumeric() || "._-+@".contains(character);
        if let Some(character) = text.chars().find(|character| !is_allowed(*character)) {
            return Err(KeyNameError::Character(
                character.escape_default().to_string(),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the tar entry that holds a signature by this key. May be longer than the 100 bytes of a ustar name;
    /// [`crate::v2::tar::EntryHeader`] sees to that.
    pub fn entry_name(&self, algorithm: Algorithm) -> String {
        format!(".SIGN.{algorithm}.{self}")
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::str::FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_names_are_safe_file_names() {
        for name in [
            "a",
            "alpine-devel@lists.alpinelinux.org-4a6a0840.rsa.pub",
            "a+b_c@d.rsa.pub",
            &"x".repeat(200),
        ] {
            assert_eq!(
                KeyName::parse(name).map(|name| name.to_string()),
                Ok(name.to_owned())
            );
        }
        for (name, expected) in [
            ("", KeyNameError::Empty),
            (".a", KeyNameError::LeadingDot),
            ("..", KeyNameError::LeadingDot),
            ("a/b", KeyNameError::Character("/".into())),
            ("a b", KeyNameError::Character(" ".into())),
            ("a\"b", KeyNameError::Character("\\\"".into())),
            ("a\r\nb", KeyNameError::Character("\\r".into())),
            ("\u{e4}", KeyNameError::Character("\\u{e4}".into())),
            (&"x".repeat(201), KeyNameError::TooLong(201)),
        ] {
            assert_eq!(KeyName::parse(name), Err(expected), "{name:?}");
        }
    }

    #[test]
    fn the_signature_entry_is_named_after_the_key() {
        let name = KeyName::parse("a.rsa.pub").expect("valid");
        assert_eq!(name.entry_name(Algorithm::Rsa256), ".SIGN.RSA256.a.rsa.pub");
    }
}
