//! How an error is reported: what is wrong, what caused it, and what to do about it.
//!
//! The `Display` of an error says what is wrong. [`Hint::hint`] says what to do, as it is done at the command line;
//! an interface where it is done otherwise gives a hint of its own. Nothing takes a text apart.

use std::{error::Error, fmt::Write as _};

/// An error and everything that caused it, on one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// An error whose texts are for people.
pub trait Hint: Error {
    /// What to do about it. `None` where what is wrong says it all.
    fn hint(&self) -> Option<String>;

    /// What is wrong and what to do, on one line.
    fn line(&self) -> String {
        self.line_with(self.hint())
    }

    /// What is wrong and that hint, on one line.
    fn line_with(&self, hint: Option<String>) -> String {
        match hint {
            Some(hint) => format!("{self}; {hint}"),
            None => self.to_string(),
        }
    }
}
