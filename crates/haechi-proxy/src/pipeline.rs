//! A request's way through the gate, read from top to bottom.
//!
//! `accept -> route -> authenticate -> authorize -> record -> forward -> respond`: once, in one direction. Each step stands where it does for a
//! reason, and the reason stands beside it.

use crate::client_address::{self, Origin};
use crate::finish::Finish;
use crate::forward;
use crate::forwarding::Forwarding;
use crate::headers;
use crate::identity;
use crate::interim::Interim;
use crate::limits::Limit;
use crate::lines::{HeadFault, RequestLines};
use crate::preflight::Preflight;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::reply::{ErrorFormat, ReplyContext};
use crate::request_body::RequestBody;
use crate::respond::{self, refuse};
use crate::response::Response;
use crate::route::Found;
use crate::settings::Target;
use crate::ticks::Timer;
use crate::trace::Trace;
use crate::transport::Transport;
use crate::websocket::handshake::{BadHandshake, Handshake, Upgradable};
use crate::worker::Worker;
use crate::worker::plan::WorkerPlan;
use haechi_authn::chain::Outcome;
use haechi_authn::{Attempt, Fault};
use haechi_authz::{DenyReason, External, Permitted, Refused};
use haechi_core::id::DecisionId;
use haechi_core::{Caller, CanonicalPath, Irregular, RequestHead};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

/// How a request came in.
pub(crate) struct Arrival {
    pub(crate) transport: Rc<Transport>,
    pub(crate) timer: Timer,
    /// Where interim answers go.
    pub(crate) interim: Interim,
    /// What its connection or stream can become.
    pub(crate) upgradable: Upgradable,
}

/// Answers one request.
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    lines: RequestLines,
    body: RequestBody,
    arrival: Arrival,
) -> Response {
    // One plan for the whole request: a reload in the middle changes nothing for it.
    let plan = worker.plan();

    // Accept: the one canonical request, and who sent it. From here on nothing looks at the wire again.
    let (head, origin, websocket) = match accept(worker, &plan, lines, &arrival) {
        Ok(accepted) => accepted,
        Err(refused) => return *refused,
    };
    let trace = Trace::of(&head.fields, head.id.hex(), || worker.recorder().traces().samples(head.id));
    let mut record = Record::of_head(worker.recorder(), &head, &trace);
    let to = ReplyContext {
        id: head.id,
        received: head.received,
        decision: None,
        format: ErrorFormat::of(&head.fields),
    };
    record.set_format(to.format);

    // A preflight: before routing, because it asks about another request than itself, and before authentication, because browsers send no
    // credential with it. The request that it announces takes the whole way.
    if let Some(asked) = Preflight::of(&head, &plan.shared.router, &plan.shared.routes) {
        return preflight(&asked, to, record);
    }

    // What slow clients hold is bounded. Over the bound nobody else is let in, until those that stand still are closed.
    if worker.buffers().are_used_up() {
        record.limit(Limit::Buffers);
        return refuse(&Refusal::Overloaded, to, record);
    }

    // Route: before authentication, because the route says who is asked. What has no route needs no credential to be told so.
    let route_index = match plan.shared.router.find(head.host.name(), &head.path, &head.method) {
        Found::Route(index) => index,
        // An ambiguous path is refused as such unless a route asks for it.
        _ if head.path.irregular() != Irregular::NONE => return refuse(&Refusal::BadRequest, to, record),
        other => return unrouted(other, &plan, to, record),
    };
    let Some(route) = plan.shared.routes.get(route_index) else {
        return refuse(&Refusal::Internal, to, record);
    };
    record.route(route);
    let finish = Finish::of(route, &head);
    let request = Forwarding {
        worker,
        plan: &plan,
        route,
        route_index,
        origin,
        trace,
        verified: Vec::new(),
        timer: arrival.timer,
        interim: arrival.interim,
        websocket,
        to,
    };
    let mut response = pass(request, head, body, record).await;
    // What the route says about answers holds for ours as for the backend's: a browser that may not read a 401 cannot tell it from a broken line.
    if let Some(finish) = finish {
        finish.apply(&mut response.fields);
    }
    response
}

