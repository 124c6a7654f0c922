//! From the database's errors to the ports' error.

use haechi_core::ports::StoreError;
use sqlx::postgres::PgQueryResult;

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
    /// Others were in the way.
    Busy,
    /// The database answered that it cannot: it only reads, it ends, its schema is another.
    Refused,
    /// No connection became free: the database does not answer, or others wait as well.
    Crowded,
    /// The connection broke off, or was not made.
    Broken,
}

impl Fault {
    /// The database is there, and is not (or no longer) one that can be used.
    pub(super) const fn unusable(why: String) -> Self {
        Self { error: StoreError::Unavailable(why), cause: Cause::Refused }
    }

    /// Nobody answered.
    pub(super) const fn broken(why: String) -> Self {
        Self { error: StoreError::Unavailable(why), cause: Cause::Broken }
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
        use sqlx::Error::{ColumnDecode, ColumnNotFound, Database, Decode, PoolTimedOut, RowNotFound};
        let text = words(&error);
        match &error {
            ColumnDecode { .. } | ColumnNotFound(_) | Decode(_) | RowNotFound => {
                Self { error: StoreError::Corrupt(text), cause: Cause::Request }
            }
            PoolTimedOut => Self { error: StoreError::Unavailable(text), cause: Cause::Crowded },
            _ if is_busy(&error) => Self { error: StoreError::Unavailable(text), cause: Cause::Busy },
            Database(_) => Self { error: StoreError::Unavailable(text), cause: Cause::Refused },
            _ => Self { error: StoreError::Unavailable(text), cause: Cause::Broken },
        }
    }
}

/// The error without `error returned from database`, and with PostgreSQL's code.
pub(super) fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "no connection became free in time".to_owned(),
        sqlx::Error::Database(error) => {
            let code = error.code().map(|code| format!(" ({code})")).unwrap_or_default();
            format!("{}{code}", error.message())
        }
        _ => error.to_string(),
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
pub(super) fn found(done: &PgQueryResult, what: impl FnOnce() -> String) -> Result<(), Fault> {
    if done.rows_affected() == 0 { Err(StoreError::Missing(what()).into()) } else { Ok(()) }
}

/// Whether others were in the way: serialization, deadlock, a lock or a statement that took too long.
fn is_busy(error: &sqlx::Error) -> bool {
    matches!(code(error).as_deref(), Some("40001" | "40P01" | "55P03" | "57014"))
}

/// Whether it may be otherwise in a moment, without anybody changing the configuration: nobody answers, the server starts, ends, recovers,
/// is full or out of connections.
pub(super) fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        // Connections, resources, interventions, the system; read-only.
        _ => code(error).is_some_and(|code| {
            ["08", "53", "57", "58", "40"].iter().any(|class| code.starts_with(class))
                || code == "55P03"
                || code == "25006"
        }),
    }
}

/// PostgreSQL's five characters (appendix A of its manual).
fn code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}
