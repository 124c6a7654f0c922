//! What the audit trail is told of logins, logouts and tokens.

use crate::forwarding::Forwarding;
use crate::refusal::Refused;
use haechi_audit::Recorded;
use haechi_core::ports::{AuditActor, AuditEvent, AuditOutcome, AuditSubject};
use haechi_core::{Caller, RequestHead};
use serde_json::Map;

/// What a call did, or was not let do.
pub(super) struct Told {
    action: &'static str,
    outcome: AuditOutcome,
    who: Option<AuditSubject>,
    target: Option<String>,
    reason: Option<String>,
    /// Who knew them.
    authenticator: Option<String>,
}

impl Told {
    /// It was done for this subject of `issuer`.
    pub(super) fn done(action: &'static str, issuer: &str, subject: &str) -> Self {
        let who = AuditSubject { issuer: issuer.to_owned(), subject: subject.to_owned() };
        Self {
            action,
            outcome: AuditOutcome::Done,
            who: Some(who),
            target: None,
            reason: None,
            authenticator: None,
        }
    }

    /// It was refused, for whoever it was.
    pub(super) fn refused(action: &'static str, reason: impl ToString) -> Self {
        let (outcome, reason) = (AuditOutcome::Refused, Some(reason.to_string()));
        Self { action, outcome, who: None, target: None, reason, authenticator: None }
    }

    /// It was done by a caller.
    pub(super) fn by(action: &'static str, caller: &Caller) -> Self {
        let session = caller.session.as_ref().map(|session| format!("session {session}"));
        Self { target: session, ..Self::done(action, &caller.issuer, &caller.subject) }
    }

    /// It was done by a client that proved who it is.
    pub(super) fn unnamed(action: &'static str) -> Self {
        Self {
            action,
            outcome: AuditOutcome::Done,
            who: None,
            target: None,
            reason: None,
            authenticator: None,
        }
    }

    pub(super) fn on_session(self, session: &str) -> Self {
        Self { target: Some(format!("session {session}")), ..self }
    }

    /// On this.
    pub(super) fn on(self, target: String) -> Self {
        Self { target: Some(target), ..self }
    }

    /// At a login provider from outside, by this authenticator.
    pub(super) fn at(self, authenticator: &str) -> Self {
        Self { authenticator: Some(authenticator.to_owned()), ..self }
    }

    /// Tells the audit trail, and counts what was told of the embedded provider: logins elsewhere have counts of their own.
    ///
    /// # Errors
    /// Why it cannot be recorded; then it has not happened.
    pub(super) async fn tell(self, request: &Forwarding<'_>, head: &RequestHead) -> Result<(), Refused> {
        let result = if self.outcome == AuditOutcome::Done { "ok" } else { "refused" };
        let (action, is_own) = (self.action, self.authenticator.is_none());
        let Recorded { .. } = request.worker.audit().event(&self.event(head), head).await?;
        if is_own {
            request.worker.metrics().identity_event(action, result);
        }
        Ok(())
    }

    fn event(self, head: &RequestHead) -> AuditEvent {
        let mut details = Map::new();
        if let Some(reason) = self.reason {
            details.insert("reason".to_owned(), reason.into());
        }
        AuditEvent {
            at: head.received,
            action: self.action,
            actor: Some(AuditActor {
                authenticator: self.authenticator.unwrap_or_else(|| "identity".to_owned()),
                who: self.who.clone(),
                credential_id: None,
                uid: None,
                pid: None,
                client: Some(head.client),
            }),
            about: self.who,
            target: self.target,
            outcome: self.outcome,
            details,
        }
    }
}
