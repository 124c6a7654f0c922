//! Forwarding: a permitted request to one endpoint, again only where that is harmless and allowed, and the answer back.

use crate::forwarding::{Forwarding, exchanged_token, token_of_caller};
use crate::grpc;
use crate::headers::Outgoing;
use crate::http1::body::BodyError;
use crate::http1::client::{ExchangeError, Terms, UpstreamConnection};
use crate::http2::RequestHead2;
use crate::http2::client::{Failed, Multiplexed};
use crate::lines::ResponseLines;
use crate::outcome::RequestOutcome;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::rejudge::access_lost;
use crate::reply::ErrorFormat;
use crate::request_body::RequestBody;
use crate::respond::refuse;
use crate::response::{Response, ResponseBody};
use crate::response_fields::{add_private, end_to_end};
use crate::settings::{CacheControl, DEFAULT_IDLE_TIMEOUT, Endpoint, Service, ServiceIndex, UpstreamHost};
use crate::upstream::attempts::{Answer, Attempts, Failure, Place};
use crate::upstream::balance::Balancer;
use crate::upstream::connect::ConnectFailure;
use crate::upstream::pool::{Acquired, ConnectionLease};
use crate::upstream::reach::{self, ReadyConnection};
use crate::upstream::retry::Failing;
use crate::websocket;
use haechi_audit::Recorded;
use haechi_authn::{Chain, Unavailable};
use haechi_authz::Permitted;
use haechi_core::{CallerKind, Host, RequestHead, Secret};
use http::StatusCode;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// Where an access token or a name and a password stand.
const AUTHORIZATION: &str = "authorization";

/// Forwards to the service with index `service`.
pub(crate) async fn forward(
    request: &Forwarding<'_>,
    service: ServiceIndex,
    permitted: Permitted,
    // Nothing is forwarded without this proof that the decision is in the audit trail.
    _recorded: Recorded,
    body: RequestBody,
    mut record: Record,
) -> Response {
    let to = request.to;
    let Some(target) = request.plan.service(service) else {
        return refuse(Refused::new(Refusal::Internal, "the plan has no such service"), to, record);
    };
    let sent = match body {
        RequestBody::Empty => send(request, target, &permitted, body, &mut record).await,
        _ => {
            let sending = send(request, target, &permitted, body, &mut record);
            // Bodies are rare beside requests without, and what sends them is large.
            while_allowed(request, &permitted, &target.0.name, Box::pin(sending)).await
        }
    };
    match sent {
        Ok((lines, body)) => {
            record.answered(lines.status, RequestOutcome::Forwarded);
            let is_private = is_private(request, &permitted);
            match (&request.websocket, body) {
                (Some(handshake), ResponseBody::Http1(body))
                    if lines.status == StatusCode::SWITCHING_PROTOCOLS =>
                {
                    websocket::open(request, handshake, (lines, *body), permitted, target.0, record)
                }
                (_, body) => {
                    let body = watched(request, body, permitted, &target.0.name);
                    respond(request, target.0, lines, is_private, body, record)
                }
            }
        }
        Err(failure) => refuse(Refused::new(failure.refusal, failure.reason), to, record),
    }
}

/// Answers of at most so many bytes leave at once, or as good as.
const SOON_OVER: u64 = 16 * 1024;

/// An answer that may take long ends when its caller may no longer have it.
fn watched(
    request: &Forwarding<'_>,
    body: ResponseBody,
    permitted: Permitted,
    service: &Arc<str>,
) -> ResponseBody {
    if body.is_over() || body.length().is_some_and(|length| length <= SOON_OVER) {
        return body;
    }
    let lost = access_lost(request.worker.clone(), request.transport.clone(), permitted, service.clone());
    body.revocable(Box::pin(async move { lost.await.0 }))
}

