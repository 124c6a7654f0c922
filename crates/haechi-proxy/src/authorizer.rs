//! Answers other gateways: what they say of a request is decided about as if it had come here, and nothing is forwarded (docs/behind-other-gateways.md).
//!
//! The request is made of what the other gateway says, and takes the way of every request ([`crate::decide`]). What it says is believed only from trusted proxies.

mod asker;
mod question;
mod told;

use crate::lines::RequestLines;
use crate::refusal::{Refusal, Refused};
use crate::request_body::RequestBody;
use crate::respond::{Passes, refuse, refused_as};
use crate::response::Response;
use crate::transport::Transport;
use crate::worker::Worker;
use asker::Asker;
use question::{Allowed, FORBIDDEN, Question, Verdict};
use std::rc::Rc;

/// Answers one question.
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    lines: RequestLines,
    // Whatever is decided is decided by the head.
    _body: RequestBody,
    transport: &Transport,
) -> Response {
    let (id, received, plan) = (worker.request_id(), worker.now(), worker.plan());
    let question = Question { worker, plan: &plan, transport, id, received };
    if !plan.shared.trusts(transport.peer.ip()) {
        let reason = "an address that is not in `trusted_proxies` asks whether a request may go on";
        return question.refuse(&lines, Refused::new(FORBIDDEN, reason));
    }
    // Another gateway that was let in once may have been shut out since.
    if !transport.is_believed(&plan.shared, received) {
        let reason = "the certificate of the gateway that asks is no longer believed";
        return question.refuse(&lines, Refused::new(Refusal::CertificateNotBelieved, reason));
    }
    match Asker::of(&lines.path) {
        Some(asker) => answer_in_http(&question, asker, &lines).await,
        None => question.refuse(&lines, Refused::new(Refusal::NotFound, "no gateway asks at this address")),
    }
}

/// Makes a refusal before it is known who asks one that every gateway understands: some let a request through where they are told of a fault of ours.
pub(crate) fn lets_nobody_through(response: &mut Response) {
    response.status = refused_as(response.status, Passes::NoServerError);
    response.record.told(response.status);
}

async fn answer_in_http(question: &Question<'_>, asker: Asker, lines: &RequestLines) -> Response {
    let (peer, trusted) = (question.transport.peer.ip(), &question.plan.shared.trusted_proxies);
    let described = match asker.described(lines, peer, trusted) {
        Ok(described) => described,
        Err(why) => {
            return told::refused(asker, question.refuse(lines, Refused::new(Refusal::BadRequest, why)));
        }
    };
    match question.decide(described).await {
        Verdict::Allowed(allowed) => match told::caller(question, &allowed) {
            Ok(caller) => told::allowed(&caller, *allowed),
            Err(refused) => {
                let Allowed { to, record, .. } = *allowed;
                told::refused(asker, refuse(refused, to, record))
            }
        },
        Verdict::Refused(response) => told::refused(asker, *response),
    }
}
