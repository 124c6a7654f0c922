//! Repeats authorization for an open WebSocket.
//!
//! Its credential may expire or be revoked, its caller may lose a role, its route may be gone. So it is judged again as a new request would be,
//! by the plan in force.

use crate::rejudge::{Rejudged, rejudge};
use crate::transport::Transport;
use crate::worker::Worker;
use haechi_authn::LocalFuture;
use haechi_authz::Permitted;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long could-not-find-out is borne: as long as what is known of revocations may be old.
const UNKNOWN_FOR: Duration = haechi_authn::revocation::MAX_AGE;

/// The request that opened a WebSocket, as it was let through last.
pub(super) struct OpeningRequest {
    worker: Rc<Worker>,
    transport: Rc<Transport>,
    permitted: Rc<Permitted>,
    service: Arc<str>,
    /// When it was last known to be allowed (uptime).
    known: Duration,
}

/// Why a WebSocket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessLost {
    /// It would be refused now, and why.
    Refused(&'static str),
    /// It could not be found out for too long.
    Unavailable,
}

impl OpeningRequest {
    /// As it was let through just now, to the service of this name.
    pub(super) fn new(
        worker: &Rc<Worker>,
        transport: &Rc<Transport>,
        permitted: Permitted,
        service: &Arc<str>,
    ) -> Self {
        let (worker, transport, service) = (worker.clone(), transport.clone(), service.clone());
        let known = worker.uptime();
        Self { worker, transport, permitted: Rc::new(permitted), service, known }
    }

    /// Judges it now.
    pub(super) fn recheck(&self) -> LocalFuture<Rejudged> {
        let (worker, transport) = (self.worker.clone(), self.transport.clone());
        let (permitted, service) = (self.permitted.clone(), self.service.clone());
        Box::pin(async move {
            let now = worker.now();
            rejudge(&worker, &transport, &permitted, &service, now).await
        })
    }

    /// Takes note of what came of it. Returns why the WebSocket ends, if it does.
    pub(super) fn learn(&mut self, rechecked: Rejudged) -> Option<AccessLost> {
        match rechecked {
            Rejudged::Refused(lost, _) => Some(AccessLost::Refused(lost.why)),
            Rejudged::Unavailable => (self.worker.uptime().saturating_sub(self.known) > UNKNOWN_FOR)
                .then_some(AccessLost::Unavailable),
            Rejudged::Allowed(permitted) => {
                self.known = self.worker.uptime();
                self.permitted = Rc::from(permitted);
                None
            }
        }
    }
}