/// Sends a body that may take long, for as long as its caller may.
async fn while_allowed(
    request: &Forwarding<'_>,
    permitted: &Permitted,
    service: &Arc<str>,
    mut sending: impl Future<Output = Result<Answer, Failure>> + Unpin,
) -> Result<Answer, Failure> {
    let mut lost =
        pin!(access_lost(request.worker.clone(), request.transport.clone(), permitted, service.clone()));
    poll_fn(|cx| {
        if let Poll::Ready(sent) = Pin::new(&mut sending).poll(cx) {
            return Poll::Ready(sent);
        }
        lost.as_mut().poll(cx).map(|(lost, refusal)| Err(Failure::ours(refusal, lost.why.into())))
    })
    .await
}

/// Sends the request to one endpoint, and to others where it may be sent again, until an answer is the one that the client gets.
async fn send(
    request: &Forwarding<'_>,
    (service, balancer): (&Service, &Balancer),
    permitted: &Permitted,
    mut body: RequestBody,
    record: &mut Record,
) -> Result<Answer, Failure> {
    let bodiless = matches!(body, RequestBody::Empty);
    // Before there is a connection: nothing waits for the issuer with one in hand.
    let exchanged = exchanged(request, service, permitted).await?;
    let mut attempts = Attempts::new(request, (service, balancer), permitted, bodiless);
    let mut place = attempts.first()?;
    let timeout = bounded(request, service, permitted)?;
    let mut left = timeout;
    loop {
        if let Some(pause) = place.pause {
            tokio::time::sleep(pause).await;
        }
        let index = place.index();
        record.upstream(&service.name, place.endpoint);
        // Only a request without a body is sent again: what is left here is what every attempt sends.
        let body = std::mem::replace(&mut body, RequestBody::Empty);
        let span = request.worker.random_bits() as u64;
        let sent = (service, exchanged.as_deref());
        let outcome = exchange(request, sent, place, permitted, (body, span), left).await;
        let result = outcome.as_ref().map_or_else(|failure| failure.refusal.name(), |_| "answered");
        balancer.metrics().requests.count(result);
        record.exchanged(
            span,
            outcome.as_ref().map(|(lines, _)| lines.status).map_err(|failure| failure.refusal.name()),
        );
        let Some(next) = attempts.again(index, &outcome, || record.elapsed()) else { return outcome };
        (place, left) = (next, timeout.saturating_sub(record.elapsed()));
    }
}

/// How long the answer may take: at most as long as a gRPC caller waits for it.
fn bounded(request: &Forwarding<'_>, service: &Service, permitted: &Permitted) -> Result<Duration, Failure> {
    let timeout = request.timeout(service);
    if !matches!(request.to.format, ErrorFormat::Grpc(_)) {
        return Ok(timeout);
    }
    let waits = grpc::timeout(&permitted.head().fields)
        .map_err(|fault| Failure::ours(Refusal::BadRequest, fault.to_string()))?;
    Ok(waits.map_or(timeout, |waits| waits.min(timeout)))
}

/// The token that the service gets in place of the caller's own, where it asks for one.
async fn exchanged(
    request: &Forwarding<'_>,
    service: &Service,
    permitted: &Permitted,
) -> Result<Option<Arc<Secret<String>>>, Failure> {
    let verified = (permitted, request.route_index, request.verified);
    let outcome = exchanged_token(request.plan, service, verified).await;
    outcome.map_err(|Unavailable { reason, retry_after }| {
        Failure::ours(Refusal::CannotTell { retry_after }, reason.into_owned())
    })
}

