//! What a configuration would do that is not in force: recorded decisions made again, properties proved, cases tried. Within a runtime of tokio, on a thread
//! that may wait.

use super::archive::{Archive, WITHIN};
use super::points::GivenAnswers;
use super::reload::{ReloadFault, Reloader};
use super::rules::rules;
use crate::config::{self, Config, read_cases};
use crate::inspect::analysis::Loaded;
use crate::inspect::cases::{CaseResult, try_case};
use crate::inspect::explain::ExplainContext;
use crate::inspect::prove;
use crate::inspect::recorded::RecordedDecision;
use crate::inspect::replay::{Judge, Replay, ReplayReport};
use haechi_admin::context::Refused;
use haechi_admin::inspection::{CasesToTry, InspectionError, ReplayQuery};
use haechi_authz::analysis::Solver;
use haechi_core::{Clock, SystemClock};
use haechi_proxy::DryRun;
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// The program that proves.
const SOLVER: &str = "cvc5";
/// Decisions are made again for so long at most, so that there is time left to tell.
const REPLAY_WITHIN: Duration = Duration::from_secs(20);
/// What cases are called that stand in no file.
const CASES: &str = "cases.yaml";

/// What came of recorded decisions, and of which.
#[derive(Serialize)]
struct Replayed {
    /// Not before this time.
    since: String,
    /// Whether there were more in that time, which were left out: the oldest, or those that there was no time for.
    more: bool,
    #[serde(flatten)]
    report: ReplayReport,
}

/// What came of properties.
#[derive(Serialize)]
struct Proved {
    /// Whether all are true.
    holds: bool,
    #[serde(flatten)]
    report: prove::ProofReport,
}

/// What came of cases.
#[derive(Serialize)]
struct Tried {
    passed: usize,
    failed: usize,
    cases: Vec<CaseResult>,
}

/// The configuration that stands in this text, with the policies of the store.
///
/// # Errors
/// It is at fault.
pub(super) fn candidate(reloader: &Reloader, yaml: String) -> Result<Config, InspectionError> {
    let in_force = reloader.config();
    let stored = in_force.stored.clone();
    config::check(reloader.file(), yaml, in_force.definitions)
        .and_then(|candidate| candidate.with_policies(stored))
        .map_err(|report| InspectionError::Refused(refused(ReloadFault::Config(Box::new(report)))))
}

/// Whoever proves it.
///
/// # Errors
/// There is none.
pub(super) fn solver(what: &str) -> Result<Solver, InspectionError> {
    Solver::start(SOLVER).map_err(|error| {
        InspectionError::Impossible(format!(
            "{error}: {what} with `{SOLVER}`, which must be in the gate's `PATH`"
        ))
    })
}

/// Makes the newest recorded decisions again.
pub(super) fn replay(
    reloader: &Reloader,
    archive: &Archive,
    yaml: String,
    asked: &ReplayQuery,
) -> Result<Value, InspectionError> {
    let until = Instant::now() + REPLAY_WITHIN;
    let judge = Judge::new(Arc::new(candidate(reloader, yaml)?)).map_err(InspectionError::Failed)?;
    let within = Duration::from_secs(u64::from(asked.within.unwrap_or_default()));
    let since = SystemClock.now().minus(within).rfc3339_millis().to_string();
    let (records, mut more) = archive.decisions(&since, asked.limit.unwrap_or_default(), until)?;
    let mut replay = Replay::default();
    Handle::current().block_on(async {
        for record in &records {
            match RecordedDecision::of(record) {
                Some(recorded) => replay.decide(&recorded, &judge).await,
                None => replay.unreadable(),
            }
            if Instant::now() >= until {
                more = true;
                break;
            }
        }
    });
    serde_json::to_value(Replayed { since, more, report: replay.finished() }).map_err(failed)
}

/// Proves the properties that it names.
pub(super) fn prove(reloader: &Reloader, yaml: String) -> Result<Value, InspectionError> {
    let config = candidate(reloader, yaml)?;
    if config.properties.is_empty() {
        let none = prove::ProofReport { properties: Vec::new(), questions: 0, solver_ms: 0 };
        return serde_json::to_value(Proved { holds: true, report: none }).map_err(failed);
    }
    let properties = config.properties.clone();
    let loaded = Loaded::new(reloader.file(), Arc::new(config))?;
    let report = Handle::current().block_on(async {
        let mut solver = solver("properties are proved")?;
        let asked = tokio::time::timeout(WITHIN, prove::ask(&loaded, &properties, &mut solver)).await;
        asked.map_err(|_| InspectionError::TooLong)
    })?;
    serde_json::to_value(Proved { holds: report.holds(), report }).map_err(failed)
}

/// Tries cases.
pub(super) fn try_cases(reloader: &Reloader, wanted: CasesToTry) -> Result<Value, InspectionError> {
    let config = match wanted.config {
        Some(yaml) => Arc::new(candidate(reloader, yaml)?),
        None => reloader.config(),
    };
    let file = reloader.file().parent().unwrap_or_else(|| Path::new("")).join(CASES);
    let cases = read_cases(&file, wanted.cases, &config)
        .map_err(|report| InspectionError::Refused(refused(ReloadFault::Config(Box::new(report)))))?;
    let answers = GivenAnswers::default();
    let rules = rules(&config, &answers).map_err(|error| InspectionError::Failed(error.to_string()))?;
    let dry = DryRun::new(Arc::new(rules));
    let gate = ExplainContext { config: &config, dry: &dry, assembly: None, answers: Some(&answers) };
    let tried = Handle::current().block_on(async {
        let all = async {
            let mut tried = Vec::with_capacity(cases.len());
            for case in &cases {
                tried.push(try_case(gate, (CASES, case), |_| ()).await?);
            }
            Ok::<_, InspectionError>(tried)
        };
        tokio::time::timeout(WITHIN, all).await.map_err(|_| InspectionError::TooLong)?
    })?;
    let passed = tried.iter().filter(|case| case.passed).count();
    serde_json::to_value(Tried { passed, failed: tried.len() - passed, cases: tried }).map_err(failed)
}

/// What was found cannot be told.
pub(super) fn failed(error: serde_json::Error) -> InspectionError {
    InspectionError::Failed(error.to_string())
}

fn refused(fault: ReloadFault) -> Refused {
    Refused::from(&fault)
}
