//! The audit trail, read: for `haechi audit` and for the admin API.

pub(crate) mod pages;
pub(crate) mod people;
pub(crate) mod records;
pub(crate) mod review;

use crate::config::plain;
use std::io;
use std::path::Path;

/// Why the trail cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvidenceError {
    /// A file cannot be read.
    #[error("cannot read `{file}`: {}", plain(error))]
    File { file: String, error: io::Error },
    /// The file of subjects' keys cannot be read.
    #[error(transparent)]
    Subjects(#[from] haechi_audit::subjects::SubjectsError),
    /// The key that signs cannot be read.
    #[error("{0}")]
    Key(String),
    /// It was given up, because it took too long.
    #[error("it took too long")]
    TooLong,
}

impl EvidenceError {
    /// This file cannot be read.
    pub(crate) fn of(path: &Path, error: io::Error) -> Self {
        Self::File { file: path.display().to_string(), error }
    }
}
