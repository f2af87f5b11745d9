//! What is sent to the server, and what comes back.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use bytes::BytesMut;
use deadpool_postgres::{
    ClientWrapper,
    tokio_postgres::{
        self, RowStream, SimpleQueryMessage,
        error::SqlState,
        types::{IsNull, ToSql, Type, to_sql_checked},
    },
};
use futures_util::{TryStreamExt as _, future::maybe_done};

use super::super::{
    MetadataError,
    engine::{Statement, Value},
    given::{Answer, Given},
    rows::Row,
};

/// Makes the table `given` of one array for each column.
const FROM_ARRAYS: (&str, &str) = ("SELECT * FROM unnest(", ")");

/// Every row that a statement gives. Where the tables are other ones than when it was prepared, it is prepared anew.
pub(super) async fn rows(
    client: &ClientWrapper,
    statement: &Statement,
) -> Result<Vec<Row>, MetadataError> {
    match rows_as_prepared(client, statement).await {
        Err(error) if forget_prepared(client, &error) => {
            // In a transaction nothing is done any more. Then that is the cause.
            let again = rows_as_prepared(client, statement).await;
            again.map_err(|_| error)
        }
        done => done,
    }
}

async fn rows_as_prepared(
    client: &ClientWrapper,
    statement: &Statement,
) -> Result<Vec<Row>, MetadataError> {
    let types: Vec<Type> = statement.values.iter().map(type_of).collect();
    let prepared = prepare(client, statement.text, &types).await?;
    let values = statement.values.iter().map(Bound);
    let stream = client.query_raw(&prepared, values).await?;
    Ok(answer(stream).await?.rows)
}

/// Runs a statement and gives the number of rows it changed.
pub(super) async fn run(
    client: &ClientWrapper,
    statement: &Statement,
) -> Result<u64, MetadataError> {
    let types: Vec<Type> = statement.values.iter().map(type_of).collect();
    let prepared = prepare(client, statement.text, &types).await?;
    let values = statement.values.iter().map(Bound);
    Ok(client.execute_raw(&prepared, values).await?)
}

