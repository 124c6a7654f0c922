//! From a request's lines to a decision about it that is in the audit trail: `accept -> route -> limit -> authenticate -> limit -> authorize -> record`. What is done
//! with the decision is for whoever asked: the pipeline forwards, the authorizer tells another gateway.

mod recorded;
mod recording;

pub(crate) use recorded::RecordedRequest;

use crate::accept::{Accepted, Arrived, NotAccepted, accept};
use crate::client_address::Origin;
use crate::finish::Finish;
use crate::judge::judge;
use crate::limits::Limit;
use crate::lines::RequestLines;
use crate::rate_limit::{Counting, LimitFields};
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::reply::{ErrorFormat, ReplyContext};
use crate::respond::{self, refuse};
use crate::response::Response;
use crate::supposed::Supposition;
use crate::trace::Trace;
use crate::websocket::handshake::Handshake;
use crate::worker::Worker;
use crate::worker::plan::WorkerPlan;
use haechi_audit::AuditSlot;
use haechi_authn::Effects;
use haechi_core::Fields;
use recording::Recording;
use std::rc::Rc;

/// A request that was decided about, and what is known of it.
pub(crate) struct Decided<'p> {
    pub(crate) request: RecordedRequest<'p>,
    pub(crate) record: Record,
    pub(crate) to: ReplyContext,
    pub(crate) origin: Origin,
    pub(crate) websocket: Option<Handshake>,
    pub(crate) trace: Trace,
    pub(crate) additions: Additions<'p>,
}

/// What is added to the answer, whoever makes it.
pub(crate) struct Additions<'p> {
    finish: Option<Finish<'p>>,
    effects: Effects,
    limits: LimitFields,
}

impl Additions<'_> {
    /// All of it.
    pub(crate) fn apply(&self, fields: &mut Fields) {
        // What the route says about answers holds for ours as for the backend's: a browser that may not read a 401 cannot tell it from a broken line.
        if let Some(finish) = &self.finish {
            finish.apply(fields);
        }
        self.apply_own(fields);
    }

    /// Without what the route says about answers: for an answer that is not the client's.
    pub(crate) fn apply_own(&self, fields: &mut Fields) {
        respond::apply_effects(&self.effects, fields);
        // What is left of its limits is told of every answer, so that clients slow down before they are refused.
        self.limits.write(fields);
    }
}

/// Reads off a request in which form its client can read errors.
pub(crate) type FormatOf = fn(&Fields) -> ErrorFormat;

const BUFFERS_USED_UP: &str = "the memory for buffers (`limits.buffers`) is used up";

/// Decides about a request whose body has this length, where that is known. With a `supposition` nobody has sent it: somebody asks what would become of it, and it counts
/// against no limit.
///
/// # Errors
/// The answer to one of which nothing was decided: it could be read in two ways, or there is no room for it.
pub(crate) async fn decide<'p>(
    worker: &'p Rc<Worker>,
    plan: &'p WorkerPlan,
    lines: RequestLines,
    body: Option<u64>,
    arrived: &Arrived<'_>,
    format_of: FormatOf,
    supposition: Option<&Supposition<'_>>,
) -> Result<Decided<'p>, Box<Response>> {
    // Accept: the one canonical request, and who sent it. From here on nothing looks at the wire again.
    let accepted = accept(lines, arrived, &plan.shared, || worker.random_bits());
    let Accepted { head, origin, websocket } = accepted.map_err(|not| {
        let mut response = refuse_unread(worker, arrived, *not, format_of);
        if supposition.is_some() {
            response.record.supposed();
        }
        Box::new(response)
    })?;
    let trace = Trace::of(&head.fields, head.id.hex(), || worker.recorder().traces().samples(head.id));
    let mut record = Record::of_head(worker.recorder(), &head, &trace);
    let format = format_of(&head.fields);
    record.set_format(format);
    if supposition.is_some() {
        record.supposed();
    }
    let mut to = ReplyContext { id: head.id, received: head.received, decision: None, format };

    // Room: for what the client may send, and in the audit trail for what is decided.
    let place = match reserve(worker, &record) {
        Ok(place) => place,
        Err(refused) => return Err(Box::new(refuse(refused, to, record))),
    };

    // Route, limit by address, authenticate, limit by caller, authorize. Only here are requests counted: what is judged again while it is open, or
    // by a command, is none.
    let received = head.received;
    let mut recording = Recording::new(worker, plan, &mut record, supposition);
    let counting = match supposition {
        None => Counting::On { limiter: worker.rate_limiter(), clock: worker.clock() },
        Some(_) => Counting::Off,
    };
    let judged = judge(head, body, plan, received, counting, &mut recording).await;
    let Recording { finish, effects, decision, limits, .. } = recording;
    to.decision = decision;

    // Record: the decision is in the audit trail before anybody learns of it.
    let request = recorded::record(worker, place, &record, &plan.shared, judged).await;
    let additions = Additions { finish, effects, limits };
    Ok(Decided { request, record, to, origin, websocket, trace, additions })
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

/// Answers a request that could be read in two ways, or that is for `https`.
fn refuse_unread(
    worker: &Rc<Worker>,
    arrived: &Arrived<'_>,
    not: NotAccepted,
    format_of: FormatOf,
) -> Response {
    let NotAccepted { refused, lines } = not;
    let client = arrived.connection.peer.ip().to_canonical();
    let mut record = Record::of_connection(worker.recorder(), arrived.id, arrived.received, client);
    record.method_and_host(&lines.method, &lines.host);
    let format = format_of(&lines.fields);
    let to = ReplyContext { id: arrived.id, received: arrived.received, decision: None, format };
    refuse(refused, to, record)
}
