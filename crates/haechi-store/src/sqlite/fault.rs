//! From the database's errors to the ports' error.

use haechi_core::ports::StoreError;
use sqlx::sqlite::SqliteQueryResult;

/// A [`StoreError`] that the database's errors turn into with `?`, and what it says about the database.
pub(crate) struct Fault {
    error: StoreError,
    cause: Cause,
}

/// Where a fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// In what was asked for, or in one row.
    Request,
    /// Another process was in the way.
    Busy,
    /// In the connection, or in what is under it.
    Connection,
    /// In the file: it has pages that are none.
    Damage,
}

impl Fault {
    /// The database is there, and is not (or no longer) one that can be used.
    pub(super) fn unusable(why: String) -> Self {
        Self { error: StoreError::Unavailable(why), cause: Cause::Connection }
    }

    pub(super) const fn cause(&self) -> Cause {
        self.cause
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self { error, cause: Cause::Request }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{ColumnDecode, ColumnNotFound, Decode, PoolTimedOut, RowNotFound};
        let (damage, text) = (is_damage(&error), error.to_string());
        let odd = matches!(error, ColumnDecode { .. } | ColumnNotFound(_) | Decode(_) | RowNotFound);
        let cause = match error {
            _ if damage => Cause::Damage,
            _ if odd => Cause::Request,
            PoolTimedOut => Cause::Busy,
            _ if is_busy(&error) => Cause::Busy,
            _ => Cause::Connection,
        };
        let error = if damage || odd { StoreError::Corrupt(text) } else { StoreError::Unavailable(text) };
        Self { error, cause }
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
    const LOCKED: i32 = 6;
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

/// Whether it may be otherwise in a moment, without anybody changing the configuration: another process is in the way, there is no room, the
/// disk fails.
pub(super) fn may_pass(error: &sqlx::Error) -> bool {
    const IO_ERROR: i32 = 10;
    const FULL: i32 = 13;
    is_busy(error) || matches!(primary_code(error), Some(IO_ERROR | FULL))
}

/// SQLite's result code without what extends it (<https://sqlite.org/rescode.html>).
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
