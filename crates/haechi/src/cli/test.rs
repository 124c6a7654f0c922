//! `haechi test`: access rules tried on cases, on the code that serves requests. No store is opened and nobody is asked over the network.

mod coverage;
mod report;

use super::{Common, Failure, Form, TestArgs, configuration, output};
use crate::config::{Case, Config, load_cases};
use crate::inspect::cases::{CaseResult, try_case};
use crate::inspect::explain::ExplainContext;
use crate::wire::{GivenAnswers, control_runtime, rules};
use coverage::Coverage;
use haechi_proxy::DryRun;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// What came of all.
#[derive(Debug, Serialize)]
struct TestReport {
    passed: usize,
    failed: usize,
    cases: Vec<CaseResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Coverage>,
}

/// Tries every case. Exit 1 where one comes out otherwise than expected.
pub(crate) fn test(common: &Common, arguments: &TestArgs) -> Result<(), Failure> {
    let config = configuration(&common.config)?;
    let cases = read(&arguments.cases, &config)?;
    let answers = GivenAnswers::default();
    let dry = DryRun::new(Arc::new(rules(&config, &answers).map_err(Failure::fault)?));
    let runtime = control_runtime().map_err(Failure::fault)?;
    let gate = ExplainContext { config: &config, dry: &dry, assembly: None, answers: Some(&answers) };
    let told = runtime.block_on(run(gate, &cases, arguments.coverage))?;
    match common.form {
        Form::Json => output::json(&told)?,
        Form::Junit => output::line(report::junit(&told).trim_end())?,
        _ => output::line(report::text(&told).trim_end())?,
    }
    if told.failed == 0 { Ok(()) } else { Err(Failure::Told) }
}

/// The cases with the files that they stand in, or everything that is wrong with any of the files.
fn read<'a>(files: &'a [std::path::PathBuf], config: &Config) -> Result<Vec<(&'a Path, Case)>, Failure> {
    let mut cases = Vec::new();
    let mut failure = None;
    for file in files {
        match load_cases(file, config) {
            Ok(found) => cases.extend(found.into_iter().map(|case| (file.as_path(), case))),
            Err(report) => {
                if let Some(before) = failure.replace(Failure::Config(Box::new(report))) {
                    Failure::tell(&before);
                }
            }
        }
    }
    failure.map_or(Ok(cases), Err)
}

async fn run(
    gate: ExplainContext<'_>,
    cases: &[(&Path, Case)],
    covering: bool,
) -> Result<TestReport, Failure> {
    let mut coverage = Coverage::new(gate);
    let mut tried = Vec::with_capacity(cases.len());
    for (file, case) in cases {
        tried.push(try_case(gate, (&file.display().to_string(), case), |seen| coverage.saw(seen)).await?);
    }
    let passed = tried.iter().filter(|tried| tried.passed).count();
    let failed = tried.len() - passed;
    Ok(TestReport { passed, failed, cases: tried, coverage: covering.then(|| coverage.finished()) })
}
