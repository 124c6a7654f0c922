//! A request's way through the gate, read from top to bottom.
//!
//! `accept -> route -> limit -> authenticate -> limit -> authorize -> record -> forward -> respond`: once, in one direction. [`accept`] and [`judge`] hold the
//! steps up to the decision, because others than the pipeline take them as well; what is done with the decision stands here.

mod recorded;
mod recording;

use crate::accept::{Accepted, Arrived, NotAccepted, accept};
use crate::forward;
use crate::forwarding::Forwarding;
use crate::identity_provider;
use crate::interim::Interim;
use crate::judge::{PermittedRequest, judge};
use crate::limits::Limit;
use crate::lines::{HeadFault, RequestLines};
use crate::rate_limit::Counting;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::reply::{ErrorFormat, ReplyContext};
use crate::request_body::RequestBody;
use crate::respond::{self, refuse};
use crate::response::Response;
use crate::settings::Target;
use crate::ticks::Timer;
use crate::trace::Trace;
use crate::transport::Transport;
use crate::websocket::handshake::Upgradable;
use crate::worker::Worker;
use haechi_audit::{AuditSlot, Recorded};
use haechi_authz::Permitted;
use haechi_core::Timestamp;
use haechi_core::id::RequestId;
use recorded::RecordedRequest;
use recording::Recording;
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

const BUFFERS_USED_UP: &str = "the memory for buffers (`limits.buffers`) is used up";

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
    let arrived = arrival.arrived(worker.request_id(), worker.now());
    let accepted = accept(lines, &arrived, &plan.shared, || worker.random_bits());
    let Accepted { head, origin, websocket } = match accepted {
        Ok(accepted) => accepted,
        Err(not) => return refuse_unread(worker, &arrived, *not),
    };
    let trace = Trace::of(&head.fields, head.id.hex(), || worker.recorder().traces().samples(head.id));
    let mut record = Record::of_head(worker.recorder(), &head, &trace);
    let format = ErrorFormat::of(&head.fields);
    record.set_format(format);
    let mut to = ReplyContext { id: head.id, received: head.received, decision: None, format };

    // Room: for what the client may send, and in the audit trail for what is decided.
    let place = match reserve(worker, &record) {
        Ok(place) => place,
        Err(refused) => return refuse(refused, to, record),
    };

    // Route, limit by address, authenticate, limit by caller, authorize. Only here are requests counted: what is judged again while it is open, or
    // by a command, is none.
    let received = head.received;
    let mut recording = Recording::new(worker, &plan, &mut record);
    let counting = Counting::On { limiter: worker.rate_limiter(), clock: worker.clock() };
    let judged = judge(head, body.length(), &plan, received, counting, &mut recording).await;
    let Recording { finish, effects, decision, limits, .. } = recording;
    to.decision = decision;

    // Record: the decision is in the audit trail before anybody learns of it.
    let recorded = recorded::record(worker, place, &record, &plan.shared, judged).await;

    // Forward, and respond: only with a `Permitted`, and only what is `Recorded`.
    let mut response = match recorded {
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
    // What the route says about answers holds for ours as for the backend's: a browser that may not read a 401 cannot tell it from a broken line.
    if let Some(finish) = finish {
        finish.apply(&mut response.fields);
    }
    respond::apply_effects(&effects, &mut response.fields);
    // What is left of its limits is told of every answer, so that clients slow down before they are refused.
    limits.write(&mut response.fields);
    response
}

/// A place in the audit trail, before anything is decided: where nothing can be recorded, nothing is let through. What slow clients hold is bounded as well: over the bound
/// nobody else is let in, until those that stand still are closed.
fn reserve<'w>(worker: &'w Worker, record: &Record) -> Result<AuditSlot<'w>, Refused> {
    if worker.buffers().are_used_up() {
        record.limit(Limit::Buffers);
        return Err(Refused::new(Refusal::Overloaded, BUFFERS_USED_UP));
    }
    worker.audit().reserve()
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
    match request.route.target {
        Target::Service(service) => {
            forward::forward(request, service, permitted, recorded, body, record).await
        }
        // Rare and large: boxed, so that it does not weigh on every request.
        Target::Identity(call) => {
            Box::pin(identity_provider::answer(request, call, permitted, body, record)).await
        }
    }
}

/// Answers a request that could be read in two ways, or that is for `https`.
fn refuse_unread(worker: &Rc<Worker>, arrived: &Arrived<'_>, not: NotAccepted) -> Response {
    let NotAccepted { refused, lines } = not;
    let client = arrived.connection.peer.ip().to_canonical();
    let mut record = Record::of_connection(worker.recorder(), arrived.id, arrived.received, client);
    record.method_and_host(&lines.method, &lines.host);
    let format = ErrorFormat::of(&lines.fields);
    let to = ReplyContext { id: arrived.id, received: arrived.received, decision: None, format };
    refuse(refused, to, record)
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
    refuse(refused, ReplyContext { id, received, decision: None, format: ErrorFormat::Problem }, record)
}

#[cfg(test)]
mod tests;
