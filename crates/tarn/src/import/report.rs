//! What became of the packages of a repository, said line by line and in numbers.

use std::collections::BTreeMap;

use crate::{
    failure::{Exit, Failure, printable},
    output,
    progress::Progress,
    remote::retry::Trouble,
};

/// What became of a package.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is there now; there may be a line to say about it.
    Imported(Option<String>),
    /// It was there before.
    Unchanged,
    /// An earlier import brought it, and it was deleted here since.
    Deleted,
    /// It would have been imported.
    Checked,
}

/// What may become of one, in the order of the sum.
const WORDS: [&str; 6] = [
    "imported",
    "checked",
    "unchanged",
    "left out",
    "refused",
    "failed",
];

/// What became of all: how many by those words.
#[derive(Debug, Default)]
pub(super) struct Report(BTreeMap<&'static str, usize>);

impl Report {
    /// Says what became of one, unless it stops the whole.
    pub(super) fn add(
        &mut self,
        name: &str,
        ended: Result<Outcome, Trouble>,
    ) -> Result<(), Failure> {
        let (word, why) = match ended {
            Ok(Outcome::Imported(notice)) => {
                if let Some(notice) = notice {
                    output::note(&printable(&format!("note: {notice}")));
                }
                ("imported", String::new())
            }
            Ok(Outcome::Unchanged) => ("unchanged", String::new()),
            Ok(Outcome::Deleted) => {
                let why = ": it came with an earlier import and was deleted here since; `--again` brings it back";
                ("left out", why.to_owned())
            }
            Ok(Outcome::Checked) => ("checked", String::new()),
            Err(Trouble::Fatal(failure)) => return Err(failure.about(name)),
            Err(Trouble::Final(failure) | Trouble::Passing(failure, _)) => {
                let word = match failure.exit() {
                    Exit::Refused => "refused",
                    _ => "failed",
                };
                (word, format!(": {}", failure.what()))
            }
        };
        *self.0.entry(word).or_default() += 1;
        output::print_line(&format!("{word} {}{why}", printable(name)))
    }

    fn count(&self, word: &str) -> usize {
        self.0.get(word).copied().unwrap_or_default()
    }

    /// Says how many went how.
    ///
    /// # Errors
    ///
    /// When one was not imported.
    pub(super) fn end(&self, progress: &Progress, dry_run: bool) -> Result<(), Failure> {
        let counts: Vec<String> = WORDS
            .into_iter()
            .map(|word| (self.count(word), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        progress.note(&match counts.is_empty() {
            true => "the index lists no package".to_owned(),
            false => counts.join(", "),
        });
        let all: usize = self.0.values().sum();
        let (refused, failed) = (self.count("refused"), self.count("failed"));
        let not_imported = refused + failed;
        let what = match dry_run {
            true => format!("{not_imported} of {all} packages would not be imported"),
            false => format!("{not_imported} of {all} packages were not imported"),
        };
        if failed > 0 {
            return Err(
                Failure::new(what).hint("run the same command again: what is there is skipped")
            );
        }
        if refused > 0 {
            return Err(Failure::refused(what));
        }
        Ok(())
    }
}
