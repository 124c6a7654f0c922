//! `haechi prove`: is this true of every caller and every request? Proved, or shown by an example.

use super::analysis::{load, solver};
use super::output::{self, counted};
use super::{Common, Failure, Format, ProveArgs};
use crate::config::load_properties;
use crate::inspect::analysis::{Loaded, explain_command, lines};
use crate::wire::control_runtime;
use haechi_authz::RouteIndex;
use haechi_authz::analysis::{Demand, Example, Finding, Proof, Property, prove as prove_property};
use serde::Serialize;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// All that was found.
#[derive(Debug, Serialize)]
struct ProofReport {
    properties: Vec<Answer>,
    /// How often the solver was asked.
    questions: usize,
    /// How long it thought.
    solver_ms: u64,
}

/// What came of one property.
#[derive(Debug, Serialize)]
struct Answer {
    name: String,
    outcome: Outcome,
    routes: Vec<OnRoute>,
    /// Roles that the property names, with those that include them and count as well.
    included: Vec<Included>,
    ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Proved,
    DoesNotHold,
    NotDecided,
}

#[derive(Debug, Serialize)]
struct OnRoute {
    route: Arc<str>,
    /// Whether the gate brings the route itself.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    built_in: bool,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    example: Option<ConfirmedExample>,
}

/// An example that the gate confirmed.
#[derive(Debug, Serialize)]
struct ConfirmedExample {
    #[serde(flatten)]
    example: Box<Example>,
    /// What the gate says of it.
    gate: String,
    /// The command that explains it.
    explain: String,
    #[serde(skip)]
    lines: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Included {
    role: Arc<str>,
    by: Vec<Arc<str>>,
}

/// Proves, as text or JSON. Exit 1 where something does not hold or was not decided.
pub(crate) fn prove(common: &Common, arguments: &ProveArgs) -> Result<(), Failure> {
    let loaded = load(&common.config)?;
    let beside = || common.config.with_file_name("properties.yaml");
    let file = arguments.properties.clone().unwrap_or_else(beside);
    let properties =
        load_properties(&file, &loaded.config).map_err(|report| Failure::Config(Box::new(report)))?;
    let runtime = control_runtime().map_err(Failure::fault)?;
    let told = runtime.block_on(ask(&loaded, &properties, arguments))?;
    match common.output {
        Format::Json => output::json(&told)?,
        Format::Text => output::line(render(&told).trim_end())?,
    }
    let proved = told.properties.iter().all(|answer| answer.outcome == Outcome::Proved);
    if proved { Ok(()) } else { Err(Failure::Told) }
}

async fn ask(
    loaded: &Loaded,
    properties: &[Property],
    arguments: &ProveArgs,
) -> Result<ProofReport, Failure> {
    let mut solver = solver(&arguments.cvc5)?;
    let takes = |route: RouteIndex, method: &http::Method, host: &str, path: &haechi_core::CanonicalPath| {
        loaded.takes(route, method, host, path)
    };
    let side = loaded.side(&takes);
    let mut answers = Vec::with_capacity(properties.len());
    for property in properties {
        let proof = prove_property(&side, property, &mut solver).await;
        answers.push(answer(loaded, property, proof).await);
    }
    let (questions, took) = solver.spent();
    Ok(ProofReport { properties: answers, questions, solver_ms: ms(took) })
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

fn render(told: &ProofReport) -> String {
    let mut out = String::new();
    for answer in &told.properties {
        // Writing to a `String` does not fail.
        let _ = write_answer(&mut out, answer);
    }
    let count = |outcome: Outcome| told.properties.iter().filter(|answer| answer.outcome == outcome).count();
    let (no, unknown) = (count(Outcome::DoesNotHold), count(Outcome::NotDecided));
    let _ = write!(out, "\n{}: {} proved", plural(told.properties.len()), count(Outcome::Proved));
    if no > 0 {
        let _ = write!(out, ", {no} not so");
    }
    if unknown > 0 {
        let _ = write!(out, ", {unknown} not decided");
    }
    let _ = writeln!(out, " ({} to cvc5, {} ms)", counted(told.questions, "question"), told.solver_ms);
    out
}

fn plural(count: usize) -> String {
    if count == 1 { "1 property".into() } else { format!("{count} properties") }
}

fn write_answer(out: &mut String, answer: &Answer) -> std::fmt::Result {
    let word = match answer.outcome {
        Outcome::Proved => "proved",
        Outcome::DoesNotHold => "not so",
        Outcome::NotDecided => "not decided",
    };
    let about = match answer.routes.len() {
        0 => "no route takes such requests".to_owned(),
        count => counted(count, "route"),
    };
    writeln!(out, "{word:<12} {}  ({about}, {} ms)", output::shown(&answer.name), answer.ms)?;
    for route in &answer.routes {
        let own = if route.built_in { " (built in)" } else { "" };
        if let Some(why) = &route.why {
            writeln!(out, "             on `{}`{own}: {}", route.route, output::shown(why))?;
        }
        if let Some(shown) = &route.example {
            writeln!(out, "             on `{}`{own}, for example:", route.route)?;
            for line in &shown.lines {
                writeln!(out, "               {}", output::shown(line))?;
            }
            writeln!(out, "               {}", output::shown(&shown.gate))?;
            writeln!(out, "               see: {}", output::shown(&shown.explain))?;
        }
    }
    for Included { role, by } in &answer.included {
        writeln!(out, "             {} counts as {role}: it includes it", by.join(", "))?;
    }
    Ok(())
}
