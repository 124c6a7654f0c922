//! `haechi audit verify`.

use super::{VerifyArgs, configured, files};
use crate::cli::files::{cannot_read, unreadable};
use crate::cli::{Common, Failure, Format, output};
use crate::config::plain;
use crate::evidence::records::public_key;
use haechi_audit::read::{Expectations, verify as verified};
use haechi_audit::{key_of, public_key_of_pem};
use std::fs::File;
use std::path::PathBuf;

pub(super) fn verify(common: &Common, arguments: &VerifyArgs) -> Result<(), Failure> {
    let files = files(common, &arguments.files)?;
    let expected = Expectations {
        key: key(common, arguments, &files)?,
        checkpoints: arguments.checkpoints.clone(),
        partial: arguments.partial,
    };
    for file in &files {
        File::open(file).map_err(|error| Failure::usage(cannot_read(file, &error)))?;
    }
    let report = verified(&files, &expected)
        .map_err(|error| Failure::fault(format!("cannot read the trail: {}", plain(&error))))?;
    match common.output {
        Format::Json => output::json(&report)?,
        Format::Text => output::line(report.to_string().trim_end())?,
    }
    if report.holds() { Ok(()) } else { Err(Failure::Told) }
}

/// The key that was named; else the one beside the trail; else the one that the trail names itself.
fn key(common: &Common, arguments: &VerifyArgs, files: &[PathBuf]) -> Result<Option<[u8; 32]>, Failure> {
    if let Some(path) = &arguments.key {
        let pem = std::fs::read(path).map_err(unreadable(path))?;
        let unusable = || Failure::usage(format!("`{}` holds no Ed25519 public key in PEM", path.display()));
        return public_key_of_pem(&pem).map(Some).ok_or_else(unusable);
    }
    let beside = match arguments.files.is_empty() {
        true => Some(configured(common)?.1.options.key),
        false => files.last().map(|file| key_of(file)),
    };
    Ok(beside.filter(|path| path.exists()).map(|path| public_key(&path)).transpose()?)
}
