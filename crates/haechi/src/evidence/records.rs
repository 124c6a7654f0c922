//! Records that are wanted, and what verifies them.

use super::EvidenceError;
use haechi_audit::SigningKey;
use haechi_audit::read::{Filter, lines_while};
use serde_json::Value;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// So many lines pass between two looks at the clock.
const LINES: u64 = 4096;

/// Calls `take` with each record that is wanted, in the order of the files, until it fails.
///
/// # Errors
/// What `take` says, and [`EvidenceError`].
pub(crate) fn each_record<E: From<EvidenceError>>(
    files: &[PathBuf],
    filter: &Filter,
    mut take: impl FnMut(Value) -> Result<(), E>,
) -> Result<(), E> {
    for path in files {
        let file = File::open(path).map_err(|error| EvidenceError::of(path, error))?;
        let mut failed = None;
        let read = lines_while(&file, |_, bytes| match filter.take(bytes).map(&mut take) {
            Some(Err(failure)) => {
                failed = Some(failure);
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        });
        read.map_err(|error| EvidenceError::of(path, error))?;
        if let Some(failure) = failed {
            return Err(failure);
        }
    }
    Ok(())
}

/// A moment until which something may take. It is looked at seldom.
pub(crate) struct Deadline {
    at: Instant,
    lines: u64,
}

impl Deadline {
    pub(crate) const fn new(at: Instant) -> Self {
        Self { at, lines: 0 }
    }

    /// Whether it has passed, after one more line.
    pub(crate) fn has_passed(&mut self) -> bool {
        self.lines += 1;
        self.lines.is_multiple_of(LINES) && Instant::now() >= self.at
    }
}

/// The public half of the key that signs checkpoints.
///
/// # Errors
/// [`EvidenceError::Key`].
pub(crate) fn public_key(path: &Path) -> Result<[u8; 32], EvidenceError> {
    let unusable = |error: &dyn std::fmt::Display| EvidenceError::Key(error.to_string());
    let key = SigningKey::open(path).map_err(|error| unusable(&error))?;
    key.public_key().try_into().map_err(|error: std::array::TryFromSliceError| unusable(&error))
}