async fn exchange(
    request: &Forwarding<'_>,
    (service, exchanged): (&Service, Option<&Secret<String>>),
    place: Place<'_>,
    permitted: &Permitted,
    (body, span): (RequestBody, u64),
    left: Duration,
) -> Result<Answer, Failure> {
    let credential = service_credential(service, permitted)?;
    let token = match (exchanged, &credential) {
        (Some(exchanged), _) => Some(exchanged.expose().as_str().into()),
        // There is one such field, and it is the gate's.
        (None, Some((AUTHORIZATION, _))) => None,
        _ => token_of_caller(request.plan, service, permitted)
            .map_err(|error| Failure::ours(Refusal::CANNOT_TELL, error))?,
    };
    let chain = request.plan.chain(request.route_index);
    let outgoing = Outgoing {
        permitted,
        host: upstream_host(permitted.head(), &service.settings.host, place.endpoint),
        route: request.route,
        service,
        origin: &request.origin,
        verified: chain.map_or(&[], |chain| chain.places_of(request.verified)),
        inspected: chain.map_or(&[], Chain::places),
        logins: &request.plan.shared.logins,
        identity_token: token.as_deref(),
        credential: credential.as_ref().map(|(field, value)| (*field, &**value)),
        body_length: body.length(),
        trace: &request.trace,
        span,
        websocket: request.websocket.as_ref(),
    };
    let idle = request.idle_timeout(service);
    let terms = Terms {
        head: request.plan.shared.limits.response_head,
        answer: left,
        upload_stall: idle.unwrap_or(request.plan.shared.limits.body_stall),
        answer_stall: idle.unwrap_or(DEFAULT_IDLE_TIMEOUT),
        interim: &|lines| {
            let headers = &service.settings.identity_headers;
            let mut fields = end_to_end(lines.fields.clone(), headers);
            request.plan.shared.logins.keep_own_cookies(&mut fields);
            request.interim.push(lines.status, fields);
        },
        switches: request.websocket.is_some(),
    };
    let limit = service.settings.connect_timeout.min(left);
    let exchange = Exchange { request, service, outgoing, terms, limit };
    // New connections are rare beside kept ones, and making them is large.
    match place.way {
        Acquired::Kept(connection) => {
            place.lease.count_reused();
            exchange.over_http1(connection, true, place.lease, body).await
        }
        Acquired::Open(opening) => {
            let made = Box::pin(reach::new(&**request.worker, opening, limit)).await;
            exchange.over_http1(made.map_err(unreached)?, false, place.lease, body).await
        }
        Acquired::Shared => Box::pin(exchange.over_either(place.lease, body)).await,
    }
}

/// One attempt: what is sent, and how long it may take.
struct Exchange<'a> {
    request: &'a Forwarding<'a>,
    service: &'a Service,
    outgoing: Outgoing<'a>,
    terms: Terms<'a>,
    /// For coming to a connection.
    limit: Duration,
}

impl Exchange<'_> {
    async fn over_http1(
        &self,
        connection: UpstreamConnection,
        kept: bool,
        lease: ConnectionLease,
        body: RequestBody,
    ) -> Result<Answer, Failure> {
        let mut head = Vec::with_capacity(1024);
        self.outgoing.write(&mut head);
        let method = &self.outgoing.permitted.head().method;
        let timer = &self.request.timer;
        match connection.exchange(head, body, method, lease, timer, &self.terms).await {
            Ok((lines, body)) => Ok((lines, ResponseBody::Http1(Box::new(body)))),
            Err(error) => {
                let stale = kept && matches!(error, ExchangeError::Untouched);
                Err(Failure { stale, ..failed(&error) })
            }
        }
    }

    /// Over a connection that carries many exchanges, or one of its own where the backend chose HTTP/1.1. What the backend has not looked at is
    /// sent once more, whatever it asks for (RFC 9113 8.7).
    async fn over_either(
        &self,
        mut lease: ConnectionLease,
        mut body: RequestBody,
    ) -> Result<Answer, Failure> {
        let mut again = true;
        loop {
            let reached = reach::shared(&**self.request.worker, self.service, &lease, self.limit).await;
            let connection = match reached.map_err(unreached)? {
                ReadyConnection::Http2(_) if self.terms.switches => {
                    let reason = "a WebSocket needs a service that is spoken to in HTTP/1.1";
                    return Err(Failure::ours(Refusal::BadGateway, reason.into()));
                }
                ReadyConnection::Http2(connection) => connection,
                ReadyConnection::Http1(connection) => {
                    return self.over_http1(connection, false, lease, body).await;
                }
            };
            let head = self.http2_head(&connection)?;
            match connection.exchange(head, body, lease, &self.request.timer, &self.terms).await {
                Ok((lines, body)) => return Ok((lines, ResponseBody::Http2(Box::new(body)))),
                Err(Failed { unprocessed: Some(untouched), .. }) if again => {
                    again = false;
                    (body, lease) = untouched;
                }
                Err(Failed { error, .. }) => return Err(failed(&error)),
            }
        }
    }

    fn http2_head(&self, connection: &Multiplexed) -> Result<http::Request<()>, Failure> {
        let mut head = RequestHead2::new(connection.is_secure());
        self.outgoing.write(&mut head);
        let unsayable = || Failure::ours(Refusal::BadRequest, "the request cannot be said in HTTP/2".into());
        head.finish().ok_or_else(unsayable)
    }
}

