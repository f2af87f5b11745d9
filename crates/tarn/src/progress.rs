//! How far it is: bars on a terminal, plain lines elsewhere, both on standard error.

use std::{
    io::{IsTerminal as _, stderr},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{failure::printable, output};

/// Where progress is shown.
#[derive(Debug)]
pub(crate) enum Progress {
    /// A bar for each file under way, and one for all.
    Bars {
        /// What draws them.
        all: MultiProgress,
        /// The one for all.
        whole: ProgressBar,
    },
    /// A line for each file, which begins with this word.
    Lines(&'static str),
    /// Nowhere.
    Quiet,
}

/// How far one file is. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Bar(Option<ProgressBar>);

impl Progress {
    /// For so many `files`, together of so many bytes. `verb` says what is done with each.
    pub(crate) fn new(quiet: bool, verb: &'static str, files: usize, bytes: u64) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !stderr().is_terminal() {
            return Self::Lines(verb);
        }
        let all = MultiProgress::new();
        let whole = all.add(ProgressBar::new(bytes).with_style(style(
            "{msg:30!} {wide_bar} {bytes:>11} of {total_bytes:>11} {eta:>4}",
        )));
        whole.set_message(match files {
            1 => "1 package".to_owned(),
            files => format!("{files} packages"),
        });
        // It is drawn once something takes time.
        whole.enable_steady_tick(Duration::from_millis(200));
        Self::Bars { all, whole }
    }

    /// A file of that many bytes is under way.
    pub(crate) fn begin(&self, name: &str, bytes: u64) -> Bar {
        match self {
            Self::Bars { all, whole } => {
                let bar = ProgressBar::new(bytes).with_style(style(
                    "{msg:30!} {wide_bar} {bytes:>11} of {total_bytes:>11} {bytes_per_sec:>14}",
                ));
                let bar = all.insert_before(whole, bar);
                bar.set_message(printable(name));
                Bar(Some(bar))
            }
            Self::Lines(verb) => {
                output::note(&printable(&format!("{verb} {name} ({})", size(bytes))));
                Bar(None)
            }
            Self::Quiet => Bar(None),
        }
    }

    /// A file of that many bytes is done, or was given up.
    pub(crate) fn one_done(&self, bytes: u64) {
        if let Self::Bars { whole, .. } = self {
            whole.inc(bytes);
        }
    }

    /// Says something that is not asked for as data. Unless `quiet`, as it is for errors too.
    pub(crate) fn note(&self, text: &str) {
        if !matches!(self, Self::Quiet) {
            self.apart(|| output::note(&printable(text)));
        }
    }

    /// Does something that writes to the terminal, with the bars out of the way.
    pub(crate) fn apart<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Bars { all, .. } => all.suspend(write),
            Self::Lines(_) | Self::Quiet => write(),
        }
    }

    /// Takes the bars away.
    pub(crate) fn end(&self) {
        if let Self::Bars { all, whole } = self {
            whole.finish_and_clear();
            // What can't be cleared stays.
            let _ = all.clear();
        }
    }
}

impl Bar {
    /// So many bytes more.
    pub(crate) fn advance(&self, bytes: usize) {
        if let Self(Some(bar)) = self {
            bar.inc(bytes as u64);
        }
    }

    /// Takes it away.
    pub(crate) fn end(&self) {
        if let Self(Some(bar)) = self {
            bar.finish_and_clear();
        }
    }
}

/// A style from a template of this file. One that the library does not read would show its default.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_read_by_the_library() {
        for template in [
            "{msg:30!} {wide_bar} {bytes:>11} of {total_bytes:>11} {eta:>4}",
            "{msg:30!} {wide_bar} {bytes:>11} of {total_bytes:>11} {bytes_per_sec:>14}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
