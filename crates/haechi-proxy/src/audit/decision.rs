//! The record of one decision. With the configuration that it names, the decision can be made again from it.

use super::caller::CallerFragment;
use crate::decided_request::DecidedRequest;
use crate::decisions::direction;
use haechi_audit::{AuditError, json};
use std::collections::BTreeMap;

/// Appends the members of a decision.
pub(super) fn write_decision(
    out: &mut Vec<u8>,
    decided: &DecidedRequest<'_>,
    configuration: &str,
    verdict: &[u8],
    caller: &CallerFragment,
) -> Result<(), AuditError> {
    json::begin(out, decided.received, "decision");
    out.extend_from_slice(b",\"request\":\"");
    out.extend_from_slice(&decided.request.hex());
    out.extend_from_slice(b"\",\"decision\":\"");
    out.extend_from_slice(&decided.decision.id.hex());
    out.extend_from_slice(b"\",\"outcome\":\"");
    out.extend_from_slice(decided.outcome().as_bytes());
    out.push(b'"');
    if decided.supposed {
        json::bare_member(out, "supposed", true);
    }
    json::text_member(out, "route", &decided.route.name);
    json::text_member(out, "method", decided.method.as_str());
    json::text_member(out, "host", decided.host.name());
    json::text_member(out, "path", decided.path.as_str());
    json::bare_member(out, "secure", decided.secure);
    out.extend_from_slice(verdict);
    if let Some(reason) = decided.unavailable {
        json::text_member(out, "reason", reason);
    }
    if let Some(external) = &decided.decision.external {
        json::text_member(out, "point", &external.name);
        json::bare_member(out, "point_allowed", external.allowed);
    }
    if let Some(direction) = direction(decided.decision) {
        json::text_member(out, "shadow", direction);
    }
    json::bare_member(out, "generation", decided.decision.generation);
    json::text_member(out, "config", configuration);
    out.extend_from_slice(&caller.members);
    if !decided.headers.is_empty() {
        let headers: BTreeMap<_, _> = decided.headers.iter().map(|(name, value)| (name, value)).collect();
        let headers = serde_json::to_string(&headers).map_err(|error| AuditError(error.to_string()))?;
        match &caller.key {
            Some(key) => {
                let sealed = key.seal(headers.as_bytes()).map_err(|error| AuditError(error.to_string()))?;
                json::plain_member(out, "sealed_headers", sealed);
            }
            None => json::bare_member(out, "headers", headers),
        }
    }
    Ok(())
}
