//! One small reader over untrusted bytes. Every parser of whole buffers in this crate goes through it, so
//! that no parser slices by an index it computed.

use thiserror::Error;

/// Fewer bytes were left than a format demands, or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("it ends too early, or bytes follow where it should end")]
pub struct CursorError;

/// A position in a byte slice that only moves forward.
///
/// # Examples
///
/// ```
/// # use apk::cursor::{Cursor, CursorError};
/// let mut cursor = Cursor::new(b"ab\nc");
/// assert_eq!(cursor.take_through(b'\n'), Some(&b"ab"[..]));
/// assert_eq!(cursor.byte(), Ok(b'c'));
/// assert_eq!(cursor.finish(), Ok(()));
/// ```
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    /// Whether every byte was taken.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that were not taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    ///
    /// [`CursorError`], and nothing is taken.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], CursorError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(CursorError)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the next `N` bytes as an array.
    ///
    /// # Errors
    ///
    /// [`CursorError`], and nothing is taken.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CursorError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(CursorError)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes one byte.
    ///
    /// # Errors
    ///
    /// [`CursorError`].
    pub fn byte(&mut self) -> Result<u8, CursorError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Takes the bytes up to the next `delimiter`, and the delimiter too, which is not returned. `None` takes nothing:
    /// there is no such byte.
    pub fn take_through(&mut self, delimiter: u8) -> Option<&'a [u8]> {
        let position = self.rest.iter().position(|byte| *byte == delimiter)?;
        let (taken, rest) = self.rest.split_at_checked(position)?;
        self.rest = rest.get(1..).unwrap_or_default();
        Some(taken)
    }

    /// Says that the value ends here.
    ///
    /// # Errors
    ///
    /// [`CursorError`] when bytes are left.
    pub fn finish(self) -> Result<(), CursorError> {
        self.is_empty().then_some(()).ok_or(CursorError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_nothing_when_too_little_is_left() {
        let mut cursor = Cursor::new(b"abc");
        assert_eq!(cursor.take(5), Err(CursorError));
        assert_eq!(cursor.array::<4>(), Err(CursorError));
        assert_eq!(cursor.take_through(b'\n'), None);
        assert_eq!(cursor.take(3), Ok(&b"abc"[..]));
        assert_eq!(cursor.byte(), Err(CursorError));
    }

    #[test]
    fn trailing_data_is_an_error() {
        let mut cursor = Cursor::new(b"abc");
        assert_eq!(cursor.byte(), Ok(b'a'));
        assert_eq!(cursor.rest(), b"bc");
        assert_eq!(cursor.finish(), Err(CursorError));
    }
}
