//! Events that are no decisions: logins, and what was changed.

use crate::chain::Head;
use crate::control::Signed;
use crate::failing::lock;
use crate::json;
use crate::subjects::SubjectKey;
use crate::trail::Trail;
use haechi_core::ports::{AuditActor, AuditError, AuditEvent, AuditSubject, AuditTrail, BoxFuture};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Trail {
    /// Appends the members of an event. Who did it and whom it concerns is written under their keys.
    ///
    /// # Errors
    /// [`AuditError`], where a subject's key cannot be found or made.
    pub fn event_body(&self, event: &AuditEvent, out: &mut Vec<u8>) -> Result<(), AuditError> {
        json::begin(out, event.at, event.action);
        json::text_member(out, "outcome", event.outcome.name());
        if let Some(actor) = &event.actor {
            let by = self.actor(actor)?;
            json::bare_member(out, "by", by);
        }
        if let Some(about) = &event.about {
            json::text_member(out, "about", self.subject_key(about)?.pseudonym());
        }
        if let Some(target) = &event.target {
            json::text_member(out, "target", target);
        }
        if !event.details.is_empty() {
            let details = serde_json::to_string(&event.details).unwrap_or_default();
            json::bare_member(out, "details", details);
        }
        Ok(())
    }

    fn actor(&self, actor: &AuditActor) -> Result<serde_json::Value, AuditError> {
        let mut by = serde_json::Map::new();
        by.insert("authenticator".into(), actor.authenticator.clone().into());
        if let Some(id) = &actor.credential_id {
            by.insert("credential".into(), id.clone().into());
        }
        if let Some(uid) = actor.uid {
            by.insert("uid".into(), uid.into());
        }
        if let Some(pid) = actor.pid {
            by.insert("pid".into(), pid.into());
        }
        match &actor.who {
            Some(who) => {
                let key = self.subject_key(who)?;
                let facts = json!({ "issuer": who.issuer, "subject": who.subject, "client": actor.client });
                by.insert("who".into(), key.pseudonym().into());
                let sealed = key.seal(facts.to_string().as_bytes());
                by.insert("sealed".into(), sealed.map_err(|error| AuditError(error.to_string()))?.into());
            }
            None => drop(actor.client.map(|client| by.insert("client".into(), client.to_string().into()))),
        }
        Ok(by.into())
    }

    /// The key of a subject; it is made where there is none.
    ///
    /// # Errors
    /// [`AuditError`], where the file of keys cannot be read or written.
    pub fn subject_key(&self, subject: &AuditSubject) -> Result<SubjectKey, AuditError> {
        let found = self.subjects.find_or_make(&subject.issuer, &subject.subject);
        found.map_err(|error| AuditError(error.to_string()))
    }

    /// Writes an event; waits for the disk.
    ///
    /// # Errors
    /// [`AuditError`], where the trail is required, and it was not written.
    pub fn record_event(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if self.is_failing() {
            return self.unwritten();
        }
        let mut body = Vec::with_capacity(512);
        self.event_body(event, &mut body)?;
        let written = lock(&self.control).write(self, &body, Signed::No);
        written.map(drop).or_else(|why| {
            self.fail(why);
            self.unwritten()
        })
    }

    pub(crate) fn unwritten(&self) -> Result<(), AuditError> {
        if self.is_required() {
            return Err(self.error());
        }
        self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Where the control side's chain has come to.
    pub fn head(&self) -> Head {
        lock(&self.control).chain.head()
    }
}

/// So long an event may wait for the disk, and for whatever else the control side is doing: a checkpoint waits for the disk too.
const WITHIN: Duration = Duration::from_secs(2);

/// The trail for the control side: each event is written by a thread that may wait.
#[derive(Debug)]
pub struct Events(pub Arc<Trail>);

impl AuditTrail for Events {
    fn record(&self, event: AuditEvent) -> BoxFuture<'_, Result<(), AuditError>> {
        Box::pin(async move {
            let trail = self.0.clone();
            let writing = tokio::task::spawn_blocking(move || trail.record_event(&event));
            match tokio::time::timeout(WITHIN, writing).await {
                Ok(Ok(written)) => written,
                Ok(Err(_)) => Err(AuditError("the thread that writes it has ended".to_owned())),
                // It may be written later. Requests have writers of their own, and need not hear of it.
                Err(_) if self.0.is_required() => {
                    Err(AuditError("the record was not written in time".to_owned()))
                }
                Err(_) => self.0.unwritten(),
            }
        })
    }
}
