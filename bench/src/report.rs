//! What was measured, as Markdown.

use std::{
    fmt::{Display, Write as _},
    fs,
    path::Path,
};

use crate::{
    Result,
    measure::{Digits, Samples},
};

/// What a ratio should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Told for what it says; nothing was promised.
    None,
}

/// One ratio.
#[derive(Debug)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// What it is a ratio of.
    pub(crate) of: String,
    /// Round by round.
    pub(crate) ratio: Samples,
    /// What it should be.
    pub(crate) goal: Goal,
    /// The medians of both sides in their own units, which hold for this machine and this day alone.
    pub(crate) sides: String,
}

/// The rows of one benchmark, under its name.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// How it was measured, in sentences.
    pub(crate) how: String,
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// The table in Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = format!("{}\n\n", self.how);
        text.push_str("| measured | as a ratio of | median | min–max | goal | |\n");
        text.push_str("|---|---|---|---|---|---|\n");
        for row in &self.rows {
            let (goal, verdict) = row.verdict();
            let (median, least, most) = (row.ratio.median(), row.ratio.least(), row.ratio.most());
            let (median, spread) = if row.ratio.is_exact() {
                (format!("{median:.3}"), "exact".to_owned())
            } else {
                let spread = format!("{}–{}", Digits(least), Digits(most));
                (Digits(median).to_string(), spread)
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | **{median}** | {spread} | {goal}{verdict} | {} |",
                row.what, row.of, row.sides,
            );
        }
        text
    }
}

impl Row {
    /// What one side is in ratio to another. `shown` writes both in their unit.
    pub(crate) fn new<D: Display>(
        what: impl Into<String>,
        of: impl Into<String>,
        (side, base): (&Samples, &Samples),
        shown: impl Fn(f64) -> D,
    ) -> Self {
        Self {
            what: what.into(),
            of: of.into(),
            ratio: side.over(base),
            goal: Goal::None,
            sides: format!("{} / {}", shown(side.median()), shown(base.median())),
        }
    }

    /// What one side is in ratio to a number.
    pub(crate) fn of_number<D: Display>(
        what: impl Into<String>,
        of: impl Into<String>,
        (side, base): (&Samples, f64),
        shown: impl Fn(f64) -> D,
    ) -> Self {
        Self {
            what: what.into(),
            of: of.into(),
            ratio: side.divided_by(base),
            goal: Goal::None,
            sides: shown(side.median()).to_string(),
        }
    }

    /// What one file is in ratio to another, in bytes, which are the same every time.
    pub(crate) fn of_bytes(
        what: impl Into<String>,
        of: impl Into<String>,
        (size, other): (u64, usize),
    ) -> Self {
        let exact = Samples::from_iter([size as f64]);
        Self {
            sides: format!("{size} B / {other} B"),
            ..Self::of_number(what, of, (&exact, other as f64), Digits)
        }
    }

    /// With what follows the numbers of both sides.
    pub(crate) fn unit(self, unit: &str) -> Self {
        Self {
            sides: format!("{} {unit}", self.sides),
            ..self
        }
    }

    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }

    pub(crate) fn at_most(self, limit: f64) -> Self {
        self.goal(Goal::AtMost(limit))
    }

    pub(crate) fn at_least(self, limit: f64) -> Self {
        self.goal(Goal::AtLeast(limit))
    }

    fn verdict(&self) -> (String, &'static str) {
        let median = self.ratio.median();
        let (text, met) = match self.goal {
            Goal::AtMost(limit) => (format!("≤ {}", Digits(limit)), median <= limit),
            Goal::AtLeast(limit) => (format!("≥ {}", Digits(limit)), median >= limit),
            Goal::None => return ("–".to_owned(), ""),
        };
        (text, if met { ": met" } else { ": **missed**" })
    }
}

/// Puts `text` into a document, between the two marks of that name.
pub(crate) fn replace_section(document: &Path, name: &str, text: &str) -> Result<()> {
    let before = fs::read_to_string(document)?;
    let after = with_section(&before, name, text)
        .ok_or_else(|| format!("{} has no marks for {name}", document.display()))?;
    fs::write(document, after)?;
    Ok(())
}

fn with_section(document: &str, name: &str, text: &str) -> Option<String> {
    let (start, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (head, rest) = document.split_once(&start)?;
    let (_, tail) = rest.split_once(&end)?;
    Some([head, &start, "\n", text.trim(), "\n\n", &end, tail].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_its_goal_was_met() {
        let mut row = Row {
            what: "a".to_owned(),
            of: "b".to_owned(),
            ratio: [1.0, 2.0, 9.0].into_iter().collect(),
            goal: Goal::AtMost(2.0),
            sides: "c".to_owned(),
        };
        assert_eq!(row.verdict().1, ": met");
        row.goal = Goal::AtLeast(2.1);
        assert_eq!(row.verdict().1, ": **missed**");
        let table = Table {
            name: "n",
            how: "So.".to_owned(),
            rows: vec![row],
        };
        let text = table.to_markdown();
        let last = text.lines().last().unwrap();
        assert_eq!(
            last,
            "| a | b | **2.00** | 1.00–9.00 | ≥ 2.10: **missed** | c |"
        );
    }

    #[test]
    fn only_the_section_of_that_name_is_replaced() {
        let document =
            "x\n<!-- a -->\nold\n<!-- end of a -->\ny\n<!-- b -->\nkept\n<!-- end of b -->\n";
        let after = with_section(document, "a", "new\n").unwrap();
        assert_eq!(
            after,
            "x\n<!-- a -->\n\nnew\n\n<!-- end of a -->\ny\n<!-- b -->\nkept\n<!-- end of b -->\n"
        );
        assert_eq!(with_section(document, "c", "new"), None);
    }
}
