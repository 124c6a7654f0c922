//! A worker's end of the audit trail: what is told of decisions and of wrong credentials. The trail itself is `haechi-audit`'s.

mod caller;
mod decision;
mod verdict;

use crate::decided_request::DecidedRequest;
use crate::log::Line;
use crate::refusal::{Refusal, Refused};
use caller::CallerFragments;
use decision::write_decision;
use haechi_audit::{AuditError, AuditSlot, AuditWriter, Recorded, Trail, json};
use haechi_core::RequestHead;
use haechi_core::ports::AuditEvent;
use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;
use verdict::VerdictFragments;

/// Writes to the trail what is decided on this worker.
pub(crate) struct WorkerAudit {
    writer: AuditWriter,
    callers: RefCell<CallerFragments>,
    verdicts: RefCell<VerdictFragments>,
}

impl WorkerAudit {
    pub(crate) fn new(trail: Option<&Arc<Trail>>) -> Self {
        Self { writer: AuditWriter::new(trail), callers: RefCell::default(), verdicts: RefCell::default() }
    }

    /// A place for the record of one request, before anything is decided about it.
    pub(crate) fn reserve(&self) -> Result<AuditSlot<'_>, Refused> {
        self.writer.reserve().map_err(|error| unrecorded(&error))
    }

    /// Records a decision. Only with what this returns can a request be forwarded.
    pub(crate) async fn decided(
        &self,
        place: AuditSlot<'_>,
        decided: &DecidedRequest<'_>,
        configuration: &str,
        now: Duration,
    ) -> Result<Recorded, Refused> {
        let written = place.write(|trail, out| {
            let (mut callers, mut verdicts) = (self.callers.borrow_mut(), self.verdicts.borrow_mut());
            callers.learn(trail, decided.caller, decided.client, now)?;
            let (caller, verdict) = (callers.fragment(), verdicts.fragment(decided.decision));
            write_decision(out, decided, configuration, verdict, caller)
        });
        written.await.map_err(|error| unrecorded(&error))
    }

    /// Records that a wrong credential was shown. Nobody waits for it: nothing is let through by it.
    pub(crate) fn refused(&self, line: &Line, refused: &Refused, status: u16) {
        if !matches!(refused.refusal, Refusal::BadCredential { .. } | Refusal::AmbiguousCredential) {
            return;
        }
        self.writer.note(|_, out| {
            json::begin(out, line.received, "refusal");
            json::plain_member(out, "request", line.id);
            json::bare_member(out, "status", status);
            json::text_member(out, "reason", &refused.reason);
            if let Some(authenticator) = &refused.authenticator {
                json::text_member(out, "authenticator", authenticator);
            }
            if let Some(route) = &line.route {
                json::text_member(out, "route", route);
            }
            if let (Some(method), Some(host), Some(path)) = (&line.method, &line.host, &line.path) {
                json::text_member(out, "method", method.as_str());
                json::text_member(out, "host", host.name());
                json::text_member(out, "path", path.as_str());
            }
            json::plain_member(out, "client", line.client);
            Ok(())
        });
    }

    /// Records what was done about a request, such as a login, before the answer tells of it.
    pub(crate) async fn event(&self, event: &AuditEvent, head: &RequestHead) -> Result<Recorded, Refused> {
        let slot = self.reserve()?;
        let written = slot.write(|trail, out| {
            trail.event_body(event, out)?;
            json::plain_member(out, "request", head.id);
            Ok(())
        });
        written.await.map_err(|error| unrecorded(&error))
    }

    /// Writes what waits. Every tick.
    pub(crate) fn tick(&self, now: Duration) {
        self.writer.tick();
        self.callers.borrow_mut().forget(now);
    }
}

/// What cannot be recorded is refused, whatever was decided.
fn unrecorded(error: &AuditError) -> Refused {
    Refused::new(Refusal::CannotTell { retry_after: Some(Duration::from_secs(1)) }, error.to_string())
}
