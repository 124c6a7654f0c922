//! A question of another gateway, and the decision about the request that it describes.

use crate::accept::Arrived;
use crate::decide::{Additions, Decided, RecordedRequest, decide};
use crate::judge::PermittedRequest;
use crate::lines::RequestLines;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::reply::{ErrorFormat, ReplyContext};
use crate::request_body::RequestBody;
use crate::respond::refuse;
use crate::response::Response;
use crate::supposed::Supposition;
use crate::trace::Trace;
use crate::transport::Transport;
use crate::websocket::handshake::Upgradable;
use crate::whole_body;
use crate::worker::Worker;
use crate::worker::plan::WorkerPlan;
use haechi_core::Timestamp;
use haechi_core::id::RequestId;
use std::rc::Rc;

/// Who asks, and when.
pub(super) struct Question<'a> {
    pub(super) worker: &'a Rc<Worker>,
    pub(super) plan: &'a WorkerPlan,
    pub(super) transport: &'a Transport,
    pub(super) id: RequestId,
    pub(super) received: Timestamp,
}

/// What was decided about a request that another gateway asks about.
pub(super) enum Verdict<'a> {
    /// It may go on.
    Allowed(Box<Allowed<'a>>),
    /// It may not, and this is what its client is to be told.
    Refused(Box<Response>),
}

/// A request that may go on.
pub(super) struct Allowed<'a> {
    pub(super) permitted: PermittedRequest<'a>,
    pub(super) to: ReplyContext,
    pub(super) record: Record,
    pub(super) trace: Trace,
    pub(super) additions: Additions<'a>,
}

/// Without saying what would have to be otherwise.
pub(super) const FORBIDDEN: Refusal = Refusal::Forbidden { scopes: None, metadata: None };

impl<'a> Question<'a> {
    /// Decides about a request as it was described, and about whoever sent it, or is supposed to have.
    pub(super) async fn decide(
        &self,
        described: RequestLines,
        supposition: Option<&Supposition<'_>>,
    ) -> Verdict<'a> {
        let Self { worker, plan, transport, id, received } = *self;
        // Neither certificate nor TLS of the gateway that asks are the client's: no token is bound to them, and nobody is known by them.
        let client = Transport { tls: None, redirect: None, ..transport.clone() };
        let arrived = Arrived {
            id,
            received,
            connection: client.facts(),
            transport: &client,
            upgradable: Upgradable::No,
        };
        let format = ErrorFormat::through_gateway;
        let decided = decide(worker, plan, described, None, &arrived, format, supposition).await;
        let Decided { request, record, to, trace, additions, .. } = match decided {
            Ok(decided) => decided,
            Err(response) => return Verdict::Refused(response),
        };
        let refused = match request {
            RecordedRequest::Permitted(permitted, _recorded) => {
                return Verdict::Allowed(Box::new(Allowed { permitted, to, record, trace, additions }));
            }
            // Any answer but a refusal would let it through to the service, without a credential.
            RecordedRequest::Preflight(_) => {
                Refused::new(FORBIDDEN, "a preflight is for the gateway in front to answer")
            }
            RecordedRequest::Refused(refused) => refused,
        };
        let mut response = refuse(refused, to, record);
        additions.apply(&mut response.fields);
        Verdict::Refused(Box::new(response))
    }

    /// Where nobody asks.
    pub(super) fn nobody_asks_here() -> Refused {
        Refused::new(Refusal::NotFound, "no gateway asks at this address")
    }

    /// A question that is a message of at most `most` bytes.
    pub(super) async fn whole(&self, mut body: RequestBody, most: usize) -> Result<Vec<u8>, Refused> {
        let (worker, limits) = (self.worker, &self.plan.shared.limits);
        let read = whole_body::read(&mut body, worker.buffers().charge(0), most);
        let read = worker.timer().limit_client(limits.body_stall, read).await;
        read.map_err(|_| Refused::new(Refusal::RequestTimeout, "the question stalled"))?
    }

    /// Refuses a question that asks about nothing.
    pub(super) fn refuse(&self, lines: &RequestLines, refused: Refused) -> Response {
        let client = self.transport.peer.ip().to_canonical();
        let mut record = Record::of_connection(self.worker.recorder(), self.id, self.received, client);
        record.method_and_host(&lines.method, &lines.host);
        let (id, received) = (self.id, self.received);
        refuse(refused, ReplyContext { id, received, decision: None, format: ErrorFormat::Problem }, record)
    }
}
