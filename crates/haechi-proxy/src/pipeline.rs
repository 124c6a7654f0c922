//! A request's way through the gate, read from top to bottom.
//!
//! `accept -> route -> limit -> authenticate -> limit -> authorize -> record -> forward -> respond`: once, in one direction. [`decide`] holds the steps up to the
//! recorded decision, because others than the pipeline take them as well; what is done with the decision stands here.

use crate::accept::Arrived;
use crate::authorizer;
use crate::decide::{Decided, RecordedRequest, decide};
use crate::forward;
use crate::forwarding::Forwarding;
use crate::identity_provider;
use crate::interim::Interim;
use crate::judge::PermittedRequest;
use crate::lines::{HeadFault, RequestLines};
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::reply::{ErrorFormat, ReplyContext};
use crate::request_body::RequestBody;
use crate::respond::{self, refuse};
use crate::response::Response;
use crate::settings::Target;
use crate::signed_body;
use crate::ticks::Timer;
use crate::transport::Transport;
use crate::websocket::handshake::Upgradable;
use crate::worker::Worker;
use haechi_audit::Recorded;
use haechi_authz::Permitted;
use haechi_core::Timestamp;
use haechi_core::id::RequestId;
use std::rc::Rc;

/// How a request came in.
pub(crate) struct Arrival {
    pub(crate) transport: Rc<Transport>,
    pub(crate) timer: Timer,
    /// Where interim answers go.
    pub(crate) interim: Interim,
    /// What its connection or stream can become.
    pub(crate) upgradable: Upgradable,
}

impl Arrival {
    /// What is known of the request besides its head.
    fn arrived(&self, id: RequestId, received: Timestamp) -> Arrived<'_> {
        Arrived {
            id,
            received,
            transport: &self.transport,
            connection: self.transport.facts(),
            upgradable: self.upgradable,
        }
    }
}

/// Answers one request.
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    lines: RequestLines,
    body: RequestBody,
    arrival: Arrival,
) -> Response {
    // Another gateway's question about a request of its own. Boxed, so that it does not weigh on every request.
    if arrival.transport.authorizes {
        return Box::pin(authorizer::answer(worker, lines, body, &arrival.transport)).await;
    }

    // One plan for the whole request: a reload in the middle changes nothing for it.
    let plan = worker.plan();

    // Accept, route, limit, authenticate, limit, authorize, record.
    let arrived = arrival.arrived(worker.request_id(), worker.now());
    let decided = match decide(worker, &plan, lines, body.length(), &arrived, ErrorFormat::of, None).await {
        Ok(decided) => decided,
        Err(response) => return *response,
    };
    let Decided { request, record, to, origin, websocket, trace, additions } = decided;

    // Forward, and respond: only with a `Permitted`, and only what is `Recorded`.
    let mut response = match request {
        RecordedRequest::Permitted(permitted, recorded) => {
            let PermittedRequest { permitted, route, route_index, verified } = permitted;
            let Arrival { transport, timer, interim, .. } = arrival;
            let request = Forwarding {
                worker,
                transport,
                plan: &plan,
                route,
                route_index,
                origin,
                trace,
                verified,
                timer,
                interim,
                websocket,
                to,
            };
            pass_on(&request, permitted, recorded, body, record).await
        }
        RecordedRequest::Preflight(asked) => respond::preflight(to, |fields| asked.write(fields), record),
        RecordedRequest::Refused(refused) => refuse(refused, to, record),
    };
    additions.apply(&mut response.fields);
    response
}

/// Lets a permitted request go where its route leads, once that is recorded.
async fn pass_on(
    request: &Forwarding<'_>,
    permitted: Permitted,
    recorded: Recorded,
    mut body: RequestBody,
    record: Record,
) -> Response {
    if let Some(limit) = request.route.settings.max_body {
        body.limit(limit);
    }
    // Where the credential speaks for the body, before anybody gets a byte of it. Rare and large: boxed, so that it does not weigh on every request.
    if request.speaks_for_body(&permitted) {
        body = match Box::pin(signed_body::checked(request, permitted.head(), body)).await {
            Ok(body) => body,
            Err(refused) => return refuse(refused, request.to, record),
        };
    }
    match request.route.target {
        Target::Service(service) => {
            forward::forward(request, service, permitted, recorded, body, record).await
        }
        // Rare and large: boxed, so that it does not weigh on every request.
        Target::Identity(call) => {
            Box::pin(identity_provider::answer(request, call, permitted, body, record)).await
        }
        Target::Nowhere => {
            refuse(Refused::new(Refusal::NotFound, "the route leads to no service"), request.to, record)
        }
    }
}

/// Answers a head that could not be read, or that did not come in time (`None`).
pub(crate) fn answer_fault(worker: &Rc<Worker>, fault: Option<HeadFault>, transport: &Transport) -> Response {
    let (id, received) = (worker.request_id(), worker.now());
    let client = transport.peer.ip().to_canonical();
    let record = Record::of_connection(worker.recorder(), id, received, client);
    let refused = match fault {
        Some(fault) => Refused::new(Refusal::from(fault), fault.to_string()),
        None => Refused::new(Refusal::HeadTimeout, "the request header was not complete in time"),
    };
    let to = ReplyContext { id, received, decision: None, format: ErrorFormat::Problem };
    let response = refuse(refused, to, record);
    if transport.authorizes { authorizer::after_fault(None, response) } else { response }
}

#[cfg(test)]
mod tests;
