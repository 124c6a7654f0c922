//! `haechi explain --decision ID`, `--request ID`: what a running gate remembers of a decision that it made.

mod text;

use crate::cli::remote::{Gate, GateArgs, ONE_QUESTION, looking, wait};
use crate::cli::{Common, DecisionArgs, Failure, Format, output};
use haechi_admin::decisions::DecisionRecord;
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::role;
use reqwest::Method;

/// Asks the gate, and prints the record.
pub(crate) fn decision(
    common: &Common,
    arguments: &DecisionArgs,
    token: Option<&str>,
) -> Result<(), Failure> {
    let DecisionArgs { decision, request, admin, authorities } = arguments.clone();
    let gate = GateArgs { admin, token: token.map(str::to_owned), token_file: None, authorities };
    let gate = looking(common, &gate, ONE_QUESTION)?;
    let record = match (decision, request) {
        (Some(id), _) => wait(made(&gate, &id))?,
        (None, request) => wait(about(&gate, &request.unwrap_or_default()))?,
    };
    match common.output {
        Format::Json => output::json(&record),
        Format::Text => output::line(text::render(&record, &common.config).trim_end()),
    }
}

async fn made(gate: &Gate, id: &str) -> Result<DecisionRecord, Failure> {
    let id = DecisionId::parse(id)
        .ok_or_else(|| Failure::usage("a decision's id is 32 hex digits, as `decision_id` has it"))?;
    let answered = gate.ask(Method::GET, &["decisions", &id.to_string()], &[], None).await?;
    match answered.status {
        404 => Err(forgotten(gate, &format!("the decision {id}"))),
        401 | 403 => Err(Failure::fault(format!(
            "{} does not let this caller look: it needs a token with the role `{}` or `{}`",
            gate.name(),
            role::AUDITOR,
            role::ADMIN
        ))),
        _ => gate.read(answered),
    }
}

/// The last one about a request: a WebSocket is judged again while it is open.
async fn about(gate: &Gate, id: &str) -> Result<DecisionRecord, Failure> {
    let id = RequestId::parse(id)
        .ok_or_else(|| Failure::usage("a request's id is 32 hex digits, as `request_id` has it"))?;
    let found: Vec<DecisionRecord> = gate.list(&["decisions"], &[("request", id.to_string())], 1).await?;
    found.into_iter().next().ok_or_else(|| forgotten(gate, &format!("a decision about the request {id}")))
}

fn forgotten(gate: &Gate, what: &str) -> Failure {
    Failure::fault(format!(
        "{} does not remember {what}: it keeps the newest since it started, and an allowed one from when its request is over; the access log has its line",
        gate.name()
    ))
}
