//! Who is calling, as records have it: a pseudonym, and the rest under the person's own key, so that it is gone when the key is.

use haechi_audit::subjects::SubjectKey;
use haechi_audit::{AuditError, Trail, json};
use haechi_core::ports::AuditSubject;
use haechi_core::{Caller, CallerKind};
use quick_cache::unsync::Cache;
use serde::Serialize;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Callers that are kept.
const KEPT: usize = 2048;
/// So long a key is used that may have been destroyed meanwhile.
const FOR: Duration = Duration::from_secs(30);

/// Members of records by the caller that they tell of.
pub(super) struct CallerFragments {
    /// By address of the caller, and by client. The caller is kept, so that no other one can have its place.
    known: Cache<(usize, IpAddr), (Arc<Caller>, Rc<CallerFragment>)>,
    begun: Duration,
    last: Rc<CallerFragment>,
}

/// What a record has of its caller.
#[derive(Default)]
pub(super) struct CallerFragment {
    /// `,"kind":…`, and what follows.
    pub(super) members: Box<[u8]>,
    /// What is about the caller in one request alone is written under this as well.
    pub(super) key: Option<SubjectKey>,
}

/// What only the caller's key opens.
#[derive(Serialize)]
struct Sealed<'a> {
    issuer: &'a str,
    subject: &'a str,
    scopes: &'a [Arc<str>],
    attributes: &'a haechi_core::Attributes,
    client: IpAddr,
}

impl Default for CallerFragments {
    fn default() -> Self {
        Self { known: Cache::new(KEPT), begun: Duration::ZERO, last: Rc::default() }
    }
}

impl CallerFragments {
    /// Finds or makes what records have of this caller.
    pub(super) fn learn(
        &mut self,
        trail: &Trail,
        caller: &Arc<Caller>,
        client: IpAddr,
        now: Duration,
    ) -> Result<(), AuditError> {
        self.forget(now);
        let place = (Arc::as_ptr(caller) as usize, client);
        if let Some((_, known)) = self.known.get(&place) {
            self.last = known.clone();
            return Ok(());
        }
        self.last = Rc::new(fragment(trail, caller, client)?);
        self.known.insert(place, (caller.clone(), self.last.clone()));
        Ok(())
    }

    /// The one that was learned last.
    pub(super) fn fragment(&self) -> &CallerFragment {
        &self.last
    }

    /// Forgets them all from time to time: a key that was destroyed must not be used for long.
    pub(super) fn forget(&mut self, now: Duration) {
        if now.saturating_sub(self.begun) >= FOR {
            self.begun = now;
            self.known.clear();
            self.last = Rc::default();
        }
    }
}

fn fragment(trail: &Trail, caller: &Caller, client: IpAddr) -> Result<CallerFragment, AuditError> {
    let mut out = Vec::with_capacity(512);
    json::text_member(&mut out, "kind", kind(caller.kind));
    json::text_member(&mut out, "authenticator", &caller.authenticator);
    if let Some(id) = &caller.credential_id {
        json::text_member(&mut out, "credential", id);
    }
    json::list_member(&mut out, "roles", caller.roles.iter().map(|role| &**role));
    if caller.kind == CallerKind::Anonymous {
        json::plain_member(&mut out, "client", client);
        return Ok(CallerFragment { members: out.into(), key: None });
    }
    let Caller { issuer, subject, scopes, attributes, .. } = caller;
    let who = AuditSubject { issuer: issuer.to_string(), subject: subject.to_string() };
    let key = trail.subject_key(&who)?;
    let sealed = serde_json::to_vec(&Sealed { issuer, subject, scopes, attributes, client });
    let sealed = sealed.map_err(|error| AuditError(error.to_string()))?;
    json::text_member(&mut out, "who", key.pseudonym());
    let sealed = key.seal(&sealed).map_err(|error| AuditError(error.to_string()))?;
    json::text_member(&mut out, "sealed", &sealed);
    Ok(CallerFragment { members: out.into(), key: Some(key) })
}

const fn kind(kind: CallerKind) -> &'static str {
    match kind {
        CallerKind::User => "user",
        CallerKind::ApiKey => "api_key",
        CallerKind::Anonymous => "anonymous",
    }
}
