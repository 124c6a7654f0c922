//! A request's way through the gate, read from top to bottom.
//!
//! `accept -> route -> authenticate -> authorize -> record -> forward -> respond`: once, in one direction. Each step stands where it does for a
//! reason, and the reason stands beside it.

use crate::client_address::{self, Origin};
use crate::connection::Transport;
use crate::cors::Preflight;
use crate::finish::Finish;
use crate::forward;
use crate::headers;
use crate::identity;
use crate::interim::Interim;
use crate::limits::Limit;
use crate::lines::{HeadFault, RequestLines};
use crate::message::{RequestBody, Response};
use crate::plan::{Route, Service, Target};
use crate::record::{Entry, Fate};
use crate::respond::{self, Addressee, Refusal, Taste};
use crate::route::Found;
use crate::ticks::Timer;
use crate::trace::Trace;
use crate::websocket::handshake::{BadHandshake, Handshake, Upgradable};
use crate::worker::{LocalPlan, Worker};
use haechi_authn::chain::Outcome;
use haechi_authn::{Attempt, Fault};
use haechi_authz::{DenyReason, External, Permitted, Refused};
use haechi_core::id::{DecisionId, RequestId};
use haechi_core::{Caller, CanonicalPath, Irregular, RequestHead};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    let trace = Trace::of(&head.fields, head.id.hex(), || worker.traces().samples(head.id));
    let mut entry = Entry::of_head(worker, &head, &trace);
    let to =
        Addressee { id: head.id, received: head.received, decision: None, taste: Taste::of(&head.fields) };
    entry.tastes(to.taste);

    // A preflight: before routing, because it asks about another request than itself, and before authentication, because browsers send no
    // credential with it. The request that it announces takes the whole way.
    if let Some(asked) = Preflight::of(&head, &plan.shared.router, &plan.shared.routes) {
        return preflight(&asked, to, entry);
    }

    // What slow clients hold is bounded. Over the bound nobody else is let in, until those that stand still are closed.
    if worker.buffers().are_used_up() {
        entry.limit(Limit::Buffers);
        return refuse(&Refusal::Overloaded, to, entry);
    }

    // Route: before authentication, because the route says who is asked. What has no route needs no credential to be told so.
    let route_index = match plan.shared.router.find(head.host.name(), &head.path, &head.method) {
        Found::Route(index) => index,
        // An ambiguous path is refused as such unless a route asks for it.
        _ if head.path.irregular() != Irregular::NONE => return refuse(&Refusal::BadRequest, to, entry),
        other => return unrouted(other, &plan, to, entry),
    };
    let Some(route) = plan.shared.routes.get(route_index) else {
        return refuse(&Refusal::Internal, to, entry);
    };
    entry.route(route);
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
    let mut response = pass(request, head, body, entry).await;
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
    mut entry: Entry,
) -> Response {
    let Forwarding { worker, plan, route, route_index, to, .. } = request;
    if !head.path.irregular().within(route.allow_in_path) {
        return refuse(&Refusal::BadRequest, to, entry);
    }
    if let Some(limit) = route.max_body {
        body.limit(limit);
    }
    if body.length().is_some_and(|length| length > route.max_body.unwrap_or(plan.shared.limits.body)) {
        return refuse(&Refusal::BodyTooLarge, to, entry);
    }

    // Authenticate: before authorization, which is about somebody.
    let Some(chain) = plan.chain(route_index) else { return refuse(&Refusal::Internal, to, entry) };
    let outcome =
        chain.authenticate(&head, head.received, |scheme, attempt| entry.attempt(scheme, attempt)).await;
    let caller;
    (caller, request.verified) = match settle(outcome, chain) {
        Ok(settled) => settled,
        Err(refusal) => return refuse(&refusal, to, entry),
    };
    entry.caller(&caller);
    entry.headers(plan.headers(&head));

    let Some(judged) = plan.judged_route(route_index) else { return refuse(&Refusal::Internal, to, entry) };

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
            entry.decided(permitted.decision(), judged);
            permitted
        }
        Err(Refused::Denied(decision, reason)) => {
            let result = if matches!(reason, DenyReason::Error(_)) { "error" } else { "deny" };
            worker.metrics().authz(&route.name, result, begun.elapsed());
            entry.decided(&decision, judged);
            entry.reason(reason.describe());
            return refuse(&forbidden(&reason), request.to, entry);
        }
        Err(Refused::Undecided(decision, unavailable)) => {
            worker.metrics().authz(&route.name, "unavailable", begun.elapsed());
            entry.decided(&decision, judged);
            entry.undecided(unavailable.to_string());
            return refuse(&Refusal::CannotTell, request.to, entry);
        }
    };

    // Forward, and respond: only with a `Permitted`.
    match route.target {
        Target::Service(service) => forward::forward(request, service, permitted, body, entry).await,
        // Rare and large: boxed, so that it does not weigh on every request.
        Target::Identity(call) => Box::pin(identity::answer(request, call, permitted, body, entry)).await,
    }
}

