//! Standard output: data only. What a command has to tell besides goes to standard error.

use std::io::{self, Write};

use registry::clock::Timestamp;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::failure::{Failure, printable};

/// Writes `text` to standard output and flushes it. A reader that has gone away (`tarn user list | head -1`) is no
/// failure: it has what it wanted.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new("cannot write to standard output").because(&error))
        }
        _ => Ok(()),
    }
}

/// Writes one line to standard error. That it cannot be written is nothing a command could tell anyone.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints `value` as indented JSON, for scripts.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::new("cannot write the answer as JSON").because(&error))?;
    text.push('\n');
    print(&text)
}

/// Prints a table for people: a heading, then one line a row, columns set apart by two blanks. Without rows it prints
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

fn table<const COLUMNS: usize>(heading: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(
        rows.iter()
            .map(|row| row.each_ref().map(|cell| printable(cell))),
    );
    let mut widths = [0_usize; COLUMNS];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let padded: Vec<String> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(padded.join("  ").trim_end());
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
}
