//! Whether something is true of every caller and every request: proved, or shown by an example that the judge has confirmed.

use super::analysis::{Loaded, explain_command, lines};
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{Demand, Example, Finding, Proof, Property, Solver, prove as prove_property};
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

/// Asks whether the properties are true of a configuration.
pub(crate) async fn ask(loaded: &Loaded, properties: &[Property], solver: &mut Solver) -> ProofReport {
    let takes = |route: RouteIndex, method: &http::Method, host: &str, path: &haechi_core::CanonicalPath| {
        loaded.takes(route, method, host, path)
    };
    let side = loaded.side(&takes);
    let mut answers = Vec::with_capacity(properties.len());
    for property in properties {
        let proof = prove_property(&side, property, solver).await;
        answers.push(answer(loaded, property, proof).await);
    }
    let (questions, took) = solver.spent();
    ProofReport { properties: answers, questions, solver_ms: ms(took) }
}

async fn answer(loaded: &Loaded, property: &Property, proof: Proof) -> Answer {
    let mut routes: Vec<OnRoute> = Vec::with_capacity(proof.routes.len());
    for (route, finding) in proof.routes {
        routes.push(on_route(loaded, property, route, finding).await);
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
    Answer { name: property.name.clone(), outcome, routes, included, ms: ms(proof.took) }
}

async fn on_route(loaded: &Loaded, property: &Property, route: RouteIndex, finding: Finding) -> OnRoute {
    let facts = loaded.config.policies.vocabulary().route(route);
    let name = facts.map_or_else(|| "".into(), |facts| facts.name.clone());
    let built_in = facts.is_some_and(|facts| facts.rule.is_built_in());
    let told = |outcome, why, example| OnRoute { route: name.clone(), built_in, outcome, why, example };
    match finding {
        Finding::None => told(Outcome::Proved, None, None),
        Finding::Undecided(why) => told(Outcome::NotDecided, Some(why), None),
        Finding::Example(example) => {
            let passes = !matches!(property.demand, Demand::AlwaysIf(_));
            match loaded.confirm(&example, passes).await {
                Err(why) => told(Outcome::NotDecided, Some(why), None),
                Ok(judged) => {
                    let point = facts.and_then(|facts| facts.rule.external().next());
                    let point = point
                        .filter(|_| passes)
                        .map(|name| format!(", if the decision point `{name}` agrees"));
                    let gate = format!("{}{}", judged.told, point.unwrap_or_default());
                    let (explain, lines) = (explain_command(loaded, &example), lines(loaded, &example));
                    told(Outcome::DoesNotHold, None, Some(ConfirmedExample { example, gate, explain, lines }))
                }
            }
        }
    }
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
