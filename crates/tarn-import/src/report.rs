//! What became of an import, for the administrator who reads it.

use std::collections::BTreeMap;

use serde::Serialize;
use tarn_base::named;

/// The longest text of the forge's own in a note, in characters: users of a forge choose some of them.
const LONGEST: usize = 300;

named! {
    /// What is imported, in the order in which it is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Kind {
        /// An account of a person or a program.
        User = "users",
        /// The secret of a code generator.
        SecondFactor = "second factors",
        /// A token.
        Token = "tokens",
        /// An organisation.
        Organisation = "organisations",
        /// A team of an organisation.
        Team = "teams",
        /// That a user is in a team.
        Member = "members",
        /// A signing key.
        SigningKey = "signing keys",
        /// A package file.
        Package = "packages",
        /// A cleanup rule, which is a rule of expiry here.
        Rule = "expiry rules",
        /// A webhook.
        Webhook = "webhooks",
        /// What Tarn has nothing for.
        Other = "others",
    }
}

/// How many of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Came with this run.
    pub imported: u64,
    /// Were there already.
    pub there: u64,
    /// Were not imported.
    pub left_out: u64,
}

/// Something to know about one thing of the forge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Of which kind.
    pub kind: Kind,
    /// Which: a name, a path.
    pub what: String,
    /// Whether it was not imported.
    pub left_out: bool,
    /// Why not, or what is different now, and what to do.
    pub why: String,
}

/// What became of everything.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many of each kind.
    pub counts: BTreeMap<Kind, Counts>,
    /// What was left out or changed, and why.
    pub notes: Vec<Note>,
}

/// Why something that came earlier does not come again.
pub(crate) const DELETED: &str =
    "an earlier import brought it, and it was deleted here since; `--again` brings it back";

/// The outcome of importing one thing.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It came.
    Imported,
    /// It came, and there is something to say about it.
    Changed(String),
    /// It was there.
    There,
    /// It came earlier, and was deleted here since.
    Deleted,
    /// It did not come: why.
    LeftOut(String),
}

impl Ended {
    pub(crate) fn left_out(why: impl Into<String>) -> Self {
        Self::LeftOut(why.into())
    }

    /// Whether it came with this run.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self, Self::Imported | Self::Changed(_))
    }

    /// Whether it is here now.
    pub(crate) fn is_here(&self) -> bool {
        self.is_new() || matches!(self, Self::There)
    }
}

impl Report {
    /// Counts one thing by its outcome, and notes what has to be said about it.
    pub(crate) fn ended(&mut self, kind: Kind, what: impl Into<String>, ended: Ended) {
        match ended {
            Ended::Imported => self.imported(kind),
            Ended::Changed(why) => {
                self.imported(kind);
                self.changed(kind, what, why);
            }
            Ended::There => self.of(kind).there += 1,
            Ended::Deleted => self.left_out(kind, what, DELETED),
            Ended::LeftOut(why) => self.left_out(kind, what, why),
        }
    }

    fn of(&mut self, kind: Kind) -> &mut Counts {
        self.counts.entry(kind).or_default()
    }

    /// One came.
    pub(crate) fn imported(&mut self, kind: Kind) {
        self.of(kind).imported += 1;
    }

    /// One was not imported.
    pub(crate) fn left_out(&mut self, kind: Kind, what: impl Into<String>, why: impl Into<String>) {
        self.left_out_many(kind, 1, what, why);
    }

    /// Some were not imported, all for one reason.
    pub(crate) fn left_out_many(
        &mut self,
        kind: Kind,
        count: u64,
        what: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.of(kind).left_out += count;
        self.note(kind, what, why, true);
    }

    /// The storage of the packages could not be used. Nothing is to be said where there are none.
    pub(crate) fn no_packages(&mut self, count: usize, why: String) {
        if count > 0 {
            let all = u64::try_from(count).unwrap_or(u64::MAX);
            self.left_out_many(Kind::Package, all, format!("{count} packages"), why);
        }
    }

    /// One is not what it was.
    pub(crate) fn changed(&mut self, kind: Kind, what: impl Into<String>, why: impl Into<String>) {
        self.note(kind, what, why, false);
    }

    fn note(
        &mut self,
        kind: Kind,
        what: impl Into<String>,
        why: impl Into<String>,
        left_out: bool,
    ) {
        self.notes.push(Note {
            kind,
            what: shortened(what.into()),
            left_out,
            why: why.into(),
        });
    }

    /// What another report has is added to this one.
    pub(crate) fn add(&mut self, other: Self) {
        for (kind, counts) in other.counts {
            let own = self.of(kind);
            own.imported += counts.imported;
            own.there += counts.there;
            own.left_out += counts.left_out;
        }
        self.notes.extend(other.notes);
    }

    /// How many of a kind.
    pub fn count(&self, kind: Kind) -> Counts {
        self.counts.get(&kind).copied().unwrap_or_default()
    }
}

/// A text of the forge with its end cut off where it is longer than anyone reads.
pub(crate) fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_note_is_about_is_cut_between_characters() {
        let mut report = Report::default();
        report.left_out(Kind::Token, "ä".repeat(LONGEST), "as it is");
        report.left_out(Kind::Token, "ä".repeat(1_000_000), "cut");
        let letters = |note: &Note| note.what.chars().count();
        let lengths: Vec<_> = report.notes.iter().map(letters).collect();
        assert_eq!(lengths, [LONGEST, LONGEST + 1]);
    }
}
