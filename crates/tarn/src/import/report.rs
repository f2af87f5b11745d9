//! What became of the packages of a repository, said line by line and in numbers.

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

/// What became of all.
#[derive(Debug, Default)]
pub(super) struct Report {
    imported: usize,
    unchanged: usize,
    deleted: usize,
    checked: usize,
    refused: usize,
    failed: usize,
}

impl Report {
    /// Says what became of one, unless it stops the whole.
    pub(super) fn add(
        &mut self,
        name: &str,
        ended: Result<Outcome, Trouble>,
    ) -> Result<(), Failure> {
        let (word, count) = match ended {
            Ok(Outcome::Imported(notice)) => {
                if let Some(notice) = notice {
                    output::note(&printable(&format!("note: {notice}")));
                }
                ("imported", &mut self.imported)
            }
            Ok(Outcome::Unchanged) => ("unchanged", &mut self.unchanged),
            Ok(Outcome::Deleted) => {
                self.deleted += 1;
                return output::print(&format!(
                    "left out {}: it came with an earlier import and was deleted here since; `--again` brings it back\n",
                    printable(name)
                ));
            }
            Ok(Outcome::Checked) => ("checked", &mut self.checked),
            Err(Trouble::Fatal(failure)) => return Err(failure.about(name)),
            Err(Trouble::Final(failure) | Trouble::Passing(failure, _)) => {
                let (word, count) = match failure.exit() {
                    Exit::Refused => ("refused", &mut self.refused),
                    _ => ("failed", &mut self.failed),
                };
                *count += 1;
                return output::print(&format!("{word} {}: {}\n", printable(name), failure.what()));
            }
        };
        *count += 1;
        output::print(&format!("{word} {}\n", printable(name)))
    }

    /// Says how many went how.
    ///
    /// # Errors
    ///
    /// When one was not imported.
    pub(super) fn end(&self, progress: &Progress, dry_run: bool) -> Result<(), Failure> {
        let counts = [
            (self.imported, "imported"),
            (self.checked, "checked"),
            (self.unchanged, "unchanged"),
            (self.deleted, "left out"),
            (self.refused, "refused"),
            (self.failed, "failed"),
        ];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        progress.note(&match counts.is_empty() {
            true => "the index lists no package".to_owned(),
            false => counts.join(", "),
        });
        let all = self.imported
            + self.unchanged
            + self.deleted
            + self.checked
            + self.refused
            + self.failed;
        let not_imported = self.refused + self.failed;
        let what = match dry_run {
            true => format!("{not_imported} of {all} packages would not be imported"),
            false => format!("{not_imported} of {all} packages were not imported"),
        };
        if self.failed > 0 {
            return Err(
                Failure::new(what).hint("run the same command again: what is there is skipped")
            );
        }
        if self.refused > 0 {
            return Err(Failure::refused(what));
        }
        Ok(())
    }
}