/// The rest of the way, for a request whose route is known.
async fn pass(
    mut request: Forwarding<'_>,
    head: Box<RequestHead>,
    mut body: RequestBody,
    mut record: Record,
) -> Response {
    let Forwarding { worker, plan, route, route_index, to, .. } = request;
    if !head.path.irregular().within(route.allow_in_path) {
        return refuse(&Refusal::BadRequest, to, record);
    }
    if let Some(limit) = route.max_body {
        body.limit(limit);
    }
    if body.length().is_some_and(|length| length > route.max_body.unwrap_or(plan.shared.limits.body)) {
        return refuse(&Refusal::BodyTooLarge, to, record);
    }

    // Authenticate: before authorization, which is about somebody.
    let Some(chain) = plan.chain(route_index) else { return refuse(&Refusal::Internal, to, record) };
    let outcome =
        chain.authenticate(&head, head.received, |scheme, attempt| record.attempt(scheme, attempt)).await;
    let caller;
    (caller, request.verified) = match settle(outcome, chain) {
        Ok(settled) => settled,
        Err(refusal) => return refuse(&refusal, to, record),
    };
    record.caller(&caller);
    record.headers(plan.headers(&head));

    let Some(recorded) = plan.recorded_route(route_index) else {
        return refuse(&Refusal::Internal, to, record);
    };

    // Authorize: the only step that turns a head into something that can be forwarded.
    let decision = DecisionId::from_bits(worker.random_bits());
    let begun = Instant::now();
    let permitted = plan.shared.enforcer.enforce(head, route_index, caller, decision, &plan.memo).await;

    asked_outside(worker, &permitted, begun);

    // Record: before the decision is acted on, so that nothing happens that was not written down.
    request.to.decision = Some(decision);
    let permitted = match permitted {
        Ok(permitted) => {
            worker.metrics().authz(&route.name, "allow", begun.elapsed());
            record.decided(permitted.decision(), recorded);
            permitted
        }
        Err(Refused::Denied(decision, reason)) => {
            let result = if matches!(reason, DenyReason::Error(_)) { "error" } else { "deny" };
            worker.metrics().authz(&route.name, result, begun.elapsed());
            record.decided(&decision, recorded);
            record.reason(reason.describe());
            return refuse(&forbidden(&reason), request.to, record);
        }
        Err(Refused::Undecided(decision, unavailable)) => {
            worker.metrics().authz(&route.name, "unavailable", begun.elapsed());
            record.decided(&decision, recorded);
            record.undecided(unavailable.to_string());
            return refuse(&Refusal::CannotTell, request.to, record);
        }
    };

    // Forward, and respond: only with a `Permitted`.
    match route.target {
        Target::Service(service) => forward::forward(request, service, permitted, body, record).await,
        // Rare and large: boxed, so that it does not weigh on every request.
        Target::Identity(call) => Box::pin(identity::answer(request, call, permitted, body, record)).await,
    }
}

/// Answers a head that could not be read, or that did not come in time (`None`).
pub(crate) fn answer_fault(worker: &Rc<Worker>, fault: Option<HeadFault>, transport: &Transport) -> Response {
    let id = worker.request_id();
    let received = worker.now();
    let mut record =
        Record::of_connection(worker.recorder(), id, received, transport.peer.ip().to_canonical());
    let refusal = match fault {
        None => Refusal::HeadTimeout,
        Some(HeadFault::TargetTooLong) => Refusal::TargetTooLong,
        Some(HeadFault::TooLarge) => Refusal::HeadTooLarge,
        Some(HeadFault::TooManyFields) => Refusal::TooManyFields,
        Some(HeadFault::Expect) => Refusal::ExpectationFailed,
        Some(_) => Refusal::BadRequest,
    };
    record.reason(fault.map_or_else(|| "the head took too long".to_owned(), |fault| fault.to_string()));
    refuse(&refusal, ReplyContext { id, received, decision: None, format: ErrorFormat::Problem }, record)
}

/// The canonical head, where it comes from, and the handshake where it asks for a WebSocket.
type Accepted = (Box<RequestHead>, Origin, Option<Handshake>);

