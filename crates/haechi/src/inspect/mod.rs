//! What a configuration lets through, and why: for commands, and for the admin API of a running gate.

pub(crate) mod analysis;
pub(crate) mod cases;
pub(crate) mod cell;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod matrix;
pub(crate) mod policy_change;
pub(crate) mod prove;
pub(crate) mod recorded;
pub(crate) mod replay;
pub(crate) mod who_can;

use haechi_core::ports::StoreError;

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    /// What is asked for may not be.
    #[error("{0}")]
    Asked(String),
    /// The store could not be asked: nobody knows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl InspectError {
    /// What is at fault.
    pub(crate) fn new(what: impl ToString) -> Self {
        Self::Asked(what.to_string())
    }
}
