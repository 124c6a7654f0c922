//! Whether policies of the store may come to count: they fit the configuration, and what it wants to be true stays true.

use super::analysis::Loaded;
use super::prove::{Answer, Outcome, ProofReport, ask};
use crate::config::{Config, Report, StorePolicies};
use haechi_admin::Refused;
use haechi_authz::analysis::Solver;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The program that proves.
const SOLVER: &str = "cvc5";
/// No change is proved for longer.
const WITHIN: Duration = Duration::from_secs(25);

/// Why they may not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyChangeError {
    /// They do not fit.
    #[error("{0}")]
    Config(Box<Report>),
    /// Something would not be true any more.
    #[error("a property would not hold")]
    Properties(Box<ProofReport>),
    /// Nobody knows.
    #[error("{0}")]
    Undecided(String),
}

/// What was found of those that may.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// The properties that were proved, by name.
    pub(crate) proved: Vec<String>,
    /// What is odd about the policy that is added or replaced.
    pub(crate) odd: Vec<String>,
}

/// Looks whether `next` may count with `config`, which stands in `file`; `name` is the policy that changes. Asks the solver only where the configuration names
/// properties. Within a runtime of tokio.
///
/// # Errors
/// [`PolicyChangeError`].
pub(crate) async fn check(
    file: &Path,
    config: Config,
    next: StorePolicies,
    name: &str,
) -> Result<Checked, PolicyChangeError> {
    let config = config.with_policies(next).map_err(|report| PolicyChangeError::Config(Box::new(report)))?;
    let odd = config.odd(name);
    if config.properties.is_empty() {
        return Ok(Checked { odd, ..Checked::default() });
    }
    let unknown = |why: String| {
        let help = "the configuration names `properties`, which are proved before a policy counts";
        PolicyChangeError::Undecided(format!("{why}: {help}"))
    };
    let properties = config.properties.clone();
    let loaded = Loaded::new(file, Arc::new(config)).map_err(|error| unknown(error.to_string()))?;
    let mut solver = Solver::start(SOLVER).map_err(|error| unknown(error.to_string()))?;
    let asked = tokio::time::timeout(WITHIN, ask(&loaded, &properties, &mut solver)).await;
    let report = asked.map_err(|_| unknown(format!("`{SOLVER}` did not answer within {WITHIN:?}")))?;
    if report.properties.iter().any(|answer| answer.outcome == Outcome::DoesNotHold) {
        return Err(PolicyChangeError::Properties(Box::new(report)));
    }
    match report.properties.iter().find(|answer| answer.outcome == Outcome::NotDecided) {
        Some(answer) => Err(unknown(format!("`{SOLVER}` could not decide the property `{}`", answer.name))),
        None => {
            Ok(Checked { proved: report.properties.into_iter().map(|answer| answer.name).collect(), odd })
        }
    }
}

/// Faults of texts, for programs and for people.
pub(crate) fn refused_texts(report: &Report) -> Refused {
    let faults = serde_json::to_value(report.lines().collect::<Vec<_>>()).unwrap_or_default();
    Refused { faults, report: report.to_string() }
}

/// Properties that would not hold, each with an example, likewise.
pub(crate) fn refused_properties(report: &ProofReport) -> Refused {
    let failing: Vec<&Answer> =
        report.properties.iter().filter(|answer| answer.outcome == Outcome::DoesNotHold).collect();
    Refused {
        faults: serde_json::to_value(&failing).unwrap_or_default(),
        report: failing.iter().map(|answer| told(answer)).collect(),
    }
}

fn told(answer: &Answer) -> String {
    let mut out = format!("not so: {}\n", answer.name);
    for route in &answer.routes {
        let Some(shown) = &route.example else { continue };
        out.push_str(&format!("  on `{}`, for example:\n", route.route));
        for line in shown.lines.iter().chain([&shown.gate]) {
            out.push_str(&format!("    {line}\n"));
        }
    }
    out
}
