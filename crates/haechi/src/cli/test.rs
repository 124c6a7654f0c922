//! `haechi test`: access rules tried on cases, on the code that serves requests. No store is opened and nobody is asked over the network.

mod coverage;
mod report;

use super::{Common, Failure, Form, TestArgs, configuration, output};
use crate::config::{Case, CaseCaller, Config, Expect, load_cases};
use crate::inspect::explain::{CallerArgument, ExplainContext, Explanation, Inquiry, Supposed, judge};
use crate::wire::{GivenAnswers, control_runtime, rules};
use coverage::Coverage;
use haechi_core::CallerKind;
use haechi_proxy::DryRun;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// What came of one case.
#[derive(Debug, Serialize)]
struct CaseResult {
    name: String,
    file: String,
    line: usize,
    column: usize,
    passed: bool,
    expected: String,
    got: String,
    /// How it came about, where it is not what was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Explanation>,
}

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
        let explanation = judge(gate, &inquiry(case)).await?;
        coverage.saw(&explanation);
        let (passed, expected, got) = compare(case, &explanation);
        tried.push(CaseResult {
            name: case.name.clone(),
            file: file.display().to_string(),
            line: case.line,
            column: case.column,
            passed,
            expected,
            got,
            explanation: (!passed).then_some(explanation),
        });
    }
    let passed = tried.iter().filter(|tried| tried.passed).count();
    let failed = tried.len() - passed;
    Ok(TestReport { passed, failed, cases: tried, coverage: covering.then(|| coverage.finished()) })
}

fn inquiry(case: &Case) -> Inquiry {
    let plain = Inquiry::new(case.method.clone(), case.path.clone());
    Inquiry {
        host: case.host.clone().unwrap_or_else(|| plain.host.clone()),
        client: case.ip.unwrap_or(plain.client),
        headers: case.headers.clone(),
        secure: case.secure,
        time: case.time,
        who: case.caller.as_ref().map_or(CallerArgument::Nobody, who),
        points: case.points.clone(),
        ..plain
    }
}

fn who(caller: &CaseCaller) -> CallerArgument {
    CallerArgument::Supposed(Supposed {
        roles: caller.roles.clone(),
        scopes: caller.scopes.clone(),
        attributes: caller.attributes.clone(),
        subject: caller.subject.clone(),
        issuer: caller.issuer.clone(),
        authenticator: caller.authenticator.clone(),
        acr: caller.acr.clone(),
        login_age: caller.login_age,
        kind: caller.kind.filter(|kind| *kind != CallerKind::Anonymous),
    })
}

/// Whether it is what was expected; both in words.
fn compare(case: &Case, explanation: &Explanation) -> (bool, String, String) {
    let outcome = format!("{} ({})", explanation.outcome, explanation.status);
    let answered = explanation.outcome != "unanswered";
    match &case.expect {
        Expect::Allow => (explanation.is_allowed(), "allow".into(), outcome),
        Expect::Deny => (explanation.outcome == "denied", "deny".into(), outcome),
        Expect::Status(status) => (answered && explanation.status == *status, status.to_string(), outcome),
        Expect::Route(name) => {
            let route = explanation.route.as_ref().map(|route| route.name.as_str());
            let got = route.map_or(outcome, |route| format!("the route `{route}`"));
            (route == Some(name), format!("the route `{name}`"), got)
        }
    }
}
