//! `haechi explain`: what the gate would do with a request, and why, on the code that serves requests.

mod request;
mod text;

use super::{Common, ExplainArgs, Failure, Format, configuration, output};
use crate::config::Config;
use crate::wire::{Assembly, control_runtime};
use haechi_authn::{Attempt, Chain, Scheme};
use haechi_authz::{Clause, Engine, Facts, Memo, Rule, Says, Source};
use haechi_core::id::DecisionId;
use haechi_core::{Caller, RequestHead};
use haechi_proxy::{Authentication, Found, Route, Target, identity_headers};
use serde::Serialize;
use std::sync::Arc;

/// Everything there is to tell.
#[derive(Debug, Default, Serialize)]
struct Explanation {
    method: String,
    host: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<Matched>,
    /// Patterns that match too and why each did not win.
    passed_over: Vec<Matched>,
    authenticators: Vec<Asked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<Arc<Caller>>,
    clauses: Vec<Asserted>,
    /// Name and value, as the backend would get them.
    headers: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    outcome: &'static str,
    status: u16,
}

#[derive(Debug, Serialize)]
struct Matched {
    name: String,
    pattern: String,
    why: String,
}

#[derive(Debug, Serialize)]
struct Asked {
    authenticator: String,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct Asserted {
    clause: String,
    holds: bool,
}

/// Explains, as text or JSON.
pub(crate) fn explain(common: &Common, arguments: &ExplainArgs) -> Result<(), Failure> {
    let config = configuration(&common.config)?;
    let runtime = control_runtime().map_err(Failure::fault)?;
    let assembly = Assembly::new(&config, &runtime).map_err(Failure::fault)?;
    let explanation = runtime.block_on(judge(&config, &assembly, arguments))?;
    match common.output {
        Format::Json => output::json(&explanation),
        Format::Text => output::line(text::render(&explanation).trim_end()),
    }
}

async fn judge(
    config: &Config,
    assembly: &Assembly,
    arguments: &ExplainArgs,
) -> Result<Explanation, Failure> {
    let mut told = Explanation {
        method: arguments.method.to_string(),
        host: request::host(arguments).to_owned(),
        path: arguments.path.clone(),
        ..Explanation::default()
    };
    let head = match request::head(arguments, &assembly.ground.clock, config)? {
        Ok(head) => head,
        Err(why) => return Ok(told.ending(400, "refused", Some(why))),
    };
    (told.host, told.path) = (head.host.to_string(), head.path.to_string());
    let route = match assembly.plan.router().find(head.host.name(), &head.path, &head.method) {
        Found::Route(index) => index,
        Found::NotFound => return Ok(told.ending(404, "unrouted", Some("no route matches".into()))),
        Found::Ambiguous => {
            let why = "the path spells a literal of a route in another way";
            return Ok(told.ending(400, "refused", Some(why.into())));
        }
        Found::MethodNotAllowed { route, allow } => {
            let name = assembly.plan.routes().get(route).map_or("", |route| &route.name);
            let methods = allow.iter().map(http::Method::as_str).collect::<Vec<_>>().join(", ");
            let why = format!(
                "the winning pattern, of route `{name}`, takes {methods}; no less specific one is tried"
            );
            return Ok(told.ending(405, "unrouted", Some(why)));
        }
    };
    let Some(chosen) = assembly.plan.routes().get(route) else {
        return Err(Failure::fault("the router named a route that is not there".to_owned()));
    };
    told.matched(chosen, &head, assembly);
    if !head.path.irregular().within(chosen.allow_in_path) {
        let why = "the path is ambiguous and the route's `allow_in_path` does not name the reason";
        return Ok(told.ending(400, "refused", Some(why.into())));
    }
    let caller = match request::invented(arguments, config, assembly, chosen).await? {
        Some(caller) => Some(Arc::new(caller)),
        None => told.authenticate(chosen, &head, assembly).await?,
    };
    let Some(caller) = caller else { return Ok(told) };
    Ok(told.authorize(&Facts { head: &head, route, caller: &caller }, chosen, caller.clone(), assembly))
}

impl Explanation {
    fn ending(mut self, status: u16, outcome: &'static str, refused: Option<String>) -> Self {
        (self.status, self.outcome, self.refused) = (status, outcome, refused);
        self
    }

