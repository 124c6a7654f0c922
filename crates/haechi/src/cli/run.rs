//! `haechi run`: the gate.

use super::{Common, Failure, configuration};
use crate::diagnostics;
use crate::wire::{Gate, Inherited};

/// Runs until SIGTERM or SIGINT, or until another process has taken over on SIGUSR2.
pub(crate) fn run(common: &Common) -> Result<(), Failure> {
    let inherited = Inherited::take()
        .map_err(|error| Failure::fault(format!("the sockets handed over cannot be used: {error}")))?;
    let config = configuration(&common.config)?;
    if !config.warnings.faults().is_empty() {
        diagnostics::line(&config.warnings.to_string());
    }
    let gate = Gate::start(&common.config, config, inherited)
        .map_err(|fault| Failure::fault(format!("cannot start: {fault}")))?;
    gate.announce();
    gate.run_until_told_to_end();
    Ok(())
}
