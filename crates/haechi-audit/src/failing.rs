//! Why nothing can be written.

use crate::file::AuditFile;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Why nothing can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The disk has not answered in time.
    Slow,
    /// It refused.
    Refused(String),
}

/// What the operating system said, as a reason.
pub(crate) fn refused(file: &AuditFile, error: &io::Error) -> Failing {
    let why = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
        _ => error.to_string(),
    };
    Failing::Refused(format!("`{}`: {why}", file.path().display()))
}

/// The lock, also after somebody panicked who held it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
