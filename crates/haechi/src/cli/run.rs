//! `haechi run`: the gate.

use super::Failed;
use crate::config;
use crate::wire::Gate;
use std::path::Path;

/// Runs until SIGTERM or SIGINT.
pub(super) fn run(file: &Path) -> Result<(), Failed> {
    let config = config::load(file)?;
    if !config.warnings.is_empty() {
        super::say(&config.warnings.to_string());
    }
    let gate = Gate::start(&config).map_err(|fault| Failed::fault(format!("cannot start: {fault}")))?;
    gate.announce();
    gate.run_until_told_to_end();
    Ok(())
}
