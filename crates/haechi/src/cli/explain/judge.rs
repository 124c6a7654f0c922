//! What the gate would do with a request: the code that serves requests, with every step told.

use super::caller::{Came, supposed};
use super::inquiry::{Inquiry, PointAnswer, Points};
use super::reason::{because, fact, rule_says};
use super::route;
use super::told::{Asked, Change, Explanation, Looked, Matched, Shadow};
use crate::cli::Failure;
use crate::config::Config;
use crate::wire::Assembly;
use haechi_authn::{Attempt, Chain, Scheme};
use haechi_authz::{Decision, Enforcer, External, Facts, Memo, Refused, Rule, Source};
use haechi_core::id::DecisionId;
use haechi_core::{Caller, Clock, RequestHead, SystemClock, Timestamp};
use haechi_proxy::{Authentication, Found, Plan, Route, Target, identity_headers};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The gate that would serve the request.
#[derive(Clone, Copy)]
pub(crate) struct Gate<'a> {
    pub(crate) config: &'a Config,
    pub(crate) plan: &'a Plan,
    /// Store, keys and authenticators, where credentials are to be checked.
    pub(crate) assembly: Option<&'a Assembly>,
}

/// Judges one request.
pub(crate) async fn judge(gate: Gate<'_>, inquiry: &Inquiry) -> Result<Explanation, Failure> {
    let mut told = Explanation {
        method: inquiry.method.to_string(),
        host: inquiry.host.clone(),
        path: inquiry.path.clone(),
        client: inquiry.client.to_string(),
        secure: inquiry.secure,
        ..Explanation::default()
    };
    let head = match inquiry.head(gate.now(), gate.config)? {
        Ok(head) => head,
        Err(why) => return Ok(told.ending(400, "refused", why)),
    };
    (told.host, told.path) = (head.host.to_string(), head.path.to_string());
    told.time = shown(head.received);
    let index = match gate.plan.router().find(head.host.name(), &head.path, &head.method) {
        Found::Route(index) => index,
        Found::NotFound => return Ok(told.ending(404, "unrouted", "no route matches")),
        Found::Ambiguous => {
            let why = "the path spells a literal of a route in another way";
            return Ok(told.ending(400, "refused", why));
        }
        Found::MethodNotAllowed { route, allow } => {
            let name = gate.plan.routes().get(route).map_or("", |route| &route.name);
            let methods = allow.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
            let why = format!(
                "the winning pattern, of route `{name}`, takes {methods}; no less specific one is tried"
            );
            return Ok(told.ending(405, "unrouted", why));
        }
    };
    let Some(chosen) = gate.plan.routes().get(index) else {
        return Err(Failure::fault("the router named a route that is not there"));
    };
    told.matched(chosen, &head, gate.plan);
    if !head.path.irregular().within(chosen.allow_in_path) {
        let why = "the path is ambiguous and the route's `allow_in_path` does not name the reason";
        return Ok(told.ending(400, "refused", why));
    }
    let caller = match supposed(&inquiry.who, gate, index, chosen).await? {
        Came::As(caller) => Arc::from(caller),
        Came::NoSuchWay(why) => return Ok(told.ending(401, "unauthenticated", why)),
        Came::ByCredential => match told.authenticate(chosen, &head, gate).await? {
            Some(caller) => caller,
            None => return Ok(told),
        },
    };
    told.caller = Some(caller.clone());
    Ok(told.authorize(gate, inquiry, &Facts { head: &head, route: index, caller: &caller }).await)
}

const NO_CREDENTIAL: &str = "there is no credential, and the route asks for one";

impl Gate<'_> {
    fn now(&self) -> Timestamp {
        self.assembly.map_or_else(|| SystemClock.now(), |assembly| assembly.ground.clock.now())
    }
}

fn shown(at: Timestamp) -> String {
    humantime::format_rfc3339_seconds(at.to_system()).to_string()
}

impl Explanation {
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

    /// Asks the route's authenticators; without a caller the explanation is complete.
    async fn authenticate(
        &mut self,
        route: &Route,
        head: &RequestHead,
        gate: Gate<'_>,
    ) -> Result<Option<Arc<Caller>>, Failure> {
        let Some(assembly) = gate.assembly else {
            (self.status, self.outcome, self.because) = (401, "unauthenticated", NO_CREDENTIAL.to_owned());
            return Ok(None);
        };
        assembly.settled().await;
        let schemes = route.authentication.authenticators().iter().map(|a| a.for_worker()).collect();
        let chain = match route.authentication {
            Authentication::Any(_) => Chain::any(schemes),
            Authentication::All(_) => Chain::all(schemes),
        };
        let chain = chain.map_err(Failure::fault)?;
        let asked = &mut self.authenticators;
        let observe = |scheme: &dyn Scheme, attempt: &Attempt| asked.push(said(scheme, attempt));
        // Credentials are checked as of now, whatever time the policies are to see.
        let outcome = chain.authenticate(head, gate.now(), observe).await;
        let (status, outcome, why) = match outcome.attempt {
            Attempt::Verified(caller) => return Ok(Some(caller)),
            Attempt::Unavailable(why) => (503, "unavailable", why.reason.to_string()),
            Attempt::Rejected(rejection) if rejection.fault == haechi_authn::Fault::InvalidRequest => {
                (400, "refused", rejection.reason.to_string())
            }
            Attempt::Rejected(rejection) => (401, "unauthenticated", rejection.reason.to_string()),
            Attempt::Absent => (401, "unauthenticated", NO_CREDENTIAL.to_owned()),
        };
        (self.status, self.outcome, self.because) = (status, outcome, why);
        Ok(None)
    }

