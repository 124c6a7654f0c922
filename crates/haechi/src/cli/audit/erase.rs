//! `haechi audit erase`: a person's key is destroyed.

use super::subjects::{keys, pseudonyms};
use super::{SubjectArgs, configured, files};
use crate::cli::output::said;
use crate::cli::{Common, Failure};
use crate::evidence::people::told;
use haechi_audit::Trail;
use haechi_core::ports::{AuditActor, AuditEvent, AuditOutcome};
use haechi_core::{Clock, SystemClock};
use serde_json::Map;
use std::sync::Arc;

pub(super) fn erase(common: &Common, who: &SubjectArgs, yes: bool) -> Result<(), Failure> {
    let people = pseudonyms(common, who, &files(common, &[])?)?;
    if people.is_empty() {
        said(&format!("the trail has nothing that can be read about `{}`", who.subject));
        return Ok(());
    }
    if !yes {
        let message = format!("this destroys the key of {} and cannot be undone; add `--yes`", told(&people));
        return Err(Failure::usage(message));
    }
    let (_, audit) = configured(common)?;
    let trail = Trail::open(audit.options, Arc::new(SystemClock), None).map_err(Failure::fault)?;
    let keys = keys(common)?;
    for person in &people {
        // Recorded before it is done: what is not known to be erased must not be.
        trail.record_event(&erased(&person.pseudonym)).map_err(Failure::fault)?;
        keys.erase(&person.issuer, &person.subject).map_err(Failure::fault)?;
    }
    trail.finish();
    said(&format!("destroyed the key of {}; a running gate may use it for 30 s more", told(&people)));
    Ok(())
}

/// By the account of this machine that runs the command. The pseudonym says nothing any more.
fn erased(pseudonym: &str) -> AuditEvent {
    AuditEvent {
        at: SystemClock.now(),
        action: "subject.erase",
        actor: Some(AuditActor {
            authenticator: "command".to_owned(),
            who: None,
            credential_id: None,
            uid: Some(rustix::process::getuid().as_raw()),
            pid: None,
            client: None,
        }),
        about: None,
        target: Some(format!("subject {pseudonym}")),
        outcome: AuditOutcome::Done,
        details: Map::new(),
    }
}
