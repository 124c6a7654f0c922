//! Answers other gateways: what they say of a request is decided about as if it had come here, and nothing is forwarded (docs/behind-other-gateways.md).
//!
//! The request is made of what the other gateway says, and takes the way of every request ([`crate::decide`]). What it says is believed only from trusted proxies.

mod asker;
mod authzen;
mod check;
mod ext_authz;
mod messages;
mod question;
mod removed;
mod told;

pub(crate) use asker::Asker;
pub use ext_authz::{CHECK_PATH, CheckAnswer, CheckQuestion};

use crate::lines::RequestLines;
use crate::refusal::{Refusal, Refused};
use crate::request_body::RequestBody;
use crate::respond::refuse;
use crate::response::Response;
use crate::transport::Transport;
use crate::worker::Worker;
use haechi_core::Fields;
use question::{Allowed, FORBIDDEN, Question, Verdict};
use std::rc::Rc;

/// Answers one question.
pub(crate) async fn answer(
    worker: &Rc<Worker>,
    lines: RequestLines,
    body: RequestBody,
    transport: &Transport,
) -> Response {
    let (id, received, plan) = (worker.request_id(), worker.now(), worker.plan());
    let question = Question { worker, plan: &plan, transport, id, received };
    let asker = Asker::of(&lines.path);
    if let Err(refused) = may_ask(&question) {
        return after_fault(asker, question.refuse(&lines, refused));
    }
    match asker {
        Some(Asker::Check) => answer_in_grpc(&question, &lines, body).await,
        Some(Asker::Authzen(call)) => authzen::answer(&question, call, &lines, body).await,
        // Whatever is decided is decided by the head.
        Some(asker) => answer_in_http(&question, asker, &lines).await,
        None => question.refuse(&lines, Question::nobody_asks_here()),
    }
}

/// Makes a refusal of which nobody was asked one by which every gateway refuses: some let a request through where they are told of a fault of ours, or where a call fails.
pub(crate) fn after_fault(asker: Option<Asker>, response: Response) -> Response {
    told::refused(asker.unwrap_or(Asker::ExtAuthz), response)
}

/// Whether what this one says of its clients is believed.
fn may_ask(question: &Question<'_>) -> Result<(), Refused> {
    let Question { plan, transport, received, .. } = question;
    if !plan.shared.trusts(transport.peer.ip()) {
        let reason = "an address that is not in `trusted_proxies` asks whether a request may go on";
        return Err(Refused::new(FORBIDDEN, reason));
    }
    // One that was let in once may have been shut out since.
    if !transport.is_believed(&plan.shared, *received) {
        let reason = "the certificate of the gateway that asks is no longer believed";
        return Err(Refused::new(Refusal::CertificateNotBelieved, reason));
    }
    Ok(())
}

async fn answer_in_http(question: &Question<'_>, asker: Asker, lines: &RequestLines) -> Response {
    let (peer, trusted) = (question.transport.peer.ip(), &question.plan.shared.trusted_proxies);
    let described = match asker.described(lines, peer, trusted) {
        Ok(described) => described,
        Err(why) => {
            return told::refused(asker, question.refuse(lines, Refused::new(Refusal::BadRequest, why)));
        }
    };
    match question.decide(described, None).await {
        Verdict::Allowed(allowed) => match told::caller(question, asker, &allowed).await {
            Ok(caller) => told::allowed(&caller, *allowed),
            Err(refused) => {
                let Allowed { to, record, .. } = *allowed;
                told::refused(asker, refuse(refused, to, record))
            }
        },
        Verdict::Refused(response) => told::refused(asker, *response),
    }
}

/// In gRPC: every call succeeds, and what it comes to stands in its message.
async fn answer_in_grpc(question: &Question<'_>, lines: &RequestLines, body: RequestBody) -> Response {
    let described = match described_in_grpc(question, body).await {
        Ok(described) => described,
        Err(refused) => return check::denied(question.refuse(lines, refused)),
    };
    match question.decide(described, None).await {
        Verdict::Allowed(allowed) => match told::caller(question, Asker::Check, &allowed).await {
            Ok(mut caller) => {
                let removed = removed::from_request(question, &allowed, &mut caller);
                check::ok(told::allowed(&Fields::default(), *allowed), &caller, removed)
            }
            Err(refused) => {
                let Allowed { to, record, .. } = *allowed;
                check::denied(refuse(refused, to, record))
            }
        },
        Verdict::Refused(response) => check::denied(*response),
    }
}

async fn described_in_grpc(question: &Question<'_>, body: RequestBody) -> Result<RequestLines, Refused> {
    let limits = &question.plan.shared.limits;
    let bad = |why: &'static str| Refused::new(Refusal::BadRequest, why);
    let asked = check::message(&question.whole(body, check::MOST).await?).map_err(bad)?;
    check::described(asked, limits.head_limits()).map_err(bad)
}
