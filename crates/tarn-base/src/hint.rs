//! What to do about an error, apart from what is wrong.
//!
//! The `Display` of an error says what is wrong. [`Hint::hint`] says what to do, as it is done at the command line;
//! an interface where it is done otherwise gives a hint of its own. Nothing takes a text apart.

use std::error::Error;

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
