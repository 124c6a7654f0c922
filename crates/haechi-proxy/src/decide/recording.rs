//! Each step of a judgement, into the request's record and the counters.

use crate::finish::Finish;
use crate::judge::Observer;
use crate::rate_limit::{CountedLimit, LimitFields};
use crate::record::Record;
use crate::supposed::Supposition;
use crate::worker::Worker;
use crate::worker::plan::WorkerPlan;
use haechi_authn::{Attempt, Effects, Scheme};
use haechi_authz::{Decision, DenyReason, External, POLICIES_UNKNOWN, Permitted, Refused, RouteIndex};
use haechi_core::id::DecisionId;
use haechi_core::{Caller, RequestHead};
use std::sync::Arc;
use std::time::Instant;

/// What is learned of a request while it is judged.
pub(crate) struct Recording<'a, 'r> {
    worker: &'a Worker,
    plan: &'a WorkerPlan,
    record: &'r mut Record,
    /// Who is taken for the caller, where nobody has sent the request.
    supposition: Option<&'r Supposition<'r>>,
    /// When authorization began.
    begun: Instant,
    /// What the route changes about the answer.
    pub(crate) finish: Option<Finish<'a>>,
    /// What authenticators add to the answer. Never recorded: cookies are credentials.
    pub(crate) effects: Effects,
    /// The decision, once there is one.
    pub(crate) decision: Option<DecisionId>,
    /// What the answer tells of limits.
    pub(crate) limits: LimitFields,
}

impl<'a, 'r> Recording<'a, 'r> {
    pub(crate) fn new(
        worker: &'a Worker,
        plan: &'a WorkerPlan,
        record: &'r mut Record,
        supposition: Option<&'r Supposition<'r>>,
    ) -> Self {
        let begun = record.begun();
        let (finish, effects, limits) = (None, Effects::default(), LimitFields::default());
        Self { worker, plan, record, supposition, begun, finish, effects, decision: None, limits }
    }

    fn route(&mut self, index: RouteIndex) {
        if let Some(route) = self.plan.shared.route(index) {
            self.record.route(route, self.plan.metrics().route(index));
        }
    }

    /// Counts what a decision point said, where one was asked.
    fn decision_point(&self, outcome: &Result<Permitted, Refused>) {
        let metrics = self.worker.metrics();
        let took = || Some(self.begun.elapsed());
        let decision = match outcome {
            Ok(permitted) => permitted.decision(),
            Err(Refused::Denied(decision, ..)) => decision,
            Err(Refused::Undecided(_, unavailable)) => {
                return metrics.decision_point(&unavailable.name, "unavailable", took());
            }
            Err(Refused::Unknown(_)) => return,
        };
        if let Some(External { name, allowed, cached }) = &decision.external {
            let (result, took) = match (cached, allowed) {
                (true, _) => ("cached", None),
                (false, true) => ("allow", took()),
                (false, false) => ("deny", took()),
            };
            metrics.decision_point(name, result, took);
        }
    }
}

impl Observer for Recording<'_, '_> {
    fn routed(&mut self, index: RouteIndex, head: &RequestHead) {
        self.route(index);
        self.finish = self.plan.shared.route(index).and_then(|route| Finish::of(route, head));
    }

    fn method_not_allowed(&mut self, index: RouteIndex) {
        self.route(index);
    }

    fn preflight(&mut self, index: RouteIndex, granted: bool) {
        self.route(index);
        if !granted {
            self.record.reason("the route's `cors` does not allow what the preflight asks for");
        }
        self.record.preflight(granted);
    }

    fn supposed(&mut self, index: RouteIndex) -> Option<Result<Arc<Caller>, String>> {
        self.supposition?.on_route(&self.plan.shared, index, self.worker.now())
    }

    fn counted(&mut self, limits: &[CountedLimit<'_>]) {
        for limit in limits {
            self.record.counted(limit.by, limit.answer.is_within);
            self.limits.add(limit);
        }
    }

    fn attempted(&mut self, scheme: &dyn Scheme, attempt: &Attempt) {
        self.record.attempt(scheme, attempt);
    }

    fn effects(&mut self, effects: Effects) {
        self.effects = effects;
    }

    fn authenticated(&mut self, head: &RequestHead, caller: &Arc<Caller>) {
        self.record.caller(caller);
        self.record.headers(self.plan.headers(head));
    }

    fn deciding(&mut self) -> DecisionId {
        self.begun = Instant::now();
        let id = DecisionId::from_bits(self.worker.random_bits());
        self.decision = Some(id);
        id
    }

    fn decided(&mut self, index: RouteIndex, outcome: &Result<Permitted, Refused>) {
        self.decision_point(outcome);
        let (decision, result): (&Decision, _) = match outcome {
            Ok(permitted) => (permitted.decision(), "allow"),
            Err(Refused::Denied(decision, DenyReason::Error(_), _)) => (decision, "error"),
            Err(Refused::Denied(decision, ..)) => (decision, "deny"),
            Err(Refused::Undecided(decision, _) | Refused::Unknown(decision)) => (decision, "unavailable"),
        };
        let Some(route) = self.plan.recorded_route(index) else { return };
        self.record.authorized(result, self.begun.elapsed());
        self.record.decided(decision, route);
        match outcome {
            Err(Refused::Undecided(_, unavailable)) => self.record.undecided(unavailable.to_string()),
            Err(Refused::Unknown(_)) => self.record.undecided(POLICIES_UNKNOWN.to_owned()),
            _ => {}
        }
    }
}
