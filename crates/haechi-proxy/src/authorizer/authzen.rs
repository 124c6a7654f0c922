//! AuthZEN 1.0: whoever knows a caller asks what that caller may do, in one question or in many at once.
//!
//! The caller is taken as given, so whoever asks has to prove who they are, by a token or by the listener's client certificate, beside coming from a trusted proxy's
//! address. What is decided takes the way of every request ([`crate::decide`]), and says on record that nobody sent it.

mod answered;
mod asked;
pub(super) mod call;
mod parts;
mod subject;

use super::question::{Question, Verdict};
use crate::client_address::origin;
use crate::lines::RequestLines;
use crate::record::Record;
use crate::refusal::{Refusal, Refused};
use crate::reply::{ErrorFormat, ReplyContext};
use crate::request_body::RequestBody;
use crate::respond;
use crate::response::Response;
use crate::settings::{Authzen, Target};
use crate::supposed::Supposition;
use answered::{Answered, Many, Metadata, document};
use asked::{Asked, Evaluation, Reader, Semantic};
use call::Call;
use haechi_authn::authorization::{AuthScheme, Presented};
use haechi_authn::{Challenge, ChallengeError};
use haechi_core::token::is_printable;
use haechi_core::{FieldName, Secret};
use http::Method;
use std::sync::Arc;

/// The most bytes of a question.
const MOST: usize = 256 * 1024;
/// The most bytes of an id that is given back.
const LONGEST_ID: usize = 256;

/// Answers a question of one whose address may ask.
pub(super) async fn answer(
    question: &Question<'_>,
    call: Call,
    lines: &RequestLines,
    body: RequestBody,
) -> Response {
    let mut response = match answered(question, call, lines, body).await {
        Ok(response) => response,
        Err(refused) => question.refuse(lines, refused),
    };
    // Section 10.1.3.
    if let Some(id) = lines.fields.sole(FieldName::RequestId).ok().flatten()
        && is_printable(id)
        && id.len() <= LONGEST_ID
    {
        response.fields.retain(|field| field.name != b"x-request-id");
        response.fields.push(b"x-request-id", id);
    }
    response
}

async fn answered(
    question: &Question<'_>,
    call: Call,
    lines: &RequestLines,
    body: RequestBody,
) -> Result<Response, Refused> {
    let listener = question.plan.shared.listener(question.transport.listener);
    let authzen =
        listener.and_then(|listener| listener.authzen.as_deref()).ok_or_else(Question::nobody_asks_here)?;
    let takes = if call == Call::Metadata { Method::GET } else { Method::POST };
    if lines.method != takes {
        let reason = "AuthZEN asks with another method at this address";
        return Err(Refused::new(Refusal::MethodNotAllowed(vec![takes]), reason));
    }
    if call == Call::Metadata {
        return metadata(question, lines);
    }
    admit(authzen, lines)?;
    if !is_json(lines) {
        return Err(bad("the question is not `application/json`"));
    }
    let body = question.whole(body, MOST).await?;
    let vocabulary = question.plan.shared.enforcer.engine().compiled().vocabulary();
    let reader = Reader { vocabulary, assumed: &authzen.assumed, now: question.received };
    let asked = match call {
        Call::Evaluations => reader.many(&body),
        _ => reader.one(&body),
    };
    match asked.map_err(bad)? {
        Asked::One(evaluation) => Ok(decide_one(question, authzen, *evaluation).await),
        Asked::Many(evaluations, semantic) => decide_all(question, authzen, evaluations, semantic).await,
    }
}

fn bad(why: impl Into<std::borrow::Cow<'static, str>>) -> Refused {
    Refused::new(Refusal::BadBody, why)
}

