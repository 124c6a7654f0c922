//! `shared_state`: what nodes count together in.

use super::names::Resolver;
use crate::config::report::Fault;
use haechi_shared::Location;

/// The one that is configured, whose files can be used. The outer `None` where they cannot; the fault is noted.
#[expect(clippy::option_option, reason = "a fault is not the same as nothing configured")]
pub(super) fn shared_state(resolver: &mut Resolver<'_>) -> Option<Option<Location>> {
    let Some(written) = resolver.written.shared_state.given() else { return Some(None) };
    let location = &written.value;
    if let Err(error) = location.check() {
        resolver.faults.push(Fault::new(written.span, error.to_string()));
        return None;
    }
    if location.is_open() {
        let message = "the password of the shared state crosses the network in clear";
        let help = "write `rediss://`, and `sslrootcert=FILE` where its authority is not a public one";
        resolver.warnings.push(Fault::new(written.span, message).help(help));
    }
    Some(Some(location.clone()))
}
