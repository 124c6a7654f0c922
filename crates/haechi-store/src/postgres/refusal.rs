//! Why a database is not accepted as a store.

use super::fault::{Fault, may_pass, words};
use crate::migrations::Mismatch;
use crate::{OpenError, PostgresLocation};
use sqlx::migrate::MigrateError;
use std::time::Duration;

/// Why the database was not accepted.
pub(super) enum Refusal {
    Foreign,
    Newer { version: i64, known: i64 },
    Incomplete { what: String },
    Altered { version: i64 },
    ReadOnly,
    NoAnswer { within: Duration },
    Database(sqlx::Error),
}

impl Refusal {
    /// Whether it is about the schema, and not about who could be asked.
    pub(super) const fn is_of_schema(&self) -> bool {
        matches!(self, Self::Foreign | Self::Newer { .. } | Self::Incomplete { .. } | Self::Altered { .. })
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<MigrateError> for Refusal {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Self::Database(error),
            other => Self::Database(sqlx::Error::Migrate(Box::new(other))),
        }
    }
}

impl From<Mismatch> for Refusal {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::Altered { version } => Self::Altered { version },
            Mismatch::Newer { version, known } => Self::Newer { version, known },
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Database(error) => error.into(),
            Refusal::Foreign => Self::unusable("the schema `haechi` belongs to another program".to_owned()),
            Refusal::Newer { version, known } => Self::unusable(format!(
                "a newer version of haechi changed the schema (to {version}, this one knows {known}); run that version"
            )),
            Refusal::Incomplete { what } => {
                Self::unusable(format!("the schema lacks {what}; restore a backup"))
            }
            Refusal::Altered { version } => {
                Self::unusable(format!("the schema {version} is not the one that this version makes"))
            }
            Refusal::ReadOnly => Self::unusable("the database is read-only".to_owned()),
            Refusal::NoAnswer { within } => {
                Self::broken(format!("the database does not answer within {within:?}"))
            }
        }
    }
}

impl Refusal {
    /// Whether the same database may be accepted in a moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Database(error) => may_pass(error),
            Self::ReadOnly | Self::NoAnswer { .. } => true,
            Self::Foreign | Self::Newer { .. } | Self::Incomplete { .. } | Self::Altered { .. } => false,
        }
    }

    pub(super) fn of(self, location: &PostgresLocation) -> OpenError {
        let store = location.to_string();
        match self {
            Self::Foreign => OpenError::Foreign(store),
            Self::Newer { version, known } => OpenError::Newer { store, version, known },
            Self::Altered { version } => OpenError::Altered { store, version },
            Self::Incomplete { what } => OpenError::Incomplete { store, what },
            Self::ReadOnly => OpenError::Unusable { store, why: "it is read-only".to_owned() },
            Self::NoAnswer { within } => {
                OpenError::Unusable { store, why: format!("no answer within {within:?}") }
            }
            Self::Database(error) => OpenError::Unusable { store, why: words(&error) },
        }
    }
}
