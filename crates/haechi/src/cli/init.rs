//! `haechi init`: a first configuration, to begin with.

use super::{Common, Failure, output};
use crate::config::plain;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

/// With comments, and without a fault or a warning.
const FIRST: &str = include_str!("init/haechi.yaml");

/// Writes the first configuration where there is none yet.
pub(crate) fn init(common: &Common) -> Result<(), Failure> {
    let file = &common.config;
    let shown = file.display();
    let mut made = OpenOptions::new().write(true).create_new(true).open(file).map_err(|error| {
        Failure::fault(match error.kind() {
            ErrorKind::AlreadyExists => {
                format!("`{shown}` exists and is not overwritten; name another file with `-c FILE`")
            }
            _ => format!("cannot make `{shown}`: {}", plain(&error)),
        })
    })?;
    made.write_all(FIRST.as_bytes())
        .map_err(|error| Failure::fault(format!("cannot write `{shown}`: {error}")))?;
    output::said(&format!("wrote `{shown}`"));
    let named = if file.as_os_str() == "haechi.yaml" { String::new() } else { format!(" -c {shown}") };
    output::line(&format!(
        "next:\n  haechi check{named}\n  haechi user add alice --role USER{named}\n  haechi run{named}"
    ))
}
