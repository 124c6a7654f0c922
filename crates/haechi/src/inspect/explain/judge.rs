//! What the gate would do with a request: the code that serves requests, with every step told.

use super::caller::{Supposition, supposition};
use super::context::ExplainContext;
use super::inquiry::Inquiry;
use super::limits::limits;
use super::reason::{because, fact, permitted_by, rule_says};
use super::route;
use super::told::{AuthenticatorAttempt, Change, ExplainedFact, Explanation, Matched, Shadow};
use crate::config::meant;
use crate::inspect::InspectError;
use haechi_authn::{Attempt, Scheme};
use haechi_authz::{Decision, Enforcer, Facts, Permitted, Refused, RouteIndex, Source, Unavailable};
use haechi_core::id::DecisionId;
use haechi_core::{Caller, RequestHead};
use haechi_proxy::{DryOutcome, Observer, Plan, Route, Target};
use std::sync::Arc;

/// Judges one request.
pub(crate) async fn judge(gate: ExplainContext<'_>, inquiry: &Inquiry) -> Result<Explanation, InspectError> {
    if let Some(answers) = gate.answers {
        answers.give(inquiry.points.clone());
    }
    if let Some(assembly) = gate.assembly {
        assembly.settled().await;
    }
    let headers = inquiry.headers(gate.config)?;
    let mut steps = Steps::new(supposition(&inquiry.who, gate).await?);
    let mut accepted = None;
    let request = inquiry.request(&headers, gate.now());
    let outcome = gate.dry.judge(&request, |head| accepted = Some(head.clone()), &mut steps).await;
    Ok(Explanation::of(gate, inquiry, accepted.as_ref(), steps, &outcome))
}

/// What was seen of the judgement.
struct Steps<'a> {
    supposition: Supposition<'a>,
    route: Option<RouteIndex>,
    asked: Vec<AuthenticatorAttempt>,
    caller: Option<Arc<Caller>>,
    decision: Option<Decision>,
    unavailable: Option<Unavailable>,
}

impl<'a> Steps<'a> {
    const fn new(supposition: Supposition<'a>) -> Self {
        Self { supposition, route: None, asked: Vec::new(), caller: None, decision: None, unavailable: None }
    }
}

impl Observer for Steps<'_> {
    fn routed(&mut self, route: RouteIndex, _: &RequestHead) {
        self.route = Some(route);
    }

    fn supposed(&mut self, route: RouteIndex) -> Option<Result<Arc<Caller>, String>> {
        self.supposition.on_route(route)
    }

    fn attempted(&mut self, scheme: &dyn Scheme, attempt: &Attempt) {
        self.asked.push(asked(scheme, attempt));
    }

    fn authenticated(&mut self, _: &RequestHead, caller: &Arc<Caller>) {
        self.caller = Some(caller.clone());
    }

    fn deciding(&mut self) -> DecisionId {
        DecisionId::from_bits(0)
    }

    fn decided(&mut self, _: RouteIndex, outcome: &Result<Permitted, Refused>) {
        let (decision, unavailable) = match outcome {
            Ok(permitted) => (permitted.decision(), None),
            Err(Refused::Denied(decision, ..)) => (decision, None),
            // What is known of the policies decides nothing.
            Err(Refused::Unknown(_)) => return,
            Err(Refused::Undecided(decision, unavailable)) => (decision, Some(unavailable.clone())),
        };
        (self.decision, self.unavailable) = (Some(decision.clone()), unavailable);
    }
}

fn asked(scheme: &dyn Scheme, attempt: &Attempt) -> AuthenticatorAttempt {
    let result = match attempt {
        Attempt::Absent => "no credential",
        Attempt::Unavailable(_) => "could not find out",
        Attempt::Rejected(_) | Attempt::Verified(_) => attempt.name(),
    };
    let reason = attempt.reason().map(ToString::to_string);
    AuthenticatorAttempt { authenticator: scheme.name().to_string(), result, reason }
}

impl Explanation {
    fn of(
        gate: ExplainContext<'_>,
        inquiry: &Inquiry,
        head: Option<&RequestHead>,
        steps: Steps<'_>,
        outcome: &DryOutcome,
    ) -> Self {
        let mut told = Self {
            method: inquiry.method.to_string(),
            host: inquiry.host.clone(),
            path: inquiry.path.clone(),
            client: inquiry.client.to_string(),
            secure: inquiry.secure,
            ..Self::default()
        };
        if let Some(head) = head {
            told.head(head);
        }
        if let (Some(index), Some(head)) = (steps.route, head)
            && let Some(chosen) = gate.plan().route(index)
        {
            told.matched(chosen, head, gate.plan());
        }
        told.authenticators = steps.asked;
        told.caller = steps.caller.clone();
        if let Some(route) = steps.route.and_then(|index| gate.plan().route(index)) {
            told.limits = limits(route, steps.caller.as_deref());
        }
        if let (Some(head), Some(route), Some(caller), Some(decision)) =
            (head, steps.route, &steps.caller, &steps.decision)
        {
            let facts = Facts { head, route, caller };
            told.decision(gate, &facts, decision);
            return told.decided(gate, inquiry, &facts, decision, steps.unavailable.as_ref(), outcome);
        }
        let because = match outcome {
            DryOutcome::Forwarded => String::new(),
            DryOutcome::Preflight { granted: true } => {
                "a preflight, and the route's `cors` allows what it asks for".into()
            }
            DryOutcome::Preflight { granted: false } => {
                "a preflight, and the route's `cors` does not allow what it asks for".into()
            }
            DryOutcome::Refused(refused) => refused.reason().to_owned(),
        };
        told.ending(outcome.status(), outcome.name(), because)
    }

