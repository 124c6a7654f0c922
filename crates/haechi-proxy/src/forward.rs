//! Forwarding: a permitted request to one endpoint, again only where that is harmless and allowed, and the answer back.

use crate::headers::Outgoing;
use crate::http1::body::BodyError;
use crate::http1::client::{ExchangeError, Terms, UpstreamBody};
use crate::http1::head::ResponseLines;
use crate::message::{RequestBody, Response, ResponseBody};
use crate::pipeline::{Forwarding, refuse};
use crate::plan::Service;
use crate::record::{Entry, Fate};
use crate::respond::Refusal;
use crate::upstream::attempts::{Answer, Attempts, Failure, Place};
use crate::upstream::balance::Balancer;
use crate::upstream::connect;
use crate::upstream::pool::Way;
use crate::upstream::retry::Failing;
use crate::websocket;
use haechi_authz::Permitted;
use haechi_core::{FieldName, Fields};
use http::StatusCode;
use std::time::Duration;

/// Forwards to the service with index `service`.
pub(crate) async fn forward(
    request: Forwarding<'_>,
    service: usize,
    permitted: Permitted,
    body: RequestBody,
    mut entry: Entry,
) -> Response {
    let to = request.to;
    let Some(target) = request.plan.service(service) else {
        return refuse(&Refusal::Internal, to, entry);
    };
    match send(&request, target, &permitted, body, &mut entry).await {
        Ok((lines, body)) => {
            entry.answered(lines.status, Fate::Forwarded);
            match &request.websocket {
                Some(handshake) if lines.status == StatusCode::SWITCHING_PROTOCOLS => {
                    websocket::open(&request, handshake, (lines, body), permitted, &target.0.name, entry)
                }
                _ => respond(&request, lines, body, entry),
            }
        }
        Err(failure) => {
            entry.reason(failure.reason);
            refuse(&failure.refusal, to, entry)
        }
    }
}

/// Sends the request to one endpoint, and to others where it may be sent again, until an answer is the one that the client gets.
async fn send(
    request: &Forwarding<'_>,
    (service, balancer): (&Service, &Balancer),
    permitted: &Permitted,
    mut body: RequestBody,
    entry: &mut Entry,
) -> Result<Answer, Failure> {
    let bodiless = matches!(body, RequestBody::Empty);
    let mut attempts = Attempts::new(request, (service, balancer), permitted, bodiless);
    let mut place = attempts.first()?;
    let timeout = request.timeout(service);
    let mut left = timeout;
    loop {
        if let Some(pause) = place.pause {
            tokio::time::sleep(pause).await;
        }
        let index = place.index();
        entry.upstream(&service.name, place.endpoint);
        // Only a request without a body is sent again: what is left here is what every attempt sends.
        let body = std::mem::replace(&mut body, RequestBody::Empty);
        let span = request.worker.random_bits() as u64;
        let outcome = exchange(request, service, place, permitted, (body, span), left).await;
        let result = outcome.as_ref().map_or_else(|failure| failure.refusal.name(), |_| "answered");
        request.worker.metrics().upstream(&service.name, result);
        entry.exchanged(
            span,
            outcome.as_ref().map(|(lines, _)| lines.status).map_err(|failure| failure.refusal.name()),
        );
        let elapsed = entry.elapsed();
        let Some(next) = attempts.again(index, &outcome, elapsed) else { return outcome };
        (place, left) = (next, timeout.saturating_sub(elapsed));
    }
}

async fn exchange(
    request: &Forwarding<'_>,
    service: &Service,
    place: Place<'_>,
    permitted: &Permitted,
    (body, span): (RequestBody, u64),
    left: Duration,
) -> Result<Answer, Failure> {
    let head = request_head(request, service, permitted, (&body, span))
        .map_err(|(refusal, reason)| Failure::ours(refusal, reason))?;
    let (connection, kept) = match place.way {
        Way::Kept(connection) => {
            request.worker.metrics().upstream_connection(&service.name, "reused");
            (connection, true)
        }
        Way::Open(opening) => {
            let limit = service.connect_timeout.min(left);
            // Rare beside a kept connection, and large.
            let made = Box::pin(connect::connect(request.worker, service, opening, limit)).await;
            let unreached = |(refusal, reason)| match refusal {
                // The endpoint is not to blame for what we lack.
                Refusal::Overloaded => Failure::ours(refusal, reason),
                _ => Failure { refusal, reason, failing: Some(Failing::Connect), stale: false },
            };
            (made.map_err(unreached)?, false)
        }
    };
    let terms = Terms {
        answer: left,
        upload_stall: request.plan.shared.limits.body_stall,
        answer_stall: request.timeout(service),
        interim: &|lines| request.interim.push(lines.status, passed_on(&lines.fields)),
        switches: request.websocket.is_some(),
    };
    let method = &permitted.head().method;
    connection.exchange(head, body, method, place.home, &request.timer, terms).await.map_err(|error| {
        Failure {
            refusal: match &error {
                ExchangeError::Client(BodyError::TooLarge) => Refusal::BodyTooLarge,
                ExchangeError::Client(BodyError::Stalled) => Refusal::RequestTimeout,
                ExchangeError::Client(_) => Refusal::BadRequest,
                ExchangeError::TooSlow => Refusal::GatewayTimeout,
                ExchangeError::Untouched | ExchangeError::Closed | ExchangeError::Answer(_) => {
                    Refusal::BadGateway
                }
            },
            reason: error.to_string(),
            failing: Failing::of(&error),
            stale: kept && matches!(error, ExchangeError::Untouched),
        }
    })
}

fn request_head(
    request: &Forwarding<'_>,
    service: &Service,
    permitted: &Permitted,
    (body, span): (&RequestBody, u64),
) -> Result<Vec<u8>, (Refusal, String)> {
    let token = match &service.identity_token {
        None => None,
        Some(wanted) => {
            let minted = request.plan.identity_token(wanted, permitted.caller(), permitted.head().received);
            Some(minted.map_err(|error| (Refusal::CannotTell, error))?)
        }
    };
    let mut head = Vec::with_capacity(1024);
    let outgoing = Outgoing {
        permitted,
        route: request.route,
        service,
        origin: &request.origin,
        verified: &request.verified,
        judged: request.plan.judged(request.route_index),
        identity_token: token.as_deref(),
        body_length: body.length(),
        trace: &request.trace,
        span,
        websocket: request.websocket.as_ref(),
    };
    outgoing.write(&mut head);
    Ok(head)
}

/// The backend's answer; the codec frames it anew.
fn respond(request: &Forwarding<'_>, lines: ResponseLines, body: UpstreamBody, entry: Entry) -> Response {
    let mut fields = passed_on(&lines.fields);
    fields.push(b"x-request-id", &request.to.id.hex());
    Response { status: lines.status, fields, body: ResponseBody::Http1(Box::new(body)), close: false, entry }
}

/// The fields of a backend's answer without what ends at this hop, and what only we say.
pub(crate) fn passed_on(sent: &Fields) -> Fields {
    let mut fields = Fields::with_capacity(sent.len() + 2, 512);
    let nominated = |name: &[u8]| {
        let options = sent.all(FieldName::Connection).flat_map(|value| value.split(|&b| b == b','));
        options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(name))
    };
    let has_connection = sent.has(FieldName::Connection);
    for field in sent.iter() {
        let ends_here = field.known.is_hop_by_hop()
            || matches!(field.known, FieldName::ContentLength | FieldName::RequestId)
            || (has_connection && nominated(field.name));
        if !ends_here {
            fields.push(field.name, field.value);
        }
    }
    fields
}
