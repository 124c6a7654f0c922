//! The loader as a whole.

mod admin;
mod authzen;
mod every_key;
mod faults;
mod include;
mod meaning;
mod policies;
mod refused;
mod schema;
mod tls;
mod validate;

use super::placeholder::Surroundings;
use super::{Config, Report, parse_in};
use crate::authenticators::ALL;
use crate::config::read::Definitions;
use std::cell::RefCell;
use std::path::Path;

/// What every test's configuration can do without.
pub(crate) const HEAD: &str = "listeners: [{ bind: 127.0.0.1:0 }]\n";

/// Checks a text with two variables set and no files.
fn check(text: &str) -> Result<Config, Report> {
    check_with(ALL, text)
}

/// Likewise for a text that may name other schemes.
pub(crate) fn check_with(definitions: Definitions, text: &str) -> Result<Config, Report> {
    let variable = |name: &str| {
        Ok(match name {
            "SECRET" => Some("0123456789abcdef0123456789abcdef".to_owned()),
            "SHORT" => Some("hunter2".to_owned()),
            _ => None,
        })
    };
    let surroundings =
        Surroundings { folder: Path::new(""), variable: &variable, files: RefCell::default(), kept: None };
    parse_in(&surroundings, Path::new("haechi.yaml"), text.to_owned(), definitions, None)
}

/// Loads a file that may name every scheme.
pub(super) fn load(file: &Path) -> Result<Config, Report> {
    super::load(file, ALL)
}

/// `line:column message` for each fault, with the lines of [`HEAD`] before the text.
fn faults(text: &str) -> Vec<String> {
    let Err(report) = check(&format!("{HEAD}{text}")) else { return Vec::new() };
    report
        .faults()
        .iter()
        .map(|fault| {
            let at = fault.span.map(|span| format!("{}:{} ", span.start.line, span.start.column));
            format!("{}{}", at.unwrap_or_default(), fault.message)
        })
        .collect()
}
