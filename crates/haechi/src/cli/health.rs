//! `haechi health`: how a running gate is, for probes that can only run a command.

use super::admin::{self, Place};
use super::{Common, Failure, HealthArgs, configuration, output};

/// Asks the gate; exit 1 when it is not ready, or does not answer.
pub(crate) fn health(common: &Common, arguments: HealthArgs) -> Result<(), Failure> {
    let place = match arguments.admin {
        Some(address) => Place::Address(address),
        None => admin::for_probes(&configuration(&common.config)?)?,
    };
    let path = if arguments.live { "/livez" } else { "/readyz" };
    let answer = admin::ask(&place, path)?;
    output::line(&answer.body)?;
    if answer.status == 200 { Ok(()) } else { Err(Failure::Told) }
}
