//! `haechi audit erase`: a person's key is destroyed.

use super::subjects::{keys, pseudonyms};
use super::{SubjectArgs, configured, files};
use crate::cli::approval::said_of_pending;
use crate::cli::output::said;
use crate::cli::policy::one_is_enough;
use crate::cli::remote::{Gate, at_socket, wait};
use crate::cli::{Common, Failure, configuration};
use crate::evidence::people::told;
use haechi_audit::Trail;
use haechi_core::ports::{AuditActor, AuditEvent, AuditOutcome};
use haechi_core::{Clock, SystemClock};
use reqwest::Method;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) fn erase(common: &Common, who: &SubjectArgs, yes: bool) -> Result<(), Failure> {
    let config = configuration(&common.config)?;
    if config.admin.as_ref().is_some_and(|admin| admin.second_person.is_some()) {
        let Some(gate) = at_socket(&config)? else { return one_is_enough(&config) };
        return wait(ask(&gate, common, who, yes));
    }
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

/// Asks the gate at the socket for it, where a second person must agree.
async fn ask(gate: &Gate, common: &Common, who: &SubjectArgs, yes: bool) -> Result<(), Failure> {
    if !yes {
        let message = "this asks for a person's key to be destroyed, which cannot be undone; add `--yes`";
        return Err(Failure::usage(message));
    }
    let mut body = json!({ "subject": who.subject });
    if let (Some(members), Some(issuer)) = (body.as_object_mut(), &who.issuer) {
        members.insert("issuer".to_owned(), issuer.as_str().into());
    }
    let pending: Value = gate.change(Method::POST, &["audit", "erase"], &body).await?;
    said_of_pending(common.output, &pending)
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
