//! What a configuration lets through, and why: for commands, and for the admin API of a running gate.

pub(crate) mod analysis;
pub(crate) mod diff;
pub(crate) mod explain;
pub(crate) mod matrix;
pub(crate) mod who_can;

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InspectError(pub(crate) String);

impl InspectError {
    /// What is at fault.
    pub(crate) fn new(what: impl ToString) -> Self {
        Self(what.to_string())
    }
}