/// A request whose route is known, besides its head and body; the last step needs it beside the permitted request.
pub(crate) struct Forwarding<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) plan: &'a LocalPlan,
    pub(crate) route: &'a Route,
    pub(crate) route_index: usize,
    pub(crate) origin: Origin,
    pub(crate) trace: Trace,
    pub(crate) verified: Vec<haechi_authn::CredentialPlace>,
    pub(crate) timer: Timer,
    pub(crate) interim: Interim,
    pub(crate) websocket: Option<Handshake>,
    pub(crate) to: Addressee,
}

impl Forwarding<'_> {
    /// How long `service` may take to answer: the route may know better than its service.
    pub(crate) fn timeout(&self, service: &Service) -> Duration {
        self.route.timeout.unwrap_or(service.timeout)
    }
}

/// Answers a head that could not be read, or that did not come in time (`None`).
pub(crate) fn answer_fault(worker: &Rc<Worker>, fault: Option<HeadFault>, transport: &Transport) -> Response {
    let id = RequestId::from_bits(worker.random_bits());
    let received = worker.now();
    let mut entry = Entry::of_connection(worker, id, received, transport.peer.ip().to_canonical());
    let refusal = match fault {
        None => Refusal::HeadTimeout,
        Some(HeadFault::TargetTooLong) => Refusal::TargetTooLong,
        Some(HeadFault::TooLarge) => Refusal::HeadTooLarge,
        Some(HeadFault::TooManyFields) => Refusal::TooManyFields,
        Some(HeadFault::Expect) => Refusal::ExpectationFailed,
        Some(_) => Refusal::BadRequest,
    };
    entry.reason(fault.map_or_else(|| "the head took too long".to_owned(), |fault| fault.to_string()));
    refuse(&refusal, Addressee { id, received, decision: None, taste: Taste::Problem }, entry)
}

/// The canonical head, where it comes from, and the handshake where it asks for a WebSocket.
type Accepted = (Box<RequestHead>, Origin, Option<Handshake>);

/// From lines to a head: canonical path, client address, fields that may not be tampered with.
fn accept(
    worker: &Rc<Worker>,
    plan: &LocalPlan,
    lines: RequestLines,
    arrival: &Arrival,
) -> Result<Accepted, Box<Response>> {
    let id = RequestId::from_bits(worker.random_bits());
    let received = worker.now();
    let Transport { peer, tls } = &*arrival.transport;
    let (peer, secure) = (*peer, tls.is_some());
    let refused = |refusal: Refusal, reason: String, lines: &RequestLines| {
        let mut entry = Entry::of_connection(worker, id, received, peer.ip().to_canonical());
        entry.method_and_host(&lines.method, &lines.host);
        entry.reason(reason);
        let to = Addressee { id, received, decision: None, taste: Taste::of(&lines.fields) };
        Box::new(refuse(&refusal, to, entry))
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

fn unrouted(found: Found, plan: &LocalPlan, to: Addressee, mut entry: Entry) -> Response {
    match found {
        Found::MethodNotAllowed { route, allow } => {
            if let Some(route) = plan.shared.routes.get(route) {
                entry.route(route);
            }
            refuse(&Refusal::MethodNotAllowed(allow), to, entry)
        }
        Found::Ambiguous => {
            entry.reason("the path spells a literal of a route in another way");
            refuse(&Refusal::BadRequest, to, entry)
        }
        Found::NotFound | Found::Route(_) => refuse(&Refusal::NotFound, to, entry),
    }
}

/// Answers a browser's question about a request that it has not made yet.
fn preflight(asked: &Preflight<'_>, to: Addressee, mut entry: Entry) -> Response {
    entry.route(asked.route);
    if !asked.is_granted() {
        entry.reason("the route's `cors` does not allow what the preflight asks for");
    }
    entry.preflight(asked.is_granted());
    respond::preflight(to, |fields| asked.write(fields), entry)
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

/// Answers with a refusal and records it as what it is.
pub(crate) fn refuse(refusal: &Refusal, to: Addressee, mut entry: Entry) -> Response {
    let fate = match refusal {
        Refusal::NotFound | Refusal::MethodNotAllowed(_) => Fate::Unrouted,
        Refusal::NoCredential { .. } | Refusal::BadCredential { .. } => Fate::Unauthenticated,
        Refusal::Forbidden { .. } => Fate::Denied,
        Refusal::CannotTell => Fate::Unavailable,
        Refusal::BadGateway
        | Refusal::GatewayTimeout
        | Refusal::NoEndpoint
        | Refusal::Overloaded
        | Refusal::Internal => Fate::Failed,
        _ => Fate::Refused,
    };
    if let Some(limit) = refusal.limit() {
        entry.limit(limit);
    }
    entry.answered(refusal.status(), fate);
    entry.problem(refusal.name());
    respond::refuse(refusal, to, entry)
}
