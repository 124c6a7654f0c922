//! Files that commands read and write: what fails is told with the file's name, in plain words.

use super::Failure;
use crate::config::plain;
use std::io;
use std::path::Path;

/// For what cannot be read; `-` is standard input.
pub(crate) fn unreadable(file: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::fault(cannot_read(file, &error))
}

/// For what cannot be written.
pub(crate) fn unwritable(file: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::fault(format!("cannot write `{}`: {}", file.display(), plain(&error)))
}

/// That, and why, in words.
pub(crate) fn cannot_read(file: &Path, error: &io::Error) -> String {
    if file == Path::new("-") {
        return format!("cannot read standard input: {}", plain(error));
    }
    format!("cannot read `{}`: {}", file.display(), plain(error))
}
