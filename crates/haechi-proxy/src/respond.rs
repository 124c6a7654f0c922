//! Answers of our own: the one place in the data plane where status codes are chosen (contract section 5).

use crate::limits::Limit;
use crate::message::{Response, ResponseBody};
use crate::record::{Entry, Fate};
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{FieldName, Fields, Timestamp};
use http::{Method, StatusCode};
use serde::Serialize;

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Could be read in two ways.
    BadRequest,
    /// A body that is not what the call takes.
    BadBody,
    /// A credential presented in a way that could be read as two.
    AmbiguousCredential,
    /// No route.
    NotFound,
    /// The route's pattern does not take the method.
    MethodNotAllowed(Vec<Method>),
    /// No credential.
    NoCredential {
        challenges: Vec<String>,
    },
    /// A credential that does not hold.
    BadCredential {
        challenges: Vec<String>,
        token: bool,
    },
    /// Known, and not allowed. The scopes that the route asks for, when that is what was missing.
    Forbidden {
        scopes: Option<String>,
    },
    /// It could not be found out.
    CannotTell,
    /// For a host that this connection was not opened for.
    Misdirected,
    TargetTooLong,
    HeadTooLarge,
    TooManyFields,
    BodyTooLarge,
    /// The client took too long over the head of its request.
    HeadTimeout,
    /// The client took too long over the body of its request.
    RequestTimeout,
    ExpectationFailed,
    /// A WebSocket of another version than 13.
    UpgradeRequired,
    /// The backend refused, broke off, or answered nonsense.
    BadGateway,
    GatewayTimeout,
    NoEndpoint,
    /// There is no room for the request at the moment.
    Overloaded,
    Internal,
}

/// What an answer of ours depends on besides the refusal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addressee {
    pub(crate) id: RequestId,
    pub(crate) received: Timestamp,
    pub(crate) decision: Option<DecisionId>,
    pub(crate) taste: Taste,
}

/// What sort of client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taste {
    Problem,
    Grpc,
    Html,
}

impl Taste {
    /// Reads it off the request.
    pub(crate) fn of(fields: &Fields) -> Self {
        let starts = |name, prefix: &[u8]| {
            fields
                .all(name)
                .any(|v| v.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)))
        };
        if starts(FieldName::ContentType, b"application/grpc") {
            Self::Grpc
        } else if fields.all(FieldName::Accept).any(accepts_html) {
            Self::Html
        } else {
            Self::Problem
        }
    }
}

fn accepts_html(value: &[u8]) -> bool {
    let ranges = value.split(|&b| b == b',').map(|range| range.split(|&b| b == b';').next().unwrap_or(range));
    ranges.map(<[u8]>::trim_ascii).any(|range| range.eq_ignore_ascii_case(b"text/html"))
}

