//! Cases, tried on a configuration.

use super::InspectError;
use super::explain::{CallerArgument, ExplainContext, Explanation, Inquiry, Supposed, judge};
use crate::config::{Case, CaseCaller, Expect};
use haechi_core::CallerKind;
use serde::Serialize;

/// What came of one case.
#[derive(Debug, Serialize)]
pub(crate) struct CaseResult {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) passed: bool,
    pub(crate) expected: String,
    pub(crate) got: String,
    /// How it came about, where it is not what was expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) explanation: Option<Explanation>,
}

/// Tries a case, which stands in `file`; `saw` gets how it came about.
///
/// # Errors
/// [`InspectError`].
pub(crate) async fn try_case(
    gate: ExplainContext<'_>,
    (file, case): (&str, &Case),
    saw: impl FnOnce(&Explanation),
) -> Result<CaseResult, InspectError> {
    let explanation = judge(gate, &inquiry(case)).await?;
    saw(&explanation);
    let (passed, expected, got) = compare(case, &explanation);
    Ok(CaseResult {
        name: case.name.clone(),
        file: file.to_owned(),
        line: case.line,
        column: case.column,
        passed,
        expected,
        got,
        explanation: (!passed).then_some(explanation),
    })
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
