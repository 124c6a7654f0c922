//! From the database's errors to the ports' error.

use haechi_core::ports::StoreError;
use sqlx::sqlite::SqliteQueryResult;

/// A [`StoreError`] that the database's errors turn into with `?`.
pub(super) struct Fault(StoreError);

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        fault.0
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{ColumnDecode, ColumnNotFound, Decode, RowNotFound};
        let unreadable = is_damage(&error)
            || matches!(error, ColumnDecode { .. } | ColumnNotFound(_) | Decode(_) | RowNotFound);
        let text = error.to_string();
        Self(if unreadable { StoreError::Corrupt(text) } else { StoreError::Unavailable(text) })
    }
}

/// `Exists` where the database refused `what` for being there already.
pub(super) fn taken(error: sqlx::Error, what: String) -> Fault {
    match error.as_database_error() {
        Some(refused) if refused.is_unique_violation() => StoreError::Exists(what).into(),
        _ => error.into(),
    }
}

/// `Missing` where a statement that names one row found none.
pub(super) fn found(done: &SqliteQueryResult, what: impl FnOnce() -> String) -> Result<(), Fault> {
    if done.rows_affected() == 0 { Err(StoreError::Missing(what()).into()) } else { Ok(()) }
}

/// Whether the file's content is not (or no longer) a database.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    matches!(primary_code(error), Some(CORRUPT | NOT_A_DATABASE))
}

/// Whether another process was in the way.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: i32 = 5;
    primary_code(error) == Some(BUSY)
}

/// SQLite's result code without what extends it (<https://sqlite.org/rescode.html>).
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
