//! Whether something is true of every caller and every request: proved, or shown by an example that the judge has confirmed.

use super::analysis::{Loaded, explain_command, lines};
use crate::config::Property;
use haechi_authn::LoginExample;
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{
    self, Demand, Example, Finding, Group, Proof, Side, Solver, prove as prove_property,
};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// All that was found.
#[derive(Debug, Serialize)]
pub(crate) struct ProofReport {
    /// One for each property.
    pub(crate) properties: Vec<Answer>,
    /// How often the solver was asked.
    pub(crate) questions: usize,
    /// How long it thought.
    pub(crate) solver_ms: u64,
}

/// What came of one property.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) routes: Vec<OnRoute>,
    /// Roles that the property names, with those that include them and count as well.
    pub(crate) included: Vec<Included>,
    pub(crate) ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Proved,
    DoesNotHold,
    NotDecided,
}

#[derive(Debug, Serialize)]
pub(crate) struct OnRoute {
    pub(crate) route: Arc<str>,
    /// Whether the gate brings the route itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) built_in: bool,
    pub(crate) outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) example: Option<ConfirmedExample>,
}

/// An example that the gate confirmed.
#[derive(Debug, Serialize)]
pub(crate) struct ConfirmedExample {
    #[serde(flatten)]
    pub(crate) example: Box<Example>,
    /// The caller's login, where it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<String>,
    /// What the gate says of it.
    pub(crate) gate: String,
    /// The command that explains it.
    pub(crate) explain: String,
    #[serde(skip)]
    pub(crate) lines: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Included {
    pub(crate) role: Arc<str>,
    pub(crate) by: Vec<Arc<str>>,
}

impl ProofReport {
    /// Whether all were proved.
    pub(crate) fn holds(&self) -> bool {
        self.properties.iter().all(|answer| answer.outcome == Outcome::Proved)
    }
}

/// What was found of a property on one route.
struct FoundOnRoute {
    finding: Finding,
    /// The login of the example's caller, where it is not just one that the route takes.
    login: Option<LoginExample>,
    /// Whether the example passes.
    passes: bool,
}

/// Asks whether the properties are true of a configuration.
pub(crate) async fn ask(loaded: &Loaded, properties: &[Property], solver: &mut Solver) -> ProofReport {
    let takes = |route: RouteIndex, method: &http::Method, host: &str, path: &haechi_core::CanonicalPath| {
        loaded.takes(route, method, host, path)
    };
    let side = loaded.side(&takes);
    let mut answers = Vec::with_capacity(properties.len());
    for property in properties {
        let proof = prove_property(&side, &property.rules, solver).await;
        answers.push(answer(loaded, &side, property, proof, solver).await);
    }
    let (questions, took) = solver.spent();
    ProofReport { properties: answers, questions, solver_ms: ms(took) }
}

async fn answer(
    loaded: &Loaded,
    side: &Side<'_>,
    property: &Property,
    proof: Proof,
    solver: &mut Solver,
) -> Answer {
    let mut routes: Vec<OnRoute> = Vec::with_capacity(proof.routes.len());
    let mut took = proof.took;
    for (route, finding) in proof.routes {
        let found = with_logins(loaded, side, property, (route, finding), solver, &mut took).await;
        routes.push(on_route(loaded, route, found).await);
    }
    let any = |outcome: Outcome| routes.iter().any(|route| route.outcome == outcome);
    let outcome = if any(Outcome::DoesNotHold) {
        Outcome::DoesNotHold
    } else if any(Outcome::NotDecided) {
        Outcome::NotDecided
    } else {
        Outcome::Proved
    };
    let included = proof.included.into_iter().map(|(role, by)| Included { role, by }).collect();
    Answer { name: property.rules.name.clone(), outcome, routes, included, ms: ms(took) }
}

/// What is found where logins count as well, which the route and the property may ask for and of which policies know nothing.
async fn with_logins(
    loaded: &Loaded,
    side: &Side<'_>,
    property: &Property,
    (route, finding): (RouteIndex, Finding),
    solver: &mut Solver,
    took: &mut Duration,
) -> FoundOnRoute {
    let asked = loaded.step_up(route);
    let own = &property.login;
    // What is false where everybody fits may be true where a login is asked for, and the other way round.
    let (passes, nobody, login) = match &property.rules.demand {
        Demand::Never(_) => {
            let login = asked.satisfied_with(own);
            let finding = if login.is_some() { finding } else { Finding::None };
            return FoundOnRoute { finding, login: login.filter(|_| !own.is_empty()), passes: true };
        }
        Demand::AllowedOnlyIf(_) => (true, Group::default(), asked.satisfied_without(own)),
        Demand::AlwaysIf(group) => (false, group.clone(), own.satisfied_without(&asked)),
    };
    if login.is_none() || finding != Finding::None {
        return FoundOnRoute { finding, login: None, passes };
    }
    // Whoever passes by policies alone shows it, with such a login; without anybody it holds.
    let rules = analysis::Property { demand: Demand::Never(nobody), ..property.rules.clone() };
    let proof = prove_property(side, &rules, solver).await;
    *took += proof.took;
    let finding = proof.routes.into_iter().find(|(index, _)| *index == route);
    FoundOnRoute { finding: finding.map_or(Finding::None, |(_, finding)| finding), login, passes }
}

async fn on_route(loaded: &Loaded, route: RouteIndex, found: FoundOnRoute) -> OnRoute {
    let facts = loaded.config.policies.vocabulary().route(route);
    let name = facts.map_or_else(|| "".into(), |facts| facts.name.clone());
    let built_in = facts.is_some_and(|facts| facts.rule.is_built_in());
    let told = |outcome, why, example| OnRoute { route: name.clone(), built_in, outcome, why, example };
    let FoundOnRoute { finding, login, passes } = found;
    match finding {
        Finding::None => told(Outcome::Proved, None, None),
        Finding::Undecided(why) => told(Outcome::NotDecided, Some(why), None),
        Finding::Example(example) => match loaded.confirm(&example, login.as_ref(), passes).await {
            Err(why) => told(Outcome::NotDecided, Some(why), None),
            Ok(judged) => {
                let point = facts.and_then(|facts| facts.rule.external().next());
                let point =
                    point.filter(|_| passes).map(|name| format!(", if the decision point `{name}` agrees"));
                let gate = format!("{}{}", judged.told, point.unwrap_or_default());
                let explain = explain_command(loaded, &example, login.as_ref());
                let lines = lines(loaded, &example, login.as_ref());
                let login = login.as_ref().map(ToString::to_string);
                let example = ConfirmedExample { example, login, gate, explain, lines };
                told(Outcome::DoesNotHold, None, Some(example))
            }
        },
    }
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
