//! How a command ends, and the words it ends with.
//!
//! Every failure is reported in the same three parts, on standard error:
//!
//! ```text
//! error: cannot listen on 127.0.0.1:8080
//!   caused by: Address already in use (os error 98)
//! hint: stop the program that listens there, or choose another address with `--listen`
//! ```

use std::{error::Error, fmt, process::ExitCode};

use tarn_base::{hint::Hint, names::NameError, printable::is_printable};
use tarn_core::access::{NetworksError, PatternError, ScopesError};
use tarn_store::metadata::UnknownWord;

use crate::remote::place::PlaceError;

/// The exit codes of `tarn`. Scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It was done.
    Done = 0,
    /// It could not be done.
    Failed = 1,
    /// The command line, a variable or `tarn.toml` is wrong: nothing was tried.
    Usage = 2,
    /// `inspect`, `push`, `import`: a package or an index was read and refused: apk would refuse it, the key did not sign it, or
    /// the registry does not take it.
    Refused = 3,
    /// A second SIGINT ended the server at once, or Ctrl-C a command that asked for a secret (128 + 2).
    Interrupted = 130,
    /// A second SIGTERM ended the server at once (128 + 15).
    Terminated = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended without doing its work: what failed, why, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// What else is wrong, each said in the same parts.
    others: Vec<Self>,
}

impl Failure {
    /// Something that could not be done.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            what: what.into(),
            causes: Vec::new(),
            hint: None,
            others: Vec::new(),
        }
    }

    /// This one and another, which ends as this one does.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.others.push(other);
        self
    }

    /// Something that was asked for in a wrong way.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self {
            exit: Exit::Usage,
            ..Self::new(what)
        }
    }

    /// Ctrl-C, where it is a key and no signal.
    pub(crate) fn interrupted() -> Self {
        Self {
            exit: Exit::Interrupted,
            ..Self::new("interrupted")
        }
    }

    /// A file that was read and is not good.
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self {
            exit: Exit::Refused,
            ..Self::new(what)
        }
    }

    /// An error that says in its own words what failed; its sources become the causes.
    pub(crate) fn from_error(error: &(dyn Error + 'static)) -> Self {
        let failure = Self::new(error.to_string());
        match error.source() {
            Some(source) => failure.because(source),
            None => failure,
        }
    }

    /// An error of the library that says what is wrong and what to do.
    pub(crate) fn hinted(error: &(impl Hint + 'static)) -> Self {
        let hint = error.hint();
        Self {
            hint,
            ..Self::from_error(error)
        }
    }

    /// The same of a value on the command line, whose parser hides which error it is.
    pub(crate) fn refused_value(error: &(dyn Error + 'static)) -> Self {
        fn hint<E: Hint + 'static>(error: &(dyn Error + 'static)) -> Option<String> {
            error.downcast_ref::<E>()?.hint()
        }
        let hints = [
            hint::<NameError>,
            hint::<PatternError>,
            hint::<UnknownWord>,
            hint::<ScopesError>,
            hint::<NetworksError>,
            hint::<PlaceError>,
        ];
        Self {
            hint: hints.into_iter().find_map(|hint| hint(error)),
            ..Self::from_error(error)
        }
    }

    /// Adds `error` and what lies behind it as causes. A text that the one before it already contains is left out.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            let before = self.causes.last().unwrap_or(&self.what);
            if !before.contains(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// The same, as a fault of how the command was called.
    pub(crate) fn into_usage(self) -> Self {
        Self {
            exit: Exit::Usage,
            ..self
        }
    }

    /// The same, as a file that was read and is not good.
    pub(crate) fn into_refused(self) -> Self {
        Self {
            exit: Exit::Refused,
            ..self
        }
    }

    /// The same, with what it is about in front.
    pub(crate) fn about(self, subject: &str) -> Self {
        Self {
            what: format!("{subject}: {}", self.what),
            ..self
        }
    }

    /// Says what to do. The last hint given counts.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What failed, on one line, without what lies behind it.
    pub(crate) fn what(&self) -> String {
        printable(&self.what)
    }

    /// The exit code this failure ends with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", printable(&self.what))?;
        for cause in &self.causes {
            write!(f, "\n  caused by: {}", printable(cause))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {}", printable(hint))?;
        }
        for other in &self.others {
            write!(f, "\n{other}")?;
        }
        Ok(())
    }
}

/// `text` with every character but the line feed escaped that does not show as itself. What a file or a stranger wrote must not move the
/// cursor of the terminal that shows it, and what follows a line feed is set in, so that it cannot pass for a line of
/// our own.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.trim_end().chars() {
        match character {
            '\n' => shown.push_str("\n    "),
            plain if is_printable(plain) => shown.push(plain),
            other => shown.extend(other.escape_default()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the database")]
    struct Outer(#[source] io::Error);

    #[test]
    fn tells_what_failed_why_and_what_to_do() {
        let failure = Failure::from_error(&Outer(io::Error::other("disk on fire")))
            .hint("fetch the extinguisher");
        assert_eq!(
            failure.to_string(),
            "error: cannot open the database\n  caused by: disk on fire\nhint: fetch the extinguisher"
        );
        assert_eq!(failure.exit(), Exit::Failed);
    }

    #[test]
    fn does_not_say_the_same_thing_twice() {
        let failure = Failure::new("cannot start: disk on fire")
            .because(&Outer(io::Error::other("disk on fire")))
            .because(&io::Error::other("cannot open the database"));
        assert_eq!(
            failure.to_string(),
            "error: cannot start: disk on fire\n  caused by: cannot open the database\n  caused by: disk on fire\n  \
             caused by: cannot open the database"
        );
    }

    #[test]
    fn what_to_do_comes_from_the_error_and_no_text_is_cut() {
        let error = "a b".parse::<tarn_core::access::Networks>().unwrap_err();
        let said = "error: `a` is not a network\nhint: write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7";
        assert_eq!(Failure::hinted(&error).to_string(), said);
        assert_eq!(Failure::refused_value(&error).to_string(), said);
        let error = io::Error::other("one; two");
        assert_eq!(Failure::from_error(&error).to_string(), "error: one; two");
    }

    #[test]
    fn a_text_from_outside_cannot_forge_a_line() {
        let failure = Failure::refused("bad\x1b[2J\nhint: send money");
        assert_eq!(
            failure.to_string(),
            "error: bad\\u{1b}[2J\n    hint: send money"
        );
        let failure = Failure::refused("bad\u{202e}yenom\u{2028}more");
        assert_eq!(failure.to_string(), "error: bad\\u{202e}yenom\\u{2028}more");
        assert_eq!(failure.exit(), Exit::Refused);
    }
}
