//! From a request to a call: the address says which, the token says whether.

use crate::context::{Context, Needs, NotAdmitted, Operators, Shown, Wish};
use crate::error::AdminError;
use crate::limits::CallLimits;
use crate::operation::{Call, Operation};
use crate::operations::OPERATIONS;
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, HeaderValue};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use haechi_core::ports::{AuditActor, AuditEvent, AuditOutcome};
use serde_json::{Map, Value};
use std::net::IpAddr;
use std::sync::Arc;

/// Answers requests.
#[derive(Clone)]
pub(crate) struct Front {
    context: Context,
    operators: Arc<dyn Operators>,
    limits: Arc<CallLimits>,
}

/// A call, and what stands in its path.
type Found = (&'static Operation, Map<String, Value>);

impl Front {
    pub(crate) fn new(context: Context, operators: Arc<dyn Operators>) -> Self {
        let limits = Arc::new(CallLimits::new(context.clock.clone()));
        Self { context, operators, limits }
    }

    /// Answers a request from `client`. What is told here is nobody's to keep on the way.
    pub(crate) async fn answer(self, request: Request, client: IpAddr) -> Response {
        let mut response = self.call(request, client).await.unwrap_or_else(IntoResponse::into_response);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn call(&self, request: Request, client: IpAddr) -> Result<Response, AdminError> {
        let (parts, body) = request.into_parts();
        local_host(&parts)?;
        let (operation, segments) = find(&parts)?;
        let actor = match operation.needs {
            Needs::Nothing => None,
            needs => Some(self.admit(&parts, client, operation, needs).await?),
        };
        (operation.answer)(Call { context: self.context.clone(), actor, parts, segments, body }).await
    }

    async fn admit(
        &self,
        parts: &Parts,
        client: IpAddr,
        operation: &Operation,
        needs: Needs,
    ) -> Result<AuditActor, AdminError> {
        self.limits.from(client)?;
        let shown = Shown { token: token(parts)?, client };
        let absent = !parts.headers.contains_key(AUTHORIZATION);
        match self.operators.admit(shown, Wish { operation: operation.name, needs }).await {
            Ok(actor) => {
                self.limits.by(&actor)?;
                Ok(actor)
            }
            Err(refused) => {
                self.tell(operation, &refused).await;
                Err(AdminError::of(&refused, absent))
            }
        }
    }

    /// Writes to the trail that somebody who is known was not let change something.
    async fn tell(&self, operation: &Operation, refused: &NotAdmitted) {
        let (Some(action), NotAdmitted::Forbidden(actor)) = (operation.action, refused) else { return };
        let event = AuditEvent {
            at: self.context.clock.now(),
            action,
            actor: Some((**actor).clone()),
            about: None,
            target: None,
            outcome: AuditOutcome::Refused,
            details: Map::new(),
        };
        if let Err(error) = self.context.trail.record(event).await {
            tracing::error!(%error, action, "cannot write that a change was refused");
        }
    }
}

/// What is asked for, or which methods the address takes.
fn find(parts: &Parts) -> Result<Found, AdminError> {
    let method = match parts.method.as_str() {
        "HEAD" => "GET",
        other => other,
    };
    let mut methods: Vec<&str> = Vec::new();
    for operation in OPERATIONS {
        let Some(segments) = fits(operation.path, parts.uri.path())? else { continue };
        if operation.method.name() == method {
            return Ok((operation, segments));
        }
        methods.push(operation.method.name());
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    if methods.is_empty() { Err(AdminError::NotFound) } else { Err(AdminError::Method(methods.join(", "))) }
}

/// What stands for the names in `pattern`, where `path` is one of its paths. A literal segment goes before a name, because it stands earlier in the table.
fn fits(pattern: &str, path: &str) -> Result<Option<Map<String, Value>>, AdminError> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut segments = Map::new();
    loop {
        let (wanted, given) = match (wanted.next(), given.next()) {
            (None, None) => return Ok(Some(segments)),
            (Some(wanted), Some(given)) => (wanted, given),
            _ => return Ok(None),
        };
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if given.is_empty() => return Ok(None),
            Some(name) => drop(segments.insert(name.to_owned(), decoded(given)?.into())),
            None if wanted == given => {}
            None => return Ok(None),
        }
    }
}

/// A segment without its escapes (RFC 3986 2.1).
fn decoded(segment: &str) -> Result<String, AdminError> {
    let bad = || AdminError::BadPath("an escape in it is no UTF-8 text".to_owned());
    let (mut bytes, mut rest) = (Vec::new(), segment.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(bad)?;
        let digits =
            std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()));
        bytes.push(digits.and_then(|text| u8::from_str_radix(text, 16).ok()).ok_or_else(bad)?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// The bearer token; empty where something else stands, which no token is.
fn token(parts: &Parts) -> Result<String, AdminError> {
    let mut given = parts.headers.get_all(AUTHORIZATION).iter();
    let value = match (given.next(), given.next()) {
        (Some(value), None) => value.as_bytes(),
        (None, _) => return Ok(String::new()),
        (Some(_), Some(_)) => return Err(AdminError::AmbiguousCredential),
    };
    let token = match value.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
        _ => b"",
    };
    Ok(std::str::from_utf8(token).unwrap_or_default().to_owned())
}

/// The listener is on loopback; a page in an operator's browser must not reach it under a name of its own (DNS rebinding).
fn local_host(parts: &Parts) -> Result<(), AdminError> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let host = hosts
        .next()
        .and_then(|host| haechi_core::Host::parse(host.as_bytes()).ok())
        .ok_or(AdminError::Host)?;
    let name = host.name().trim_start_matches('[').trim_end_matches(']');
    let local = name == "localhost" || name.parse::<IpAddr>().is_ok();
    if local && hosts.next().is_none() { Ok(()) } else { Err(AdminError::Host) }
}

/// A request with a body, for tests.
#[cfg(test)]
pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Request {
    let mut request = axum::http::Request::builder().method(method).uri(path).header(HOST, "localhost");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.header("content-type", "application/json").body(axum::body::Body::from(body.to_owned())).unwrap()
}