impl Refusal {
    /// Status, problem type, detail.
    const fn facts(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                "ambiguous-request",
                "the request could be read in more than one way and was not forwarded",
            ),
            Self::BadBody => (StatusCode::BAD_REQUEST, "bad-body", "the body is not what this call takes"),
            Self::AmbiguousCredential => (
                StatusCode::BAD_REQUEST,
                "invalid-request",
                "more than one credential, or a credential where none may stand",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "no-route", "nothing is served at this address"),
            Self::MethodNotAllowed(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "this address does not take this method",
            ),
            Self::NoCredential { .. } => {
                (StatusCode::UNAUTHORIZED, "not-authenticated", "credentials are needed")
            }
            Self::BadCredential { .. } => {
                (StatusCode::UNAUTHORIZED, "invalid-credentials", "the credentials are not valid")
            }
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, "forbidden", "this caller may not do this"),
            Self::CannotTell => (
                StatusCode::SERVICE_UNAVAILABLE,
                "cannot-tell",
                "this cannot be decided at the moment; try again",
            ),
            Self::Misdirected => (
                StatusCode::MISDIRECTED_REQUEST,
                "misdirected-request",
                "this connection was opened for another host; open one for this host",
            ),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "target-too-long", "the target is over 8 KiB"),
            Self::HeadTooLarge | Self::TooManyFields => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "head-too-large",
                "the header fields are over the limit",
            ),
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "the body is over the limit")
            }
            Self::HeadTimeout | Self::RequestTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "request-timeout", "the request took too long to arrive")
            }
            Self::ExpectationFailed => {
                (StatusCode::EXPECTATION_FAILED, "expectation-failed", "only `100-continue` can be expected")
            }
            Self::UpgradeRequired => (
                StatusCode::UPGRADE_REQUIRED,
                "websocket-version",
                "only WebSocket version 13 is spoken here",
            ),
            Self::BadGateway => {
                (StatusCode::BAD_GATEWAY, "bad-gateway", "the service behind this address failed")
            }
            Self::GatewayTimeout => (
                StatusCode::GATEWAY_TIMEOUT,
                "gateway-timeout",
                "the service behind this address did not answer in time",
            ),
            Self::NoEndpoint => {
                (StatusCode::SERVICE_UNAVAILABLE, "no-endpoint", "no instance of the service is available")
            }
            Self::Overloaded => (
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "the gate has no room for this request at the moment; try again",
            ),
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gate failed on this request")
            }
        }
    }

    /// The status, for the record.
    pub(crate) const fn status(&self) -> StatusCode {
        self.facts().0
    }

    /// The stable name of the problem, for the record and the metrics.
    pub(crate) const fn name(&self) -> &'static str {
        self.facts().1
    }

    /// The limit that it stands for.
    pub(crate) const fn limit(&self) -> Option<Limit> {
        match self {
            Self::TargetTooLong => Some(Limit::Target),
            Self::HeadTooLarge => Some(Limit::Head),
            Self::TooManyFields => Some(Limit::Fields),
            Self::BodyTooLarge => Some(Limit::Body),
            Self::HeadTimeout => Some(Limit::HeaderRead),
            Self::RequestTimeout => Some(Limit::BodyStall),
            _ => None,
        }
    }

    /// Whether the connection closes after it: what could be read in two ways leaves it unclear where the next request begins.
    pub(crate) const fn closes(&self) -> bool {
        matches!(
            self,
            Self::BadRequest
                | Self::TargetTooLong
                | Self::HeadTooLarge
                | Self::TooManyFields
                | Self::BodyTooLarge
                | Self::HeadTimeout
                | Self::RequestTimeout
                | Self::ExpectationFailed
        )
    }
}

/// Makes the answer to a refused request.
pub(crate) fn refuse(refusal: &Refusal, to: Addressee, entry: Entry) -> Response {
    let (status, ..) = refusal.facts();
    let mut fields = Fields::with_capacity(8, 256);
    our_fields(&mut fields, &to, b"no-store");
    specific_fields(refusal, &mut fields);
    let (status, body) = match to.taste {
        Taste::Grpc => grpc(refusal, status, &mut fields),
        Taste::Html => (status, html(refusal, &to, &mut fields)),
        Taste::Problem => (status, problem(refusal, &to, &mut fields)),
    };
    Response { status, fields, body: ResponseBody::Full(body), close: refusal.closes(), entry }
}

/// Makes the answer to a preflight, refused or not: a status that says nothing, because browsers go by the fields alone.
pub(crate) fn preflight(to: Addressee, write: impl FnOnce(&mut Fields), mut entry: Entry) -> Response {
    let mut fields = Fields::with_capacity(10, 512);
    our_fields(&mut fields, &to, b"no-store");
    write(&mut fields);
    let status = StatusCode::NO_CONTENT;
    entry.answered(status, Fate::Preflight);
    Response { status, fields, body: ResponseBody::Full(Vec::new()), close: false, entry }
}

