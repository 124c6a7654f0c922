//! Whether the request that opened a WebSocket would still be let through.
//!
//! Its credential may expire or be revoked, its caller may lose a role, its route may be gone. So it is judged again as a new request would be,
//! by the plan in force. What is known of the credential is in the worker's caches and verdicts are remembered, so this costs next to nothing
//! until something was revoked.

use crate::judge::{Judged, Observer, Passed, judge};
use crate::refusal::Refusal;
use crate::settings::Target;
use crate::worker::Worker;
use haechi_authn::LocalFuture;
use haechi_authz::Permitted;
use haechi_core::id::DecisionId;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long could-not-find-out is borne: as long as what is known of revocations may be old.
const UNKNOWN_FOR: Duration = haechi_authn::revocation::MAX_AGE;

/// The request that opened a WebSocket, as it was let through last.
pub(super) struct OpeningRequest {
    worker: Rc<Worker>,
    permitted: Rc<Permitted>,
    service: Arc<str>,
    /// When it was last known to be allowed (uptime).
    known: Duration,
}

/// What judging it again came to.
pub(super) enum Rechecked {
    /// It would be let through.
    Allowed(Box<Permitted>),
    /// It would be refused, and why.
    Refused(&'static str),
    /// It could not be found out.
    Unavailable,
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
    pub(super) fn new(worker: &Rc<Worker>, permitted: Permitted, service: &Arc<str>) -> Self {
        let known = worker.uptime();
        Self { worker: worker.clone(), permitted: Rc::new(permitted), service: service.clone(), known }
    }

    /// Judges it now.
    pub(super) fn recheck(&self) -> LocalFuture<Rechecked> {
        Box::pin(recheck(self.worker.clone(), self.permitted.clone(), self.service.clone()))
    }

    /// Takes note of what came of it. Returns why the WebSocket ends, if it does.
    pub(super) fn learn(&mut self, rechecked: Rechecked) -> Option<AccessLost> {
        match rechecked {
            Rechecked::Refused(why) => Some(AccessLost::Refused(why)),
            Rechecked::Unavailable => (self.worker.uptime().saturating_sub(self.known) > UNKNOWN_FOR)
                .then_some(AccessLost::Unavailable),
            Rechecked::Allowed(permitted) => {
                self.known = self.worker.uptime();
                self.permitted = Rc::from(permitted);
                None
            }
        }
    }
}

async fn recheck(worker: Rc<Worker>, permitted: Rc<Permitted>, service: Arc<str>) -> Rechecked {
    let plan = worker.plan();
    let now = worker.now();
    let head = Box::new(permitted.head().clone().received_at(now));
    let judged = judge(head, Some(0), &plan, now, &mut Unrecorded(&worker)).await;
    match judged {
        Ok(Judged::Permitted(Passed { permitted, route, .. })) => {
            let leads_there = match route.target {
                Target::Service(index) => {
                    plan.shared.service(index).is_some_and(|found| found.name == service)
                }
                Target::Identity(_) => false,
            };
            if leads_there {
                Rechecked::Allowed(Box::new(permitted))
            } else {
                Rechecked::Refused("its route leads elsewhere")
            }
        }
        Ok(Judged::Preflight(_)) => Rechecked::Refused("its route leads elsewhere"),
        Err(refused) => match refused.refusal {
            Refusal::CannotTell { .. } => Rechecked::Unavailable,
            Refusal::NoCredential { .. }
            | Refusal::Login { .. }
            | Refusal::BadCredential { .. }
            | Refusal::AmbiguousCredential => Rechecked::Refused("its credential no longer holds"),
            Refusal::Forbidden { .. } => Rechecked::Refused("its caller may no longer do this"),
            _ => Rechecked::Refused("its route is gone"),
        },
    }
}

/// A judgement that is no request of its own: it is neither counted nor logged.
struct Unrecorded<'a>(&'a Worker);

impl Observer for Unrecorded<'_> {
    fn deciding(&mut self) -> DecisionId {
        DecisionId::from_bits(self.0.random_bits())
    }
}