    async fn authorize(mut self, gate: Gate<'_>, inquiry: &Inquiry, facts: &Facts<'_>) -> Self {
        let enforcer = gate.plan.enforcer();
        let vocabulary = enforcer.engine().compiled().vocabulary();
        if let Some(fault) = vocabulary.headers.keys().find_map(|name| facts.header(vocabulary, name).err()) {
            return self.ending(400, "refused", fault);
        }
        let memo = Memo::default();
        let id = DecisionId::from_bits(0);
        let mut decision = enforcer.decide(facts, id, &memo);
        let mut unavailable = None;
        if decision.is_allowed() && asks_outside(enforcer, facts) {
            unavailable = match &inquiry.points {
                Points::Asked => ask(enforcer, facts, &memo, &mut decision).await,
                Points::Given(answers) => given(enforcer, facts, answers, &mut decision),
            };
        }
        self.judged(gate, facts, &decision);
        match unavailable {
            Some((outcome, why)) => self.ending(503, outcome, why),
            None if decision.is_allowed() => self.allowed(gate, facts, &decision),
            None => {
                let why = because(&decision, facts);
                if decision.verdict.denied.is_some() {
                    self.change = Some(change(enforcer, facts));
                }
                self.ending(403, "denied", why)
            }
        }
    }

    /// What each clause and policy says, and what they looked at.
    fn judged(&mut self, gate: Gate<'_>, facts: &Facts<'_>, decision: &Decision) {
        let engine = gate.plan.enforcer().engine();
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
            .filter_map(|read| Some(Looked { fact: read.to_string(), value: fact(read, facts, vocabulary)? }))
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

    fn allowed(mut self, gate: Gate<'_>, facts: &Facts<'_>, decision: &Decision) -> Self {
        self.headers = identity_headers(facts.caller);
        let target = gate.plan.routes().get(facts.route).map(|route| &route.target);
        self.service = match target {
            Some(Target::Service(index)) => {
                gate.plan.services().get(*index).map(|service| service.name.to_string())
            }
            _ => Some("the embedded identity provider".into()),
        };
        let why = permitted_by(decision, self.rules.iter().any(|rule| rule.effect == "requires"));
        self.ending(200, "allowed", why)
    }
}

fn permitted_by(decision: &Decision, clauses: bool) -> String {
    let policies: Vec<String> = decision
        .verdict
        .decided_by
        .iter()
        .filter(|source| matches!(source, Source::Policy(..)))
        .map(Source::to_string)
        .collect();
    let outside = decision.external.as_ref();
    let outside = outside.map_or_else(String::new, |point| format!(", and `{}` says yes", point.name));
    match &policies[..] {
        [] if clauses => format!("every clause of the route holds{outside}"),
        [] => format!("the route lets through whoever comes this far{outside}"),
        [one] => format!("{one} permits it{outside}"),
        several => format!("{} permit it{outside}", several.join(", ")),
    }
}

fn rule<'a>(enforcer: &'a Enforcer, facts: &Facts<'_>) -> Option<&'a Rule> {
    enforcer.engine().compiled().vocabulary().routes.get(facts.route).map(|route| &route.rule)
}

fn asks_outside(enforcer: &Enforcer, facts: &Facts<'_>) -> bool {
    rule(enforcer, facts).is_some_and(|rule| rule.external().next().is_some())
}

/// What becomes of a request about which a decision point says nothing, and why.
type Silence = (&'static str, String);

/// Asks the decision points, as for any request; returns why they cannot tell.
async fn ask(
    enforcer: &Enforcer,
    facts: &Facts<'_>,
    memo: &Memo,
    decision: &mut Decision,
) -> Option<Silence> {
    let (head, caller) = (Box::new(facts.head.clone()), Arc::new(facts.caller.clone()));
    let (decided, unavailable) = match enforcer.enforce(head, facts.route, caller, decision.id, memo).await {
        Ok(permitted) => (permitted.decision().clone(), None),
        Err(Refused::Denied(decided, _)) => (decided, None),
        Err(Refused::Undecided(decided, unavailable)) => {
            (decided, Some(("unavailable", unavailable.to_string())))
        }
    };
    *decision = decided;
    unavailable
}

/// Takes the answers that are given; returns why there is none.
fn given(
    enforcer: &Enforcer,
    facts: &Facts<'_>,
    answers: &BTreeMap<String, PointAnswer>,
    decision: &mut Decision,
) -> Option<Silence> {
    for name in rule(enforcer, facts).into_iter().flat_map(Rule::external) {
        let allowed = match answers.get(&**name) {
            Some(PointAnswer::Allow) => true,
            Some(PointAnswer::Deny) => false,
            Some(PointAnswer::Unavailable) => {
                return Some((
                    "unavailable",
                    format!("the decision point `{name}` is supposed not to answer"),
                ));
            }
            None => {
                let help = format!("add `decision_points: {{ {name}: allow }}`");
                let why = format!(
                    "the route asks the decision point `{name}`, and nothing says what it answers: {help}"
                );
                return Some(("unanswered", why));
            }
        };
        decision.external = Some(External { name: name.clone(), allowed, cached: false });
        if !allowed {
            break;
        }
    }
    None
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

fn said(scheme: &dyn Scheme, attempt: &Attempt) -> Asked {
    let (result, reason) = match attempt {
        Attempt::Absent => ("no credential", None),
        Attempt::Rejected(rejection) => ("rejected", Some(rejection.reason.to_string())),
        Attempt::Unavailable(unavailable) => ("could not find out", Some(unavailable.reason.to_string())),
        Attempt::Verified(_) => ("verified", None),
    };
    Asked { authenticator: scheme.name().to_string(), result, reason }
}
