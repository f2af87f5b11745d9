//! Standard output: data only. What a command has to tell besides goes to standard error.

use std::io::{self, Write};

use serde::Serialize;
use tarn_base::clock::Timestamp;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::failure::{Failure, printable};

/// Writes `text` to standard output and flushes it. A reader that has gone away (`tarn user list | head -1`) is no
/// failure: it has what it wanted.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("cannot write to standard output").because(&error))
        }
        _ => Ok(()),
    }
}

/// Prints one line; the newline is added.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    print(&format!("{line}\n"))
}

/// Writes `text` to standard output and flushes it.
pub(crate) fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes one line to standard error. That it cannot be written is nothing a command could tell anyone.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Asks for something on standard error, on a line that the answer ends.
pub(crate) fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Prints `value` as indented JSON, for scripts.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print_line(&json_of(value)?)
}

fn json_of(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new("cannot write the answer as JSON").because(&error))
}

/// Prints a table for people: a heading, then one line a row, columns set apart by two spaces. Without rows it prints
/// nothing, and says on standard error that there is none of `what`.
pub(crate) fn print_table<const COLUMNS: usize>(
    what: &str,
    heading: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> Result<(), Failure> {
    if rows.is_empty() {
        note(&format!("there is no {what} yet"));
        return Ok(());
    }
    print(&table(heading, rows))
}

/// Prints a list: as JSON, or as a table with a line for each, as [`print_table`] does.
pub(crate) fn print_list<T: Serialize, const COLUMNS: usize>(
    json: bool,
    what: &str,
    heading: [&str; COLUMNS],
    shown: Vec<T>,
    row: impl Fn(T) -> [String; COLUMNS],
) -> Result<(), Failure> {
    if json {
        return print_json(&shown);
    }
    let rows: Vec<_> = shown.into_iter().map(row).collect();
    print_table(what, heading, &rows)
}

/// Prints one thing for people: a line a fact, the names lined up.
pub(crate) fn print_facts(facts: &[(&str, String)]) -> Result<(), Failure> {
    let width = facts.iter().map(|(name, _)| name.len()).max();
    let width = width.unwrap_or_default() + 1;
    let mut text = String::new();
    for (name, value) in facts {
        let name = format!("{name}:");
        let line = format!("{name:<width$} {}", printable(value));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    print(&text)
}

/// A moment as people and scripts read it: RFC 3339, UTC, whole seconds.
pub(crate) fn moment(moment: Timestamp) -> String {
    let date = OffsetDateTime::from_unix_timestamp(moment.seconds());
    match date.ok().and_then(|date| date.format(&Rfc3339).ok()) {
        Some(text) => text,
        // Beyond the year 9999, where RFC 3339 ends.
        None => format!("@{}", moment.seconds()),
    }
}

/// Prints a long list page by page, so that no more than a page is in memory: as [`print_table`] and [`print_json`] do, but
/// for columns of set widths, since what is to come is not known. A longer cell shifts those behind it in its own line; so the
/// one whose length has no bound comes last.
#[derive(Debug)]
pub(crate) struct Listing<const COLUMNS: usize> {
    what: &'static str,
    heading: [&'static str; COLUMNS],
    widths: [usize; COLUMNS],
    json: bool,
    is_empty: bool,
}

impl<const COLUMNS: usize> Listing<COLUMNS> {
    /// A list of `what`, for people, with a column for each heading and width, or as a JSON array.
    pub(crate) const fn new(
        what: &'static str,
        heading: [&'static str; COLUMNS],
        widths: [usize; COLUMNS],
        json: bool,
    ) -> Self {
        Self {
            what,
            heading,
            widths,
            json,
            is_empty: true,
        }
    }

    /// Prints the next entries.
    pub(crate) fn page<T: Serialize>(
        &mut self,
        entries: &[T],
        row: impl Fn(&T) -> [String; COLUMNS],
    ) -> Result<(), Failure> {
        let text = if self.json {
            self.objects(entries)?
        } else {
            let rows: Vec<_> = entries.iter().map(row).collect();
            let heading = self.is_empty.then_some(self.heading);
            let rows = printable_rows(heading, &rows);
            padded(&rows, &self.widths)
        };
        if entries.is_empty() {
            return Ok(());
        }
        self.is_empty = false;
        print(&text)
    }

    fn objects(&self, entries: &[impl Serialize]) -> Result<String, Failure> {
        let mut text = String::new();
        for (index, entry) in entries.iter().enumerate() {
            let object = json_of(entry)?;
            let is_first = self.is_empty && index == 0;
            text.push_str(if is_first { "[\n  " } else { ",\n  " });
            text.push_str(&object.replace('\n', "\n  "));
        }
        Ok(text)
    }

    /// Prints what comes behind the last entry.
    pub(crate) fn end(self) -> Result<(), Failure> {
        match (self.json, self.is_empty) {
            (true, true) => print("[]\n"),
            (true, false) => print("\n]\n"),
            (false, true) => {
                note(&format!("there is no {} yet", self.what));
                Ok(())
            }
            (false, false) => Ok(()),
        }
    }
}

/// Lines whose columns are as wide as their widest cell.
fn table<const COLUMNS: usize>(heading: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let lines = printable_rows(Some(heading), rows);
    let mut widths = [0; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    padded(&lines, &widths)
}

/// The heading and the rows, with nothing in them that moves a cursor.
fn printable_rows<const COLUMNS: usize>(
    heading: Option<[&str; COLUMNS]>,
    rows: &[[String; COLUMNS]],
) -> Vec<[String; COLUMNS]> {
    let heading = heading.map(|heading| heading.map(str::to_owned));
    let rows = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| printable(cell)));
    heading.into_iter().chain(rows).collect()
}

/// Lines of cells that are at least that wide.
fn padded<const COLUMNS: usize>(lines: &[[String; COLUMNS]], widths: &[usize; COLUMNS]) -> String {
    let mut text = String::new();
    for line in lines {
        let cells: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date() {
        assert_eq!(
            moment(Timestamp::from_seconds(1_700_000_000)),
            "2023-11-14T22:13:20Z"
        );
        assert_eq!(
            moment(Timestamp::from_seconds(999_999_999_999)),
            "@999999999999"
        );
    }

    #[test]
    fn a_table_lines_its_columns_up() {
        let rows = [
            ["alice".to_owned(), "yes".to_owned()],
            ["bo\x07b".to_owned(), "no".to_owned()],
        ];
        assert_eq!(
            table(["NAME", "ADMIN"], &rows),
            "NAME      ADMIN\nalice     yes\nbo\\u{7}b  no\n"
        );
    }

    #[test]
    fn a_list_in_pages_is_the_array_of_all() {
        let all = serde_json::json!([{ "a": 1, "b": [2] }, { "a": "x" }, 3]);
        let mut listing = Listing::new("thing", [], [], true);
        let mut text = String::new();
        for page in all.as_array().unwrap().chunks(2) {
            text.push_str(&listing.objects(page).unwrap());
            listing.is_empty = false;
        }
        text.push_str("\n]");
        assert_eq!(text, serde_json::to_string_pretty(&all).unwrap());
    }
}
