//! Why a file is not accepted as a store.

use super::fault::{Fault, is_damage, may_pass};
use crate::OpenError;
use std::path::Path;

/// Why the file was not accepted.
pub(super) enum Refusal {
    Foreign,
    Newer { version: i64, known: i64 },
    Older { version: i64, known: i64 },
    Incomplete { what: String },
    Altered { version: i64 },
    NoWal { mode: String },
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Database(error) => error.into(),
            Refusal::Foreign => Self::unusable("the file is a database of another program".to_owned()),
            Refusal::Newer { version, known } => Self::unusable(format!(
                "a newer version of haechi changed the schema (to {version}, this one knows {known}); run that version"
            )),
            Refusal::Older { version, known } => Self::unusable(format!(
                "the schema is older than it was ({version}, and {known} is needed); restart, or restore a backup"
            )),
            Refusal::Incomplete { what } => {
                Self::unusable(format!("the schema lacks {what}; restore a backup"))
            }
            Refusal::Altered { version } => {
                Self::unusable(format!("the schema {version} is not the one that this version makes"))
            }
            Refusal::NoWal { mode } => {
                Self::unusable(format!("the file system has no write-ahead log (mode `{mode}`)"))
            }
        }
    }
}

impl Refusal {
    /// Whether the same file may be accepted in a moment.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Database(error) if may_pass(error))
    }

    pub(super) fn at(self, path: &Path) -> OpenError {
        let store = path.display().to_string();
        match self {
            Self::Foreign => OpenError::Foreign(store),
            Self::Newer { version, known } => OpenError::Newer { store, version, known },
            Self::Altered { version } => OpenError::Altered { store, version },
            Self::Older { version, .. } => {
                OpenError::Incomplete { store, what: format!("what follows its schema {version}") }
            }
            Self::Incomplete { what } => OpenError::Incomplete { store, what },
            Self::NoWal { mode } => {
                let why = format!(
                    "its file system has no write-ahead log (it stays in mode `{mode}`); put it on a local disk"
                );
                OpenError::Unusable { store, why }
            }
            Self::Database(error) if is_damage(&error) => OpenError::NotADatabase(path.to_owned()),
            Self::Database(error) => OpenError::Unusable { store, why: error.to_string() },
        }
    }
}
