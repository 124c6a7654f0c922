//! `haechi audit verify`.

use super::{VerifyArgs, configured, files};
use crate::cli::{Common, Failure, Format, output};
use haechi_audit::read::{Expectations, verify as verified};
use haechi_audit::{SigningKey, key_of, public_key_of_pem};
use std::path::{Path, PathBuf};

pub(super) fn verify(common: &Common, arguments: &VerifyArgs) -> Result<(), Failure> {
    let files = files(common, &arguments.files)?;
    let expected = Expectations {
        key: key(common, arguments, &files)?,
        checkpoints: arguments.checkpoints.clone(),
        partial: arguments.partial,
    };
    let report = verified(&files, &expected)
        .map_err(|error| Failure::usage(format!("cannot read the trail: {error}")))?;
    match common.output {
        Format::Json => output::json(&report)?,
        Format::Text => output::line(report.to_string().trim_end())?,
    }
    if report.holds() { Ok(()) } else { Err(Failure::Told) }
}

/// The key that was named; else the one beside the trail; else the one that the trail names itself.
fn key(common: &Common, arguments: &VerifyArgs, files: &[PathBuf]) -> Result<Option<[u8; 32]>, Failure> {
    if let Some(path) = &arguments.key {
        let pem =
            std::fs::read(path).map_err(|error| Failure::usage(format!("`{}`: {error}", path.display())))?;
        let unusable = || Failure::usage(format!("`{}` holds no Ed25519 public key in PEM", path.display()));
        return public_key_of_pem(&pem).map(Some).ok_or_else(unusable);
    }
    let beside = match arguments.files.is_empty() {
        true => Some(configured(common)?.1.options.key),
        false => files.last().map(|file| key_of(file)),
    };
    beside.filter(|path| path.exists()).map(|path| of_signing_key(&path)).transpose()
}

fn of_signing_key(path: &Path) -> Result<[u8; 32], Failure> {
    let key = SigningKey::open(path).map_err(Failure::fault)?;
    key.public_key().try_into().map_err(Failure::fault)
}
