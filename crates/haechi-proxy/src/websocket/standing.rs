//! Whether the request that opened a WebSocket would still be let through.
//!
//! Its credential may expire or be revoked, its caller may lose a role, its route may be gone. So it is judged again as a new request would be:
//! by the plan in force, from routing on. What is known of the credential is in the worker's caches, so this costs next to nothing until
//! something was revoked.

use crate::route::Found;
use crate::settings::Target;
use crate::worker::Worker;
use haechi_authn::{Attempt, LocalFuture};
use haechi_authz::{Permitted, Read, Refused};
use haechi_core::id::DecisionId;
use haechi_core::{RequestHead, Timestamp};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long could-not-find-out is borne: as long as what is known of revocations may be old.
const UNKNOWN_FOR: Duration = haechi_authn::revocation::MAX_AGE;

/// The request that opened a WebSocket.
pub(super) struct Standing {
    worker: Rc<Worker>,
    permitted: Rc<Permitted>,
    service: Arc<str>,
    /// When it was last known to hold.
    known: Timestamp,
}

/// What judging again came to.
pub(super) enum Verdict {
    /// It would be let through, as it was before or in another way.
    Holds(Option<Permitted>),
    /// It would be refused, and why.
    Fails(&'static str),
    /// It could not be found out.
    Unknown,
}

/// Why a WebSocket ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fall {
    /// It would be refused now, and why.
    Refused(&'static str),
    /// It could not be found out for too long.
    Unknown,
}

impl Standing {
    /// As it was let through just now, to the service of this name.
    pub(super) fn new(worker: &Rc<Worker>, permitted: Permitted, service: &Arc<str>) -> Self {
        let known = worker.now();
        Self { worker: worker.clone(), permitted: Rc::new(permitted), service: service.clone(), known }
    }

    /// Judges it now.
    pub(super) fn judge(&self) -> LocalFuture<Verdict> {
        Box::pin(judge(self.worker.clone(), self.permitted.clone(), self.service.clone()))
    }

    /// Takes note of a verdict. Returns why the WebSocket ends, if it does.
    pub(super) fn learn(&mut self, verdict: Verdict) -> Option<Fall> {
        let now = self.worker.now();
        match verdict {
            Verdict::Fails(why) => Some(Fall::Refused(why)),
            Verdict::Unknown => (now.since(self.known) > UNKNOWN_FOR).then_some(Fall::Unknown),
            Verdict::Holds(newer) => {
                self.known = now;
                if let Some(newer) = newer {
                    self.permitted = Rc::new(newer);
                }
                None
            }
        }
    }
}

async fn judge(worker: Rc<Worker>, permitted: Rc<Permitted>, service: Arc<str>) -> Verdict {
    let plan = worker.plan();
    let head = permitted.head();
    let Found::Route(index) = plan.shared.router.find(head.host.name(), &head.path, &head.method) else {
        return Verdict::Fails("its route is gone");
    };
    let (Some(route), Some(chain)) = (plan.shared.routes.get(index), plan.chain(index)) else {
        return Verdict::Fails("its route is gone");
    };
    let leads_there = match route.target {
        Target::Service(index) => plan.shared.services.get(index).is_some_and(|found| found.name == service),
        Target::Identity(_) => false,
    };
    if !leads_there || !head.path.irregular().within(route.allow_in_path) {
        return Verdict::Fails("its route leads elsewhere");
    }
    let caller = match chain.authenticate(head, worker.now(), |_, _| {}).await.attempt {
        Attempt::Verified(caller) => caller,
        Attempt::Unavailable(_) => return Verdict::Unknown,
        Attempt::Absent | Attempt::Rejected(_) => return Verdict::Fails("its credential no longer holds"),
    };
    let before = permitted.decision();
    let lasts = before.external.is_none() && !before.verdict.reads.contains(&Read::Time);
    if lasts && before.generation == plan.shared.generation && caller == *permitted.caller() {
        return Verdict::Holds(None);
    }
    let decision = DecisionId::from_bits(worker.random_bits());
    let head = Box::new(RequestHead { received: worker.now(), ..head.clone() });
    match plan.shared.enforcer.enforce(head, index, caller, decision, &plan.memo).await {
        Ok(newer) => Verdict::Holds(Some(newer)),
        Err(Refused::Undecided(..)) => Verdict::Unknown,
        Err(Refused::Denied(..)) => Verdict::Fails("its caller may no longer do this"),
    }
}
