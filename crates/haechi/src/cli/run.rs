//! `haechi run`: the gate.

use super::{Common, Failure, configuration, output};
use crate::wire::Gate;

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(common: &Common) -> Result<(), Failure> {
    let config = configuration(&common.config)?;
    if !config.warnings.faults().is_empty() {
        output::to_stderr(&config.warnings.to_string());
    }
    let gate = Gate::start(&common.config, config)
        .map_err(|fault| Failure::fault(format!("cannot start: {fault}")))?;
    gate.announce();
    gate.run_until_told_to_end();
    Ok(())
}
