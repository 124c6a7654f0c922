//! Forwarding: a permitted request to one endpoint, once, and the answer back.

use crate::headers::Outgoing;
use crate::http1::body::BodyError;
use crate::http1::client::{ExchangeError, ExchangeLimits, UpstreamBody};
use crate::http1::head::ResponseLines;
use crate::message::{RequestBody, Response, ResponseBody};
use crate::pipeline::{Forwarding, refuse};
use crate::plan::{Endpoint, Service};
use crate::record::{Entry, Fate};
use crate::respond::Refusal;
use crate::upstream::connect;
use crate::upstream::pool::Pool;
use haechi_authz::Permitted;
use haechi_core::{FieldName, Fields};
use std::rc::Rc;

/// Forwards to the service with index `service`.
pub(crate) async fn forward(
    request: Forwarding<'_>,
    service: usize,
    permitted: Permitted,
    body: RequestBody,
    mut entry: Entry,
) -> Response {
    let to = request.to;
    let Some((service, balancer)) = request.plan.service(service) else {
        return refuse(&Refusal::Internal, to, entry);
    };
    let chosen = balancer.choose(service, &permitted, request.worker.random());
    let Some((endpoint, pool)) = chosen else { return refuse(&Refusal::NoEndpoint, to, entry) };
    entry.upstream(&service.name, endpoint);
    match exchange(&request, service, endpoint, &pool, &permitted, body).await {
        Ok((lines, body)) => {
            request.worker.metrics().upstream(&service.name, "answered");
            entry.answered(lines.status, Fate::Forwarded);
            respond(&request, lines, body, entry)
        }
        Err((refusal, reason)) => {
            request.worker.metrics().upstream(&service.name, refusal.name());
            entry.reason(reason);
            refuse(&refusal, to, entry)
        }
    }
}

async fn exchange(
    request: &Forwarding<'_>,
    service: &Service,
    endpoint: &Endpoint,
    pool: &Rc<Pool>,
    permitted: &Permitted,
    body: RequestBody,
) -> Result<(ResponseLines, UpstreamBody), (Refusal, String)> {
    let head = request_head(request, service, permitted, &body)?;
    let home = pool.enter();
    let connection = match pool.idle() {
        Some(connection) => {
            request.worker.metrics().upstream_connection(&service.name, "reused");
            connection
        }
        // Rare beside a kept connection, and large.
        None => Box::pin(connect::connect(request.worker, service, endpoint)).await?,
    };
    let limits =
        ExchangeLimits { answer: service.timeout, upload_stall: request.plan.shared.limits.body_stall };
    let method = &permitted.head().method;
    connection.exchange(head, body, method, home, &request.timer, limits).await.map_err(|error| {
        let refusal = match &error {
            ExchangeError::Client(BodyError::TooLarge) => Refusal::BodyTooLarge,
            ExchangeError::Client(BodyError::Stalled) => Refusal::RequestTimeout,
            ExchangeError::Client(_) => Refusal::BadRequest,
            ExchangeError::TooSlow => Refusal::GatewayTimeout,
            ExchangeError::Closed | ExchangeError::Answer(_) => Refusal::BadGateway,
        };
        (refusal, error.to_string())
    })
}

fn request_head(
    request: &Forwarding<'_>,
    service: &Service,
    permitted: &Permitted,
    body: &RequestBody,
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
        span: request.worker.random_bits() as u64,
    };
    outgoing.write(&mut head);
    Ok(head)
}

/// The backend's answer without what ends at this hop; the codec frames it anew.
fn respond(request: &Forwarding<'_>, lines: ResponseLines, body: UpstreamBody, entry: Entry) -> Response {
    let mut fields = Fields::with_capacity(lines.fields.len() + 2, 512);
    let nominated = |name: &[u8]| {
        let options = lines.fields.all(FieldName::Connection).flat_map(|value| value.split(|&b| b == b','));
        options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(name))
    };
    let has_connection = lines.fields.has(FieldName::Connection);
    for field in lines.fields.iter() {
        let ends_here = field.known.is_hop_by_hop()
            || matches!(field.known, FieldName::ContentLength | FieldName::RequestId)
            || (has_connection && nominated(field.name));
        if !ends_here {
            fields.push(field.name, field.value);
        }
    }
    fields.push(b"x-request-id", &request.to.id.hex());
    Response { status: lines.status, fields, body: ResponseBody::Http1(Box::new(body)), close: false, entry }
}
