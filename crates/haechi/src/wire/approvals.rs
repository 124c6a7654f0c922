//! Changes that nobody decided in time: they are put an end to, which goes on record.

use super::store_watch::StoreWatch;
use haechi_core::Clock;
use haechi_core::ports::{Approval, Approvals, AuditEvent, AuditOutcome, AuditSubject, AuditTrail};
use std::sync::Arc;
use std::time::Duration;

/// How often it is looked for them.
const EVERY: Duration = Duration::from_secs(2);

/// What is recorded.
const EXPIRED: &str = "approval.expire";

/// Looks for them again and again. Each is put an end to by one node.
pub(super) async fn follow(
    (approvals, store): (Arc<dyn Approvals>, Arc<StoreWatch>),
    trail: Arc<dyn AuditTrail>,
    clock: Arc<dyn Clock>,
) {
    let mut unrecorded: Vec<Approval> = Vec::new();
    loop {
        // What cannot be written cannot be put an end to.
        if store.fault().is_none() {
            match approvals.expire(clock.now()).await {
                Ok(expired) => unrecorded.extend(expired),
                Err(error) => {
                    tracing::debug!(%error, "cannot look for changes that nobody agreed to in time");
                }
            }
        }
        let mut waiting = Vec::new();
        for one in unrecorded.drain(..) {
            if let Err(error) = trail.record(event(&one)).await {
                tracing::error!(%error, "cannot write that nobody agreed to a change in time; it is tried again");
                waiting.push(one);
            }
        }
        unrecorded = waiting;
        tokio::time::sleep(EVERY).await;
    }
}

/// About whoever asked: a name stands in no detail.
fn event(expired: &Approval) -> AuditEvent {
    let asked = &expired.asked_by;
    let about = asked.issuer.clone().zip(asked.subject.clone());
    let details = [
        ("action", expired.action.clone().into()),
        ("of", expired.target.clone().into()),
        ("asked_by_uid", asked.uid.into()),
    ];
    AuditEvent {
        at: expired.decided_at.unwrap_or(expired.expires_at),
        action: EXPIRED,
        actor: None,
        about: about.map(|(issuer, subject)| AuditSubject { issuer, subject }),
        target: Some(format!("approval {}", expired.id)),
        outcome: AuditOutcome::Done,
        details: details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}