    fn matched(&mut self, chosen: &Route, head: &RequestHead, assembly: &Assembly) {
        let describe = |route: &Route, why: String| Matched {
            name: route.name.to_string(),
            pattern: route.pattern.to_string(),
            why,
        };
        let others = assembly.plan.routes().iter().filter(|route| route.name != chosen.name);
        for other in others.filter(|route| request::matches(&route.pattern, &head.path)) {
            self.passed_over.push(describe(other, request::why_not(other, chosen, head)));
        }
        let why = if chosen.hosts.is_empty() { "the most specific pattern" } else { "names the host" };
        self.route = Some(describe(chosen, why.to_owned()));
    }

    /// Asks the route's authenticators; without a caller the explanation is complete.
    async fn authenticate(
        &mut self,
        route: &Route,
        head: &RequestHead,
        assembly: &Assembly,
    ) -> Result<Option<Arc<Caller>>, Failure> {
        assembly.settled().await;
        let schemes = route.authentication.authenticators().iter().map(|a| a.for_worker()).collect();
        let chain = match route.authentication {
            Authentication::Any(_) => Chain::any(schemes),
            Authentication::All(_) => Chain::all(schemes),
        };
        let chain = chain.map_err(|error| Failure::fault(error.to_string()))?;
        let asked = &mut self.authenticators;
        let observe = |scheme: &dyn Scheme, attempt: &Attempt| asked.push(said(scheme, attempt));
        let outcome = chain.authenticate(head, head.received, observe).await;
        (self.status, self.outcome) = match outcome.attempt {
            Attempt::Verified(caller) => return Ok(Some(caller)),
            Attempt::Unavailable(_) => (503, "unavailable"),
            Attempt::Rejected(rejection) if rejection.fault == haechi_authn::Fault::InvalidRequest => {
                (400, "refused")
            }
            Attempt::Absent | Attempt::Rejected(_) => (401, "unauthenticated"),
        };
        Ok(None)
    }

    fn authorize(
        mut self,
        facts: &Facts<'_>,
        route: &Route,
        caller: Arc<Caller>,
        assembly: &Assembly,
    ) -> Self {
        let enforcer = assembly.plan.enforcer();
        for finding in enforcer.engine().findings(facts) {
            let clause = spoken(&finding.source, enforcer.engine(), facts.route);
            self.clauses.push(Asserted { clause, holds: finding.says == Says::True });
        }
        let decision = enforcer.decide(facts, DecisionId::from_bits(0), &Memo::default());
        let allowed = decision.is_allowed();
        if allowed {
            self.headers = identity_headers(&caller);
            self.service = match route.target {
                Target::Service(index) => {
                    assembly.plan.services().get(index).map(|service| service.name.to_string())
                }
                Target::Identity(_) => Some("the embedded identity provider".into()),
            };
        }
        self.caller = Some(caller);
        if allowed { self.ending(200, "forwarded", None) } else { self.ending(403, "denied", None) }
    }
}

/// A clause as it was written, a policy by its place.
fn spoken(source: &Source, engine: &Engine, route: usize) -> String {
    let rule = engine.compiled().vocabulary().routes.get(route).map(|route| &route.rule);
    let mut clauses = rule.into_iter().flat_map(Rule::clauses);
    match clauses.find(|clause| clause.source() == *source) {
        Some(Clause::Roles(names)) => format!("roles, any of: {}", names.join(", ")),
        Some(Clause::Scopes(names)) => format!("scopes, all of: {}", names.join(", ")),
        Some(Clause::When(condition)) => format!("when: {}", condition.text),
        _ => source.to_string(),
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