/// From lines to a head: canonical path, client address, fields that may not be tampered with.
fn accept(
    worker: &Rc<Worker>,
    plan: &WorkerPlan,
    lines: RequestLines,
    arrival: &Arrival,
) -> Result<Accepted, Box<Response>> {
    let id = worker.request_id();
    let received = worker.now();
    let Transport { peer, tls } = &*arrival.transport;
    let (peer, secure) = (*peer, tls.is_some());
    let refused = |refusal: Refusal, reason: String, lines: &RequestLines| {
        let mut record = Record::of_connection(worker.recorder(), id, received, peer.ip().to_canonical());
        record.method_and_host(&lines.method, &lines.host);
        record.reason(reason);
        let to = ReplyContext { id, received, decision: None, format: ErrorFormat::of(&lines.fields) };
        Box::new(refuse(&refusal, to, record))
    };
    if lines.method == http::Method::CONNECT || lines.method == http::Method::TRACE {
        let allow = haechi_core::MethodSet::any().iter().cloned().collect();
        return Err(refused(
            Refusal::MethodNotAllowed(allow),
            "the method is never forwarded".into(),
            &lines,
        ));
    }
    let path = match CanonicalPath::parse(&lines.path) {
        Ok(path) => path,
        Err(fault) => return Err(refused(Refusal::BadRequest, fault.to_string(), &lines)),
    };
    if let Err(fault) = headers::check_connection(&lines.fields) {
        return Err(refused(Refusal::BadRequest, fault.to_string(), &lines));
    }
    if let Err(fault) = headers::check_context(&lines.fields, &plan.shared.context_headers) {
        return Err(refused(Refusal::BadRequest, fault.to_string(), &lines));
    }
    if tls.as_ref().is_some_and(|session| !session.covers(lines.host.name())) {
        let reason = "the host has another certificate than the connection was opened with".into();
        return Err(refused(Refusal::Misdirected, reason, &lines));
    }
    let websocket = match Handshake::of(&lines, arrival.upgradable, || worker.random_bits()) {
        Ok(websocket) => websocket,
        Err(fault) => {
            let refusal = match fault {
                BadHandshake::Malformed(_) => Refusal::BadRequest,
                BadHandshake::Version => Refusal::UpgradeRequired,
            };
            return Err(refused(refusal, fault.to_string(), &lines));
        }
    };
    let trusted = &plan.shared.trusted_proxies;
    let Ok(origin) = client_address::origin(&lines.fields, peer.ip(), secure, trusted) else {
        let reason = "a trusted proxy sent a forwarding field that cannot be read".into();
        return Err(refused(Refusal::BadRequest, reason, &lines));
    };
    let head = Box::new(RequestHead {
        id,
        received,
        method: lines.method,
        host: lines.host,
        path,
        query: lines.query,
        fields: lines.fields,
        client: origin.client,
        peer,
        secure: origin.secure,
    });
    Ok((head, origin, websocket))
}

fn unrouted(found: Found, plan: &WorkerPlan, to: ReplyContext, mut record: Record) -> Response {
    match found {
        Found::MethodNotAllowed { route, allow } => {
            if let Some(route) = plan.shared.routes.get(route) {
                record.route(route);
            }
            refuse(&Refusal::MethodNotAllowed(allow), to, record)
        }
        Found::Ambiguous => {
            record.reason("the path spells a literal of a route in another way");
            refuse(&Refusal::BadRequest, to, record)
        }
        Found::NotFound | Found::Route(_) => refuse(&Refusal::NotFound, to, record),
    }
}

/// Answers a browser's question about a request that it has not made yet.
fn preflight(asked: &Preflight<'_>, to: ReplyContext, mut record: Record) -> Response {
    record.route(asked.route);
    if !asked.is_granted() {
        record.reason("the route's `cors` does not allow what the preflight asks for");
    }
    record.preflight(asked.is_granted());
    respond::preflight(to, |fields| asked.write(fields), record)
}

/// What authentication came to: a caller, or an answer.
fn settle(
    outcome: Outcome,
    chain: &haechi_authn::Chain,
) -> Result<(Arc<Caller>, Vec<haechi_authn::CredentialPlace>), Refusal> {
    let challenges = || {
        let mut list: Vec<String> = Vec::new();
        for scheme in chain.schemes() {
            let challenge = scheme.challenge();
            if !challenge.is_empty() && !list.iter().any(|known| known == challenge) {
                list.push(challenge.to_owned());
            }
        }
        list
    };
    match outcome.attempt {
        Attempt::Verified(caller) => Ok((caller, outcome.verified)),
        Attempt::Absent => Err(Refusal::NoCredential { challenges: challenges() }),
        Attempt::Unavailable(_) => Err(Refusal::CannotTell),
        Attempt::Rejected(rejection) => Err(match rejection.fault {
            Fault::InvalidRequest => Refusal::AmbiguousCredential,
            Fault::InvalidToken => Refusal::BadCredential { challenges: challenges(), token: true },
            Fault::InvalidCredentials => Refusal::BadCredential { challenges: challenges(), token: false },
        }),
    }
}

/// Counts what a decision point said, where one was asked.
fn asked_outside(worker: &Worker, outcome: &Result<Permitted, Refused>, begun: Instant) {
    let decision = match outcome {
        Ok(permitted) => permitted.decision(),
        Err(Refused::Denied(decision, _)) => decision,
        Err(Refused::Undecided(_, unavailable)) => {
            let took = Some(begun.elapsed());
            return worker.metrics().decision_point(&unavailable.name, "unavailable", took);
        }
    };
    if let Some(External { name, allowed, cached }) = &decision.external {
        let (result, took) = match (cached, allowed) {
            (true, _) => ("cached", None),
            (false, true) => ("allow", Some(begun.elapsed())),
            (false, false) => ("deny", Some(begun.elapsed())),
        };
        worker.metrics().decision_point(name, result, took);
    }
}

fn forbidden(reason: &DenyReason) -> Refusal {
    let scopes = match reason {
        DenyReason::Scopes(scopes) => Some(scopes.join(" ")),
        _ => None,
    };
    Refusal::Forbidden { scopes }
}