/// Whether whoever asks has proved who they are.
fn admit(authzen: &Authzen, lines: &RequestLines) -> Result<(), Refused> {
    // The listener lets nobody in without a certificate then, which the configuration sees to.
    if authzen.tokens.is_empty() {
        return Ok(());
    }
    let challenge = || Arc::new(Challenge::bearer("authzen"));
    match AuthScheme::Bearer.read(&lines.fields) {
        Err(_) => Err(Refused::new(Refusal::AmbiguousCredential, "`Authorization` stands twice")),
        Ok(Presented::Absent) => {
            let challenges = vec![challenge()];
            Err(Refused::new(Refusal::NoCredential { challenges }, "the question has no token"))
        }
        // All are compared, in constant time each: how long it takes says nothing.
        Ok(Presented::Token68(shown)) if is_known(&authzen.tokens, shown) => Ok(()),
        Ok(_) => {
            let challenges = vec![(challenge(), Some(ChallengeError::InvalidToken))];
            Err(Refused::new(Refusal::BadCredential { challenges }, "the question has a wrong token"))
        }
    }
}

fn is_known(tokens: &[Secret<String>], shown: &str) -> bool {
    let shown = Secret::from(shown);
    tokens.iter().fold(false, |known, token| known | (*token == shown))
}

fn is_json(lines: &RequestLines) -> bool {
    let sole = lines.fields.sole(FieldName::ContentType).ok().flatten();
    let media_type = sole.and_then(|value| value.split(|&byte| byte == b';').next());
    media_type.is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

/// Where to ask, as whoever asks knows this gate.
fn metadata(question: &Question<'_>, lines: &RequestLines) -> Result<Response, Refused> {
    let Question { transport, plan, received, id, worker } = *question;
    let known =
        origin(&lines.fields, transport.peer.ip(), transport.tls.is_some(), &plan.shared.trusted_proxies);
    let host = known.host.unwrap_or_else(|| lines.host.clone());
    if host.is_unnamed() {
        return Err(Refused::new(Refusal::BadRequest, "the question names no host"));
    }
    let scheme = if known.secure { "https" } else { "http" };
    let base = format!("{scheme}://{host}");
    let mut record = Record::of_connection(worker.recorder(), id, received, known.client);
    record.method_and_host(&lines.method, &lines.host);
    let to = ReplyContext { id, received, decision: None, format: ErrorFormat::Problem };
    Ok(respond::document(document(&Metadata::of(&base)), b"no-store", &to, record))
}

/// One decision. What could not be found out is no decision: whoever asks is told so.
async fn decide_one(question: &Question<'_>, authzen: &Authzen, evaluation: Evaluation) -> Response {
    match evaluate(question, authzen, evaluation).await {
        Verdict::Refused(response) if response.status.is_server_error() => *response,
        verdict => {
            let answered = Answered::of(verdict);
            let body = document(&answered.told);
            respond::decisions(body, question.received, answered.record)
        }
    }
}

/// Many decisions, one after the other, as far as is asked for.
async fn decide_all(
    question: &Question<'_>,
    authzen: &Authzen,
    evaluations: Vec<Evaluation>,
    semantic: Semantic,
) -> Result<Response, Refused> {
    let (mut told, mut last) = (Vec::with_capacity(evaluations.len()), None);
    for evaluation in evaluations {
        let Answered { told: one, record } = Answered::of(evaluate(question, authzen, evaluation).await);
        let is_over = semantic.ends_with(one.decision);
        told.push(one);
        // Each has a line of its own in the access log; the last one goes with the answer.
        if let Some(mut before) = last.replace(record) {
            before.finished();
        }
        if is_over {
            break;
        }
    }
    let record = last.ok_or_else(|| bad("the question asks nothing"))?;
    Ok(respond::decisions(document(&Many { evaluations: told }), question.received, record))
}

async fn evaluate<'a>(question: &Question<'a>, authzen: &Authzen, evaluation: Evaluation) -> Verdict<'a> {
    let Question { worker, plan, transport, received, .. } = *question;
    let about = Question { worker, plan, transport, received, id: worker.request_id() };
    let Evaluation { lines, caller } = evaluation;
    let supposition = Supposition { caller: &caller, claims: &authzen.claims };
    match about.decide(lines, Some(&supposition)).await {
        Verdict::Allowed(allowed) if matches!(allowed.permitted.route.target, Target::Identity(_)) => {
            let reason = "the gate itself answers this address";
            let refused = Refused::new(super::question::FORBIDDEN, reason);
            Verdict::Refused(Box::new(respond::refuse(refused, allowed.to, allowed.record)))
        }
        verdict => verdict,
    }
}