/// One of those that are sent together.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sent<'s> {
    /// Texts without parameters. What they give, they give as texts.
    Texts(&'s str),
    /// A statement about many rows.
    Given(&'s Given),
    /// The same where what follows is sent before its result was looked at: it fails where it does not change as many rows as it must, and
    /// gives none.
    Checked(&'s Given),
}

/// The first of those sent together that failed.
#[derive(Debug)]
pub(super) struct Failed {
    /// How many are before it.
    pub(super) at: usize,
    pub(super) error: MetadataError,
}

type Running<'r> = Pin<Box<dyn Future<Output = Result<Answer, MetadataError>> + Send + 'r>>;

/// Sends all before the first answer is waited for. In a transaction those behind one that fails do nothing, and a COMMIT is a ROLLBACK.
pub(super) async fn all(
    client: &ClientWrapper,
    statements: &[Sent<'_>],
) -> Result<Vec<Answer>, Failed> {
    let mut ready = Vec::with_capacity(statements.len());
    for (at, sent) in statements.iter().enumerate() {
        let prepared = match sent {
            Sent::Texts(_) => Ok(None),
            Sent::Given(given) => prepare_given(client, given, given.text(FROM_ARRAYS)).await,
            Sent::Checked(given) => {
                prepare_given(client, given, given.checked_text(FROM_ARRAYS)).await
            }
        };
        ready.push(prepared.map_err(|error| Failed { at, error })?);
    }
    let mut running: Vec<Running<'_>> = Vec::with_capacity(statements.len());
    for (sent, prepared) in statements.iter().zip(&ready) {
        running.push(match sent {
            Sent::Texts(texts) => Box::pin(run_texts(client, texts)),
            Sent::Given(given) => Box::pin(run_given(client, given, prepared.as_ref())),
            Sent::Checked(given) => Box::pin(run_checked(client, given, prepared.as_ref())),
        });
    }
    let answers = in_order(running).await;
    let looked_at = answers.into_iter().enumerate().map(|(at, answer)| {
        // The first error is the cause of those behind it.
        answer.map_err(|error| {
            forget_prepared(client, &error);
            Failed { at, error }
        })
    });
    looked_at.collect()
}

/// Waits for all. A statement is sent when its future is polled first, and that is done in their order. `join_all` doesn't promise the
/// order of first polls beyond 30.
async fn in_order<F: Future + Unpin>(futures: Vec<F>) -> Vec<F::Output> {
    let mut all: Vec<_> = futures.into_iter().map(maybe_done).collect();
    poll_fn(|context| {
        let mut is_pending = false;
        for one in &mut all {
            is_pending |= Pin::new(one).poll(context).is_pending();
        }
        if is_pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    let done = all.iter_mut();
    done.filter_map(|one| Pin::new(one).take_output()).collect()
}

async fn run_texts(client: &ClientWrapper, texts: &str) -> Result<Answer, MetadataError> {
    let messages = client.simple_query(texts).await?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let rows = rows.map(|row| {
        let values = (0..row.len()).map(|column| Value::from(row.get(column)));
        Row(values.collect())
    });
    Ok(Answer {
        rows: rows.collect(),
        changed: 0,
    })
}

async fn run_given(
    client: &ClientWrapper,
    given: &Given,
    prepared: Option<&tokio_postgres::Statement>,
) -> Result<Answer, MetadataError> {
    let Some(prepared) = prepared else {
        return Ok(Answer::default());
    };
    answer(client.query_raw(prepared, arrays(given)).await?).await
}

async fn run_checked(
    client: &ClientWrapper,
    given: &Given,
    prepared: Option<&tokio_postgres::Statement>,
) -> Result<Answer, MetadataError> {
    let Some(prepared) = prepared else {
        return Ok(Answer::default());
    };
    match client.execute_raw(prepared, arrays(given)).await {
        Ok(_) => Ok(Answer::default()),
        Err(error) if error.code() == Some(&SqlState::DIVISION_BY_ZERO) => {
            Err(MetadataError::Missing(given.changes.unwrap_or("row")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The values of each column.
fn arrays(given: &Given) -> Vec<Vec<Bound<'_>>> {
    let columns = given.by_column();
    columns.map(|values| values.map(Bound).collect()).collect()
}

/// Forgets what was prepared for other tables than there are now, where that is what was wrong.
fn forget_prepared(client: &ClientWrapper, error: &MetadataError) -> bool {
    let is_outdated = error.is_of_changed_tables();
    if is_outdated {
        client.statement_cache.clear();
    }
    is_outdated
}

/// The statement, ready to run. None when there is nothing to run it for.
async fn prepare_given(
    client: &ClientWrapper,
    given: &Given,
    text: String,
) -> Result<Option<tokio_postgres::Statement>, MetadataError> {
    let Some(row) = given.rows.first() else {
        return Ok(None);
    };
    let types: Vec<Type> = row.iter().map(array_of).collect();
    prepare(client, &text, &types).await.map(Some)
}

/// The statement, ready to run. Its parameters have the types of their values, whatever the server would guess.
async fn prepare(
    client: &ClientWrapper,
    text: &str,
    types: &[Type],
) -> Result<tokio_postgres::Statement, MetadataError> {
    let prepared = client.prepare_typed_cached(text, types).await?;
    if prepared.params() == types {
        Ok(prepared)
    } else {
        let (wanted, given) = (prepared.params().len(), types.len());
        let text = format!("a statement of {wanted} parameters was given {given}");
        Err(MetadataError::Failed(text.into()))
    }
}

/// All that a statement gives.
async fn answer(stream: RowStream) -> Result<Answer, MetadataError> {
    let mut stream = pin!(stream);
    let mut rows = Vec::new();
    while let Some(row) = stream.try_next().await? {
        let values = (0..row.len()).map(|column| stored(&row, column));
        let values: Result<Vec<Value>, MetadataError> = values.collect();
        rows.push(Row(values?));
    }
    let changed = stream.rows_affected().unwrap_or_default();
    Ok(Answer { rows, changed })
}

const fn type_of(value: &Value) -> Type {
    match value {
        Value::Integer(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
        Value::Flag(_) => Type::BOOL,
    }
}

const fn array_of(value: &Value) -> Type {
    match value {
        Value::Integer(_) => Type::INT8_ARRAY,
        Value::Text(_) => Type::TEXT_ARRAY,
        Value::Bytes(_) => Type::BYTEA_ARRAY,
        Value::Flag(_) => Type::BOOL_ARRAY,
    }
}

/// A parameter on its way to the server.
#[derive(Debug)]
struct Bound<'v>(&'v Value);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        type_: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Value::Integer(number) => number.to_sql(type_, out),
            // PostgreSQL keeps no NUL in a text. None of those that Tarn keeps has one, so what is looked up with one is
            // not found either way.
            Value::Text(Some(text)) if text.contains('\0') => {
                text.replace('\0', "\u{fffd}").to_sql(type_, out)
            }
            Value::Text(text) => text.to_sql(type_, out),
            Value::Bytes(bytes) => bytes.to_sql(type_, out),
            Value::Flag(flag) => flag.to_sql(type_, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn stored(row: &tokio_postgres::Row, column: usize) -> Result<Value, MetadataError> {
    let Some(described) = row.columns().get(column) else {
        return Err(MetadataError::Failed("a row without a column".into()));
    };
    Ok(match *described.type_() {
        Type::INT8 => Value::Integer(row.try_get(column)?),
        Type::INT4 => Value::Integer(row.try_get::<_, Option<i32>>(column)?.map(i64::from)),
        Type::BOOL => Value::Flag(row.try_get(column)?),
        Type::TEXT | Type::VARCHAR | Type::NAME => Value::Text(row.try_get(column)?),
        Type::BYTEA => Value::Bytes(row.try_get(column)?),
        // No table has one, and sums are cast.
        ref other => {
            let text = format!("the column {} is of the type {other}", described.name());
            return Err(MetadataError::Failed(text.into()));
        }
    })
}
