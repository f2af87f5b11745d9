//! Statements about many rows at once: what a batch of packages writes to one table is one statement.
//!
//! The text is one for both engines. It reads the rows from a table `given`, which the engine puts in front of it: PostgreSQL makes it
//! of one array for each column, and does all rows at once; SQLite, where a statement costs no round trip, runs the text for one row
//! after the other. So the text may not rely on seeing what it does for another row, and no two rows may name the same row of a table.

use super::{
    MetadataError,
    engine::{On, Transaction, Value},
    rows::Row,
};

/// A text about the rows in `given`. Made by [`given!`]; the text and the names of the columns are always literals.
#[derive(Debug)]
pub(super) struct Given {
    columns: &'static [&'static str],
    text: &'static str,
    /// Each has a value for each column. In one column all are of one type.
    pub(super) rows: Vec<Vec<Value>>,
    /// What each row must change exactly one of, for the error.
    pub(super) changes: Option<&'static str>,
    /// The text has a RETURNING.
    returning: bool,
}

/// What a [`Given`] did.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// What it gives, in the order of the rows where the text asks for that.
    pub(super) rows: Vec<Row>,
    /// How many rows it changed.
    pub(super) changed: u64,
}

/// Makes a [`Given`] of what an iterator gives:
/// `given!(owners, |owner| { owner_id: owner.id }, "SELECT … FROM given JOIN …")`.
macro_rules! given {
    ($items:expr, |$item:pat_param| { $($column:ident: $value:expr),+ $(,)? }, $text:expr) => {
        $crate::metadata::given::Given::new(
            &[$(stringify!($column)),+],
            $text,
            ::std::iter::IntoIterator::into_iter($items)
                .map(|$item| vec![$($crate::metadata::engine::Value::from($value)),+])
                .collect(),
        )
    };
}
pub(super) use given;

impl Given {
    pub(super) const fn new(
        columns: &'static [&'static str],
        text: &'static str,
        rows: Vec<Vec<Value>>,
    ) -> Self {
        Self {
            columns,
            text,
            rows,
            changes: None,
            returning: false,
        }
    }

    /// The same, where each row must change one row, and what that is.
    pub(super) const fn each_changes(mut self, what: &'static str) -> Self {
        self.changes = Some(what);
        self
    }

    /// The same, of a text that has a RETURNING.
    pub(super) const fn returning(mut self) -> Self {
        self.returning = true;
        self
    }

    /// The whole text for an engine that makes `given` by `source`, in which `$1`, `$2`, … are the columns.
    pub(super) fn text(&self, source: (&str, &str)) -> String {
        format!("WITH {} {}", self.table(source), self.text)
    }

    /// A text that changes the same and gives no rows. Where it does not change one row for each that is given, it fails with a division by
    /// zero. For PostgreSQL, where each column is an array.
    pub(super) fn checked_text(&self, source: (&str, &str)) -> String {
        let returning = match self.returning {
            true => "",
            false => " RETURNING 1",
        };
        format!(
            "WITH {}, changed AS ({}{returning}) SELECT 1 / CAST(COUNT(*) = CARDINALITY($1) AS INTEGER) AS one FROM changed",
            self.table(source),
            self.text
        )
    }

    fn table(&self, (before, after): (&str, &str)) -> String {
        let parameters: Vec<String> = (1..=self.columns.len())
            .map(|number| format!("${number}"))
            .collect();
        format!(
            "given ({}) AS ({before}{}{after})",
            self.columns.join(", "),
            parameters.join(", "),
        )
    }

    /// The values of each column.
    pub(super) fn by_column(&self) -> impl Iterator<Item = impl Iterator<Item = &Value>> {
        (0..self.columns.len())
            .map(|column| self.rows.iter().filter_map(move |row| row.get(column)))
    }
}

impl Transaction {
    /// Runs statements about many rows, one after the other. On PostgreSQL that is one round trip for all of them: so none may need the
    /// answer of another, but each sees what those before it did.
    ///
    /// # Errors
    ///
    /// [`MetadataError::Missing`] when one does not change as many rows as it must.
    pub(super) async fn all(
        &mut self,
        statements: Vec<Given>,
    ) -> Result<Vec<Answer>, MetadataError> {
        let changes: Vec<_> = statements
            .iter()
            .map(|given| given.changes.map(|what| (what, given.rows.len() as u64)))
            .collect();
        let answers = match &mut self.on {
            On::Sqlite(transaction) => transaction.all(statements).await?,
            On::Postgres(transaction) => transaction.all(&statements).await?,
        };
        for (answer, expected) in answers.iter().zip(changes) {
            if let Some((what, rows)) = expected
                && answer.changed != rows
            {
                return Err(MetadataError::Missing(what));
            }
        }
        Ok(answers)
    }

    /// Runs one statement about many rows.
    pub(super) async fn given(&mut self, statement: Given) -> Result<Answer, MetadataError> {
        let answers = self.all(vec![statement]).await?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }
}
