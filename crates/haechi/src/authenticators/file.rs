//! Files that authenticators are made of.

use super::definition::Checks;
use crate::config::placeholder::plain;
use crate::config::report::Fault;
use crate::config::source::At;
use crate::config::value::FilePath;
use std::fmt::Display;

/// Reads a file as it will be read at start, so that a check finds what a start would.
pub(super) fn usable<T, E: Display>(
    checks: &mut dyn Checks,
    file: &At<FilePath>,
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let text = std::fs::read_to_string(&file.value.0).map_err(|error| plain(&error));
    let why = match text.map(|text| read(&text).map_err(|fault| fault.to_string())) {
        Ok(Ok(read)) => return Some(read),
        Ok(Err(why)) | Err(why) => why,
    };
    let message = format!("`{}` cannot be used: {why}", checks.text_at(file.span));
    checks.fault(Fault::new(file.span, message))
}
