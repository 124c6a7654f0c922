//! What is answered: decisions (AuthZEN 1.0, 6.2 and 7.2), and where to ask (9.1).

use super::super::question::{Allowed, Verdict};
use super::call::{EVALUATION, EVALUATIONS};
use crate::record::Record;
use crate::respond;
use crate::response::Response;
use serde::Serialize;

/// A decision, and the record of what it was about.
pub(super) struct Answered {
    pub(super) told: Decision,
    pub(super) record: Record,
}

/// AuthZEN 1.0, 6.2.
#[derive(Serialize)]
pub(super) struct Decision {
    pub(super) decision: bool,
    context: Context,
}

/// By what the decision is found again. Why it is a no is for operators.
#[derive(Serialize)]
struct Context {
    /// What whoever sends such a request would be answered, where it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
}

/// AuthZEN 1.0, 7.2.
#[derive(Serialize)]
pub(super) struct Many {
    pub(super) evaluations: Vec<Decision>,
}

/// AuthZEN 1.0, 9.1.
#[derive(Serialize)]
pub(super) struct Metadata {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
}

impl Answered {
    /// Only what may go on is a yes.
    pub(super) fn of(verdict: Verdict<'_>) -> Self {
        let (decision, status, record) = match verdict {
            Verdict::Allowed(allowed) => {
                let Allowed { mut record, .. } = *allowed;
                respond::may_go_on(&mut record);
                (true, None, record)
            }
            Verdict::Refused(response) => {
                let Response { status, record, .. } = *response;
                (false, Some(status.as_u16()), record)
            }
        };
        let line = record.line();
        let (request_id, decision_id) = (line.id.to_string(), line.decision.map(|id| id.to_string()));
        let context = Context { status, request_id, decision_id };
        Self { told: Decision { decision, context }, record }
    }
}

impl Metadata {
    pub(super) fn of(base: &str) -> Self {
        Self {
            policy_decision_point: base.to_owned(),
            access_evaluation_endpoint: format!("{base}{EVALUATION}"),
            access_evaluations_endpoint: format!("{base}{EVALUATIONS}"),
        }
    }
}

/// As JSON. What cannot be written is no answer that anybody takes for a yes.
pub(super) fn document(told: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(told).unwrap_or_else(|_| b"{}".to_vec())
}
