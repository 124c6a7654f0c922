//! `haechi policy` at a running gate.

use super::view::{PolicyView, print, print_all};
use super::{ChangeArgs, PolicyCommand, read, told};
use crate::cli::approval::said_of_pending;
use crate::cli::remote::{Answered, Gate};
use crate::cli::{Common, Failure};
use reqwest::Method;
use serde_json::{Value, json};

/// Has it done.
pub(super) async fn policy(gate: &Gate, common: &Common, command: PolicyCommand) -> Result<(), Failure> {
    match command {
        PolicyCommand::List => print_all(common, gate.list(&["policies"], &[], usize::MAX).await?),
        PolicyCommand::Show { name, version: None } => {
            print(gate.get(&["policies", &name], &[]).await?, common.output)
        }
        PolicyCommand::Show { name, version: Some(version) } => {
            let version = version.to_string();
            print(gate.get(&["policies", &name, "versions", &version], &[]).await?, common.output)
        }
        PolicyCommand::Versions { name } => {
            let found = gate.list(&["policies", &name, "versions"], &[], usize::MAX).await?;
            print_all(common, found)
        }
        PolicyCommand::Put { name, file, how } => {
            let text = read(&file)?;
            change(gate, common, (Method::PUT, &["policies", &name], &name, how), Body::Text(text)).await
        }
        PolicyCommand::Delete { name, how } => {
            change(gate, common, (Method::DELETE, &["policies", &name], &name, how), Body::None).await
        }
        PolicyCommand::Rollback { name, version, how } => {
            let segments = ["policies", &name, "rollback"];
            let body = Body::Json(json!({ "version": version }));
            change(gate, common, (Method::POST, &segments, &name, how), body).await
        }
    }
}

enum Body {
    None,
    Text(String),
    Json(Value),
}

async fn change(
    gate: &Gate,
    common: &Common,
    (method, segments, name, how): (Method, &[&str], &str, ChangeArgs),
    body: Body,
) -> Result<(), Failure> {
    let version = match how.if_version {
        Some(version) => Some(version).filter(|version| *version != 0),
        None => gate.find::<PolicyView>(&["policies", name]).await?.and_then(|known| known.revision),
    };
    let condition = match version {
        Some(version) => ("if-match", format!("\"{version}\"")),
        None => ("if-none-match", "*".to_owned()),
    };
    let query: &[(&str, String)] = if how.dry_run { &[("dry_run", "true".to_owned())] } else { &[] };
    let (kind, content) = match body {
        Body::None => ("text/plain", String::new()),
        Body::Text(text) => ("text/plain", text),
        Body::Json(value) => ("application/json", value.to_string()),
    };
    let answered = gate.send_with(method, segments, query, condition, (kind, content)).await?;
    if answered.status == 202 {
        return said_of_pending(common.output, &gate.read::<Value>(answered)?);
    }
    if answered.status == 204 {
        // What became of it stands in its versions.
        let mut newest: Vec<PolicyView> = gate.list(&["policies", name, "versions"], &[], 1).await?;
        return newest.pop().map_or(Ok(()), |view| told(common.output, view, false));
    }
    told(common.output, gate.read(with_report(answered))?, how.dry_run)
}

/// A refusal says what is wrong, in its detail.
fn with_report(answered: Answered) -> Answered {
    let Ok(Value::Object(mut problem)) = serde_json::from_slice::<Value>(&answered.body) else {
        return answered;
    };
    let report = problem.get("report").and_then(Value::as_str).map(str::to_owned);
    if let (Some(report), Some(Value::String(detail))) = (report, problem.get_mut("detail")) {
        detail.push('\n');
        detail.push_str(report.trim_end());
        return Answered { body: Value::Object(problem).to_string().into_bytes(), ..answered };
    }
    answered
}
