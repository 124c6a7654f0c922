//! `haechi health`: how a running gate is, for probes that can only run a command.

use super::{Common, Failure, HealthArgs, admin, configuration, output};

/// Asks the admin listener; exit 1 when the gate is not ready, or does not answer.
pub(crate) fn health(common: &Common, arguments: HealthArgs) -> Result<(), Failure> {
    let address = match arguments.admin {
        Some(address) => address,
        None => admin::address(&configuration(&common.config)?)?,
    };
    let path = if arguments.live { "/livez" } else { "/readyz" };
    let answer = admin::ask(address, path, None)?;
    output::line(&answer.body)?;
    if answer.status == 200 { Ok(()) } else { Err(Failure::Told) }
}