/// What every answer of ours carries (RFC 9110 6.6.1 asks for `Date`).
pub(crate) fn our_fields(fields: &mut Fields, to: &Addressee, cache_control: &[u8]) {
    fields.push(b"date", httpdate::fmt_http_date(to.received.to_system()).as_bytes());
    fields.push(b"x-request-id", &to.id.hex());
    fields.push(b"cache-control", cache_control);
}

fn specific_fields(refusal: &Refusal, fields: &mut Fields) {
    let challenge = |fields: &mut Fields, challenges: &[String], error: &str| {
        for challenge in challenges {
            let bearer = challenge.starts_with("Bearer");
            let value =
                if bearer && !error.is_empty() { format!("{challenge}, {error}") } else { challenge.clone() };
            fields.push(b"www-authenticate", value.as_bytes());
        }
    };
    match refusal {
        Refusal::MethodNotAllowed(allow) => {
            let list = allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
            fields.push(b"allow", list.as_bytes());
        }
        Refusal::NoCredential { challenges } => challenge(fields, challenges, ""),
        Refusal::BadCredential { challenges, token } => {
            challenge(fields, challenges, if *token { "error=\"invalid_token\"" } else { "" });
        }
        Refusal::Forbidden { scopes: Some(scopes) } => {
            let value = format!("Bearer error=\"insufficient_scope\", scope=\"{scopes}\"");
            fields.push(b"www-authenticate", value.as_bytes());
        }
        Refusal::AmbiguousCredential => fields.push(b"www-authenticate", b"Bearer error=\"invalid_request\""),
        Refusal::UpgradeRequired => fields.push(b"sec-websocket-version", b"13"),
        Refusal::CannotTell | Refusal::NoEndpoint | Refusal::Overloaded => fields.push(b"retry-after", b"2"),
        _ => {}
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<String>,
}

/// RFC 9457.
fn problem(refusal: &Refusal, to: &Addressee, fields: &mut Fields) -> Vec<u8> {
    let (status, name, detail) = refusal.facts();
    fields.push(b"content-type", b"application/problem+json");
    let problem = Problem {
        r#type: format!("urn:haechi:problem:{name}"),
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail,
        request_id: to.id.to_string(),
        decision_id: to.decision.map(|id| id.to_string()),
    };
    serde_json::to_vec(&problem).unwrap_or_default()
}

fn html(refusal: &Refusal, to: &Addressee, fields: &mut Fields) -> Vec<u8> {
    let (status, _, detail) = refusal.facts();
    fields.push(b"content-type", b"text/html; charset=utf-8");
    fields.push(b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'");
    fields.push(b"x-content-type-options", b"nosniff");
    let title = status.canonical_reason().unwrap_or_default();
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{code} {title}</title>\
         <style>body{{font:1rem/1.5 system-ui;max-width:36rem;margin:20vh auto;padding:0 1rem}}code{{color:#666}}</style>\
         <h1>{code} {title}</h1><p>{detail}.</p><p><code>request {id}</code></p></html>\n",
        code = status.as_u16(),
        id = to.id,
    )
    .into_bytes()
}

/// gRPC callers read the status from `grpc-status`, on HTTP 200 (gRPC over HTTP/2, "Responses"). What a status becomes is what clients make of it
/// themselves (gRPC, "HTTP to gRPC Status Code Mapping"), save that time that ran out is `DEADLINE_EXCEEDED` and a limit is `RESOURCE_EXHAUSTED`.
fn grpc(refusal: &Refusal, status: StatusCode, fields: &mut Fields) -> (StatusCode, Vec<u8>) {
    let code = match status.as_u16() {
        401 => "16",
        403 => "7",
        404 | 405 => "12",
        408 | 504 => "4",
        413 | 414 | 429 | 431 => "8",
        421 | 502 | 503 => "14",
        _ => "13",
    };
    fields.push(b"content-type", b"application/grpc");
    fields.push(b"grpc-status", code.as_bytes());
    fields.push(b"grpc-message", refusal.facts().2.as_bytes());
    (StatusCode::OK, Vec::new())
}