/// The host that the endpoint is asked for; its name, for a request that names no host (HTTP/1.0).
fn upstream_host<'a>(head: &'a RequestHead, wanted: &'a UpstreamHost, endpoint: &'a Endpoint) -> &'a Host {
    match wanted {
        UpstreamHost::Named(host) => host,
        UpstreamHost::Endpoint => endpoint.state.own_host().unwrap_or(&head.host),
        UpstreamHost::Preserve if head.host.is_unnamed() => endpoint.state.own_name().unwrap_or(&head.host),
        UpstreamHost::Preserve => &head.host,
    }
}

fn unreached((refusal, reason): ConnectFailure) -> Failure {
    match refusal {
        // The endpoint is not to blame for what we lack.
        Refusal::Overloaded | Refusal::NoEndpoint => Failure::ours(refusal, reason),
        _ => Failure { refusal, reason, failing: Some(Failing::Connect), stale: false },
    }
}

fn failed(error: &ExchangeError) -> Failure {
    Failure {
        refusal: match error {
            ExchangeError::Client(BodyError::TooLarge) => Refusal::BodyTooLarge,
            ExchangeError::Client(BodyError::Stalled) => Refusal::RequestTimeout,
            ExchangeError::Client(_) => Refusal::BadRequest,
            ExchangeError::MemoryShort => Refusal::Overloaded,
            ExchangeError::TooSlow => Refusal::GatewayTimeout,
            ExchangeError::Untouched | ExchangeError::Closed | ExchangeError::Answer(_) => {
                Refusal::BadGateway
            }
        },
        reason: error.to_string(),
        failing: Failing::of(error),
        stale: false,
    }
}

/// The field in which the gate shows who it is, where the service wants that.
fn service_credential<'s>(
    service: &'s Service,
    permitted: &Permitted,
) -> Result<Option<(&'s str, Arc<str>)>, Failure> {
    let Some(credential) = &service.credential else { return Ok(None) };
    match credential.shown(permitted.head().received) {
        Ok(value) => Ok(Some((&credential.field, value))),
        Err(why) => Err(Failure::ours(Refusal::CANNOT_TELL, why)),
    }
}

/// Whether an answer is for its caller alone, as far as the gate knows.
fn is_private(request: &Forwarding<'_>, permitted: &Permitted) -> bool {
    request.route.settings.cache_control == CacheControl::Private
        && permitted.caller().kind != CallerKind::Anonymous
}

/// The backend's answer; the codec frames it anew.
fn respond(
    request: &Forwarding<'_>,
    service: &Service,
    lines: ResponseLines,
    is_private: bool,
    body: ResponseBody,
    record: Record,
) -> Response {
    let mut fields = end_to_end(lines.fields, &service.settings.identity_headers);
    request.plan.shared.logins.keep_own_cookies(&mut fields);
    if is_private {
        add_private(&mut fields);
    }
    fields.push(b"x-request-id", &request.to.id.hex());
    Response { status: lines.status, fields, body, close: false, record }
}
