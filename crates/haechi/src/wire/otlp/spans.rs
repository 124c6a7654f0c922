//! From traced requests to spans, named as OpenTelemetry's semantic conventions for HTTP name them (1.x).

use super::messages::{AnyValue, KeyValue, Span, SpanKind, Status, StatusCode, Value};
use haechi_core::method::is_named;
use haechi_proxy::{Step, StepKind, TracedRequest};
use http::Method;
use std::time::Duration;

/// `sampled` of W3C trace context; and that we know whether the parent is remote, and that it is.
const SAMPLED: u32 = 0x01;
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// The request's span, then one for each of its steps.
pub(super) fn spans(request: &TracedRequest) -> impl Iterator<Item = Span> + '_ {
    std::iter::once(server(request)).chain(request.steps.iter().map(|step| child(request, step)))
}

fn server(request: &TracedRequest) -> Span {
    let method = known(&request.method);
    let name = method.unwrap_or("HTTP");
    let mut attributes = vec![
        text("http.request.method", method.unwrap_or("_OTHER")),
        text("url.path", request.path.as_str()),
        text("url.scheme", if request.secure { "https" } else { "http" }),
        text("server.address", request.host.name()),
        text("client.address", &request.client.to_string()),
        text("haechi.request_id", &request.id.to_string()),
    ];
    attributes.extend(request.host.port().map(|port| int("server.port", i64::from(port))));
    attributes.extend(request.route.as_deref().map(|route| text("http.route", route)));
    attributes.extend(request.status.map(|s| int("http.response.status_code", i64::from(s.as_u16()))));
    let status = request.status.filter(http::StatusCode::is_server_error);
    let error = request.error.map(str::to_owned).or_else(|| status.map(|status| status.as_str().to_owned()));
    attributes.extend(error.as_deref().map(|error| text("error.type", error)));
    let remote = if request.parent.is_some() { REMOTE } else { 0 };
    Span {
        parent_span_id: request.parent.map_or_else(Vec::new, id),
        name: request.route.as_deref().map_or_else(|| name.to_owned(), |route| format!("{name} {route}")),
        kind: SpanKind::Server.into(),
        attributes,
        status: failed(error.is_some()),
        flags: SAMPLED | REMOTE_KNOWN | remote,
        ..between(request, request.span, Duration::ZERO, request.took)
    }
}

fn child(request: &TracedRequest, step: &Step) -> Span {
    let mut error = false;
    let mut kind = SpanKind::Internal;
    let (name, attributes) = match &step.what {
        StepKind::Route => ("route".to_owned(), Vec::new()),
        StepKind::Authenticate { authenticator, result } => {
            error = *result == "unavailable";
            let attributes =
                vec![text("haechi.authenticator", authenticator), text("haechi.authn.result", result)];
            (format!("authenticate {authenticator}"), attributes)
        }
        StepKind::Authorize { decision, allowed } => {
            let outcome = if *allowed { "allow" } else { "deny" };
            let attributes =
                vec![text("haechi.decision_id", &decision.to_string()), text("haechi.authz.result", outcome)];
            ("authorize".to_owned(), attributes)
        }
        StepKind::Upstream { service, host, port, status, problem } => {
            kind = SpanKind::Client;
            error = problem.is_some() || status.is_some_and(|s| s.is_client_error() || s.is_server_error());
            let mut attributes = vec![
                text("haechi.service", service),
                text("server.address", host),
                int("server.port", i64::from(*port)),
                text("http.request.method", known(&request.method).unwrap_or("_OTHER")),
            ];
            attributes.extend(status.map(|s| int("http.response.status_code", i64::from(s.as_u16()))));
            let why = problem.or_else(|| status.as_ref().filter(|_| error).map(http::StatusCode::as_str));
            attributes.extend(why.map(|why| text("error.type", why)));
            (format!("upstream {service}"), attributes)
        }
    };
    Span {
        parent_span_id: id(request.span),
        name,
        kind: kind.into(),
        attributes,
        status: failed(error),
        flags: SAMPLED | REMOTE_KNOWN,
        ..between(request, step.span, step.from, step.to)
    }
}

fn between(request: &TracedRequest, span: u64, from: Duration, to: Duration) -> Span {
    let received = u64::try_from(request.received.as_millis()).unwrap_or(0).saturating_mul(1_000_000);
    let at = |after: Duration| received.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
    Span {
        trace_id: request.trace.to_be_bytes().to_vec(),
        span_id: id(span),
        start_time_unix_nano: at(from),
        end_time_unix_nano: at(to),
        ..Span::default()
    }
}

fn id(span: u64) -> Vec<u8> {
    span.to_be_bytes().to_vec()
}

/// Methods that everybody knows: what a stranger sends must not become the name of a span.
fn known(method: &Method) -> Option<&str> {
    is_named(method).then(|| method.as_str())
}

fn failed(error: bool) -> Option<Status> {
    error.then(|| Status { code: StatusCode::Error.into() })
}

pub(in crate::wire) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::Text(value.to_owned()))
}

fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::Int(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}