    fn head(&mut self, head: &RequestHead) {
        (self.method, self.host, self.path) =
            (head.method.to_string(), head.host.to_string(), head.path.to_string());
        (self.client, self.secure) = (head.client.to_string(), head.secure);
        self.time = head.received.rfc3339().to_string();
    }

    fn matched(&mut self, chosen: &Route, head: &RequestHead, plan: &Plan) {
        let describe = |route: &Route, why: String| Matched {
            name: route.name.to_string(),
            pattern: route.pattern.to_string(),
            why,
        };
        let others = plan.routes().iter().filter(|route| route.name != chosen.name);
        for other in others.filter(|other| route::matches(&other.pattern, &head.path)) {
            self.passed_over.push(describe(other, route::why_not(other, chosen, head)));
        }
        let why = if chosen.hosts.is_empty() { "the most specific pattern" } else { "names the host" };
        self.route = Some(describe(chosen, why.to_owned()));
    }

    /// What each clause and policy says, and what they looked at.
    fn decision(&mut self, gate: ExplainContext<'_>, facts: &Facts<'_>, decision: &Decision) {
        let engine = gate.plan().enforcer().engine();
        let findings = engine.findings(facts);
        // The route's own grant is worth telling only where it stands alone.
        let bare = engine.compiled().clauses(facts.route).is_empty();
        let worth = findings.into_iter().filter(|finding| bare || finding.source != Source::Grant);
        self.rules = worth.map(|finding| rule_says(finding, gate.config, facts.route, decision)).collect();
        self.decided_by = decision.verdict.decided_by.iter().map(Source::to_string).collect();
        let vocabulary = engine.compiled().vocabulary();
        self.facts = decision
            .verdict
            .reads
            .iter()
            .filter_map(|read| {
                Some(ExplainedFact { fact: read.to_string(), value: fact(read, facts, vocabulary)? })
            })
            .collect();
        self.external = decision.external.clone();
        self.shadow = decision.shadow.as_ref().map(|shadow| {
            let other =
                Decision { verdict: shadow.clone(), shadow: None, external: None, ..decision.clone() };
            match other.is_allowed() {
                true => Shadow { outcome: "allow", because: permitted_by(&other, false) },
                false => Shadow { outcome: "deny", because: because(&other, facts) },
            }
        });
    }

    /// What it came to.
    fn decided(
        mut self,
        gate: ExplainContext<'_>,
        inquiry: &Inquiry,
        facts: &Facts<'_>,
        decision: &Decision,
        unavailable: Option<&Unavailable>,
        outcome: &DryOutcome,
    ) -> Self {
        let status = outcome.status();
        if let Some(unavailable) = unavailable {
            let given = gate.answers.is_none() || inquiry.points.contains_key(&*unavailable.name);
            let outcome = if given { outcome.name() } else { "unanswered" };
            return self.ending(status, outcome, unavailable.to_string());
        }
        if !decision.is_allowed() {
            if decision.verdict.denied.is_some() {
                self.change = Some(change(gate.plan().enforcer(), facts));
            }
            return self.ending(status, outcome.name(), because(decision, facts));
        }
        let target = gate.plan().route(facts.route).map(|route| &route.target);
        let service = match target {
            Some(Target::Service(index)) => gate.plan().service(*index),
            _ => None,
        };
        let elsewhere = match target {
            Some(Target::Nowhere) => "none",
            _ => "the embedded identity provider",
        };
        self.headers =
            service.map_or_else(Vec::new, |service| service.settings.identity_headers.told(facts.caller));
        let configured = service.and_then(|service| gate.config.services.get(&service.name));
        self.credential = configured.and_then(meant::Service::credential_told);
        self.service = Some(service.map_or_else(|| elsewhere.into(), |service| service.name.to_string()));
        let why = permitted_by(decision, self.rules.iter().any(|rule| rule.effect == "requires"));
        self.ending(status, "allowed", why)
    }
}

fn change(enforcer: &Enforcer, facts: &Facts<'_>) -> Change {
    match enforcer.engine().remedy(facts) {
        Some(steps) => {
            let said = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", and ");
            Change { steps, said }
        }
        None => Change { steps: Vec::new(), said: "no change of the caller would allow it".into() },
    }
}
